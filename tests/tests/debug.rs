//! What the `debug` example promises: that whoever asks is told where, with which values, and how long.
//! Run: just test debug

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::time::Duration;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::Value;
use tests::{BadInput, guest, guest_with, host, refused, root};
use tracing_subscriber::layer::SubscriberExt;
use wasmtime::component::{self, Component, ResourceTable};
use wasmtime::{
    Config, Engine, GuestProfiler, Store, UpdateDeadline, WasmBacktraceDetails, WasmCoreDump,
};
use wasmtime_wasi::p2::bindings::sync::Command as Command02;
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};

const ORDERS: [&str; 2] = ["invoice", "/orders/orders.txt"];

/// The guest, with lines and no variables.
fn lines() -> PathBuf {
    guest("debug_guest", "wasm32-wasip1")
}

/// The guest with all debug info.
fn full() -> PathBuf {
    guest_with("debug_guest", "wasm32-wasip1", &["--profile", "full"])
}

fn release() -> PathBuf {
    guest_with("debug_guest", "wasm32-wasip1", &["--release"])
}

/// Runs the host with `flags` on a guest with `args`, and the orders granted.
fn run(flags: &[&str], guest: &Path, args: &[&str]) -> Assert {
    let limit = Duration::from_secs(60); // for what would not end if it were broken
    let mut host = host("debug_host");
    host.args(["--ro-dir", "examples/debug::/orders"]).args(flags).arg(guest).args(args);
    host.timeout(limit).assert()
}

/// Opens what an earlier run has left.
fn open(file: &Path, guest: Option<&Path>) -> Assert {
    host("debug_host").arg("--open").arg(file).args(guest).assert()
}

