//! What the `evolution` example promises, seen from outside.
//! Run: just test evolution

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match, starts_with};
use tests::{BadInput, command, guest, host, refused, root};

/// The guests, oldest first.
fn guests() -> [PathBuf; 4] {
    [
        guest("evolution_p0_guest", "wasm32-wasip1"),
        guest("evolution_p1_guest", "wasm32-wasip1"),
        guest("evolution_p2_guest", "wasm32-wasip2"),
        guest("evolution_p3_guest", "wasm32-wasip2"),
    ]
}

#[test]
fn every_generation_greets_and_ends_with_what_it_can_say() {
    let expected = [
        (r"module, \d+ bytes, 5 imports from wasi_unstable", 3),
        (r"module, \d+ bytes, \d+ imports from wasi_snapshot_preview1", 3),
        (r"component, \d+ bytes, \d+ imports from 0\.2\.\d+", 1),
        (r"component, \d+ bytes, \d+ imports from 0\.2\.\d+ and 0\.3\.\d+", 3),
    ];
    for (guest, (line, status)) in guests().iter().zip(expected) {
        for (args, names) in
            [(&[][..], ""), (&["--", "--times", "Bob B", "Zoë"], "--times Bob B Zoë ")]
        {
            let output = host("evolution_host").arg(guest).args(args).assert();
            let said = format!("^host: {line}\nHello {names}in 20\\d\\d\nhost: status {status}\n$");
            output.success().stderr("").stdout(is_match(said).unwrap());
        }
    }
}

#[test]
fn guests_run_in_the_order_given() {
    let [p0, p1, p2, p3] = guests();
    let output = host("evolution_host").arg("--times").args([&p3, &p0, &p2, &p1]).assert();
    let order = r"(?s)0\.3\..*wasi_unstable.*status 1.*wasi_snapshot_preview1";
    let times = r"\nhost: instantiated in [\d.]+.?s, ran for [\d.]+.?s, in a debug build\n";
    output.success().stdout(is_match(order).unwrap().and(is_match(times).unwrap().count(4)));
}

#[test]
fn the_oldest_guest_takes_no_more_arguments_than_it_has_room_for() {
    let [p0, p1, ..] = guests();
    let output = host("evolution_host").args([p0, p1]).arg("--").args(["Ada"; 20]).assert();
    let statuses = "(?s)wasi_unstable\nhost: status 1\n.*preview1\nHello .*host: status 3\n";
    output.success().stdout(is_match(statuses).unwrap());
}

/// The oldest guest, importing its memory: another module can read and write there.
fn oldest_guest_with_imported_memory(dir: &Path) -> Vec<u8> {
    let source = root().join("guests/evolution_p0/src/lib.rs");
    let mut rustc = command("rustc", dir);
    rustc.args(["--edition", "2024", "--crate-type", "cdylib", "--target", "wasm32-wasip1"]);
    rustc.args(["-C", "panic=abort", "-C", "link-arg=--import-memory", "-o", "p0.wasm"]);
    assert!(rustc.arg(source).status().unwrap().success());
    fs::read(dir.join("p0.wasm")).unwrap()
}

