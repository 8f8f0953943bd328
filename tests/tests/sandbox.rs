//! What the `sandbox` example promises: attacks, each of which its limit ends, and after each the same
//! sandbox runs a good guest.
//! Run: just test sandbox

#[path = "../../hosts/sandbox/src/sandbox.rs"]
mod sandbox;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, starts_with};
use sandbox::{Guest, Limit, Limits, Outcome, Policy, Sandbox, harmless};
use tests::{BadInput, guest, host, refused, root};
use tokio::runtime::{Builder, Runtime};

const PREVIEW_1: &str = "wasm32-wasip1";
const WASI_0_2: &str = "wasm32-wasip2";
const WASI_0_3: &str = "wasm32-wasip2, with async";

/// One sandbox for all attacks of this file, as in a service.
static SANDBOX: LazyLock<Sandbox> = LazyLock::new(|| Sandbox::new(limits()).unwrap());

fn limits() -> Limits {
    Limits { time: Duration::from_secs(1), ..Limits::default() }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// The program of many faults for `target`, loaded once.
fn program(target: &str) -> Guest {
    static LOADED: Mutex<BTreeMap<String, Guest>> = Mutex::new(BTreeMap::new());
    let mut loaded = LOADED.lock().unwrap();
    let load = || {
        let file = match target {
            WASI_0_3 => guest("sandbox_p3_guest", WASI_0_2),
            target => guest("sandbox_guest", target),
        };
        let wasm = fs::read(file).unwrap();
        runtime().block_on(SANDBOX.load(wasm)).unwrap()
    };
    loaded.entry(target.to_owned()).or_insert_with(load).clone()
}

fn policy(args: &[&str]) -> Policy {
    let args = [&["guest.wasm"], args].concat();
    Policy { args: args.into_iter().map(str::to_owned).collect(), ..Policy::default() }
}

/// Runs an attack, checks that it ended in time, and that a good guest runs after it.
#[track_caller]
fn attack(guest: &Guest, policy: &Policy) -> Outcome {
    static ALONE: Mutex<()> = Mutex::new(()); // for the time that it takes
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let runtime = runtime();
    let start = Instant::now();
    let outcome = runtime.block_on(SANDBOX.run(guest, policy)).unwrap();
    let took = start.elapsed();
    assert!(took < limits().time + Duration::from_secs(1), "{took:?}");
    let greeting = runtime.block_on(SANDBOX.run(&program(PREVIEW_1), &self::policy(&["greet"])));
    let greeting = greeting.unwrap();
    assert_eq!((greeting.ended.unwrap(), &*greeting.stdout), (0, &b"hello\n"[..]));
    outcome
}

/// An attack of the program of many faults, for each target.
fn fault(args: &[&str]) -> [Outcome; 2] {
    [PREVIEW_1, WASI_0_2].map(|target| attack(&program(target), &policy(args)))
}

/// An attack in text format.
#[track_caller]
fn wat(text: &str) -> Outcome {
    attack(&load(text).unwrap(), &policy(&[]))
}

fn load(text: &str) -> wasmtime::Result<Guest> {
    runtime().block_on(SANDBOX.load(wat::parse_str(text).unwrap()))
}

#[track_caller]
fn met(outcome: &Outcome, limit: Limit) {
    let error = outcome.ended.as_ref().expect_err("it was ended");
    assert_eq!(error.downcast_ref(), Some(&limit), "{error:?}");
}

fn printed(outcome: &Outcome) -> String {
    String::from_utf8(outcome.stdout.clone()).unwrap()
}

#[test]
fn time_is_limited_whether_a_guest_computes_or_waits() {
    for fault in [fault(&["loop"]), fault(&["sleep", "1000000"])].as_flattened() {
        met(fault, Limit::Time(limits().time));
    }
    let start = r#"(module (func $f (loop (br 0))) (start $f) (func (export "_start")))"#;
    met(&wat(start), Limit::Time(limits().time));
}

#[test]
fn what_holds_for_wasi_0_2_holds_for_0_3() {
    let fault = |fault: &str| attack(&program(WASI_0_3), &policy(&[fault]));
    assert_eq!(printed(&fault("greet")), "hello\n");
    met(&fault("loop"), Limit::Time(limits().time));
    met(&fault("sleep"), Limit::Time(limits().time));
    let flood = fault("flood");
    met(&flood, Limit::Output(limits().output));
    assert_eq!(flood.stdout.len(), limits().output);
    assert_eq!(fault("").ended.unwrap(), 1);
}

#[test]
fn a_guest_that_computes_does_not_starve_others() {
    // On one thread. The endless one would have longer than the good one needs on a busy machine.
    runtime().block_on(async {
        let limits = Limits { time: Duration::from_secs(60), ..Limits::default() };
        let sandbox = Arc::new(Sandbox::new(limits).unwrap());
        let wasm = fs::read(guest("sandbox_guest", PREVIEW_1)).unwrap();
        let program = sandbox.load(wasm).await.unwrap();
        let (other, endless) = (sandbox.clone(), program.clone());
        let endless =
            tokio::spawn(async move { other.run(&endless, &policy(&["loop"])).await.unwrap() });
        tokio::task::yield_now().await; // it computes before the good one begins
        let outcome = sandbox.run(&program, &policy(&["greet"])).await.unwrap();
        assert_eq!(outcome.ended.unwrap(), 0);
        assert!(!endless.is_finished());
        endless.abort();
        assert!(endless.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_run_can_be_dropped() {
    let (guest, policy) = (program(PREVIEW_1), policy(&["sleep", "1000000"]));
    runtime().block_on(async {
        let run = SANDBOX.run(&guest, &policy);
        tokio::time::timeout(Duration::from_millis(50), run).await.unwrap_err();
    });
    attack(&guest, &self::policy(&["greet"]));
}

#[test]
fn memory_is_limited_in_sum() {
    let limit = Limit::Memory(limits().memory);
    for outcome in fault(&["memory", "4000"]) {
        met(&outcome, limit);
    }
    met(&wat(r#"(module (memory 1025) (func (export "_start")))"#), limit);
    met(
        &wat(
            r#"(module (memory 1) (func (export "_start") (drop (memory.grow (i32.const 1024)))))"#,
        ),
        limit,
    );
    // What its own maximum forbids is not given, and so it is not counted.
    let refused = r#"(module (memory 1 2) (func (export "_start") (local $left i32)
        (local.set $left (i32.const 2000))
        (loop
            (if (i32.ne (memory.grow (i32.const 2)) (i32.const -1)) (then unreachable))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if 0 (local.get $left)))))"#;
    assert_eq!(wat(refused).ended.unwrap(), 0);
    // Two modules of 40 MiB each.
    let half = "(core module $half (memory 640))";
    let run = r#"(core module $run (func (export "run") (result i32) (i32.const 0)))"#;
    let text = format!(
        r#"(component {half} {run} (core instance (instantiate $half)) (core instance (instantiate $half))
            (core instance $i (instantiate $run))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $r)))"#
    );
    met(&wat(&text), limit);
}

#[test]
fn tables_parts_and_stack_are_limited() {
    let limit = Limit::TableElements(limits().table_elements);
    met(&wat(r#"(module (table 100001 funcref) (func (export "_start")))"#), limit);
    let grow = "(drop (table.grow (ref.null func) (i32.const 100001)))";
    met(&wat(&format!(r#"(module (table 0 funcref) (func (export "_start") {grow}))"#)), limit);
    for outcome in fault(&["recursion", "1000000000"]) {
        met(&outcome, Limit::Stack(limits().stack));
    }
    let many = "(core instance (instantiate $part))".repeat(21);
    let run = r#"(core module $run (func (export "run") (result i32) (i32.const 0)))"#;
    let text = format!(
        r#"(component (core module $part) {run} {many} (core instance $i (instantiate $run))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance $r (export "run" (func $run)))
            (export "wasi:cli/run@0.2.6" (instance $r)))"#
    );
    let outcome = wat(&text);
    let error = format!("{:?}", outcome.ended.unwrap_err());
    assert!(error.contains("instance count too high at 21"), "{error}");
}

#[test]
fn output_is_limited_and_kept() {
    for outcome in fault(&["flood", "1000000000"]) {
        met(&outcome, Limit::Output(limits().output));
        assert_eq!(outcome.stdout.len(), limits().output);
    }
    for outcome in fault(&["flood-errors", "1000000000"]) {
        met(&outcome, Limit::Output(limits().output));
        assert_eq!(outcome.stderr.len(), limits().output);
    }
}

#[test]
fn output_commands_no_terminal() {
    for outcome in fault(&["terminal"]) {
        let text = harmless(&outcome.stdout);
        assert_eq!(text, "\\u{1b}[2J\\u{1b}]0;title\\u{7}\\u{1b}[31mred\n");
    }
}

#[test]
fn handles_are_limited() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    for target in [PREVIEW_1, WASI_0_2] {
        let mut policy = policy(&["open", "/data/file", "1000000"]);
        policy.read.push((dir.path().to_owned(), "/data".to_owned()));
        met(&attack(&program(target), &policy), Limit::Handles(limits().handles));
    }
}

#[test]
fn nothing_of_the_host_leaks() {
    for outcome in fault(&["tell"]) {
        assert_eq!(printed(&outcome), "Some(\"guest.wasm\") []\nOk(\"/\")\n");
    }
    for outcome in fault(&["read-input"]) {
        assert_eq!(printed(&outcome), "Ok(0) 0\n");
    }
}

#[test]
fn no_path_leads_out_of_a_directory() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir_all(inside.join("deeper")).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(inside.join("file"), "open").unwrap();
    #[cfg(unix)]
    for (to, link) in [("../secret", "link"), ("..", "up"), ("/", "top"), ("loop", "loop")] {
        std::os::unix::fs::symlink(to, inside.join(link)).unwrap();
    }
    let secret = dir.path().join("secret").display().to_string();
    let paths = [
        "/data/../secret",
        "/data/deeper/../../secret",
        "/data//..//secret",
        "/data/./.././secret",
        "/data/link",
        "/data/link/",
        "/data/up/secret",
        "/data/up//secret/",
        "/data/top/etc/passwd",
        "/data/loop",
        "/secret",
        "secret",
        "../secret",
        "/etc/passwd",
        &secret,
    ];
    for target in [PREVIEW_1, WASI_0_2] {
        let mut policy =
            policy(&[&["read", "/data/file", "/data/deeper/../file"], &paths[..]].concat());
        policy.read.push((inside.clone(), "/data".to_owned()));
        let outcome = attack(&program(target), &policy);
        let text = printed(&outcome);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 2 + paths.len(), "{text}");
        assert!(lines[0].ends_with("Ok(\"open\")") && lines[1].ends_with("Ok(\"open\")"), "{text}");
        assert!(lines[2..].iter().all(|line| line.contains(" Err(")), "{text}");
    }
}

/// Says that it is over when it is dropped, by an assertion that fails as well: else who looks for it would
/// go on for ever.
#[cfg(unix)]
struct End<'a>(&'a AtomicBool);

#[cfg(unix)]
impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(unix)]
#[test]
fn a_link_that_appears_meanwhile_leads_nowhere() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(dir.path().join("secret"), "secret").unwrap();
    fs::write(inside.join("file"), "open").unwrap();
    // Another process makes `swing` a link to the secret, and a file again, while the guest reads.
    let ended = AtomicBool::new(false);
    let swings = thread::scope(|scope| {
        let swinging = scope.spawn(|| {
            let mut swings = 0;
            while !ended.load(Ordering::Relaxed) {
                symlink("../secret", inside.join("new")).unwrap();
                fs::rename(inside.join("new"), inside.join("swing")).unwrap();
                fs::copy(inside.join("file"), inside.join("new")).unwrap();
                fs::rename(inside.join("new"), inside.join("swing")).unwrap();
                swings += 1;
            }
            swings
        });
        let end = End(&ended);
        for target in [PREVIEW_1, WASI_0_2] {
            let mut policy = policy(&["again", "/data/swing", "1000"]);
            policy.read.push((inside.clone(), "/data".to_owned()));
            // On a busy machine a thousand reads may take longer than the guest has, or `swing` may be a
            // link all the while. Then there is another round; in none of them is the secret seen.
            let opened = (0..20).any(|_| {
                let text = printed(&attack(&program(target), &policy));
                assert!(!text.contains("secret"), "{text}");
                text.contains("Ok(\\\"open\\\")")
            });
            assert!(opened, "the file was never seen");
        }
        drop(end);
        swinging.join().unwrap()
    });
    assert!(swings > 10, "{swings}");
}