fn stdout(output: &Assert) -> String {
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

fn stderr(output: &Assert) -> String {
    String::from_utf8(output.get_output().stderr.clone()).unwrap()
}

/// A program of std alone, compiled with all debug info.
fn with_debug_info(dir: &Path, source: &str) -> PathBuf {
    let (from, to) = (dir.join("program.rs"), dir.join("program.wasm"));
    fs::write(&from, source).unwrap();
    let mut rustc = tests::command("rustc", dir);
    rustc.args(["--edition", "2024", "--target", "wasm32-wasip1", "-C", "debuginfo=2", "-o"]);
    let output = rustc.args([&to, &from]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    to
}

#[test]
fn a_panic_says_what_and_the_host_says_where() {
    let output = run(&[], &lines(), &ORDERS).code(134);
    let output = output.stdout("3 of tea: 1350 cents\n25 of coffee: 17100 cents\n");
    let said = stderr(&output);
    assert!(said.contains("index out of bounds: the len is 5 but the index is 12\n"), "{said}");
    assert!(
        said.contains("Caused by:\n    wasm trap: wasm `unreachable` instruction executed\n"),
        "{said}"
    );
    // From the inside to the outside, with the lines of the calls, and nothing else.
    let (_, places) = said.split_once("Where, from the inside to the outside:\n").unwrap();
    let places: Vec<_> = places.lines().collect();
    let expected = [("discount", 49), ("price", 44), ("invoice", 29), ("main", 13)];
    assert_eq!(places.len(), 2 * expected.len() + 1, "{said}");
    for (place, (function, line)) in places.chunks(2).zip(expected) {
        assert!(place[0].ends_with(&format!(" - debug_guest::{function}")), "{said}");
        assert_eq!(place[1].trim(), format!("at guests/debug/src/main.rs:{line}"));
    }
    assert!(
        places[8].ends_with(" functions of Rust's library are left out: --all-frames shows them")
    );
    let output = run(&["--all-frames"], &lines(), &ORDERS).code(134);
    let all = stderr(&output);
    assert!(all.contains(" - core::panicking::panic_bounds_check\n"), "{all}");
    assert!(!all.contains("left out"), "{all}");
}

#[test]
fn a_trap_without_a_message_has_its_place_too() {
    let output = run(&[], &lines(), &["shelf", "tea"]).code(134).stdout("");
    let said = stderr(&output);
    assert!(said.starts_with("Error: "), "{said}");
    assert!(said.contains("Caused by:\n    wasm trap: call stack exhausted\n"), "{said}");
    assert!(said.matches(" - debug_guest::height\n").count() > 10, "{said}");
}

#[test]
fn what_a_guest_can_tell_depends_on_how_it_was_built() {
    let small = guest_with("debug_guest", "wasm32-wasip1", &["--profile", "small"]);
    let described = ["--release", "--config", "profile.release.debug='line-tables-only'"];
    // Beside the others, for it has the name of one of them.
    let dir = tempfile::tempdir().unwrap();
    let described = guest_with(
        "debug_guest",
        "wasm32-wasip1",
        &[&described[..], &["--target-dir", dir.path().to_str().unwrap()]].concat(),
    );
    for (guest, names, places) in [
        (lines(), true, true),
        (full(), true, true),
        (release(), true, false),
        (described, true, true),
        (small, false, false),
    ] {
        let said = stderr(&run(&[], &guest, &ORDERS).code(134));
        assert_eq!(said.contains("- debug_guest::"), names, "{}: {said}", guest.display());
        // The message of a panic has the place as well, which comes from no debug info.
        assert!(said.contains("panicked at guests/debug/src/main.rs:49:5"), "{said}");
        let backtrace = said.split_once("Where, from the inside").unwrap().1;
        assert_eq!(backtrace.contains("main.rs:49"), places, "{}: {said}", guest.display());
    }
}

#[test]
fn the_message_of_a_panic_is_where_standard_error_goes() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("errors");
    let output = run(&["--stderr", file.to_str().unwrap()], &lines(), &ORDERS).code(134);
    assert!(!stderr(&output).contains("index out of bounds"), "{}", stderr(&output));
    let said = fs::read_to_string(&file).unwrap();
    assert!(
        said.contains("panicked at guests/debug/src/main.rs:49:5:\nindex out of bounds"),
        "{said}"
    );
    let missing = dir.path().join("no/errors");
    let output = run(&["--stderr", missing.to_str().unwrap()], &lines(), &ORDERS);
    refused(output.stdout(""), &missing, "cannot write {}", "os error 2");
}

#[test]
fn a_core_dump_has_the_variables() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("core");
    let flag = format!("coredump={}", dump.display());
    fs::write(&dump, "an older file, which others may read").unwrap();
    let guest = full();
    let output = run(&["-D", &flag, "--stderr", "/dev/null"], &guest, &ORDERS).code(134);
    assert!(stderr(&output).contains("guests/debug/src/main.rs:49"), "{}", stderr(&output));
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(dump.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
    let output = open(&dump, Some(&guest)).success().stderr("");
    let shown = stdout(&output);
    let part = |from: &str, to: &str| {
        let start = shown.find(from).unwrap_or_else(|| panic!("no {from} in {shown}"));
        shown[start..start + shown[start..].find(to).unwrap()].to_owned()
    };
    let discount = part("debug_guest::discount\n", "debug_guest::price\n");
    assert!(discount.contains("guests/debug/src/main.rs:49\n"), "{discount}");
    for variable in ["pieces = 120 (u32)\n", "tens = 12 (usize)\n"] {
        assert!(discount.contains(variable), "{discount}");
    }
    let price = part("debug_guest::price\n", "debug_guest::invoice\n");
    for variable in ["article = \"tea\" (&str)\n", "each = 450 (u64)\n", "full = 54000 (u64)\n"] {
        assert!(price.contains(variable), "{price}");
    }
    let invoice = part("debug_guest::invoice\n", "debug_guest::main\n");
    for variable in ["file = \"/orders/orders.txt\" (&str)\n", "total = 18450 (u64)\n"] {
        assert!(invoice.contains(variable), "{invoice}");
    }
    // The message that nobody kept.
    let bytes = fs::read(&dump).unwrap();
    let text = b"index out of bounds: the len is 5 but the index is 12";
    assert!(bytes.windows(text.len()).any(|window| window == text));
}

#[test]
fn variables_of_all_simple_types_are_found() {
    let (dir, bad) = (tempfile::tempdir().unwrap(), BadInput::new());
    let source = r#"
        fn main() { outer(-7, 'ß', true) }
        fn outer(number: i8, letter: char, flag: bool) {
            let (wide, real, single) = (u64::MAX - 1, 0.5_f64, -1.5_f32);
            let (widest, lowest) = (u128::MAX - 1, i128::MIN + 1);
            { let hidden = 1_u8; std::hint::black_box(hidden); }
            let text = "text\n";
            let array = [1_u8, 2, 3];
            inner(&number);
            std::hint::black_box((letter, flag, wide, real, single, text, array, widest, lowest));
        }
        fn inner(pointer: &i8) { let below = i16::from(*pointer) - 1; leaf(below) }
        fn leaf(negative: i16) { unsafe { (negative as usize as *mut u32).write_volatile(1) } }
    "#;
    let guest = with_debug_info(dir.path(), source);
    let dump = dir.path().join("core");
    let flag = format!("coredump={}", dump.display());
    let output = run(&["-D", &flag], &guest, &[]).code(134);
    assert!(
        stderr(&output).contains("memory fault at wasm address 0xfffffff8"),
        "{}",
        stderr(&output)
    );
    let shown = stdout(&open(&dump, Some(&guest)).success().stderr(""));
    for variable in [
        "number = -7 (i8)",
        "letter = 'ß' (char)",
        "flag = true (bool)",
        "wide = 18446744073709551614 (u64)",
        "widest = 340282366920938463463374607431768211454 (u128)",
        "lowest = -170141183460469231731687303715884105727 (i128)",
        "real = 0.5 (f64)",
        "single = -1.5 (f32)",
        "text = \"text\\n\" (&str)",
        "array = [01, 02, 03, ",
        "pointer = 0x",
        "below = -8 (i16)",
        "negative = -8 (i16)",
    ] {
        assert!(shown.contains(variable), "no {variable}: {shown}");
    }
    assert!(!shown.contains("hidden"), "out of scope: {shown}");
    // With another guest there is nothing to read in it.
    let cause = "it is a dump of program.wasm, and the guest is other: build it in the same way";
    for (text, cause) in
        [("(module $other (func))", cause), ("(module (func))", "it is of another guest")]
    {
        let output = open(&dump, Some(&bad.module("other.wasm", text)));
        refused(output, &dump, "cannot open {} with", cause);
    }
}

#[test]
fn a_damaged_dump_or_guest_is_read_or_refused() {
    let dir = tempfile::tempdir().unwrap();
    let [dump, damaged, other] = ["core", "damaged", "guest"].map(|name| dir.path().join(name));
    let guest = full();
    run(&["-D", &format!("coredump={}", dump.display())], &guest, &ORDERS).code(134);
    let (of_dump, of_guest) = (fs::read(&dump).unwrap(), fs::read(&guest).unwrap());
    for seed in 0..60 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut files = [of_dump.clone(), of_guest.clone()];
        let file = &mut files[usize::from(random.bool())];
        // What says how to read the rest stands at the end of a dump, and in most of a guest.
        let from = if random.bool() { file.len().saturating_sub(500) } else { 0 };
        for _ in 0..random.usize(1..30) {
            let at = random.usize(from..file.len());
            file[at] = random.u8(..);
        }
        fs::write(&damaged, &files[0]).unwrap();
        fs::write(&other, &files[1]).unwrap();
        let output = open(&damaged, Some(&other));
        let (status, said) = (output.get_output().status.code(), stderr(&output));
        let read = status == Some(0) && said.is_empty();
        let refused = status == Some(1) && said.starts_with("Error: cannot open ");
        assert!(
            read || refused
                || said.contains("is neither a core dump nor")
                || said.contains("is not a core module"),
            "seed {seed}: {status:?} {said}"
        );
    }
}

