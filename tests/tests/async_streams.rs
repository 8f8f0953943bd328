//! What the `async_streams` example promises, seen from outside.
//! Run: just test async_streams

use std::path::Path;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with, starts_with};
use tests::{BadInput, guest, host, refused};

/// Sends with `package`. Should the host hang, the test does not.
fn send_by(package: &str, arguments: &[&str], texts: &[&str]) -> Assert {
    let guest = guest(package, "wasm32-wasip2");
    let mut host = host("async_streams_host");
    host.args(arguments).arg(guest).args(texts).timeout(Duration::from_secs(60)).assert()
}

fn send(texts: &[&str]) -> Assert {
    send_by("async_streams_guest", &[], texts)
}

#[test]
fn calls_overlap_in_one_instance_in_the_same_order_every_time() {
    let order = "host: 1: sends \"COME H\"\n\
                 2: Complete(6) \"good n\"\n\
                 host: 2: sends \"GOOD N\"\n\
                 host: 1: sent\n\
                 host: 2: sent\n\
                 1: Complete(3) \"ome\"\n";
    for _ in 0..3 {
        send(&["come home", "good news"]).success().stdout(contains(order));
    }
}

#[test]
fn calls_in_turn_do_not_overlap() {
    let output = send_by("async_streams_guest", &["--in-turn"], &["one", "two"]).success();
    output.stdout(
        "1: Complete(3) \"one\"\nhost: 1: sends \"ONE\"\nhost: 1: sent\n1: Dropped \"\"\n\
         2: Complete(3) \"two\"\nhost: 2: sends \"TWO\"\nhost: 2: sent\n2: Dropped \"\"\n\
         host: 1: 3 letters\nhost: 2: 3 letters\n",
    );
}

#[test]
fn nothing_is_read_while_the_line_is_busy() {
    // Every piece goes out before the next one is read.
    let turns = "1: Complete(6) \"one tw\"\nhost: 1: sends \"ONE TW\"\nhost: 1: sent\n\
                 1: Complete(6) \"o thre\"\nhost: 1: sends \"O THRE\"\nhost: 1: sent\n\
                 1: Complete(1) \"e\"\nhost: 1: sends \"E\"\nhost: 1: sent\n\
                 1: Dropped \"\"\nhost: 1: 13 letters\n";
    send(&["one two three"]).success().stdout(turns);
}

#[test]
fn a_text_of_any_length_comes_through() {
    send(&[]).success().stdout("");
    send(&[""]).success().stdout("1: Dropped \"\"\nhost: 1: 0 letters\n");
    let long = "telegram ".repeat(500);
    send(&[&long, "stop"])
        .success()
        .stdout(ends_with("host: 1: 4500 letters\nhost: 2: 4 letters\n"));
}

#[test]
fn an_error_of_one_call_leaves_the_others_alone_and_is_the_hosts_status() {
    let output = send(&["hello", "é", "world"]).code(1);
    output
        .stdout(ends_with(
            "host: 1: 5 letters\nhost: 2: no code for these letters\nhost: 3: 5 letters\n",
        ))
        .stderr("Error: no telegram on 1 of 3 lines\n");
}

#[test]
fn a_guest_that_sleeps_holds_up_the_others_and_nothing_breaks() {
    let order = "1: falls asleep\n1: wakes up\nhost: 1: sends \"ONE\"\n\
                 2: falls asleep\n2: wakes up\nhost: 2: sends \"TWO\"\n";
    send_by("async_streams_sleepy_guest", &[], &["one", "two"])
        .success()
        .stdout(starts_with(order))
        .stderr("");
    send_by("async_streams_sleepy_guest", &["--in-turn"], &["one"]).success().stderr("");
}

#[test]
fn a_task_that_waits_for_itself_is_a_trap_if_nobody_else_uses_the_store() {
    let trap = "wasm trap: deadlock detected: event loop cannot make further progress";
    let output =
        send_by("async_streams_stuck_guest", &["--in-turn"], &["hello"]).code(1).stdout("");
    output.stderr(contains("failed while it ran").and(contains(trap)));
}

#[test]
fn a_guest_that_never_answers_is_given_up() {
    let started = Instant::now();
    let output =
        send_by("async_streams_stuck_guest", &["--timeout", "1"], &["a", "b"]).code(1).stdout("");
    output.stderr(starts_with("Error: ").and(ends_with("did not answer within 1 s\n")));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());
}

/// A component of the example's world: `start` runs while it is instantiated, `telegram` in a call.
fn office(start: &str, telegram: &str) -> String {
    format!(
        r#"(component
            (core module $office
                (func $start {start})
                (start $start)
                (memory (export "memory") 1)
                (func (export "telegram") (param i32 i32) (result i32) {telegram})
                (func (export "callback") (param i32 i32 i32) (result i32) unreachable)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $office (instantiate $office))
            (func (export "telegram") async
                (param "line" (future u32)) (param "text" (stream u8))
                (result (result u32 (error string)))
                (canon lift (core func $office "telegram") async
                    (memory (core memory $office "memory"))
                    (realloc (core func $office "realloc"))
                    (callback (core func $office "callback")))))"#
    )
}

#[test]
fn a_trap_ends_all_calls_and_the_host_says_whose() {
    let bad = BadInput::new();
    for (name, start, telegram) in
        [("start.wasm", "unreachable", "i32.const 0"), ("call.wasm", "", "unreachable")]
    {
        let path = bad.module(name, &office(start, telegram));
        for way in [&["--in-turn"][..], &[]] {
            let mut host = host("async_streams_host");
            let output = host.args(way).arg(&path).args(["a", "b"]).assert().stdout("");
            let trap = "wasm trap: wasm `unreachable` instruction executed";
            refused(output, &path, "{} failed while it ran", trap);
        }
    }
}

#[test]
fn the_host_refuses_what_is_not_a_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let output = host("async_streams_host").arg(path).arg("hello").assert().stdout("");
        refused(output, path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let path = bad.module("whole.wasm", &office("", "unreachable"));
    let wasm = std::fs::read(&path).unwrap();
    let damaged = path.with_file_name("damaged.wasm");
    std::fs::write(&damaged, &wasm[..wasm.len() - 2]).unwrap();
    reject(&damaged, "cannot compile {}: it is damaged, or needs a feature", "unexpected end");
    let path = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    reject(
        &path,
        "cannot compile {}: it is damaged, or needs a feature",
        "threads must be enabled",
    );
    let path = bad.module("no_export.wasm", "(component)");
    reject(&path, "{} does not fit the world in wit/async_streams: build", "no export `telegram`");
    let path = bad.module("imports.wasm", r#"(component (import "telegraph:sea/cable" (func)))"#);
    reject(&path, "{} does not fit the world in wit/async_streams: build", "telegraph:sea/cable");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    send(&["--fast"]).code(2).stderr(contains("--fast"));
    send_by("async_streams_guest", &["--timeout", "soon"], &[])
        .code(2)
        .stderr(contains("--timeout <SECONDS>"));
    host("async_streams_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
