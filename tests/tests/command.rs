//! What the `command` example promises, seen from outside.
//! Run: just test command

use std::fs;
use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, host, refused};

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
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, "{} is not a core module (but a component, or no WebAssembly): build", "");
    }
    let path = bad.module("imports.wasm", r#"(module (import "env" "abort" (func)))"#);
    reject(&path, "cannot link {}", "unknown import: `env::abort` has not been defined");
    let path = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    reject(&path, "{} is not a command", "`_start`");
    reject(&bad.damaged(), "{} is damaged: build", "");
}

#[test]
fn a_trap_ends_with_134_and_names_the_guest() {
    let bad = BadInput::new();
    let path = bad.module("trap.wasm", r#"(module (func (export "_start") unreachable))"#);
    let first = format!("Error: {} failed while it ran", path.display());
    let output = host("command_host").arg(&path).assert().code(134).stderr(starts_with(first));
    output.stderr(contains("wasm trap: wasm `unreachable` instruction executed"));
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