#[test]
fn nothing_goes_from_one_directory_to_another() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fs::write(from.path().join("file"), "as it was").unwrap();
    for target in [PREVIEW_1, WASI_0_2] {
        let mut policy = policy(&["move", "/from/file", "/to/file"]);
        policy.read.push((from.path().to_owned(), "/from".to_owned()));
        policy.read.push((to.path().to_owned(), "/to".to_owned()));
        let text = printed(&attack(&program(target), &policy));
        assert_eq!(text.lines().filter(|line| line.starts_with("Err(")).count(), 3, "{text}");
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(from.path().join("file")).unwrap(), "as it was");
    }
}

#[test]
fn renumbering_leaks_no_handle() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "x").unwrap();
    // Opens the file and gives it the number 4, ten times as often as it may have handles. The status is the first error.
    let renumber = load(
        r#"(module
            (import "wasi_snapshot_preview1" "path_open"
                (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "file")
            (func $check (param i32) (if (local.get 0) (then (call $exit (local.get 0)))))
            (func $open_to (param i32)
                (call $check (call $open (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 4)
                    (i32.const 0) (i64.const 2) (i64.const 2) (i32.const 0) (local.get 0))))
            (func (export "_start") (local $left i32)
                (call $open_to (i32.const 8)) ;; this is 4
                (local.set $left (i32.const 1000))
                (loop $again
                    (call $open_to (i32.const 8))
                    (call $check (call $renumber (i32.load (i32.const 8)) (i32.const 4)))
                    (br_if $again
                        (local.tee $left (i32.sub (local.get $left) (i32.const 1)))))))"#,
    );
    let mut policy = policy(&[]);
    policy.read.push((dir.path().to_owned(), "/data".to_owned()));
    assert_eq!(attack(&renumber.unwrap(), &policy).ended.unwrap(), 0);
}

