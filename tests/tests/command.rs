//! What the `command` example promises, seen from outside.
//! Run: just test command

use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, host, program, refused};

/// Runs the guest with `flags` on `text`; its report goes to `words.txt` in the guest's `/report`.
fn run(flags: &[&str], text: &str) -> Assert {
    let guest = guest("command_guest", "wasm32-wasip1");
    host("command_host")
        .args(flags)
        .arg(guest)
        .arg("/report/words.txt")
        .write_stdin(text.to_owned())
        .assert()
}

/// The flag value that grants `dir` as the guest's `/report`.
fn report(dir: &Path) -> String {
    format!("{}::/report", dir.display())
}

#[test]
fn the_guest_gets_what_is_granted_and_its_status_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let granted = ["--dir", &report(dir.path()), "--env", "WORD_LIMIT=2"];
    run(&granted, "one two").success().stdout("2 words, the limit is 2; see /report/words.txt\n");
    assert_eq!(fs::read_to_string(dir.path().join("words.txt")).unwrap(), "  1 one\n  1 two\n");
    run(&granted, "one two three").code(3).stdout(contains("1 over the limit of 2"));
}

#[test]
fn a_guest_that_fails_ends_with_its_own_message_and_status() {
    let dir = tempfile::tempdir().unwrap();
    run(&["--dir", &report(dir.path())], "one").code(1).stderr(contains("WORD_LIMIT is not set"));
    let wordy = ["--dir", &report(dir.path()), "--env", "WORD_LIMIT=many"];
    run(&wordy, "one").code(1).stderr(contains("WORD_LIMIT=many is not a number"));
}

#[test]
fn the_guest_takes_one_argument_and_ignores_none() {
    let guest = guest("command_guest", "wasm32-wasip1");
    let run = |args: &[&str]| host("command_host").arg(&guest).args(args).assert().code(1);
    run(&[]).stderr(contains("no argument: name the file to write the report to"));
    run(&["/report/a.txt", "b.txt"]).stderr(contains("`b.txt` is one argument too many"));
}

#[test]
fn the_hosts_own_variables_are_passed_on_by_name_only() {
    let dir = tempfile::tempdir().unwrap();
    let guest = guest("command_guest", "wasm32-wasip1");
    let run = |flags: &[&str]| {
        let mut host = host("command_host");
        host.env("WORD_LIMIT", "5").args(["--dir", &report(dir.path())]).args(flags);
        host.arg(&guest).arg("/report/words.txt").write_stdin("one").assert()
    };
    run(&[]).code(1).stderr(contains("WORD_LIMIT is not set"));
    run(&["--env", "WORD_LIMIT"]).success();
}

#[test]
fn nothing_outside_of_a_granted_directory_can_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    let inside = dir.path().join("inside");
    fs::create_dir(&inside).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(dir.path(), inside.join("link")).unwrap();
    let guest = guest("command_guest", "wasm32-wasip1");
    for path in [
        "/report/../words.txt",
        "/words.txt",
        "words.txt",
        "/report/link/words.txt",
        "/report//../words.txt",
    ] {
        let mut host = host("command_host");
        host.args(["--dir", &report(&inside), "--env", "WORD_LIMIT=5"]).arg(&guest).arg(path);
        host.write_stdin("one").assert().code(1).stderr(contains("cannot write"));
        assert!(!dir.path().join("words.txt").exists(), "{path} led outside");
    }
}

#[test]
fn a_read_only_directory_stays_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("words.txt"), "keep me").unwrap();
    let flags = ["--ro-dir", &report(dir.path()), "--env", "WORD_LIMIT=5"];
    run(&flags, "one").code(1).stderr(contains("os error 63"));
    assert_eq!(fs::read_to_string(dir.path().join("words.txt")).unwrap(), "keep me");
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("command_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let first = "{} is not a core module (it is a component, or not WebAssembly): build the guest";
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, first, " with --target wasm32-wasip1\n");
    }
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}", "unknown import: `env::abort` has not been defined");
    let library = "{} is not a command, it exports no `_start`: build a program";
    for export in ["greet", "_started"] {
        let path = bad.module("library.wasm", &format!(r#"(module (func (export "{export}")))"#));
        reject(&path, library, ", not a library\n");
    }
    reject(&bad.damaged(), "cannot compile {}: it is damaged, or needs", "unexpected end");
    let shared = r#"(module (memory 1 1 shared) (func (export "_start")))"#;
    let cause = "threads must be enabled for shared memories";
    let path = bad.module("shared.wasm", shared);
    reject(&path, "cannot compile {}: it is damaged, or needs a feature", cause);
}

#[test]
fn a_trap_ends_with_134_and_names_the_guest() {
    let bad = BadInput::new();
    // Instantiating runs code too: that of a `start` function.
    for (name, wat) in [
        ("trap.wasm", r#"(module (func (export "_start") unreachable))"#),
        ("start.wasm", r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#),
    ] {
        let path = bad.module(name, wat);
        let first = format!("Error: {} failed while it ran", path.display());
        let output = host("command_host").arg(&path).assert().code(134).stdout("");
        let trap = contains("wasm trap: wasm `unreachable` instruction executed");
        output.stderr(starts_with(first).and(trap));
    }
}

#[test]
fn a_status_passes_up_to_125() {
    let bad = BadInput::new();
    let exit = |status: u32| {
        let wat = format!(
            r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        let path = bad.module("exit.wasm", &wat);
        (host("command_host").arg(&path).assert().stdout(""), path)
    };
    for status in [0, 1, 125] {
        exit(status).0.code(i32::try_from(status).unwrap()).stderr("");
    }
    for status in [126, 200, 256] {
        let (output, path) = exit(status);
        let cause = "exit with invalid exit status outside of [0..126)";
        refused(output, &path, "{} failed while it ran", cause);
    }
}

#[test]
fn the_guest_sees_the_name_of_its_file_and_not_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() { println!("{:?}", Vec::from_iter(std::env::args())) }"#;
    let guest = program(dir.path(), source, "wasm32-wasip1");
    let output = host("command_host").arg(guest).arg("one two").assert().success();
    output.stdout("[\"wasm32-wasip1.wasm\", \"one two\"]\n");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let guest = guest("command_guest", "wasm32-wasip1");
    host("command_host").arg("--dri").assert().code(2).stderr(contains("--dri"));
    host("command_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
    host("command_host")
        .args(["--env", "NOT_SET_ANYWHERE"])
        .arg(&guest)
        .assert()
        .code(2)
        .stderr(contains("write NOT_SET_ANYWHERE=VALUE"));
    let no_dir = host("command_host").args(["--dir", "no/such/folder"]).arg(&guest).assert();
    no_dir.code(1).stderr(starts_with("Error: cannot grant no/such/folder: --dir takes"));
}

#[test]
fn flags_after_the_guest_are_the_guests() {
    let dir = tempfile::tempdir().unwrap();
    let guest = guest("command_guest", "wasm32-wasip1");
    let mut host = host("command_host");
    host.args(["--dir", &report(dir.path()), "--env", "WORD_LIMIT=5"]).arg(guest).arg("--dir");
    host.write_stdin("one").assert().code(1).stderr(contains("cannot write --dir"));
}

#[test]
fn cargo_runs_the_guests_own_tests_inside_wasi() {
    let arguments = ["test", "--target", "wasm32-wasip1", "--package", "command_guest"];
    let output = tests::command("cargo", &tests::root()).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("the_sandbox_is_empty_unless_something_is_granted ... ok"), "{text}");
}
