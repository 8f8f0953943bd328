//! What the `evolution` example promises, seen from outside.
//! Run: just test evolution

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match, starts_with};
use tests::{BadInput, guest, host, refused, root};

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
        r"^module, \d+ bytes, 5 imports from wasi_unstable, status 3",
        r"^module, \d+ bytes, \d+ imports from wasi_snapshot_preview1, status 3",
        r"^component, \d+ bytes, \d+ imports from 0\.2\.\d+, status 1",
        r"^component, \d+ bytes, \d+ imports from 0\.2\.\d+ and 0\.3\.\d+, status 3",
    ];
    for (guest, line) in guests().iter().zip(expected) {
        let mut host = host("evolution_host");
        let output = host.args(["--arg", "Ada", "--arg", "Zoë"]).arg(guest).assert();
        let said = format!(r"{line}\nHello Ada Zoë in 20\d\d\n$");
        output.success().stdout(is_match(said).unwrap());
    }
}

#[test]
fn guests_run_in_the_order_given() {
    let [p0, p1, p2, p3] = guests();
    let output = host("evolution_host").arg("--times").args([&p3, &p0, &p2, &p1]).assert();
    let order = r"(?s)0\.3\..*wasi_unstable.*, status 1.*wasi_snapshot_preview1";
    let times = r"instantiated in .*s, ran for .*s";
    output.success().stdout(is_match(order).unwrap().and(is_match(times).unwrap().count(4)));
}

#[test]
fn the_oldest_guest_takes_no_more_arguments_than_it_has_room_for() {
    let many = ["--arg", "Ada"].repeat(20);
    let [p0, p1, ..] = guests();
    let output = host("evolution_host").args(many).args([p0, p1]).assert().success();
    output.stdout(contains("wasi_unstable, status 1\n").and(contains("preview1, status 3\n")));
}

#[test]
fn the_guests_of_std_differ_in_the_first_line_only() {
    let source = |guest: &str| {
        let text = fs::read_to_string(root().join("guests").join(guest).join("src/main.rs"));
        text.unwrap().lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(source("evolution_p1"), source("evolution_p2"));
}

#[test]
fn the_host_refuses_what_it_cannot_run() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("evolution_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    reject(&bad.text(), "{} is not WebAssembly: give", "");
    reject(&bad.empty(), "{} is not WebAssembly: give", "");
    reject(&bad.module("module.wasm", "(module)"), "{} is not a command: build", "`_start`");
    reject(&bad.module("component.wasm", "(component)"), "{} is not a command", "wasi:cli/run");
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}: this host offers WASI", "unknown import: `env::abort`");
    reject(&bad.damaged(), "{} is damaged: build", "");
}

#[test]
fn a_trap_ends_with_134_and_the_command_line_with_2() {
    let bad = BadInput::new();
    let path = bad.module("trap.wasm", r#"(module (func (export "_start") unreachable))"#);
    let first = format!("Error: {} failed while it ran", path.display());
    let output = host("evolution_host").arg(&path).assert().code(134).stderr(starts_with(first));
    output.stderr(contains("wasm trap: wasm `unreachable` instruction executed"));
    host("evolution_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("evolution_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