#[test]
fn the_stack_of_a_recursion_is_read_from_the_inside() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("core");
    let guest = full();
    run(&["-D", &format!("coredump={}", dump.display())], &guest, &["shelf", "tea"]).code(134);
    let shown = stdout(&open(&dump, Some(&guest)).success().stderr(""));
    let names: BTreeSet<_> = shown
        .lines()
        .filter_map(|line| line.split_once(" name = "))
        .map(|(_, name)| name)
        .collect();
    assert_eq!(
        Vec::from_iter(names),
        ["\"drinks\" (&str)", "\"offers\" (&str)", "\"tea\" (&str)"],
        "{shown}"
    );
}

#[test]
fn a_guest_that_does_not_trap_leaves_no_core_dump() {
    let dir = tempfile::tempdir().unwrap();
    let dump = dir.path().join("core");
    let flag = format!("coredump={}", dump.display());
    run(&["-D", &flag], &lines(), &["duplicates", "by_set", "10"]).success();
    run(&["-D", &flag], &lines(), &["invoice", "/nowhere"]).code(1);
    assert!(!dump.exists());
}

#[test]
fn the_end_of_a_guest_is_told_even_if_nothing_can_be_kept() {
    let bad = BadInput::new();
    let trap = bad.module("trap.wasm", r#"(module (func (export "_start") unreachable))"#);
    let nowhere = bad.missing().with_file_name("no").join("core");
    let flag = format!("coredump={}", nowhere.display());
    let said =
        format!("host: cannot keep the core dump in {0}: cannot write {0}: ", nowhere.display());
    run(&["-D", &flag], &trap, &[])
        .code(134)
        .stderr(starts_with(said).and(contains("wasm `unreachable` instruction executed\n")));
    if cfg!(target_os = "linux") {
        let run = |flags: &[&str], args: &[&str]| run(flags, &lines(), args);
        let full = "host: cannot keep the core dump in /dev/full: No space left on device";
        run(&["-D", "coredump=/dev/full"], &ORDERS).code(134).stderr(contains(full));
        let full = contains("host: cannot write the profile: No space left on device");
        let profile = ["--profile", "guest,/dev/full"];
        run(&profile, &["duplicates", "by_set", "10"]).success().stderr(full.clone());
        run(&profile, &["invoice", "/nowhere"]).code(1).stderr(full.clone());
        run(&profile, &ORDERS).code(134).stderr(full);
    }
}

#[test]
fn no_name_of_a_guest_commands_the_terminal() {
    let (dir, bad) = (tempfile::tempdir().unwrap(), BadInput::new());
    // The name of a function, in the stack after a trap and in a dump.
    let text = r#"(module (memory 1) (func $"\1b[2J" (export "_start") unreachable))"#;
    let guest = bad.module("name.wasm", text);
    let dump = dir.path().join("core");
    let flag = format!("coredump={}", dump.display());
    run(&["-D", &flag], &guest, &[]).code(134).stderr(contains(" - \\u{1b}[2J\n"));
    open(&dump, Some(&guest)).success().stdout(contains("   0: \\u{1b}[2J\n"));
    // Those of modules that do not belong together.
    let [one, other] = ["one", "other"].map(|name| {
        let text =
            format!(r#"(module $"\1b{name}" (memory 1) (func (export "_start") unreachable))"#);
        bad.module(&format!("{name}.wasm"), &text)
    });
    run(&["-D", &flag], &one, &[]).code(134);
    let cause = "it is a dump of \\u{1b}one, and the guest is \\u{1b}other: ";
    refused(open(&dump, Some(&other)), &dump, "cannot open {} with", cause);
    // Those of a function, a variable, its type and a file in debug info, where other letters stood.
    let source = r#"
        struct Typename { field: u64 }
        fn main() { let variable = Typename { field: 7 }; std::hint::black_box(&variable); leaf() }
        fn leaf() { unsafe { (usize::MAX as *mut u8).write_volatile(1) } }
    "#;
    let guest = with_debug_info(dir.path(), source);
    run(&["-D", &flag], &guest, &[]).code(134);
    let mut wasm = fs::read(&guest).unwrap();
    for (name, command) in [
        ("Typename", "\u{1b}ypename"),
        ("variable", "\u{1b}ariable"),
        ("program.rs", "\u{1b}rogram.rs"),
    ] {
        let at: Vec<_> = (0..wasm.len() - name.len())
            .filter(|at| &wasm[*at..*at + name.len()] == name.as_bytes())
            .collect();
        assert!(!at.is_empty(), "{name}");
        at.into_iter().for_each(|at| wasm[at..at + name.len()].copy_from_slice(command.as_bytes()));
    }
    fs::write(&guest, wasm).unwrap();
    let shown = stdout(&open(&dump, Some(&guest)).success().stderr(""));
    for name in ["(\\u{1b}ypename)", " \\u{1b}ariable = ", "\\u{1b}rogram.rs:"] {
        assert!(shown.contains(name), "no {name}: {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
    // That of a function in a profile.
    let json = bad.missing().with_file_name("profile.json");
    let text = r#"{"threads":[{"stringArray":["\u001b[2J"], "samples":{"stack":[0]},
        "stackTable":{"frame":[0],"prefix":[null]}, "frameTable":{"func":[0]}, "funcTable":{"name":[0]}}]}"#;
    fs::write(&json, text).unwrap();
    open(&json, None).success().stdout(contains("%  ?[2J\n"));
}

#[test]
fn each_call_of_wasi_is_a_line() {
    let output = run(&["--log-calls"], &lines(), &["invoice", "/orders/missing.txt"]).code(1);
    let said = stderr(&output);
    let calls: Vec<_> = said.lines().filter_map(|line| line.strip_prefix("host: ")).collect();
    let has = |start: &str, end: &str| {
        let found = calls.iter().any(|call| call.starts_with(start) && call.ends_with(end));
        assert!(found, "no {start}…{end}: {said}");
    };
    has("args_sizes_get() = Ok((3, ", "))");
    has("fd_prestat_get(fd: Fd(3)) = ", "Ok(Dir(PrestatDir { pr_name_len: 7 }))");
    has("path_open(fd: Fd(3), ", ") = Err(Error { inner: Noent })");
    let text = ", path: *guest 0x"; // and its length, that of `missing.txt`
    assert!(
        calls.iter().any(|call| call.contains(text) && call.contains("/11, oflags: ")),
        "{said}"
    );
    has("proc_exit(rval: 1) = ", "Exited with i32 exit status 1");
    assert!(calls.iter().all(|call| call.chars().count() < 500), "{said}");
    assert!(!run(&[], &lines(), &["invoice", "/x"]).get_output().stderr.starts_with(b"host: "));
}

/// The names of the functions in a profile, one for each sample: that in which the sample was taken.
fn functions(file: &Path) -> Vec<String> {
    let profile: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let thread = &profile["threads"][0];
    let stacks =
        thread["samples"]["stack"].as_array().unwrap().iter().filter(|stack| !stack.is_null());
    let index = |value: &Value| value.as_u64().unwrap() as usize;
    let name = |stack: &Value| {
        let frame = index(&thread["stackTable"]["frame"][index(stack)]);
        let function = index(&thread["frameTable"]["func"][frame]);
        let string = index(&thread["funcTable"]["name"][function]);
        thread["stringArray"][string].as_str().unwrap().to_owned()
    };
    stacks.map(name).collect()
}

#[test]
fn a_profile_names_the_slow_function_and_shows_that_it_was_mended() {
    let dir = tempfile::tempdir().unwrap();
    let profile = |how: &str| {
        let file = dir.path().join(how);
        let flag = format!("guest,{}", file.display());
        let output = run(&["--profile", &flag], &release(), &["duplicates", how, "20000"]);
        output.success().stderr("").stdout("200 of 20000 numbers came before\n");
        (functions(&file), stdout(&open(&file, None).success().stderr("")))
    };
    let (slow, shown) = profile("by_search");
    let hot = slow.iter().filter(|name| name.starts_with("debug_guest::came_before")).count();
    assert!(slow.len() > 20, "{} samples", slow.len());
    assert!(hot * 10 > slow.len() * 9, "{hot} of {}", slow.len());
    assert!(shown.starts_with(&format!("host: {} samples\n", slow.len())), "{shown}");
    let first = shown.lines().nth(2).unwrap();
    assert!(first.ends_with("  debug_guest::came_before"), "{shown}");
    let (mended, _) = profile("by_set");
    assert!(mended.len() * 5 < slow.len(), "{} and {}", mended.len(), slow.len());
}

/// The map that a host with a process of its own has left for perf.
fn map_of(host: std::process::Child) -> String {
    let file = PathBuf::from(format!("/tmp/perf-{}.map", host.id()));
    let output = host.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let map = fs::read_to_string(&file).unwrap();
    fs::remove_file(&file).unwrap();
    map
}

#[test]
#[cfg(target_os = "linux")]
fn the_map_for_perf_names_the_guests_functions() {
    let start = |flags: &[&str]| {
        let mut host = Command::new(host("debug_host").get_program());
        host.args(flags).arg(release()).args(["duplicates", "by_set", "10"]);
        host.stdout(Stdio::piped()).spawn().unwrap()
    };
    let map = map_of(start(&["--profile", "perfmap"]));
    let line =
        map.lines().find(|line| line.contains("debug_guest::came_before")).expect("a line for it");
    // Address and length in hexadecimal numbers, and the name.
    let [address, length, _] = line.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    assert!(u64::from_str_radix(address.trim_start_matches("0x"), 16).unwrap() > 0xffff, "{line}");
    assert!(u64::from_str_radix(length, 16).unwrap() > 16, "{line}");
    let other = start(&[]);
    let file = PathBuf::from(format!("/tmp/perf-{}.map", other.id()));
    assert!(other.wait_with_output().unwrap().status.success());
    assert!(!file.exists(), "nobody asked for it");
}

#[test]
#[cfg(target_os = "linux")]
fn perf_sees_the_guests_functions() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("perf.data");
    let perf = |args: &[&str]| {
        let mut perf = Command::new("perf");
        perf.args(args).output()
    };
    let data = data.to_str().unwrap();
    let may = perf(&["record", "-o", data, "true"]).is_ok_and(|output| output.status.success());
    if !may {
        // Not a tool to ask for: where it is, the kernel may forbid it.
        eprintln!("perf is not here, or has no permission: skipped");
        return;
    }
    // The shell has the number of the process that becomes the host.
    let script = r#"echo $$; exec "$0" --profile perfmap "$1" duplicates by_search 20000"#;
    let host = host("debug_host").get_program().to_owned();
    let (host, guest) = (host.to_str().unwrap().to_owned(), release());
    let args = ["record", "-o", data, "sh", "-c", script, &host, guest.to_str().unwrap()];
    let output = perf(&args).unwrap();
    assert!(output.status.success(), "{output:?}");
    let report = perf(&["report", "-i", data, "--stdio", "--sort", "symbol"]).unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    fs::remove_file(format!("/tmp/perf-{}.map", said.lines().next().unwrap())).unwrap();
    let report = String::from_utf8_lossy(&report.stdout).into_owned();
    let first = report.lines().find(|line| !line.is_empty() && !line.starts_with('#')).unwrap();
    assert!(first.contains("debug_guest::came_before"), "{report}");
}

