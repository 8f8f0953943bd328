//! What the `raw` example promises, seen from outside.
//! Run: just test raw

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest, host, refused, root};

fn guests() -> [(&'static str, PathBuf); 5] {
    [
        ("WASI 0.1, _start", guest("raw_guest", "wasm32-wasip1")),
        ("WASI 0.1, _start", guest("raw_wasi11_guest", "wasm32-wasip1")),
        ("WASI 0.2, run", guest("raw_p2_guest", "wasm32-wasip2")),
        ("WASI 0.2, run", guest("raw_wasi14_guest", "wasm32-wasip2")),
        ("WASI 0.3, run", guest("raw_p3_guest", "wasm32-wasip2")),
    ]
}

#[test]
fn all_generations_say_the_same() {
    for (generation, guest) in guests() {
        for (arguments, shown) in
            [(&["Ada", "Bob B", "", "Zoë"][..], r#"["Ada", "Bob B", "", "Zoë"]"#), (&[], "[]")]
        {
            let output = host("raw_host").arg(&guest).args(arguments).assert().success();
            output.stderr("").stdout(format!(
                "host: {generation}\narguments {shown}, clock 1784678400, random [7, 7, 7, 7]\n"
            ));
        }
    }
}

#[test]
fn a_long_text_is_printed_to_its_end() {
    let long = "x".repeat(100_000);
    for (_, guest) in guests() {
        let output = host("raw_host").arg(guest).arg(&long).assert().success();
        output.stdout(contains(&long).and(contains("random [7, 7, 7, 7]\n")));
    }
}

#[test]
fn the_old_names_differ_in_the_name_only() {
    let source = |name: &str| {
        fs::read_to_string(root().join("guests").join(name).join("src/main.rs")).unwrap()
    };
    for (new, name, old, release, alias) in [
        ("raw", "wasip1", "raw_wasi11", "wasi, release 0.11", "wasi11"),
        ("raw_p2", "wasip2", "raw_wasi14", "wasi, release 0.14", "wasi14"),
    ] {
        let renamed = source(new)
            .replace(&format!("crate {name}."), &format!("crate {release}."))
            .replace(&format!("use {name} as"), &format!("use {alias} as"));
        assert_eq!(renamed, source(old), "guests/{old} and guests/{new}");
    }
}

#[test]
fn the_end_of_the_guest_is_the_end_of_the_host() {
    let bad = BadInput::new();
    let module = |name: &str, body: &str| {
        let exit = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
        bad.module(
            name,
            &format!(
                r#"(module {exit} (memory (export "memory") 1) (func (export "_start") {body}))"#
            ),
        )
    };
    let output = host("raw_host").arg(module("exit.wasm", "i32.const 3 call $exit")).assert();
    output.code(3).stderr("");
    let output = host("raw_host").arg(module("trap.wasm", "unreachable")).assert();
    output.code(134).stderr(contains("failed while it ran").and(contains("`unreachable`")));
    let component = |name: &str, body: &str| {
        bad.module(
            name,
            &format!(
                r#"(component
                (core module $m (func (export "run") (result i32) {body}))
                (core instance $i (instantiate $m))
                (func $run (result (result)) (canon lift (core func $i "run")))
                (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#
            ),
        )
    };
    let output = host("raw_host").arg(component("fails.wasm", "i32.const 1")).assert();
    output.code(1).stdout("host: WASI 0.2, run\n").stderr("");
    let output = host("raw_host").arg(component("traps.wasm", "unreachable")).assert();
    output.code(134).stderr(contains("failed while it ran").and(contains("`unreachable`")));
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("raw_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty()] {
        reject(&path, "{} is not WebAssembly: give", "");
    }
    reject(&bad.module("library.wasm", "(module)"), "{} is not a command", "`_start`");
    reject(&bad.module("parts.wasm", "(component)"), "{} is not a command", "wasi:cli/run@0.2");
    let path = bad.module("env.wasm", r#"(module (import "env" "abort" (func)))"#);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let path = bad.module("http.wasm", r#"(component (import "shop:stock/count" (func)))"#);
    reject(&path, "cannot link {}: this host offers", "shop:stock/count");
    reject(&bad.damaged(), "{} is damaged: build", "");
    host("raw_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("raw_host").assert().code(2).stderr(contains("GUEST.wasm"));
}
