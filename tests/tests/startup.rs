//! What the `startup` example promises: that nothing is run but what was compiled for it, and that each rung
//! is worth its name.
//! Run: just test startup

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match, starts_with};
use tests::{BadInput, guest_with, host, refused, root};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, Instance, Module, PoolingAllocationConfig, Store};
use wasmtime_wasi as _; // as in the host, or cargo would build another wasmtime for this test

/// Times are taken: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

const RUNGS: [&str; 7] = ["cranelift", "winch", "pulley", "cache", "file", "copied", "pool"];

const ANSWER: &str = r#"host: each answer was {"cents":62230,"days":3,"parcels":60}"#;

fn parcels() -> PathBuf {
    root().join("examples/startup/parcels.json")
}

/// The example's own guest.
fn tariff() -> PathBuf {
    guest_with("startup_guest", "wasm32-wasip2", &["--profile", "small"])
}

/// Runs the host with `args` on `guest` and a request.
fn run(args: &[&str], guest: &Path) -> Assert {
    let limit = std::time::Duration::from_secs(60); // for what would not end if it were broken
    host("startup_host").args(args).arg(guest).arg(parcels()).timeout(limit).assert()
}

/// A small guest of the same world, whose `handle` is `body`: an answer is at 16, and `1` at 100.
fn small(bad: &BadInput, name: &str, body: &str) -> PathBuf {
    with_data(bad, name, body, 0)
}

/// The same, with so many pages of data.
fn with_data(bad: &BadInput, name: &str, body: &str, pages: usize) -> PathBuf {
    let wat = r#"(component
        (core module $code
            (memory (export "memory") PAGES)
            (data (i32.const 65536) "DATA")
            (data (i32.const 20) "\64\00\00\00\01\00\00\00")
            (data (i32.const 100) "0")
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 1024)
            (func (export "handle") (param i32 i32) (result i32) BODY (i32.const 16)))
        (core instance $code (instantiate $code))
        (func $handle (param "request" string) (result (result string (error string)))
            (canon lift (core func $code "handle")
                (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
        (export "handle" (func $handle)))"#;
    let wat = wat.replace("PAGES", &(1 + pages).to_string()).replace("BODY", body);
    bad.module(name, &wat.replace("DATA", &"x".repeat(pages << 16)))
}

/// Adds one to what it finds at 100, which is the answer.
const COUNT: &str =
    "(i32.store8 (i32.const 100) (i32.add (i32.load8_u (i32.const 100)) (i32.const 1)))";

/// The files in a folder, with what is in them.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let read =
        |e: fs::DirEntry| (e.file_name().into_string().unwrap(), fs::read(e.path()).unwrap());
    entries.map(read).collect()
}

/// The one file in a folder.
#[track_caller]
fn only_file(folder: &Path) -> (PathBuf, Vec<u8>) {
    let files = files(folder);
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    let (name, bytes) = files.into_iter().next().unwrap();
    (folder.join(name), bytes)
}

/// The numbers in the rows of the host's two tables, by rung.
fn tables(output: &Assert) -> [BTreeMap<String, Vec<f64>>; 2] {
    let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
    let mut tables = [BTreeMap::new(), BTreeMap::new()];
    for line in text.lines() {
        let mut words = line.split_whitespace().skip(1);
        let rung = words.next().unwrap_or_default().to_owned();
        let numbers: Vec<f64> = words.map_while(|word| word.parse().ok()).collect();
        if RUNGS.contains(&&*rung) {
            tables[usize::from(numbers.len() < 4)].insert(rung, numbers);
        }
    }
    tables
}

