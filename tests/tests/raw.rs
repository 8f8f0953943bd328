//! What the `raw` example promises, seen from outside.
//! Run: just test raw

use std::fs;
use std::path::{Path, PathBuf};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, command, guest, host, program, refused, root};

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
        for (arguments, shown) in [
            (
                &["Ada", "Bob B", "", "Zoë", "$HOME;'"][..],
                r#"["Ada", "Bob B", "", "Zoë", "$HOME;'"]"#,
            ),
            (&[], "[]"),
        ] {
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

/// Which guest notices, and how, is a matter of its generation. That none of them ends well is not.
#[test]
#[cfg(unix)]
fn a_text_that_is_cut_off_is_a_failure() {
    let long = "x".repeat(100_000);
    for (generation, guest) in guests() {
        // What the host says of the guest fits into the file, and the guest's text does not.
        let dir = tempfile::tempdir().unwrap();
        let mut shell = command("sh", dir.path());
        shell.args(["-c", r#"trap '' XFSZ; ulimit -f 8; exec "$@" > printed"#, "sh"]);
        shell.arg(host("raw_host").get_program()).arg(&guest).arg(&long);
        let output = shell.output().unwrap();
        let printed = fs::read_to_string(dir.path().join("printed")).unwrap();
        assert!(printed.starts_with(&format!("host: {generation}\n")), "{output:?}");
        assert!(printed.len() < 10_000, "{}", printed.len());
        let code = output.status.code();
        assert!(code == Some(1), "{generation}: {output:?}");
    }
}

#[test]
fn the_old_names_differ_in_the_name_only() {
    let source = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    for (new, name, old, release, alias) in [
        (
            "guests/raw/src/main.rs",
            "wasip1",
            "guests/raw_wasi11/src/main.rs",
            "wasi, release 0.11",
            "wasi11",
        ),
        (
            "guests/raw_p2/src/main.rs",
            "wasip2",
            "guests/raw_wasi14/src/main.rs",
            "wasi, release 0.14",
            "wasi14",
        ),
    ] {
        let renamed = source(new)
            .replace(&format!("crate {name}."), &format!("crate {release}."))
            .replace(&format!("use {name} as"), &format!("use {alias} as"));
        assert_eq!(renamed, source(old), "{old} and {new}");
    }
}

/// A component that exports `wasi:cli/run` of 0.2, with this body.
fn component(body: &str) -> String {
    format!(
        r#"(component
            (core module $m (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#
    )
}

#[test]
fn the_status_is_the_guests() {
    let bad = BadInput::new();
    let exit = |status: u32| {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        let path = bad.module("exit.wasm", &wat);
        (host("raw_host").arg(&path).assert(), path)
    };
    for status in [0, 3, 125] {
        exit(status).0.code(i32::try_from(status).unwrap()).stderr("");
    }
    let (output, path) = exit(126);
    let cause = "exit with invalid exit status outside of [0..126)";
    refused(output, &path, "{} failed while it ran", cause);
    for (answer, status) in [("i32.const 0", 0), ("i32.const 1", 1)] {
        let path = bad.module("run.wasm", &component(answer));
        let output = host("raw_host").arg(path).assert().code(status);
        output.stdout("host: WASI 0.2, run\n").stderr("");
    }
}

#[test]
fn a_trap_ends_with_134_and_names_the_guest() {
    let bad = BadInput::new();
    for (name, wat) in [
        ("trap.wasm", r#"(module (func (export "_start") unreachable))"#),
        // Instantiating runs code too: that of a `start` function.
        ("start.wasm", r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#),
        ("run.wasm", &component("unreachable")),
        ("starts.wasm", &component("i32.const 0) (func $f unreachable) (start $f")),
    ] {
        let path = bad.module(name, wat);
        let output = host("raw_host").arg(&path).assert().code(134);
        let first = format!("Error: {} failed while it ran", path.display());
        let trap = contains("wasm trap: wasm `unreachable` instruction executed");
        output.stdout(contains("host: WASI 0.")).stderr(contains(first).and(trap));
    }
}

#[test]
fn the_guest_sees_the_name_of_its_file_and_not_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() { println!("{:?}", Vec::from_iter(std::env::args())) }"#;
    for target in ["wasm32-wasip1", "wasm32-wasip2"] {
        let guest = program(dir.path(), source, target);
        let output = host("raw_host").arg(guest).arg("one two").assert().success();
        output.stdout(contains(format!("\n[\"{target}.wasm\", \"one two\"]\n")));
    }
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("raw_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty()] {
        reject(&path, "{} is not WebAssembly: give", "cargo built for a wasm target\n");
    }
    let library = "{} is not a command, it exports neither `_start` nor `wasi:cli/run`: build";
    for wat in ["(module)", r#"(module (func (export "_started")))"#, "(component)"] {
        reject(&bad.module("library.wasm", wat), library, " a program, not a library\n");
    }
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("env.wasm", import);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let import = component("i32.const 0")
        .replace("(component", r#"(component (import "shop:stock/count" (func))"#);
    let path = bad.module("shop.wasm", &import);
    reject(&path, "cannot link {}: this host offers", "shop:stock/count");
    let candidate = component("i32.const 0").replace("@0.2.0", "@0.3.0-rc-2026-03-15");
    let path = bad.module("candidate.wasm", &candidate);
    let cause = "no exported instance named `wasi:cli/run@0.3.0`";
    reject(&path, "cannot link {}: this host offers", cause);
    reject(&bad.damaged(), "cannot compile {}: it is damaged, or needs", "unexpected end");
    let shared = r#"(module (memory 1 1 shared) (func (export "_start")))"#;
    let cause = "threads must be enabled for shared memories";
    let path = bad.module("shared.wasm", shared);
    reject(&path, "cannot compile {}: it is damaged, or needs a feature", cause);
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("raw_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("raw_host").assert().code(2).stderr(contains("GUEST.wasm"));
}