#[test]
fn a_guest_is_limited_in_time_and_memory() {
    let bad = BadInput::new();
    let endless = bad.module("endless.wasm", r#"(module (func (export "_start") (loop (br 0))))"#);
    let output = run(&["--timeout", "0.1"], &endless, &[]).code(134);
    output.stderr(contains("wasm trap: interrupt"));
    let grows =
        r#"(module (memory 1) (func (export "_start") (drop (memory.grow (i32.const 1000)))))"#;
    let grows = bad.module("grows.wasm", grows);
    run(&[], &grows, &[]).success();
    let output = run(&["--max-memory-size", "1000000"], &grows, &[]).code(1);
    output.stderr(starts_with(format!("Error: {} failed while it ran", grows.display())));
    // A profile is there as well if the time was up: that is when it is wanted.
    let profile = bad.missing();
    let flag = format!("guest,{}", profile.display());
    run(&["--timeout", "0.3", "--profile", &flag], &endless, &[]).code(134);
    assert!(functions(&profile).len() > 5);
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("debug_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let first = "{} is not a core module (it is a component, or not WebAssembly): build the guest";
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, first, " with --target wasm32-wasip1\n");
    }
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    reject(&bad.module("imports.wasm", import), "cannot link {}", "unknown import: `env::abort`");
    let library = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    reject(
        &library,
        "{} is not a command, it exports no `_start`: build a program",
        "not a library",
    );
    reject(&bad.damaged(), "cannot compile {}: it is damaged, or needs", "unexpected end");
    for (flags, said) in [
        (["-D", "coredump"], "write debug-info or coredump=FILE"),
        (["--profile", "guest"], "write guest,FILE or perfmap"),
        (["--timeout", "long"], "write a number"),
    ] {
        run(&flags, &lines(), &[]).code(2).stderr(contains(said));
    }
}