#[test]
fn every_rung_gives_the_same_answer_and_is_worth_its_name() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let guest = tariff();
    // What is timed once can be disturbed. Each by far less than what it was here, so that a machine with more
    // to do does not change it; and again where it did.
    for round in 1.. {
        let output = run(&["--requests", "20"], &guest).success().stderr("");
        let output =
            output.stdout(contains(ANSWER).and(is_match("host: 20 requests, .* by 4\n").unwrap()));
        let [one, many] = tables(&output);
        assert_eq!(one.len(), RUNGS.len(), "{one:?}");
        assert_eq!(many.keys().collect::<Vec<_>>(), ["copied", "file", "pool"]);
        let of = |rung: &str, column: usize| one[rung][column];
        let (ready, call, code) = (0, 2, 3);
        let found = ["cache", "file", "copied", "pool"].into_iter().all(|found| {
            of("cranelift", ready) > 5.0 * of(found, ready)
                && of("winch", ready) > 3.0 * of(found, ready)
        });
        if found
            && of("cranelift", ready) > 1.2 * of("winch", ready)
            && of("pulley", call) > 3.0 * of("cranelift", call)
            && of("pulley", call) > 2.0 * of("winch", call)
            && of("winch", code) > 1.1 * of("cranelift", code)
        {
            break;
        }
        assert!(round < 5, "{one:?}");
    }
}

#[test]
fn an_instance_from_a_pool_is_ready_sooner() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().to_str().unwrap();
    let (guest, rungs) = (tariff(), ["--rung", "file", "--rung", "copied", "--rung", "pool"]);
    // The least of some runs, and of more where these do not tell: a machine that is busy for a while is so
    // for all rungs. What is equal is not told apart by a tenth, however often it is measured.
    let mut least: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 1.. {
        let output = run(&[&rungs[..], &["--compiled", folder]].concat(), &guest).success();
        let [_, many] = tables(&output);
        for (rung, times) in many {
            let least = least.entry(rung).or_insert_with(|| times.clone());
            least.iter_mut().zip(times).for_each(|(least, time)| *least = least.min(time));
        }
        let sooner = |one: &str, other: &str| {
            least[one].iter().zip(&least[other]).map(|(one, other)| *one < 0.9 * other)
        };
        // By several threads, memory that is mapped may take as long as memory that is filled: they wait for
        // each other where the system maps it.
        let by_one_thread = sooner("file", "copied").next() == Some(true);
        if round >= 3 && sooner("pool", "file").all(|sooner| sooner) && by_one_thread {
            break;
        }
        assert!(round < 20, "{least:?}");
    }
}

#[test]
fn rungs_can_be_chosen() {
    let bad = BadInput::new();
    let guest = small(&bad, "count.wasm", COUNT);
    for rung in RUNGS {
        let output = run(&["--rung", rung, "--requests", "3", "--threads", "2"], &guest).success();
        // The count is 1 for each request: an instance finds nothing of the one before.
        let output = output.stderr("").stdout(contains("\nhost: each answer was 1\n"));
        let [one, many] = tables(&output);
        assert_eq!(one.into_keys().collect::<Vec<_>>(), [rung]);
        assert_eq!(many.len(), usize::from(["file", "copied", "pool"].contains(&rung)));
    }
}

#[test]
fn what_was_compiled_is_found_again_by_the_same_engine_alone() {
    let (bad, dir) = (BadInput::new(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("new/compiled");
    let keep = ["--requests", "1", "--compiled", folder.to_str().unwrap()];
    let with = |rung: &str, guest: &Path| run(&[&keep[..], &["--rung", rung]].concat(), guest);
    let guest = small(&bad, "count.wasm", COUNT);
    with("file", &guest).success().stdout(contains("host: file: compiled\n"));
    let (path, first) = only_file(&folder);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&folder), mode(&path)), (0o700, 0o600));
    }
    let written = path.metadata().unwrap().modified().unwrap();
    with("file", &guest).success().stdout(contains("host: file: found\n"));
    assert_eq!(only_file(&folder).1, first);
    assert_eq!(path.metadata().unwrap().modified().unwrap(), written);
    // Another setting is another engine, and another guest another guest.
    with("copied", &guest).success().stdout(contains("host: copied: compiled\n"));
    assert_eq!(files(&folder).len(), 2);
    let other = small(&bad, "other.wasm", "");
    with("file", &other)
        .success()
        .stdout(contains("host: file: compiled\n").and(contains("was 0\n")));
    assert_eq!(files(&folder).len(), 3);
    with("copied", &guest)
        .success()
        .stdout(contains("host: copied: found\n").and(contains("was 1\n")));
}