/// A component for WASI 0.2 in which `guest` runs and another module offers it preview 0. That one
/// takes one byte of output at a time and returns `errnos` from `args_sizes_get`, `args_get`,
/// `clock_time_get` and `fd_write`. The component fails unless there were `length` such bytes and the
/// guest ended with `status`.
fn under_another_host(guest: &[u8], errnos: [u16; 4], length: usize, status: u32) -> Vec<u8> {
    let [sizes, args, clock, write] = errnos;
    let wat = format!(
        r#"(component
            (import "wasi:cli/exit@0.2.0" (instance $exit
                (export "exit" (func (param "status" (result))))))
            (core func $exit (canon lower (func $exit "exit")))
            (core module $host
                (import "" "exit" (func $exit (param i32)))
                (memory (export "memory") 32)
                (global $written (mut i32) (i32.const 0))
                (func (export "args_sizes_get") (param $count i32) (param $len i32) (result i32)
                    (i32.store (local.get $count) (i32.const 0))
                    (i32.store (local.get $len) (i32.const 0))
                    (i32.const {sizes}))
                (func (export "args_get") (param i32 i32) (result i32) (i32.const {args}))
                (func (export "clock_time_get") (param i32 i64) (param $time i32) (result i32)
                    (i64.store (local.get $time) (i64.const 0))
                    (i32.const {clock}))
                (func (export "fd_write") (param i32 i32 i32) (param $size i32) (result i32)
                    (global.set $written (i32.add (global.get $written) (i32.const 1)))
                    (i32.store (local.get $size) (i32.const 1))
                    (i32.const {write}))
                (func (export "proc_exit") (param $status i32)
                    (call $exit (i32.or
                        (i32.ne (global.get $written) (i32.const {length}))
                        (i32.ne (local.get $status) (i32.const {status}))))))
            (core instance $host (instantiate $host
                (with "" (instance (export "exit" (func $exit))))))
            (core module) ;; without a name it has no section for one
            (core instance $guest (instantiate 1
                (with "wasi_unstable" (instance $host))
                (with "env" (instance $host))))
            (core module $run
                (import "" "_start" (func $start))
                (func (export "run") (result i32) (call $start) (i32.const 0)))
            (core instance $run (instantiate $run (with "" (instance $guest))))
            (func $run (result (result)) (canon lift (core func $run "run")))
            (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#
    );
    // The text format takes no binary inside of a component, so the guest is put in the place of an
    // empty module: the number of the section, its length in LEB128, the module.
    let component = wat::parse_str(wat).unwrap();
    let empty = b"\x01\x08\0asm\x01\0\0\0";
    let at = component.windows(empty.len()).position(|bytes| bytes == empty).unwrap();
    let length = (0..5).map(|group| {
        let bits = u8::try_from(guest.len() >> (7 * group) & 0x7f).unwrap();
        if group < 4 { bits | 0x80 } else { bits }
    });
    let guest = [1].into_iter().chain(length).chain(guest.iter().copied());
    let (before, after) = (&component[..at], &component[at + empty.len()..]);
    before.iter().copied().chain(guest).chain(after.iter().copied()).collect()
}

#[test]
fn the_oldest_guest_writes_all_and_notices_errors() {
    let dir = tempfile::tempdir().unwrap();
    let guest = oldest_guest_with_imported_memory(dir.path());
    let length = "Hello in 1970\n".len();
    for (errnos, length, status) in [
        ([0, 0, 0, 0], length, 3),
        ([28, 0, 0, 0], 0, 1),
        ([0, 28, 0, 0], 0, 1),
        ([0, 0, 28, 0], 0, 1),
        ([0, 0, 0, 28], 1, 1),
    ] {
        let path = dir.path().join("under_another_host.wasm");
        fs::write(&path, under_another_host(&guest, errnos, length, status)).unwrap();
        let output = host("evolution_host").arg(path).assert().success();
        println!("{errnos:?}: not {length} bytes and status {status}"); // shown if it fails
        output.stdout(predicates::str::ends_with("\nhost: status 0\n"));
    }
}

#[test]
fn the_guests_of_std_differ_in_the_first_line_only() {
    let source = |guest: &str| {
        let text = fs::read_to_string(root().join(guest).join("src/main.rs"));
        text.unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(source("guests/evolution_p1"), source("guests/evolution_p2"));
}

#[test]
fn the_host_refuses_what_it_cannot_run_before_it_runs_anything() {
    let bad = BadInput::new();
    let [_, p1, ..] = guests();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("evolution_host").args([&*p1, path]).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    reject(&bad.text(), "{} is not WebAssembly: give", "cargo built for a wasm target\n");
    reject(&bad.empty(), "{} is not WebAssembly: give", "cargo built for a wasm target\n");
    let no_command = "{} is not a command, it exports neither `_start` nor `wasi:cli/run`";
    for library in ["(module)", r#"(module (func (export "_started")))"#, "(component)"] {
        let path = bad.module("library.wasm", library);
        reject(&path, no_command, ": build a program, not a library\n");
    }
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}: this host offers the releases", "unknown import: `env::abort`");
    let candidate = r#"(component
        (import "wasi:cli/environment@0.3.0-rc-2026-03-15" (instance
            (export "get-arguments" (func (result (list string))))))
        (instance (export "wasi:cli/run@0.3.0-rc-2026-03-15")))"#;
    let path = bad.module("candidate.wasm", candidate);
    let cause = "component imports instance `wasi:cli/environment@0.3.0-rc-2026-03-15`";
    reject(&path, "cannot link {}: this host offers the releases", cause);
    reject(&bad.damaged(), "cannot compile {}: it is damaged, or needs", "unexpected end");
    let shared = r#"(module (memory 1 1 shared) (func (export "_start")))"#;
    let path = bad.module("shared.wasm", shared);
    let cause = "threads must be enabled for shared memories";
    reject(&path, "cannot compile {}: it is damaged, or needs a feature", cause);
}

#[test]
fn a_trap_ends_with_134_after_what_the_guest_had_printed() {
    let bad = BadInput::new();
    let talks_and_traps = r#"(module
        (import "wasi_snapshot_preview1" "fd_write"
            (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 0) "\08\00\00\00\0d\00\00\00so far, good\n")
        (func (export "_start")
            (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
            unreachable))"#;
    // Instantiating runs code too: that of a `start` function.
    let start = r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#;
    for (name, wat, said) in
        [("trap.wasm", talks_and_traps, "so far, good\n"), ("start.wasm", start, "")]
    {
        let path = bad.module(name, wat);
        let first = format!("Error: {} failed while it ran", path.display());
        let output = host("evolution_host").arg(&path).assert().code(134);
        let trap = contains("wasm trap: wasm `unreachable` instruction executed");
        output
            .stdout(is_match(format!("^host: .*\n{said}$")).unwrap())
            .stderr(starts_with(first).and(trap));
    }
}

#[test]
fn a_status_that_preview_1_does_not_know_is_an_error() {
    let bad = BadInput::new();
    let wat = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1)
        (func (export "_start") (call $exit (i32.const 126))))"#;
    let path = bad.module("exit.wasm", wat);
    let cause = "exit with invalid exit status outside of [0..126)";
    let output = host("evolution_host").arg(&path).assert();
    refused(output, &path, "{} failed while it ran", cause);
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("evolution_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("evolution_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
