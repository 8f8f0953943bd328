//! What the `adapter` example promises, seen from outside.
//! Run: just test adapter

use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with, starts_with};
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
fn every_status_but_0_becomes_1() {
    // `main` returns 3: the adapter can only say that it was not a success.
    adapt("adapter_guest", &[], &[]).code(1).stderr("nobody waits\n");
    let bad = BadInput::new();
    for (status, arrives) in [(0, 0), (1, 1), (2, 1), (125, 1), (200, 1), (256, 1)] {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        let path = bad.module("exits.wasm", &wat);
        host("adapter_host").arg(path).assert().code(arrives).stderr("");
    }
}

#[test]
fn a_refusal_is_an_answer_and_the_library_goes_on() {
    let output = adapt("adapter_library_guest", &[], &["", "Ada"]).code(1).stderr("");
    output.stdout(contains("draw \"\" is Err(\"a ticket needs a name\")").and(contains("Ok(1)")));
}

#[test]
fn a_trap_ends_with_134_in_a_start_function_too() {
    for package in ["adapter_guest", "adapter_library_guest"] {
        let trapped = adapt(package, &[], &["Ada", "Bob", "Eve", "Zoë", "Max"]).code(134);
        let said = contains("the roll is empty").and(contains("failed while it ran"));
        let trapped = trapped.stderr(said.and(contains("wasm trap: wasm `unreachable`")));
        // Nothing is called after the trap.
        trapped.stdout(contains("ticket 3").and(contains("Zoë").not()).and(contains("Max").not()));
    }
    let bad = BadInput::new();
    let wat = r#"(module (memory (export "memory") 1)
        (func $open unreachable) (start $open) (func (export "_start")))"#;
    let path = bad.module("start.wasm", wat);
    let output = host("adapter_host").arg(&path).assert().code(134);
    let first = format!("Error: {} failed while it ran", path.display());
    output.stderr(starts_with(first).and(contains("wasm trap: wasm `unreachable`")));
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
    let bad = BadInput::new();
    let output = host("adapter_host").arg(bad.module("args.wasm", wat)).assert().success();
    output.stdout(ends_with("\nargs.wasm"));
}

#[test]
fn the_wrong_adapter_is_refused() {
    let path = guest("adapter_library_guest", "wasm32-wasip1");
    let output = host("adapter_host").args(["--wasi-adapter", "command"]).arg(&path).assert();
    let first = "cannot make a component of {} with the command adapter: that takes a program";
    refused(output, &path, first, "core instance 2 has no export named `_start`");
    let path = guest("adapter_guest", "wasm32-wasip1");
    let output = host("adapter_host").args(["--wasi-adapter", "reactor"]).arg(&path).assert();
    let output = output.stdout(contains("after, exports").not());
    let first = "{} does not fit the world in wit/adapter: build the guest from that WIT, or give a \
        program to the command adapter";
    refused(output, &path, first, "no export `draw` found");
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
        let first =
            "{} is not a core module (it is a component, or not WebAssembly): build the guest";
        reject(&path, first, "--target wasm32-wasip1");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature that this host leaves out";
    reject(&bad.damaged(), compile, "unexpected end-of-file");
    let path = bad.module("threads.wasm", "(module (memory 1 1 shared))");
    reject(&path, compile, "threads must be enabled for shared memories");
    let import = |module: &str| {
        let wat = format!(r#"(module (import "{module}" "ring" (func)) (func (export "_start")))"#);
        bad.module("imports.wasm", &wat)
    };
    let first = "cannot make a component of {} with the command adapter: that takes a program";
    for module in ["shop", "wasi_unstable"] {
        let cause = format!("module requires an import interface named `{module}`");
        reject(&import(module), first, &cause);
    }
    let cause = "adapter module did not export `ring`";
    reject(&import("wasi_snapshot_preview1"), first, cause);
    let library = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    reject(&library, "{} does not fit the world in wit/adapter", "no export `draw` found");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    adapt("adapter_guest", &["--nope"], &[]).code(2).stderr(contains("--nope"));
    host("adapter_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
    let output = adapt("adapter_guest", &["--wasi-adapter", "proxy"], &[]).code(2);
    output.stderr(contains("possible values: command, reactor"));
}
