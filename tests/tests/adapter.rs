//! What the `adapter` example promises, seen from outside.
//! Run: just test adapter

use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, host, refused};

fn adapt(package: &str, flags: &[&str], names: &[&str]) -> Assert {
    let guest = guest(package, "wasm32-wasip1");
    host("adapter_host").args(flags).arg(guest).args(names).assert()
}

#[test]
fn a_program_runs_on_wasi_0_2_and_imports_nothing_else() {
    let output = adapt("adapter_guest", &[], &["Ada", "Zoë"]).success();
    let output = output.stdout(
        contains("before, imports wasi_snapshot_preview1::fd_write")
            .and(contains("after, imports wasi:io/streams@0.2.12"))
            .and(contains("after, imports wasi:filesystem/types@0.2.12"))
            .and(contains("after, exports wasi:cli/run@0.2.12"))
            .and(contains("ticket 1 is for Ada\nticket 2 is for Zoë\n")),
    );
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    let mut after = text.lines().filter(|line| line.starts_with("host: after, imports "));
    assert!(after.all(|line| line.contains(" wasi:")), "{text}");
}

#[test]
fn a_library_exports_what_its_wit_says_and_keeps_its_state() {
    let output = adapt("adapter_library_guest", &[], &["Ada", "Bob"]).success();
    output.stdout(
        contains("after, exports draw\n")
            .and(contains("wasi:cli/run").not())
            .and(contains("ticket 1 is for Ada\nhost: draw \"Ada\" is Ok(1)"))
            .and(contains("ticket 2 is for Bob\nhost: draw \"Bob\" is Ok(2)")),
    );
}

#[test]
fn an_adapter_adds_about_twenty_kilobytes() {
    for package in ["adapter_guest", "adapter_library_guest"] {
        let output = adapt(package, &[], &["Ada"]).success();
        let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
        let line = text.lines().find(|line| line.contains(" make ")).unwrap();
        let sizes: Vec<u32> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert!((15_000..25_000).contains(&(sizes[1] - sizes[0])), "{package}: {line}");
    }
}

#[test]
fn a_failure_of_the_guest_arrives() {
    // `main` returns 3: the adapter can only say that it was no success.
    adapt("adapter_guest", &[], &[]).code(1).stderr("nobody waits\n");
    let refused = adapt("adapter_library_guest", &[], &["", "Ada"]).code(1);
    refused.stdout(contains("draw \"\" is Err(\"a ticket needs a name\")").and(contains("Ok(1)")));
    for package in ["adapter_guest", "adapter_library_guest"] {
        let trapped = adapt(package, &[], &["Ada", "Bob", "Eve", "Zoë"]).code(134);
        let said = contains("the roll is empty").and(contains("failed while it ran"));
        trapped.stderr(said.and(contains("wasm trap: wasm `unreachable`")));
    }
}

#[test]
fn the_wrong_adapter_is_refused() {
    let output = adapt("adapter_library_guest", &["--wasi-adapter", "command"], &["Ada"]).code(1);
    output.stderr(
        starts_with("Error: cannot make a component of ")
            .and(contains("core instance 2 has no export named `_start`")),
    );
    let output = adapt("adapter_guest", &["--wasi-adapter", "reactor"], &["Ada"]).code(1);
    let output = output.stdout(contains("after, exports").not());
    output.stderr(contains("does not fit the world").and(contains("no export `draw` found")));
}

#[test]
fn the_host_refuses_what_it_cannot_adapt() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("adapter_host").arg(path).arg("Ada").assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let component = bad.module("component.wasm", "(component)");
    for path in [bad.text(), bad.empty(), component, guest("adapter_guest", "wasm32-wasip2")] {
        reject(&path, "{} is not a core module (but a component, or no WebAssembly): build", "");
    }
    let import = |module: &str| {
        let wat = format!(r#"(module (import "{module}" "ring" (func)) (func (export "_start")))"#);
        bad.module("imports.wasm", &wat)
    };
    for module in ["shop", "wasi_unstable"] {
        let cause = format!("module requires an import interface named `{module}`");
        reject(&import(module), "cannot make a component of {} with the adapter Command", &cause);
    }
    let cause = "adapter module did not export `ring`";
    reject(&import("wasi_snapshot_preview1"), "cannot make a component of {}", cause);
    let library = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    reject(&library, "{} does not fit the world shop:counter/tickets", "no export `draw` found");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    adapt("adapter_guest", &["--nope"], &[]).code(2).stderr(contains("--nope"));
    let output = adapt("adapter_guest", &["--wasi-adapter", "proxy"], &[]).code(2);
    output.stderr(contains("possible values: command, reactor"));
}
