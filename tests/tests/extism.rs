//! What the `extism` example promises, seen from outside.
//! Run: just test extism

use std::fs;
use std::time::{Duration, Instant};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest, host, refused, root};

const TARGET: &str = "wasm32-unknown-unknown";

/// The three hosts, each with its guest.
fn pairs() -> [(&'static str, std::path::PathBuf); 3] {
    [
        ("extism_host", guest("extism_guest", TARGET)),
        ("extism_module_host", guest("extism_module_guest", "wasm32-wasip1")),
        ("extism_component_host", guest("extism_component_guest", "wasm32-wasip2")),
    ]
}

#[test]
fn all_three_moderate_alike_and_count_across_the_calls() {
    let long = format!("heck {}", "x".repeat(100_000));
    let messages = ["what the heck", "", "darn  Zoë", "heckle", &long];
    let expected = format!(
        "host: \"1: what the ****\"\nhost: \"2: \"\nhost: \"3: ****  Zoë\"\nhost: \"4: heckle\"\n\
         host: \"5: **** {}\"\n",
        "x".repeat(100_000)
    );
    for (name, guest) in pairs() {
        let output = host(name).arg(guest).args(messages).assert().success();
        output.stdout(expected.clone());
    }
}

#[test]
fn a_plugin_that_misbehaves_ends_with_an_error_in_time() {
    let rude = guest("extism_rude_guest", TARGET);
    for (message, cause) in [
        ("loop", "timeout"),
        ("memory", "oom"),
        ("variables", "Variable store is full"),
        ("panic", "wasm trap: wasm `unreachable` instruction executed"),
        ("refuse", "no opinion on this message"),
    ] {
        let mut host = host("extism_host");
        let start = Instant::now();
        let output = host.arg(&rude).args(["fine", message, "after"]).assert();
        assert!(start.elapsed() < Duration::from_secs(60), "{message} took {:?}", start.elapsed());
        refused(output.stdout("host: \"fine\"\n"), &rude, "{} failed while it ran", cause);
    }
}

#[test]
fn the_plugins_own_start_is_limited_by_fuel() {
    let bad = BadInput::new();
    let body = r#"(loop $again (br $again))"#;
    let all = "all fuel consumed by WebAssembly";
    let failed = "{} failed while it ran";
    for (start, first, cause) in [
        (format!("(func $start {body}) (start $start)"), "cannot start {}", all),
        (format!(r#"(func (export "_initialize") {body})"#), "cannot start {}", all),
        (
            format!(r#"(func (export "__wasm_call_ctors") {body})"#),
            failed,
            "plugin ran out of fuel",
        ),
    ] {
        let wat =
            format!(r#"(module (func (export "moderate") (result i32) i32.const 0) {start})"#);
        let path = bad.module("start.wasm", &wat);
        let output = host("extism_host").arg(&path).arg("hello").assert().stdout("");
        refused(output, &path, first, cause);
    }
}

#[test]
fn a_plugin_gets_no_wasi_no_network_and_no_file() {
    let bad = BadInput::new();
    let path = bad.module(
        "wasi.wasm",
        r#"(module (import "wasi_snapshot_preview1" "environ_get" (func (param i32 i32) (result i32))))"#,
    );
    let output = host("extism_host").arg(&path).arg("hello").assert();
    refused(
        output,
        &path,
        "cannot start {}",
        "unknown import: `wasi_snapshot_preview1::environ_get`",
    );

    // Extism's own function for HTTP is there to be imported; without its feature it only says no.
    let request = r#"{"url":"http://127.0.0.1:9/"}"#;
    let stores: String = request
        .bytes()
        .enumerate()
        .map(|(at, byte)| {
            format!("(call $store (i64.add (local.get $at) (i64.const {at})) (i32.const {byte}))")
        })
        .collect();
    let path = bad.module(
        "http.wasm",
        &format!(
            r#"(module
            (import "extism:host/env" "alloc" (func $alloc (param i64) (result i64)))
            (import "extism:host/env" "store_u8" (func $store (param i64 i32)))
            (import "extism:host/env" "http_request" (func $http (param i64 i64) (result i64)))
            (func (export "moderate") (result i32) (local $at i64)
              (local.set $at (call $alloc (i64.const {})))
              {stores}
              (drop (call $http (local.get $at) (i64.const 0)))
              i32.const 0))"#,
            request.len()
        ),
    );
    let output = host("extism_host").arg(&path).arg("hello").assert();
    refused(output, &path, "{} failed while it ran", "http_request is not enabled");
}

#[test]
fn a_plugin_that_lies_about_addresses_is_not_believed() {
    let bad = BadInput::new();
    for (at, len) in
        [("-1", "16"), ("1152921504606846976", "16"), ("64", "4294967296"), ("1", "-1")]
    {
        let run = |call: String| {
            let path = bad.module(
                "liar.wasm",
                &format!(
                    r#"(module
                    (import "extism:host/env" "output_set" (func $output_set (param i64 i64)))
                    (import "extism:host/user" "banned" (func $banned (param i64) (result i64)))
                    (func (export "moderate") (result i32) {call} i32.const 0))"#
                ),
            );
            let output = host("extism_host").arg(&path).arg("hello").assert();
            (path, output)
        };
        // What it says its answer is: the kernel takes no block outside of its memory.
        let (_, output) = run(format!("(call $output_set (i64.const {at}) (i64.const {len}))"));
        output.success().stdout("host: \"\"\n");
        // What it asks the chat about.
        let (path, output) = run(format!("(drop (call $banned (i64.const {at})))"));
        refused(output.stdout(""), &path, "{} failed while it ran", "invalid memory offset");
    }
}

#[test]
fn bad_input_gets_one_line_that_says_what_to_do() {
    let bad = BadInput::new();
    let component = guest("extism_component_guest", "wasm32-wasip2");
    let reject = |path: &std::path::Path, first: &str, cause: &str| {
        refused(host("extism_host").arg(path).arg("hello").assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path, or build", "No such file");
    for path in [bad.text(), bad.empty(), component] {
        reject(&path, "{} is not a core module (it is a component", "wasm32-unknown-unknown");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature that this host leaves out";
    reject(&bad.damaged(), compile, "unexpected end");
    let path = bad.module("empty.wasm", "(module)");
    reject(&path, "{} failed while it ran", "Function not found: moderate");
    host("extism_host").arg("x.wasm").assert().code(2).stderr(contains("<MESSAGES>..."));
    let output = host("extism_host").args(["--repeat", "0", "x.wasm", "hello"]).assert();
    output.code(2).stderr(contains("0 is not in 1..").and(contains("--repeat <TIMES>")));
}

#[test]
fn a_call_of_the_module_is_the_fastest() {
    let time = |(name, guest): (&str, std::path::PathBuf)| {
        let output = host(name).args(["--repeat", "300"]).arg(guest).arg("what the heck").assert();
        let text = String::from_utf8_lossy(&output.success().get_output().stdout).into_owned();
        let last = text.lines().last().unwrap().to_owned();
        let number = last.strip_prefix("host: ").and_then(|rest| rest.strip_suffix(" µs a call"));
        number.unwrap_or_else(|| panic!("no time: {text}")).parse::<f64>().unwrap()
    };
    let [extism, module, component] = pairs().map(time);
    assert!(module < component && module < extism, "{extism} {module} {component}");
}

#[test]
fn the_engine_that_extism_brings_is_named_on_the_page_as_it_is_in_the_lock_file() {
    let lock = fs::read_to_string(root().join("hosts/extism/Cargo.lock")).unwrap();
    let page = fs::read_to_string(root().join("examples/extism/README.md")).unwrap();
    let version = lock.split("name = \"wasmtime\"\nversion = \"").nth(1).unwrap();
    let version = version.split('"').next().unwrap();
    assert!(page.contains(&format!("wasmtime {version}")), "the page does not name {version}");
}
