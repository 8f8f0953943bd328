//! What the `imports` example promises, seen from outside.
//! Run: just test imports

use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, command, guest, host, installed, refused, root};

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
    let guests = contains("\nkubek: 53.13 zł\n").and(contains("\nkrzesło: 0.00 zł\n"));
    output.stdout(guests.and(contains("host: exchange 99 is 421\nkubek: 4.21 zł\n")));
    tags(&[]).success().stdout("");
}

#[test]
fn a_price_is_rounded_to_the_nearest() {
    // 4.25, 8.5, 12.75 and 17 groszy.
    let output = tags(&["mug=1", "mug=2", "mug=3", "mug=4"]).success();
    let said = ["1 is 4\n", "2 is 9\n", "3 is 13\n", "4 is 17\n"];
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(said.iter().all(|said| text.contains(&format!("host: exchange {said}"))), "{text}");
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
    // The largest price that is at most u32::MAX groszy, and the next.
    let last = (u64::from(u32::MAX) * 100 + 49) / 425;
    tags(&[&format!("mug={last}")]).success().stdout(contains("kubek: 42949672.95 zł\n"));
    let path = guest("imports_guest", "wasm32-wasip1");
    let output = host("imports_host").arg(&path).arg(format!("mug={}", last + 1)).assert();
    let output = output.stdout(contains("zł").not());
    let cause = "shop::exchange: more than 32 bits can hold";
    refused(output, &path, "{} failed while it ran", cause);
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
        let output = host("imports_host").arg(&path).assert();
        refused(output, &path, "{} failed while it ran", &format!("shop::translate: {message}"));
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
    let output = host("imports_host").arg(&path).assert();
    let cause = "shop::translate: the guest exports no `memory`";
    refused(output, &path, "{} failed while it ran", cause);
}

#[test]
fn the_guest_learns_the_name_of_its_file_and_not_the_path() {
    // Prints its argument 0: nine bytes from 64 on, where args_get is told to write.
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 16) "\40\00\00\00\09\00\00\00")
        (func (export "_start")
            (drop (call $get (i32.const 0) (i32.const 64)))
            (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))))"#;
    let path = BadInput::new();
    let path = path.module("args.wasm", wat);
    host("imports_host").arg(path).assert().success().stdout("args.wasm");
}

#[test]
fn the_host_refuses_what_is_not_a_guest_of_its_own() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("imports_host").arg(path).assert(), path, first, cause);
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
    let importing = |import: &str| {
        let wat = format!(r#"(module {import} (func (export "_start")))"#);
        bad.module("importing.wasm", &wat)
    };
    let path = importing(r#"(import "env" "exchange" (func))"#);
    reject(&path, "cannot link {}: link", "unknown import: `env::exchange`");
    let path = importing(r#"(import "shop" "exchange" (func (param i64)))"#);
    reject(&path, "cannot link {}: link", "incompatible import type for `shop::exchange`");
    let path = bad.module("library.wasm", "(module)");
    reject(&path, "{} is not a command, it exports no `_start`", "build a program");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("imports_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("imports_host").args(["--without", "prices"]).assert().code(2).stderr(contains("prices"));
    host("imports_host").assert().code(2).stderr(contains("GUEST.wasm"));
}

#[test]
fn a_trap_ends_with_134_in_a_start_function_too() {
    let bad = BadInput::new();
    for body in [
        r#"(func (export "_start") unreachable)"#,
        r#"(func $open unreachable) (start $open) (func (export "_start"))"#,
    ] {
        let path = bad.module("trap.wasm", &format!("(module {body})"));
        let first = format!("Error: {} failed while it ran", path.display());
        let output = host("imports_host").arg(path).assert().code(134);
        output.stderr(starts_with(first).and(contains("wasm trap: wasm `unreachable`")));
    }
}

#[test]
fn the_wit_on_the_page_is_wit() {
    let file = "examples/imports/shop.wit";
    if installed("wasm-tools", file) {
        let arguments = ["component", "wit", file];
        let output = command("wasm-tools", &root()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