#[test]
fn no_number_is_bad_enough_for_a_function_of_preview_1() {
    let engine = wasmtime::Engine::default();
    let mut linker = wasmtime::Linker::new(&engine);
    wasmtime_wasi::p1::add_to_linker_sync(&mut linker, |wasi| wasi).unwrap();
    let mut store = wasmtime::Store::new(&engine, wasmtime_wasi::WasiCtx::builder().build_p1());
    let functions: Vec<_> = linker
        .iter(&mut store)
        .map(|(_, name, item)| (name.to_owned(), item.into_func().unwrap()))
        .collect();
    assert!(functions.len() > 40, "{}", functions.len());
    let dir = tempfile::tempdir().unwrap();
    let mut policy = policy(&["one", "two"]);
    policy.read.push((dir.path().to_owned(), "/data".to_owned()));
    let numbers = [0, 1, 3, 8, 65_532, 65_535, 65_536, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff_u32];
    let mut random = fastrand::Rng::with_seed(1);
    let sandbox = Limits { time: Duration::from_millis(100), ..Limits::default() };
    let sandbox = Sandbox::new(sandbox).unwrap();
    let runtime = runtime();
    let (mut calls, mut errors) = (0, 0);
    for (name, function) in functions {
        let ty = function.ty(&store);
        let params: Vec<_> = ty.params().map(|param| param.to_string()).collect();
        let result = ty.results().next().is_some();
        for round in 0..numbers.len() + 20 {
            // Each number for all, and then mixtures. The directory that is granted has the number 3.
            let mut number = |place: usize| match numbers.get(round) {
                Some(&number) if place > 0 => number,
                Some(_) => 3,
                None => *random.choice(&numbers).unwrap(),
            };
            let values: Vec<_> = params
                .iter()
                .enumerate()
                .map(|(i, ty)| format!("({ty}.const {})", number(i)))
                .collect();
            let text = format!(
                r#"(module
                    (import "wasi_snapshot_preview1" "{name}" (func $f (param {}) {}))
                    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                    (memory (export "memory") 1)
                    (func (export "_start") {}))"#,
                params.join(" "),
                if result { "(result i32)" } else { "" },
                if result {
                    format!("(call $exit (call $f {}))", values.join(" "))
                } else {
                    format!("(call $f {})", values.join(" "))
                },
            );
            let start = Instant::now();
            let guest = runtime.block_on(sandbox.load(wat::parse_str(&text).unwrap())).unwrap();
            let outcome = runtime.block_on(sandbox.run(&guest, &policy)).unwrap();
            assert!(start.elapsed() < Duration::from_secs(1), "{text}");
            calls += 1;
            errors += u32::from(!matches!(outcome.ended, Ok(0)));
        }
        attack(&program(PREVIEW_1), &self::policy(&["greet"]));
    }
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    println!("{calls} calls, {errors} errors");
    assert!(calls > 1000 && errors * 2 > calls, "{calls} calls, {errors} errors");
}

