//! What the `async_streams` example promises, seen from outside.
//! Run: just test async_streams

use std::path::Path;
use std::time::Duration;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with};
use tests::{BadInput, guest, host, refused};

fn send(texts: &[&str]) -> Assert {
    let guest = guest("async_streams_guest", "wasm32-wasip2");
    host("async_streams_host").arg(guest).args(texts).assert()
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
fn nothing_is_read_while_the_line_is_busy() {
    // Every piece goes out before the next one is read.
    let turns = "1: Complete(6) \"one tw\"\nhost: 1: sends \"ONE TW\"\nhost: 1: sent\n\
                 1: Complete(6) \"o thre\"\nhost: 1: sends \"O THRE\"\nhost: 1: sent\n\
                 1: Complete(1) \"e\"\nhost: 1: sends \"E\"\nhost: 1: sent\n\
                 1: Dropped \"\"\nhost: [(Ok(13),)]\n";
    send(&["one two three"]).success().stdout(turns);
}

#[test]
fn a_text_of_any_length_comes_through() {
    send(&[]).success().stdout("host: []\n");
    send(&[""]).success().stdout("1: Dropped \"\"\nhost: [(Ok(0),)]\n");
    let long = "telegram ".repeat(500);
    send(&[&long, "stop"]).success().stdout(ends_with("host: [(Ok(4500),), (Ok(4),)]\n"));
}

#[test]
fn an_error_of_one_call_leaves_the_others_alone() {
    let output = send(&["hello", "é", "world"]).code(1);
    output.stdout(ends_with("host: [(Ok(5),), (Err(\"no code for these letters\"),), (Ok(5),)]\n"));
}

#[test]
fn a_task_that_waits_for_itself_is_a_trap() {
    let stuck = guest("async_streams_stuck_guest", "wasm32-wasip2");
    let output = host("async_streams_host").arg(&stuck).arg("hello").assert().code(134);
    let trap = "wasm trap: deadlock detected: event loop cannot make further progress";
    output.stdout("").stderr(contains("failed while it ran").and(contains(trap)));
    // With two texts the host uses `run_concurrent`, which does not look for it.
    let mut two = host("async_streams_host");
    two.arg(stuck).args(["a", "b"]).timeout(Duration::from_secs(2)).assert().interrupted();
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(
            host("async_streams_host").arg(path).arg("hello").assert().stdout(""),
            path,
            first,
            cause,
        );
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        reject(&path, "{} is not a component (but a core module, or no WebAssembly): build", "");
    }
    let path = bad.module("empty_component.wasm", "(component)");
    reject(
        &path,
        "{} does not fit the world telegraph:office/office: build",
        "failed to find function export",
    );
    let path = bad.module("imports.wasm", r#"(component (import "telegraph:sea/cable" (func)))"#);
    reject(&path, "{} does not fit the world", "telegraph:sea/cable");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    send(&["--fast"]).code(2).stderr(contains("--fast"));
    host("async_streams_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
