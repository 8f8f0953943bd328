//! What the `small_engine` example promises: the same guest in four engines, and what they cost.
//! Notice that both tables are read from the page; a row that is not true here fails.
//! Run: just test small_engine

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, command, guest_with, host, installed, program, refused, root, target};

const PAGE: &str = "examples/small_engine/README.md";

/// Two tests measure: one at a time, and only one writes to the page.
static MEASURES: Mutex<()> = Mutex::new(());

/// The guest without std, which every engine here runs.
fn tiny() -> PathBuf {
    guest_with("small_engine_guest", "wasm32v1-none", &["--profile", "small"])
}

/// The guest with std.
fn large() -> PathBuf {
    guest_with("small_engine_std_guest", "wasm32-wasip1", &["--profile", "small"])
}

/// Compiles `guest` with `flags` into a file beside `bad`'s.
fn compile(bad: &BadInput, guest: &Path, flags: &[&str]) -> PathBuf {
    let compiled = bad.missing().with_extension("cwasm");
    let mut compiler = host("small_engine_compile_host");
    compiler.args(flags).arg("--output").arg(&compiled).arg(guest);
    compiler.assert().success().stdout("").stderr("");
    compiled
}

/// Gives `input` to `guest` in the wasmi host, started with `flags`.
fn wasmi(flags: &[&str], guest: &Path, input: &str) -> Assert {
    host("small_engine_host").args(flags).arg(guest).write_stdin(input.to_owned()).assert()
}

/// What `guest` ends with when it is given `input`, in each engine that is here without other tools.
fn everywhere(guest: &Path, input: &str) -> Vec<Assert> {
    let mut ended = vec![wasmi(&[], guest, input)];
    for flags in [&[][..], &["--target", "pulley64"]] {
        let bad = BadInput::new();
        let compiled = compile(&bad, guest, flags);
        let mut precompiled = host("small_engine_precompiled_host");
        precompiled.args(flags).arg(compiled).write_stdin(input.to_owned());
        ended.push(precompiled.assert());
    }
    ended
}

#[test]
fn the_same_guest_counts_alike_in_every_engine() {
    for guest in [tiny(), large()] {
        for (input, output) in
            [("100\n", "25"), ("2", "0"), ("3", "1"), ("0", "0"), ("10000", "1229")]
        {
            for ended in everywhere(&guest, input) {
                ended.success().stdout(format!("{output} primes\n")).stderr("");
            }
        }
    }
}

#[test]
fn the_guest_refuses_what_is_no_number() {
    for input in ["", "\n", "ten", "-1", "1 2", "4000000000", "11111111111111111111111111"] {
        for ended in everywhere(&tiny(), input) {
            ended.code(2).stdout("").stderr("give a number on standard input, such as 100\n");
        }
    }
}

#[test]
fn the_guest_imports_three_functions_and_is_small() {
    let guest = fs::read(tiny()).unwrap();
    assert!(guest.len() < 1024, "{} bytes", guest.len());
    let text = String::from_utf8_lossy(&guest);
    for import in ["fd_read", "fd_write", "proc_exit"] {
        assert!(text.contains(import), "{import}");
    }
    assert_eq!(text.matches("wasi_snapshot_preview1").count(), 3);
}