#[test]
fn what_may_be_read_cannot_be_changed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "as it was").unwrap();
    let changed = |path: &str, target: &str| {
        let mut policy = policy(&["write", path]);
        policy.read.push((dir.path().to_owned(), "/data".to_owned()));
        let text = printed(&attack(&program(target), &policy));
        assert_eq!(text.lines().count(), 7, "{text}");
        assert!(text.lines().all(|line| line.starts_with("Err(")), "{text}");
        let names: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read_to_string(&file).unwrap(), "as it was");
    };
    for target in [PREVIEW_1, WASI_0_2] {
        changed("/data/file", target);
        changed("/data/new", target);
    }
}

#[test]
fn the_network_is_closed_but_for_the_list() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let served = std::thread::spawn(move || {
        use std::io::Write;
        listener.accept().unwrap().0.write_all(b"hello").unwrap();
    });
    let mut allowed = policy(&["connect", &address.to_string()]);
    let denied = "Err(PermissionDenied)\n";
    let outcome = attack(&program(WASI_0_2), &allowed);
    assert_eq!(printed(&outcome), denied, "nothing is allowed");
    let mut other = policy(&["connect", "127.0.0.1:1"]);
    other.connect.push(address);
    assert_eq!(printed(&attack(&program(WASI_0_2), &other)), denied, "another port");
    allowed.connect.push(address);
    assert_eq!(printed(&attack(&program(WASI_0_2), &allowed)), "Ok(5)\n");
    served.join().unwrap();
    let mut listens = policy(&["listen"]);
    listens.connect.push(address);
    assert_eq!(printed(&attack(&program(WASI_0_2), &listens)), denied.repeat(2));
}