#[test]
fn what_is_no_dump_and_no_profile_is_not_opened() {
    let bad = BadInput::new();
    let module = bad.module("module.wasm", "(module (func))");
    refused(open(&bad.missing(), None), &bad.missing(), "cannot read {}", "os error 2");
    for path in [bad.text(), bad.empty()] {
        refused(
            open(&path, None),
            &path,
            "{} is neither a core dump nor a profile",
            "at line 1 column",
        );
    }
    refused(open(&module, None), &module, "{} may be a core dump: name its guest as well", "\n");
    let first = "cannot open {} with";
    refused(open(&module, Some(&module)), &module, first, "no section `corestack`");
    refused(open(&bad.damaged(), Some(&module)), &bad.damaged(), first, "unexpected end");
    let json = bad.missing().with_file_name("profile.json");
    for (text, cause) in [
        ("{}", "it has no strings"),
        (r#"{"threads":[{"stringArray":[],"samples":{"stack":[7]}}]}"#, "a sample leads nowhere"),
    ] {
        fs::write(&json, text).unwrap();
        refused(open(&json, None), &json, "{} is neither a core dump nor a profile", cause);
    }
}

#[path = "../../hosts/debug/src/calls.rs"]
mod calls;

/// The calls that a component made, as the host's own layer gives them.
static CALLS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// State for a component of WASI 0.2.
struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    profiler: Option<GuestProfiler>,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

// What the page says of components.
#[test]
fn a_component_is_debugged_by_the_same_settings() {
    let file = guest("debug_guest", "wasm32-wasip2");
    let mut config = Config::new();
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.coredump_on_trap(true).epoch_interruption(true);
    let engine = Engine::new(&config).unwrap();
    let component = Component::from_file(&engine, &file).unwrap();
    let mut linker: component::Linker<State> = component::Linker::new(&engine);
    wasmtime_wasi::p2::add_to_linker_sync(&mut linker).unwrap();
    let run = |args: &[&str]| {
        let mut wasi = WasiCtx::builder();
        wasi.arg("debug_guest.wasm").args(args);
        let orders = root().join("examples/debug");
        wasi.preopened_dir(orders, "/orders", FsPerms::ReadOnly).unwrap();
        let tick = Duration::from_millis(1);
        let profiler = GuestProfiler::new_component(&engine, "guest", tick, component.clone(), []);
        let profiler = Some(profiler.unwrap());
        let state = State { ctx: wasi.build(), table: ResourceTable::new(), profiler };
        let mut store = Store::new(&engine, state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut store| {
            let mut profiler = store.data_mut().profiler.take().unwrap();
            profiler.sample(&store, Duration::ZERO);
            store.data_mut().profiler = Some(profiler);
            Ok(UpdateDeadline::Continue(1))
        });
        let command = Command02::instantiate(&mut store, &component, &linker).unwrap();
        let ended = command.wasi_cli_run().call_run(&mut store);
        (store, ended)
    };

    // A trap has its lines, a core dump has the memory, and each call its arguments, as text.
    let subscriber =
        tracing_subscriber::registry().with(calls::Calls(|call| CALLS.lock().unwrap().push(call)));
    let (mut store, ended) = tracing::subscriber::with_default(subscriber, || run(&ORDERS));
    let error = ended.unwrap_err();
    assert!(format!("{error:?}").contains("guests/debug/src/main.rs:49"), "{error:?}");
    let dump = error.downcast_ref::<WasmCoreDump>().unwrap();
    let (modules, memories) = (dump.modules().len(), dump.memories().len());
    let bytes = dump.serialize(&mut store, "guest");
    let text = b"index out of bounds: the len is 5 but the index is 12";
    assert!(bytes.windows(text.len()).any(|window| window == text));
    let calls = CALLS.lock().unwrap().join("\n");
    assert!((modules, memories) == (3, 1), "{modules} modules, {memories} memories");
    let opened = r#"descriptor.open-at(self_: Resource { rep: 0, state: "borrow" }, path_flags: (SYMLINK_FOLLOW), path: "orders.txt","#;
    assert!(calls.contains(opened), "{calls}");

    // A profile names functions.
    let ticking = engine.weak();
    std::thread::spawn(move || {
        while let Some(engine) = ticking.upgrade() {
            engine.increment_epoch();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let (mut store, ended) = run(&["duplicates", "by_search", "4000"]);
    ended.unwrap().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("profile");
    let profiler = store.data_mut().profiler.take().unwrap();
    profiler.finish(fs::File::create(&file).unwrap()).unwrap();
    let functions = functions(&file);
    assert!(
        functions.iter().any(|name| name.starts_with("debug_guest::came_before")),
        "{functions:?}"
    );
}
