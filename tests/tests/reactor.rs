//! What the `reactor` example promises, seen from outside.
//! Run: just test reactor

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, command, guest, host, refused, root};

/// Runs the guest, initialized once, and returns what the host said last: the size of the memory.
fn memory_after(flags: &[&str], names: &[&str]) -> String {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let output = host("reactor_host").args(flags).arg(guest).args(names).assert().success();
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let last = text.lines().last().unwrap().to_owned();
    assert!(last.starts_with("host: the guest's memory is "), "{last}");
    last
}

#[test]
fn state_lives_on_between_the_calls() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let names = ["Ada", "", "Zoë", "Ada"];
    let output = host("reactor_host").arg(guest).args(names).assert().success();
    let answers = contains(r#"answer "Welcome, Ada: you are number 1.""#)
        .and(contains(r#"answer "Welcome, : you are number 2.""#))
        .and(contains(r#"answer "Welcome, Zoë: you are number 3.""#))
        .and(contains(r#"answer "Welcome back, Ada: you are number 1.""#));
    output.stdout(starts_with("host: _initialize\nthe book is opened\nhost: sign").and(answers));
}

#[test]
fn a_long_name_and_many_names_fit() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let name = "x".repeat(100_000);
    let many: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let output = host("reactor_host").arg(guest).arg(&name).args(many).assert().success();
    output.stdout(contains(name).and(contains("you are number 501.")));
}

#[test]
fn every_buffer_is_freed_by_the_side_that_received_it_last() {
    // Names of 2 KB: what 200 calls lose of either kind is several pages.
    let name = "x".repeat(2_000);
    let twice = memory_after(&[], &[&name[..]; 2]);
    assert_eq!(memory_after(&[], &[&name[..]; 200]), twice, "a buffer is lost at each call");
    // That the memory would show it: this flag breaks the rule.
    assert_ne!(memory_after(&["--keep-answers"], &[&name[..]; 200]), twice);
}

#[test]
fn initialize_is_called_once_and_only_once() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let never = host("reactor_host").args(["--initialize", "0"]).arg(&guest).arg("Ada").assert();
    never.success().stdout(contains("Sorry, Ada: the book is closed."));
    let twice = host("reactor_host").args(["--initialize", "2"]).arg(&guest).arg("Ada").assert();
    let cause = "wasm trap: wasm `unreachable` instruction executed";
    let twice = twice.code(1).stdout(contains("host: sign").not());
    twice.stderr(contains("`_initialize` did not return").and(contains(cause)));
}

#[test]
fn a_plain_cdylib_opens_and_closes_around_every_call() {
    let guest = guest("reactor_plain_guest", "wasm32-wasip1");
    let output = host("reactor_host").arg(&guest).arg("Ada").assert();
    let calls = "the book is opened\nthe book is closed\n".repeat(2);
    let output = output.stdout(format!("host: sign \"Ada\"\n{calls}"));
    refused(output, &guest, "{} failed while it ran", "sign.command_export");
}

#[test]
fn the_two_guests_differ_in_the_build_script_only() {
    let source = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    assert_eq!(source("guests/reactor/src/lib.rs"), source("guests/reactor_plain/src/lib.rs"));
    assert!(root().join("guests/reactor/build.rs").exists());
    assert!(!root().join("guests/reactor_plain/build.rs").exists());
}

#[test]
fn a_compiler_that_links_the_file_by_itself_does_no_harm() {
    // What a later compiler does, done by hand: the file comes first, then our build script's flags.
    let target = tests::target().join("fixtures");
    let mut cargo = command("cargo", &root());
    cargo.args(["rustc", "--package", "reactor_guest", "--target", "wasm32-wasip1"]);
    cargo.arg("--target-dir").arg(&target).args(["--", "-C", "link-arg=-l:crt1-reactor.o"]);
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let module = target.join("wasm32-wasip1/debug/reactor_guest.wasm");
    let output = host("reactor_host").arg(module).arg("Ada").assert().success();
    output.stdout(starts_with("host: _initialize\nthe book is opened\n"));
}

#[test]
fn a_trap_is_the_guests_failure_and_nothing_is_called_after_it() {
    let bad = BadInput::new();
    let module = |body: &str| {
        let wat = format!(
            r#"(module (memory (export "memory") 1)
            (func (export "buffer_alloc") (param i32) (result i32) i32.const 16)
            (func (export "buffer_free") (param i32 i32))
            (func (export "sign") (param i32 i32) (result i64) unreachable) {body})"#
        );
        bad.module("traps.wasm", &wat)
    };
    let path = module("");
    let output = host("reactor_host").arg(&path).args(["Ada", "Bob"]).assert();
    let output = output.stdout("host: sign \"Ada\"\n");
    refused(output, &path, "{} failed while it ran", "wasm trap: wasm `unreachable`");
    let path = module("(func $open unreachable) (start $open)");
    let output = host("reactor_host").arg(&path).arg("Ada").assert().stdout("");
    refused(output, &path, "{} failed while it ran", "wasm trap: wasm `unreachable`");
}

#[test]
fn the_host_believes_no_address() {
    // Exports with the right types that lie: `sign` says its answer lies beyond the memory.
    let liar = r#"(module
        (memory (export "memory") 1)
        (func (export "buffer_alloc") (param i32) (result i32) i32.const ALLOC)
        (func (export "buffer_free") (param i32 i32))
        (func (export "sign") (param i32 i32) (result i64) i64.const ANSWER))"#;
    let bad = BadInput::new();
    let run = |wat: &str, cause: &str| {
        let path = bad.module("liar.wasm", wat);
        let output = host("reactor_host").arg(&path).arg("Ada").assert();
        refused(output, &path, "{} failed while it ran", cause);
    };
    let outside = [
        ("16", "0xffff_0000_0000_0100"), // address and end outside
        ("16", "0x0000_fff0_0000_0100"), // only the end outside
        ("16", "0x0000_0000_ffff_ffff"), // 4 GiB
    ];
    for (alloc, answer) in outside {
        let wat = liar.replace("ALLOC", alloc).replace("ANSWER", answer);
        run(&wat, "are not in the guest's memory");
    }
    let wat = liar.replace("ALLOC", "65535").replace("ANSWER", "0");
    run(&wat, "3 bytes at 65535 are not in the guest's memory");
    // The name is written where `sign` says its answer is, and the byte before it is not text.
    let wat = liar.replace("ALLOC", "17").replace("ANSWER", "0x0000_0010_0000_0004");
    let wat = wat
        .replace("(func (export \"sign\")", r#"(data (i32.const 16) "\ff") (func (export "sign")"#);
    run(&wat, "invalid utf-8");
}

#[test]
fn the_host_refuses_what_is_no_guest_book() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("reactor_host").arg(path).arg("Ada").assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        let first =
            "{} is not a core module (it is a component, or not WebAssembly): build the guest";
        reject(&path, first, "--target wasm32-wasip1");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature that this host leaves out";
    reject(&bad.damaged(), compile, "unexpected end-of-file");
    let path = bad.module("threads.wasm", "(module (memory 1 1 shared))");
    reject(&path, compile, "threads must be enabled for shared memories");
    let path = bad.module("imports.wasm", r#"(module (import "env" "abort" (func)))"#);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let path = bad.module("silent.wasm", "(module)");
    reject(&path, "{} is not a guest book: give", "no memory is exported");
    let command = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
    let path = bad.module("command.wasm", command);
    reject(&path, "{} is not a guest book: give", "`buffer_alloc`");
    let wide = r#"(module (func (export "_initialize") (param i32)))"#;
    let path = bad.module("wide.wasm", wide);
    reject(&path, "{} is not a guest book: give", "`_initialize`");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("reactor_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("reactor_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
    let output = host("reactor_host").args(["--initialize", "often"]).assert().code(2);
    output.stderr(contains("'often' for '--initialize <TIMES>'"));
}