#[test]
fn a_failure_is_the_guests_alone() {
    for outcome in fault(&["panic"]) {
        let error = format!("{:?}", outcome.ended.unwrap_err());
        assert!(error.contains("unreachable"), "{error}");
        assert!(String::from_utf8_lossy(&outcome.stderr).contains("at the disco"));
    }
    let [module, component] = fault(&["exit", "3"]);
    assert_eq!(module.ended.unwrap(), 3);
    assert_eq!(component.ended.unwrap(), 1, "WASI 0.2 passes no more than that it failed");
    let [module, component] = fault(&["exit", "200"]);
    assert!(module.ended.is_err(), "preview 1 knows no such status");
    assert_eq!(component.ended.unwrap(), 1);
}

#[test]
fn a_call_is_answered_for_so_many_bytes_only() {
    let random = |bytes: u32| {
        wat(&format!(
            r#"(module (import "wasi_snapshot_preview1" "random_get" (func $get (param i32 i32) (result i32)))
                (memory (export "memory") 100)
                (func (export "_start") (drop (call $get (i32.const 0) (i32.const {bytes})))))"#
        ))
    };
    random(65536).ended.unwrap();
    let error = format!("{:?}", random(65537).ended.unwrap_err());
    assert!(error.contains("requested len 65537 exceeds limit 65536"), "{error}");
    // A path of 9 MiB.
    let long = load(
        r#"(module (import "wasi_snapshot_preview1" "path_filestat_get" (func $stat (param i32 i32 i32 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 200)
            (func (export "_start")
                (call $exit (call $stat (i32.const 3) (i32.const 0) (i32.const 0) (i32.const 9437184) (i32.const 0)))))"#,
    );
    let mut policy = policy(&[]);
    policy.read.push((std::env::temp_dir(), "/data".to_owned()));
    let ended = attack(&long.unwrap(), &policy).ended;
    assert_eq!(ended.unwrap(), 48, "not enough memory"); // not "name too long": it was not copied
}

