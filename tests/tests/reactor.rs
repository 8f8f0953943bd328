//! What the `reactor` example promises, seen from outside.
//! Run: just test reactor

use std::fs;
use std::path::Path;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, host, refused, root};

#[test]
fn state_lives_on_between_the_calls() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let output = host("reactor_host").arg(guest).args(["Ada", "", "Zoë"]).assert().success();
    let answers = contains(r#"answer "Welcome, Ada: you are number 1.""#)
        .and(contains(r#"answer "Welcome, : you are number 2.""#))
        .and(contains(r#"answer "Welcome, Zoë: you are number 3.""#));
    output.stdout(starts_with("host: _initialize\nthe book is opened\nhost: sign").and(answers));
}

#[test]
fn a_long_name_and_many_calls_fit() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let name = "x".repeat(100_000);
    let output =
        host("reactor_host").arg(guest).arg(&name).args(vec!["Ada"; 500]).assert().success();
    output.stdout(contains(name).and(contains("you are number 501.")));
}

#[test]
fn initialize_is_called_once_and_only_once() {
    let guest = guest("reactor_guest", "wasm32-wasip1");
    let never = host("reactor_host").args(["--initialize", "0"]).arg(&guest).arg("Ada").assert();
    never.success().stdout(contains("Sorry, Ada: the book is closed."));
    let twice = host("reactor_host").args(["--initialize", "2"]).arg(&guest).arg("Ada").assert();
    twice.code(134).stderr(contains("`_initialize` did not return").and(contains("`unreachable`")));
}

#[test]
fn a_plain_cdylib_opens_and_closes_around_every_call() {
    let guest = guest("reactor_plain_guest", "wasm32-wasip1");
    let output = host("reactor_host").arg(guest).arg("Ada").assert().code(134);
    let calls = "the book is opened\nthe book is closed\n".repeat(2);
    let output = output.stdout(format!("host: sign \"Ada\"\n{calls}"));
    output.stderr(contains("sign.command_export"));
}

#[test]
fn the_two_guests_differ_in_the_build_script_only() {
    let source = |guest: &str| {
        fs::read_to_string(root().join("guests").join(guest).join("src/lib.rs")).unwrap()
    };
    assert_eq!(source("reactor"), source("reactor_plain"));
    assert!(root().join("guests/reactor/build.rs").exists());
    assert!(!root().join("guests/reactor_plain/build.rs").exists());
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
    let outside = [
        ("16", "0xffff_0000_0000_0100"), // address and end outside
        ("16", "0x0000_fff0_0000_0100"), // only the end outside
        ("16", "0x0000_0000_ffff_ffff"), // 4 GiB
    ];
    for (alloc, answer) in outside {
        let wat = liar.replace("ALLOC", alloc).replace("ANSWER", answer);
        let output = host("reactor_host").arg(bad.module("liar.wasm", &wat)).arg("Ada").assert();
        output.code(1).stderr(contains("are not in its memory"));
    }
    let wat = liar.replace("ALLOC", "65535").replace("ANSWER", "0");
    let output = host("reactor_host").arg(bad.module("liar.wasm", &wat)).arg("Ada").assert();
    output.code(1).stderr(contains("out of bounds memory access"));
}

#[test]
fn the_host_refuses_what_is_no_guest_book() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("reactor_host").arg(path).arg("Ada").assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, "{} is not a core module (but a component, or no WebAssembly): build", "");
    }
    let path = bad.module("imports.wasm", r#"(module (import "env" "abort" (func)))"#);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let path = bad.module(
        "command.wasm",
        r#"(module (memory (export "memory") 1) (func (export "_start")))"#,
    );
    reject(&path, "{} is not a guest book: give", "`buffer_alloc`");
    host("reactor_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
}