#[test]
fn in_wasmi_too_everything_is_closed_until_it_is_granted() {
    let dir = tempfile::tempdir().unwrap();
    let guest = program(
        dir.path(),
        r#"fn main() {
            println!("{:?}", Vec::from_iter(std::env::args()));
            println!("{:?}", Vec::from_iter(std::env::vars()));
            println!("{:?}", std::fs::write("/data/inside.txt", "written").map_err(|e| e.kind()));
            println!("{:?}", std::fs::write("/data/../outside.txt", "written").map_err(|e| e.kind()));
            println!("{:?}", std::fs::read_to_string("/data/link").map_err(|e| e.kind()));
        }"#,
        "wasm32-wasip1",
    );
    let path = guest.to_str().unwrap();
    let mut host_alone = host("small_engine_host");
    let output = host_alone.env("SECRET", "1").arg(path).assert().success();
    let denied = "[\"wasm32-wasip1.wasm\"]\n[]\nErr(NotFound)\nErr(NotFound)\nErr(NotFound)\n";
    output.stdout(denied);

    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(dir.path().join("secret.txt"), "secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path().join("secret.txt"), inside.join("link")).unwrap();
    let granted = format!("{}::/data", inside.display());
    let mut command = host("small_engine_host");
    command.env("PASSED", "on").args(["--dir", &granted, "--env", "A=1", "--env", "PASSED"]);
    let output = command.args([path, "one two", "--dir"]).assert().success();
    let output = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let lines: Vec<_> = output.lines().collect();
    assert_eq!(lines[0], r#"["wasm32-wasip1.wasm", "one two", "--dir"]"#);
    assert_eq!(lines[1], r#"[("A", "1"), ("PASSED", "on")]"#);
    assert_eq!(lines[2], "Ok(())");
    assert!(lines[3].starts_with("Err("), "{output}");
    assert!(lines[4].starts_with("Err("), "{output}");
    assert_eq!(fs::read_to_string(inside.join("inside.txt")).unwrap(), "written");
    assert!(!dir.path().join("outside.txt").exists());
}

#[test]
fn fuel_ends_a_guest_that_would_not_end() {
    let bad = BadInput::new();
    for (name, body) in [
        ("loop.wasm", r#"(func (export "_start") (loop (br 0)))"#),
        ("start.wasm", r#"(func $f (loop (br 0))) (start $f) (func (export "_start"))"#),
    ] {
        let path = bad.module(name, &format!("(module {body})"));
        let ended = wasmi(&["--fuel", "100000"], &path, "");
        let first = format!("Error: {} failed while it ran", path.display());
        ended.code(134).stdout("").stderr(starts_with(first).and(contains("fuel")));
    }
    wasmi(&["--fuel", "1000000"], &tiny(), "100").success().stdout("25 primes\n");
    wasmi(&["--fuel", "10000"], &tiny(), "10000").code(134).stdout("");
}

#[test]
fn a_guest_in_wasmi_gets_one_memory_and_so_much_of_it() {
    let bad = BadInput::new();
    // Ends with the status 1 if it was given a page more.
    let grows = |pages: u32| {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start")
                    (call $exit (i32.ne (memory.grow (i32.const {pages})) (i32.const -1)))))"#
        );
        bad.module("grows.wasm", &wat)
    };
    wasmi(&[], &grows(31), "").code(1).stderr("");
    wasmi(&[], &grows(32), "").code(0).stderr("");
    wasmi(&["--max-memory-size", "131072"], &grows(1), "").code(1).stderr("");
    wasmi(&["--max-memory-size", "131072"], &grows(2), "").code(0).stderr("");
    for (memory, cause) in [
        ("(memory 33)", "memory"),
        ("(memory 1) (memory 1)", "memor"),
        ("(table 10001 funcref)", "table"),
        ("(table 1 funcref) (table 1 funcref)", "table"),
    ] {
        let path =
            bad.module("large.wasm", &format!(r#"(module {memory} (func (export "_start")))"#));
        refused(wasmi(&[], &path, "").stdout(""), &path, "{} failed while it ran", cause);
    }
}

#[test]
fn a_deep_recursion_is_a_trap_and_no_crash_of_the_host() {
    let bad = BadInput::new();
    let path =
        bad.module("deep.wasm", r#"(module (func $f (export "_start") (call $f) (call $f)))"#);
    for ended in everywhere(&path, "") {
        ended.code(134).stdout("").stderr(contains("call stack exhausted"));
    }
}

#[test]
fn a_trap_ends_with_134_in_every_engine() {
    let bad = BadInput::new();
    for (name, wat) in [
        ("trap.wasm", r#"(module (func (export "_start") unreachable))"#),
        ("start.wasm", r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#),
    ] {
        for ended in everywhere(&bad.module(name, wat), "") {
            let text = contains(" failed while it ran")
                .and(contains("`unreachable` instruction executed"));
            ended.code(134).stdout("").stderr(starts_with("Error: ").and(text));
        }
    }
}

#[test]
fn a_status_passes_up_to_125_in_every_engine() {
    let bad = BadInput::new();
    for status in [0, 1, 125, 126, 256] {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        for ended in everywhere(&bad.module("exit.wasm", &wat), "") {
            if status < 126 {
                ended.code(status).stderr("");
            } else {
                ended.code(1).stderr(contains("invalid exit status outside of [0..126)"));
            }
        }
    }
}

#[test]
fn each_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let start = r#"(func (export "_start"))"#;
    for package in ["small_engine_host", "small_engine_compile_host"] {
        let reject = |path: &Path, first: &str, cause: &str| {
            let mut command = host(package);
            if package == "small_engine_compile_host" {
                command.arg("--output").arg(bad.missing().with_extension("cwasm"));
            }
            refused(command.arg(path).assert().stdout(""), path, first, cause);
        };
        reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
        for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
            let first = "{} is not a core module (it is a component, or not WebAssembly): build";
            reject(&path, first, " the guest with --target wasm32-wasip1\n");
        }
        let compile = "cannot compile {}: it is damaged, or needs a feature";
        reject(&bad.damaged(), compile, "unexpected end");
        let shared = bad.module("shared.wasm", &format!("(module (memory 1 1 shared) {start})"));
        reject(&shared, compile, "threads must be enabled for shared memories");
        if package != "small_engine_compile_host" {
            let library = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
            reject(&library, "{} is not a command, it exports no `_start`", "build a program");
            let import = format!(r#"(module (import "env" "abort" (func)) {start})"#);
            let path = bad.module("imports.wasm", &import);
            reject(&path, "cannot link {}: this host offers WASI preview 1", "env");
        }
    }
}

#[test]
fn a_host_without_a_compiler_loads_what_was_compiled_for_it() {
    let bad = BadInput::new();
    let reject = |flags: &[&str], path: &Path, first: &str, cause: &str| {
        let ended = host("small_engine_precompiled_host").args(flags).arg(path).assert();
        refused(ended.stdout(""), path, first, cause);
    };
    reject(&[], &bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), tiny()] {
        reject(
            &[],
            &path,
            "{} is not a precompiled core module: compile it",
            " for this host first\n",
        );
    }
    let native = compile(&bad, &tiny(), &[]);
    reject(
        &["--target", "pulley64"],
        &native,
        "cannot load {}: it was compiled by",
        "Module was compiled for architecture",
    );
    let library = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    let library = compile(&bad, &library, &[]);
    reject(&[], &library, "{} is not a command, it exports no `_start`", "build a program");
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let import = compile(&bad, &bad.module("imports.wasm", import), &[]);
    reject(&[], &import, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let pulley = compile(&bad, &tiny(), &["--target", "pulley64"]);
    reject(
        &[],
        &pulley,
        "cannot load {}: it was compiled by",
        "Module was compiled for architecture",
    );
    let code = fs::read(&pulley).unwrap();
    fs::write(&pulley, &code[..code.len() / 2]).unwrap();
    reject(&["--target", "pulley64"], &pulley, "", "");
}

#[test]
fn a_compiler_that_cannot_write_or_does_not_know_the_target_says_so() {
    let compile = |output: &str, target: &str| {
        let mut compiler = host("small_engine_compile_host");
        compiler.args(["--output", output, "--target", target]).arg(tiny()).assert().code(1)
    };
    let first = "Error: cannot write no/such/folder/guest.cwasm: check the path\n";
    compile("no/such/folder/guest.cwasm", "pulley64").stderr(starts_with(first));
    compile("target/small_engine/unused.cwasm", "nowhere").stderr(contains("nowhere"));
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    for package in
        ["small_engine_host", "small_engine_compile_host", "small_engine_precompiled_host"]
    {
        host(package).arg("--nope").assert().code(2).stderr(contains("--nope"));
        host(package).assert().code(2).stderr(contains("<GUEST."));
    }
    let guest = tiny();
    for flags in [["--fuel", "much"], ["--max-memory-size", "1k"], ["--env", "NOT_SET_ANYWHERE"]] {
        wasmi(&flags, &guest, "").code(2).stderr(contains(flags[0]));
    }
    let missing = wasmi(&["--dir", "no/such/folder"], &guest, "").code(1);
    missing.stderr(starts_with("Error: cannot grant no/such/folder: --dir takes"));
}

/// The cells of each row of the table on the page whose first heading is `heading`.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// Checks the last cell of the row `row` of that table: a number, that `near` compares to `actual`.
/// With `SNAPSHOTS=overwrite` it writes what is true instead.
#[track_caller]
fn compare(heading: &str, row: usize, actual: &str, near: impl Fn(f64, f64) -> bool) {
    let cells = table(heading).swap_remove(row);
    let number = |text: &str| text.split(' ').next().unwrap().parse::<f64>().unwrap();
    let written = cells.last().unwrap();
    if near(number(written), number(actual)) {
        return;
    }
    let line = |last: &str| format!("| {} | {last} |", cells[..cells.len() - 1].join(" | "));
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        let page = fs::read_to_string(root().join(PAGE)).unwrap();
        fs::write(root().join(PAGE), page.replace(&line(written), &line(actual))).unwrap();
    } else {
        panic!("{PAGE} says {}; it is {actual} here", line(written));
    }
}

/// The host that was built last for `package`, which stands in no other test's way.
fn built(package: &str) -> PathBuf {
    host(package); // builds it
    target().join("debug").join(package)
}

#[test]
fn the_sizes_on_the_page_are_true() {
    let _alone = MEASURES.lock();
    let hosts = ["small_engine_wamr_host", "small_engine_host", "small_engine_precompiled_host"];
    for (row, name) in hosts.into_iter().enumerate() {
        assert_eq!(table("host")[row][0], format!("`{name}`"));
        if name == "small_engine_wamr_host" && !installed("cmake", "the size of the host with WAMR")
        {
            continue;
        }
        let program = built(name);
        let size = format!("{:.1} MB", fs::metadata(program).unwrap().len() as f64 / 1e6);
        // Another path of the sources or another linker may make a difference.
        compare("host", row, &size, |written, actual| (written - actual).abs() <= written / 10.0);
    }
}

/// The seconds of processor time that `program` needs with `args` to count to two million: the least
/// of three runs.
fn seconds(program: &Path, args: &[&str]) -> f64 {
    let run = || {
        // The second line that `times` prints is of the programs that the shell ran: user, system.
        let mut shell = command("sh", &root());
        shell.args(["-c", r#"echo 2000000 | "$@"; times"#, "sh"]).arg(program).args(args);
        let output = shell.output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("148933 primes\n"), "{text}");
        let user = text.lines().nth(2).unwrap().split(' ').next().unwrap();
        let (minutes, seconds) = user.trim_end_matches('s').split_once('m').unwrap();
        minutes.parse::<f64>().unwrap() * 60.0 + seconds.parse::<f64>().unwrap()
    };
    [run(), run(), run()].into_iter().fold(f64::INFINITY, f64::min)
}

#[test]
fn the_times_on_the_page_are_near() {
    let _alone = MEASURES.lock();
    let bad = BadInput::new();
    let precompiled = built("small_engine_precompiled_host");
    let native = compile(&bad, &tiny(), &[]);
    let native = seconds(&precompiled, &[native.to_str().unwrap()]);
    let pulley = compile(&bad, &tiny(), &["--target", "pulley64"]);
    let pulley = seconds(&precompiled, &["--target", "pulley64", pulley.to_str().unwrap()]);
    let wasmi = seconds(&built("small_engine_host"), &[tiny().to_str().unwrap()]);
    for (row, time) in [native, pulley, wasmi].into_iter().enumerate() {
        let near = |written: f64, actual: f64| (0.5..=2.0).contains(&(actual / written));
        compare("engine", row, &format!("{:.0}", time / native), near);
    }
    if installed("cmake", "the time in WAMR") {
        let wamr = seconds(&built("small_engine_wamr_host"), &[tiny().to_str().unwrap()]);
        let near = |written: f64, actual: f64| (0.5..=2.0).contains(&(actual / written));
        compare("engine", 3, &format!("{:.0}", wamr / native), near);
    }
}

#[test]
fn wamr_runs_the_guest_without_std_and_ends_as_it_can() {
    if !installed("cmake", "the host with WAMR") {
        return;
    }
    let bad = BadInput::new();
    let run = |guest: &Path, input: &str| {
        let mut command = host("small_engine_wamr_host");
        command.arg(guest).write_stdin(input.to_owned()).assert()
    };
    run(&tiny(), "10000").success().stdout("1229 primes\n").stderr("");
    // The status is lost: the same guest ends with 2 in all other engines.
    let lost = run(&tiny(), "ten").success().stdout("");
    lost.stderr("give a number on standard input, such as 100\n");
    for (name, cause, body) in [
        ("trap.wasm", "unreachable", r#"(func (export "_start") unreachable)"#),
        (
            "start.wasm",
            "unreachable",
            r#"(func $f unreachable) (start $f) (func (export "_start"))"#,
        ),
        ("deep.wasm", "stack overflow", r#"(func $f (export "_start") (call $f) (call $f))"#),
        (
            "far.wasm",
            "out of bounds",
            r#"(func (export "_start") (drop (i32.load (i32.const -4))))"#,
        ),
    ] {
        let import = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
        let memory = r#"(memory (export "memory") 1)"#;
        let path = bad.module(name, &format!("(module {import} {memory} {body})"));
        let ended = run(&path, "").stdout("").failure();
        ended.stderr(starts_with("Error: ").and(contains(cause)));
    }
    let reject = |path: &Path, first: &str, cause: &str| refused(run(path, ""), path, first, cause);
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        let first = "{} is not a core module (it is a component, or not WebAssembly): build";
        reject(&path, first, " the guest with --target wasm32v1-none\n");
    }
    let load = "cannot load {}: it is damaged, or needs more than WebAssembly 1.0";
    reject(&bad.damaged(), load, "WASM module load failed");
    reject(&large(), load, "WASM module load failed");
    // Machine code of WAMR's own compiler begins so, and would be run as it is.
    let path = bad.missing().with_file_name("machine_code.wasm");
    fs::write(&path, b"\0aot\x01\0\0\0").unwrap();
    reject(&path, "{} is not a core module", "build the guest");
}