#[test]
fn a_long_text_is_not_copied() {
    let [module, component] = [PREVIEW_1, WASI_0_2].map(|target| {
        let mut policy = policy(&["long-path", "9000000"]);
        policy.read.push((std::env::temp_dir(), "/data".to_owned()));
        attack(&program(target), &policy)
    });
    assert_eq!(printed(&module), "Err(OutOfMemory)\n");
    let error = format!("{:?}", component.ended.unwrap_err());
    assert!(error.contains("too much data is being copied"), "{error}");
}

#[test]
fn what_is_no_program_is_refused_before_it_runs() {
    let refused = |wasm: Vec<u8>, says: &str| {
        let error = runtime().block_on(SANDBOX.load(wasm)).err();
        let error = error.unwrap_or_else(|| panic!("not refused, and should say {says}"));
        let error = format!("{error:?}");
        assert!(error.contains(says), "{error}");
    };
    let long = Limits::default().file;
    refused(vec![0; long + 1], "it is longer than 16777216 bytes");
    refused(b"not wasm".to_vec(), "it is not WebAssembly");
    refused(b"\x7fELF".to_vec(), "it is not WebAssembly"); // as compiled code begins
    refused(Vec::new(), "it is not WebAssembly");
    let texts = [
        (
            r#"(module (import "env" "f" (func)) (func (export "_start")))"#,
            "unknown import: `env::f`",
        ),
        ("(module (memory i64 1))", "memory64 must be enabled"),
        ("(module (memory 1) (memory 1))", "multiple memories"),
        ("(module (memory 1 1 shared))", "threads must be enabled"),
        (
            r#"(component (import "wasi:http/outgoing-handler@0.2.6" (instance (export "f" (func)))))"#,
            "component imports instance `wasi:http/outgoing-handler@0.2.6`",
        ),
        (
            r#"(component (import "a:b/c" (instance (export "f" (func)))))"#,
            "component imports instance `a:b/c`",
        ),
        ("(component)", "wasi:cli/run"),
    ];
    for (text, says) in texts {
        refused(wat::parse_str(text).unwrap(), says);
    }
    for (text, says) in [
        (r#"(module (func (export "start")))"#, "failed to find function export `_start`"),
        (r#"(module (func (export "_start") (param i32)))"#, "failed to convert function `_start`"),
        (
            r#"(component (core module $m (func (export "run"))) (core instance $i (instantiate $m))
                (func $run (canon lift (core func $i "run"))) (instance $r (export "run" (func $run)))
                (export "wasi:cli/run@0.2.6" (instance $r)))"#,
            "type mismatch",
        ),
    ] {
        let error = format!("{:?}", wat(text).ended.unwrap_err());
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn compiling_is_limited() {
    // One function of nested blocks, which takes long to compile.
    let nested = format!("{}{}", "(block ".repeat(20_000), ")".repeat(20_000));
    let body = format!("{nested}{nested}{nested}");
    let wasm = wat::parse_str(format!(r#"(module (func (export "_start") {body}))"#));
    let limit = Duration::from_millis(1);
    let sandbox = Sandbox::new(Limits { compile: limit, ..Limits::default() }).unwrap();
    let runtime = runtime();
    let start = Instant::now();
    let error = runtime.block_on(sandbox.load(wasm.unwrap())).err().expect("it takes longer");
    assert_eq!(error.downcast_ref(), Some(&Limit::Compile(limit)), "{error:?}");
    assert!(start.elapsed() < Duration::from_secs(1));
    runtime.shutdown_background();
}

#[test]
fn a_directory_that_is_not_there_is_an_error_of_the_policy() {
    let mut policy = policy(&["greet"]);
    policy.read.push((Path::new("/nowhere").to_owned(), "/data".to_owned()));
    let error = runtime().block_on(SANDBOX.run(&program(PREVIEW_1), &policy)).unwrap_err();
    assert!(format!("{error:?}").contains("cannot grant /nowhere"), "{error:?}");
}

#[test]
fn the_limits_have_flags() {
    let program = guest("sandbox_guest", PREVIEW_1);
    let run = |flags: &[&str], args: &[&str]| {
        host("sandbox_host").args(flags).arg(&program).args(args).assert()
    };
    let cases: [(&[&str], &[&str], &str, i32); 7] = [
        (&["--timeout", "0.2"], &["loop"], "it ran for longer than 200ms", 134),
        (
            &["--max-memory-size", "2000000"],
            &["memory", "2"],
            "it wants more than 2000000 bytes of memory",
            134,
        ),
        (&["--max-table-elements", "1"], &["greet"], "it wants more than 1 table elements", 134),
        (
            &["--max-wasm-stack", "100000"],
            &["recursion", "100000"],
            "its calls need more than 100000 bytes",
            134,
        ),
        (&["--max-output", "1000"], &["flood", "2000"], "it printed more than 1000 bytes", 134),
        (&["--max-file-size", "1000"], &["greet"], "it is longer than 1000 bytes", 1),
        (&["--compile-timeout", "0.001"], &["greet"], "it takes longer than 1ms to compile", 1),
    ];
    let first = format!("Error: {} met a limit: --help lists them", program.display());
    for (flags, args, says, status) in cases {
        let says = starts_with(&*first).and(contains(says));
        run(flags, args).code(status).stderr(says.and(contains("wasm backtrace").not()));
    }
    let first = format!("Error: {} failed while it ran\n", program.display());
    run(&[], &["exit", "200"]).code(1).stderr(starts_with(&*first));
    run(&[], &["panic"]).code(134).stderr(contains(&*first).and(contains("at the disco")));
    run(&["--max-output", "2000"], &["flood", "2000"]).success().stderr("");
    run(&["--timeout", "soon"], &["greet"]).code(2).stderr(contains("write a number"));
    run(&["--env", "NAME"], &["greet"]).code(2).stderr(contains("write NAME=VALUE"));
    run(&["--max-wasm-stack", "1000000000"], &["greet"])
        .code(1)
        .stderr(contains("cannot make a sandbox"));
    let fed = |bytes: usize| {
        let mut host = host("sandbox_host");
        host.arg("--stdin").arg(&program).arg("read-input").write_stdin(vec![b'x'; bytes]).assert()
    };
    fed(1 << 20).success().stdout("Ok(1048576) 1048576\n");
    fed((1 << 20) + 1).code(1).stderr(contains("standard input is longer than 1048576 bytes"));
}

#[test]
fn names_that_a_guest_chose_command_no_terminal() {
    let bad = BadInput::new();
    let import = r#"(module (import "env" "\1b[2J" (func)))"#;
    let function = r#"(module (func $"\1b[2J" (export "_start") unreachable))"#;
    for (name, text) in [("import.wasm", import), ("function.wasm", function)] {
        let output = host("sandbox_host").arg(bad.module(name, text)).assert().failure();
        output.stderr(contains("\\u{1b}[2J").and(contains("\u{1b}").not()));
    }
}

#[test]
fn the_defaults_are_as_the_page_says() {
    let limits = Limits::default();
    let (kib, mib) = (|bytes: usize| bytes >> 10, |bytes: usize| bytes >> 20);
    let page = fs::read_to_string(root().join("examples/sandbox/README.md")).unwrap();
    for cell in [
        format!("{} s", limits.time.as_secs()),
        format!("{} MiB", mib(limits.memory)),
        format!("{},000; {}", limits.table_elements / 1000, limits.parts),
        format!("{} KiB", kib(limits.stack)),
        format!("{} MiB", mib(limits.output)),
        format!("{}", limits.handles),
        format!("{} MiB", mib(limits.copied)),
        format!("{} KiB", limits.random >> 10),
        format!("{} MiB; {} s", mib(limits.file), limits.compile.as_secs()),
    ] {
        assert!(
            page.contains(&format!(" | {cell} |\n")),
            "the page has another default than {cell}"
        );
    }
}

#[test]
fn bad_input_is_explained() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let output = host("sandbox_host").arg(path).assert().stdout(is_empty());
        refused(output, path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    reject(
        &bad.text(),
        "{} is refused: give a program for WASI that imports nothing else",
        "it is not WebAssembly",
    );
    reject(
        &bad.empty(),
        "{} is refused: give a program for WASI that imports nothing else",
        "it is not WebAssembly",
    );
    reject(
        &bad.damaged(),
        "{} is refused: give a program for WASI that imports nothing else",
        "it is damaged",
    );
}