#[test]
fn a_file_that_is_not_what_was_written_is_compiled_again() {
    let (bad, dir) = (BadInput::new(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("compiled");
    let keep = ["--requests", "1", "--compiled", folder.to_str().unwrap()];
    let with = |rung: &str, guest: &Path| run(&[&keep[..], &["--rung", rung]].concat(), guest);
    let guest = small(&bad, "count.wasm", COUNT);
    // Files of the same folder under names that are not theirs: of another guest, of another engine.
    with("file", &small(&bad, "other.wasm", "")).success();
    let (other_guest, of_other_guest) = only_file(&folder);
    fs::remove_file(other_guest).unwrap();
    with("copied", &guest).success();
    let (other_engine, of_other_engine) = only_file(&folder);
    fs::remove_file(other_engine).unwrap();
    with("file", &guest).success();
    let (path, good) = only_file(&folder);

    // wasmtime itself would take the code of any release of its version 48: the name must tell them apart.
    let has = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|bytes| bytes == part);
    assert!(has(&good, b"\0\x0248") && !has(&good, b"48.0."));

    // What other programs compile.
    let wasm = fs::read(&guest).unwrap();
    let same = Engine::new(Config::new().epoch_interruption(true)).unwrap();
    let other = Engine::new(Config::new().memory_guard_size(0)).unwrap();
    let pulley = Engine::new(Config::new().target("pulley64").unwrap()).unwrap();
    let module = wat::parse_str("(module (func (export \"handle\")))").unwrap();
    let mut files = vec![
        ("empty", Vec::new()),
        ("a component, by the same engine", same.precompile_component(&wasm).unwrap()),
        ("a component, by another engine", other.precompile_component(&wasm).unwrap()),
        ("a component, for another machine", pulley.precompile_component(&wasm).unwrap()),
        ("a module", same.precompile_module(&module).unwrap()),
        ("the guest itself", wasm),
        ("another guest", of_other_guest),
        ("another engine", of_other_engine),
        ("longer", [&good[..], b"\0"].concat()),
        ("twice", [&good[..], &good].concat()),
    ];
    for length in [1, 31, 32, 33, 32 + 64, good.len() / 2, good.len() - 1] {
        files.push(("cut short", good[..length].to_vec()));
    }
    for at in [0, 31, 32, 32 + 4, 32 + 0x30, good.len() / 2, good.len() - 1] {
        let mut damaged = good.clone();
        damaged[at] ^= 1;
        files.push(("a bit is wrong", damaged));
    }
    for (what, bytes) in files {
        let length = bytes.len();
        fs::write(&path, bytes).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let said = format!(
            "host: file: compiled again, for {name} is cut short, damaged, or was written by another program\n"
        );
        let output = with("file", &guest);
        let shown = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        assert!(shown.contains(&said), "{what}, {length} bytes: {shown}");
        output.success().stderr("").stdout(contains("each answer was 1\n"));
        assert_eq!(only_file(&folder).1, good, "{what}");
        with("file", &guest).success().stdout(contains("host: file: found\n"));
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_no_reason_not_to_answer() {
    let (bad, dir) = (BadInput::new(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("compiled");
    let keep = ["--rung", "file", "--requests", "1", "--compiled", folder.to_str().unwrap()];
    let guest = small(&bad, "count.wasm", COUNT);
    run(&keep, &guest).success();
    // A folder in the place of the file can neither be read as one nor be replaced by one.
    let (path, _) = only_file(&folder);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let said = contains("host: file: compiled again, for cannot read ")
        .and(contains("host: file: compiled each time, for it cannot be kept: "))
        .and(contains("each answer was 1\n"));
    run(&keep, &guest).success().stderr("").stdout(said);
    assert!(path.is_dir());
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "a temporary file was left there");
    // A folder in which nobody can make a file, not even root.
    if cfg!(target_os = "linux") {
        let keep = ["--rung", "file", "--requests", "1", "--compiled", "/proc"];
        let said = contains("host: file: compiled\n")
            .and(contains("host: file: compiled each time, for it cannot be kept: "));
        run(&keep, &guest).success().stderr("").stdout(said.and(contains("each answer was 1\n")));
    }
}

#[test]
fn a_folder_of_others_is_refused() {
    let (bad, dir) = (BadInput::new(), tempfile::tempdir().unwrap());
    let guest = small(&bad, "count.wasm", COUNT);
    let refuse = |folder: &Path, cause: &str| {
        let keep = ["--rung", "file", "--compiled", folder.to_str().unwrap()];
        let first = "cannot keep compiled code in {}";
        refused(run(&keep, &guest).stdout(""), folder, first, cause);
    };
    refuse(&bad.text(), "File exists");
    refuse(&bad.text().join("below"), "Not a directory");
    #[cfg(unix)]
    {
        use std::os::unix::fs::{PermissionsExt, chown};
        let others = "others can write there, and may have: name a new folder, or delete this one";
        let set = |mode| fs::set_permissions(dir.path(), fs::Permissions::from_mode(mode)).unwrap();
        for mode in [0o777, 0o1777, 0o770, 0o702] {
            set(mode);
            refuse(dir.path(), others);
        }
        set(0o755);
        run(
            &["--rung", "file", "--requests", "1", "--compiled", dir.path().to_str().unwrap()],
            &guest,
        )
        .success();
        // Of another user, which only root can make.
        if chown(dir.path(), Some(12345), None).is_ok() {
            refuse(dir.path(), others);
        }
    }
}

#[cfg(unix)]
#[test]
fn a_file_of_others_is_compiled_again() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let (bad, dir) = (BadInput::new(), tempfile::tempdir().unwrap());
    let folder = dir.path().join("compiled");
    let keep = ["--rung", "file", "--requests", "1", "--compiled", folder.to_str().unwrap()];
    let guest = small(&bad, "count.wasm", COUNT);
    run(&keep, &guest).success();
    let (path, _) = only_file(&folder);
    let said = format!(
        "host: file: compiled again, for others can write to {}\n",
        path.file_name().unwrap().display()
    );
    let again = || {
        run(&keep, &guest).success().stderr("").stdout(contains(&*said));
        run(&keep, &guest).success().stdout(contains("host: file: found\n"));
    };
    for mode in [0o622, 0o660, 0o602] {
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        again();
    }
    // Of another user, which only root can make.
    if chown(&path, Some(12345), None).is_ok() {
        again();
    }
}

#[test]
fn several_programs_write_the_same_file_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let bad = BadInput::new();
    let folder = dir.path().join("compiled");
    // With so much data, a file that is there in part is so for a while.
    let guest = with_data(&bad, "count.wasm", COUNT, 32);
    let program = host("startup_host").get_program().to_owned();
    let keep = ["--rung", "file", "--requests", "1", "--compiled", folder.to_str().unwrap()];
    for round in 0..3 {
        let running: Vec<_> = (0..8)
            .map(|_| {
                std::process::Command::new(&program)
                    .args(keep)
                    .args([&guest, &parcels()])
                    .stdout(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        let mut again = 0;
        for host in running {
            let output = host.wait_with_output().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(output.status.success() && text.contains("each answer was 1\n"), "{text}");
            assert!(!text.contains("each time"), "{round}: {text}");
            again += usize::from(text.contains("compiled again"));
        }
        // The first one that looks finds half a file, and so may others until it has put a whole one there.
        assert_eq!(again > 0, round == 2, "{round}: {again} have compiled again");
        let (path, bytes) = only_file(&folder);
        run(&keep, &guest).success().stdout(contains("host: file: found\n"));
        if round == 1 {
            fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        } else {
            fs::remove_file(&path).unwrap();
        }
    }
}

#[test]
fn a_request_has_limits_on_every_rung() {
    let bad = BadInput::new();
    let endless = small(&bad, "endless.wasm", "(loop $again (br $again))");
    let greedy = small(&bad, "greedy.wasm", "(drop (memory.grow (i32.const 1024)))");
    let fits = small(&bad, "fits.wasm", "(drop (memory.grow (i32.const 1023)))");
    let traps = small(&bad, "traps.wasm", "unreachable");
    for rung in RUNGS {
        let args = ["--rung", rung, "--timeout", "0.1", "--requests", "1"];
        let failed = |guest: &Path, first: &str, cause: &str| {
            refused(run(&args, guest), guest, first, cause);
        };
        failed(&endless, "{} took longer than 100ms", "wasm trap: interrupt");
        failed(
            &greedy,
            "{} failed while it ran",
            "forcing trap when growing memory to 67174400 bytes",
        );
        failed(&traps, "{} failed while it ran", "wasm `unreachable` instruction executed");
        run(&args, &fits).success().stdout(contains("each answer was 0\n"));
    }
    // What does not fit into a place of the pool is refused before there is a request.
    let wat = "(component (core module $code (memory 1025)) (core instance (instantiate $code)))";
    let large = bad.module("large.wasm", wat);
    let first = "cannot compile {}: it is damaged, or needs a feature";
    refused(run(&["--rung", "pool"], &large), &large, first, "exceeds the limit of");
}

#[test]
fn a_pool_without_a_place_makes_no_instance() {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_memories(1);
    let engine = Engine::new(Config::new().allocation_strategy(pool)).unwrap();
    let module = Module::new(&engine, wat::parse_str("(module (memory 1))").unwrap()).unwrap();
    let instance = |store: &mut Store<()>| Instance::new(store, &module, &[]);
    let mut first = Store::new(&engine, ());
    instance(&mut first).unwrap();
    let error = instance(&mut Store::new(&engine, ())).unwrap_err();
    assert!(format!("{error:#}").contains("maximum concurrent limit of 1 for"), "{error:#}");
    drop(first);
    instance(&mut Store::new(&engine, ())).unwrap();
}

#[test]
fn an_answer_commands_no_terminal() {
    let bad = BadInput::new();
    let escape = "(i32.store8 (i32.const 100) (i32.const 27))";
    let says = small(&bad, "says.wasm", escape);
    let args = ["--rung", "file", "--requests", "1"];
    run(&args, &says).success().stdout(contains("each answer was \\u{1b}\n"));
    let refuses =
        small(&bad, "refuses.wasm", &format!("{escape}(i32.store (i32.const 16) (i32.const 1))"));
    refused(run(&args, &refuses), &refuses, "{} refuses the request: \\u{1b}\n", "");
    let request = bad.text();
    let output = host("startup_host").args(args).arg(tariff()).arg(&request).assert();
    refused(output, &tariff(), "{} refuses the request: not JSON: expected ident", "");
}

#[test]
fn the_host_refuses_what_is_no_such_component() {
    let bad = BadInput::new();
    let args = ["--requests", "1"];
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(
            run(&args, path).stdout(starts_with("").and(contains("in ms").not())),
            path,
            first,
            cause,
        );
    };
    let no_component = "{} is not a component (it is a core module, or not WebAssembly): build";
    let module = bad.module("module.wasm", r#"(module (func (export "handle")))"#);
    for path in [&bad.text(), &bad.empty(), &module] {
        reject(path, no_component, " with --target wasm32-wasip2\n");
    }
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let wasm = fs::read(small(&bad, "count.wasm", COUNT)).unwrap();
    let damaged = bad.missing().with_file_name("damaged.wasm");
    fs::write(&damaged, &wasm[..wasm.len() - 2]).unwrap();
    reject(&damaged, "cannot compile {}: it is damaged, or needs a feature", "unexpected end");
    let component = bad.module("component.wasm", "(component)");
    let first = "{} does not fit the world in wit/startup: build the guest from that WIT";
    reject(&component, first, "no export `handle` found");
    let import = r#"(component (import "shop:prices/list" (instance (export "price" (func)))))"#;
    reject(&bad.module("import.wasm", import), first, "shop:prices/list");
    let missing = bad.missing();
    let output = host("startup_host").arg(tariff()).arg(&missing).assert().stdout("");
    refused(output, &missing, "cannot read {}: give a file of text as the request", "os error 2");
    let binary = tariff();
    let output = host("startup_host").args([&binary, &binary]).assert().stdout("");
    refused(output, &binary, "cannot read {}: give a file of text as the request", "valid UTF-8");
}

#[test]
fn a_mistake_on_the_command_line_is_named() {
    let guest = tariff();
    host("startup_host")
        .assert()
        .code(2)
        .stderr(contains("<GUEST.wasm>").and(contains("<REQUEST>")));
    for (args, said) in [
        (
            ["--rung", "turbo"],
            "[possible values: cranelift, winch, pulley, cache, file, copied, pool]",
        ),
        (["--threads", "0"], "0 is not in 1..=64"),
        (["--requests", "0"], "0 is not in 1..=1000000"),
        (["--timeout", "soon"], "write a number, such as 2 or 0.5"),
        (["--timeout=-1", "--threads=1"], "negative"),
        (["--nope", "1"], "--nope"),
    ] {
        run(&args, &guest).code(2).stdout("").stderr(contains(said));
    }
}

#[test]
fn a_call_of_a_component_costs_more_than_that_of_a_module() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let add = r#"(func (export "add") (param i32 i32) (result i32)
        (i32.add (local.get 0) (local.get 1)))"#;
    let module = wat::parse_str(format!("(module {add})")).unwrap();
    let component = wat::parse_str(format!(
        r#"(component
            (core module $module {add})
            (core instance $instance (instantiate $module))
            (func (export "add") (param "a" u32) (param "b" u32) (result u32)
                (canon lift (core func $instance "add"))))"#
    ));
    let component = component.unwrap();
    // Minutes may be busy, so that both have the least of some turns.
    let least = |call: &mut dyn FnMut() -> u32| {
        let turns = (0..20).map(|_| {
            let start = Instant::now();
            (0..500).for_each(|_| assert_eq!(call(), 3));
            start.elapsed()
        });
        turns.min().unwrap()
    };
    let typed = |concurrency| {
        let engine = Engine::new(Config::new().concurrency_support(concurrency)).unwrap();
        let component = Component::new(&engine, &component).unwrap();
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component).unwrap();
        let add = instance.get_typed_func::<(u32, u32), (u32,)>(&mut store, "add").unwrap();
        least(&mut || add.call(&mut store, (1, 2)).unwrap().0)
    };
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &Module::new(&engine, module).unwrap(), &[]).unwrap();
    let add = instance.get_typed_func::<(u32, u32), u32>(&mut store, "add").unwrap();
    let module = least(&mut || add.call(&mut store, (1, 2)).unwrap());
    let (component, plain) = (typed(true), typed(false));
    assert!(
        plain > module * 3 / 2 && component > plain * 5 / 4,
        "{module:?} {plain:?} {component:?}"
    );
}

/// What `just bench` measured is what the page shows.
#[test]
fn the_figures_on_the_page_are_those_that_were_measured() {
    let read = |file: &str| fs::read_to_string(root().join(format!("examples/startup/{file}")));
    let (page, figures) = (read("README.md").unwrap(), read("figures.md").unwrap());
    let (_, numbers) = page.split_once("### In numbers\n").unwrap();
    let (numbers, _) = numbers.split_once("\n### What each rung costs\n").unwrap();
    let rows: Vec<_> = numbers.lines().filter(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        assert!(figures.lines().any(|line| line == row), "figures.md does not have {row}");
    }
}
