//! What the `imports` example promises, seen from outside.
//! Run: just test imports

use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, host, refused};

fn tags(arguments: &[&str]) -> Assert {
    host("imports_host").arg(guest("imports_guest", "wasm32-wasip1")).args(arguments).assert()
}

/// A guest that calls one of the host's functions with arguments of our choice.
fn calling(import: &str, call: &str) -> String {
    format!(
        r#"(module (import "shop" {import})
        (memory (export "memory") 1) (data (i32.const 16) "mug\ff")
        (func (export "_start") {call}))"#
    )
}

const TRANSLATE: &str = r#""translate" (func $translate (param i32 i32 i32 i32) (result i32))"#;

#[test]
fn numbers_and_strings_cross() {
    let output = tags(&["mug=1250", "chair=0", "mug=99"]).success();
    let guests = contains("\nkubek: 53.12 zł\n").and(contains("\nkrzesło: 0.00 zł\n"));
    output.stdout(guests.and(contains("host: exchange 99 is 420\nkubek: 4.20 zł\n")));
    tags(&[]).success().stdout("");
}

#[test]
fn a_long_answer_takes_a_second_call() {
    let twice = "host: translate \"lamp\" is Some(\"lampa biurkowa\"), room for 8 bytes\n\
        host: translate \"lamp\" is Some(\"lampa biurkowa\"), room for 14 bytes\n";
    tags(&["lamp=4900"]).success().stdout(starts_with(twice).and(contains("208.25 zł")));
}

#[test]
fn the_guest_decides_what_an_unknown_word_means() {
    tags(&["sofa=1"]).code(1).stderr("Error: no translation for sofa\n");
    tags(&["=1"]).code(1).stderr("Error: no translation for \n");
    tags(&["mug"]).code(1).stderr("Error: write PRODUCT=CENTS, such as mug=1250\n");
    tags(&["mug=-1"]).code(1).stderr(starts_with("Error: `-1` is not a price in cents\n"));
}

#[test]
fn an_error_of_a_host_function_ends_the_guest() {
    let last = u32::MAX / 425 * 100;
    tags(&[&format!("mug={last}")]).success();
    let output = tags(&["mug=4000000000"]).code(1).stdout(contains("zł").not());
    output.stderr(contains("failed while it ran").and(contains("shop::exchange: more than 32")));
}

#[test]
fn a_function_that_is_left_out_is_an_unknown_import() {
    let guest = guest("imports_guest", "wasm32-wasip1");
    for name in ["exchange", "translate"] {
        let output = host("imports_host").args(["--without", name]).arg(&guest).assert();
        let cause = format!("unknown import: `shop::{name}` has not been defined");
        let output = output.code(1).stdout("");
        output.stderr(starts_with("Error: cannot link ").and(contains(cause)));
    }
}

#[test]
fn the_host_believes_no_address() {
    let bad = BadInput::new();
    let lies = [
        ("16 -1 64 8", "bad word"),     // 4 GiB
        ("-16 -1 64 8", "bad word"),    // the end is beyond 32 bits
        ("65537 0 64 8", "bad word"),   // just outside, though nothing is read
        ("16 4 64 8", "bad word"),      // no UTF-8
        ("16 3 65535 8", "bad buffer"), // the end is outside
        ("16 3 64 -1", "bad buffer"),   // room that is not there
    ];
    for (arguments, message) in lies {
        let arguments = arguments.split(' ').map(|number| format!("(i32.const {number})"));
        let call = format!("(drop (call $translate {}))", arguments.collect::<String>());
        let path = bad.module("liar.wasm", &calling(TRANSLATE, &call));
        let output = host("imports_host").arg(path).assert().code(1);
        output.stderr(
            contains("failed while it ran").and(contains(message)).and(contains("shop::translate")),
        );
    }
    let empty =
        "(drop (call $translate (i32.const 16) (i32.const 3) (i32.const 65536) (i32.const 0)))";
    let path = bad.module("asks.wasm", &calling(TRANSLATE, empty));
    host("imports_host").arg(path).assert().success(); // no room at the very end is no lie
    let path = bad.module(
        "closed.wasm",
        r#"(module (import "shop" "translate" (func $translate (param i32 i32 i32 i32) (result i32)))
        (func (export "_start") (drop (call $translate (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))"#,
    );
    let output = host("imports_host").arg(path).assert().code(1);
    output.stderr(contains("shop::translate: the guest exports no `memory`"));
}

#[test]
fn the_host_refuses_what_is_no_guest_of_its() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("imports_host").arg(path).assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, "{} is not a core module (but a component, or no WebAssembly): build", "");
    }
    let path = bad.module("env.wasm", r#"(module (import "env" "exchange" (func)))"#);
    reject(&path, "cannot link {}: link", "unknown import: `env::exchange`");
    let path = bad.module("wide.wasm", r#"(module (import "shop" "exchange" (func (param i64))))"#);
    reject(&path, "cannot link {}: link", "incompatible import type for `shop::exchange`");
    reject(&bad.module("library.wasm", "(module)"), "{} is not a command", "`_start`");
    host("imports_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("imports_host").args(["--without", "prices"]).assert().code(2).stderr(contains("prices"));
    host("imports_host").assert().code(2).stderr(contains("GUEST.wasm"));
}

#[test]
fn a_trap_ends_with_134() {
    let bad = BadInput::new();
    let path = bad.module("trap.wasm", r#"(module (func (export "_start") unreachable))"#);
    host("imports_host").arg(path).assert().code(134).stderr(contains("`unreachable`"));
}
