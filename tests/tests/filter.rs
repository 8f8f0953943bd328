//! What the `filter` example promises, seen from outside.
//! Run: just test filter

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, Running, guest, host, in_time, refused, root};

/// How long anything may take here before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

fn filter(input: impl Into<Vec<u8>>) -> Assert {
    let guest = guest("filter_guest", "wasm32-wasip2");
    host("filter_host").arg(guest).write_stdin(input).timeout(LIMIT).assert()
}

/// The host while it runs, with a guest.
fn running(package: &str) -> Running {
    Running::start("filter_host", &[], &guest(package, "wasm32-wasip2"))
}

#[test]
fn passwords_are_hidden_and_all_else_is_passed_on() {
    let log = "ada password=tower ok\n\nbob failed\r\npassword=é password=\nthe end";
    let clean = "ada password=*** ok\n\nbob failed\r\npassword=*** password=***\nthe end";
    filter(log).success().stdout(clean).stderr("");
    filter("").success().stdout("").stderr("");
}

#[test]
fn a_line_typed_appears_while_the_input_is_open() {
    let mut running = running("filter_guest");
    for (typed, seen) in [("one\n", "one\n"), ("password=two\n", "password=***\n")] {
        running.write(typed);
        assert_eq!(running.line(), seen);
    }
    running.write("without an end of line");
    running.stdin = None;
    assert_eq!(running.line(), "without an end of line");
    let (status, errors) = running.ends();
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
}

/// Passes `size` bytes and compares them. Returns the most memory in KiB that the host ever took
/// until then, guest included, where the system says it.
fn pass(size: usize) -> Option<u64> {
    let (mut log, mut clean) = (Vec::new(), Vec::new());
    for number in 0.. {
        if log.len() >= size {
            break;
        }
        writeln!(log, "{number:08} login user=ada password=tower{number} ok").unwrap();
        writeln!(clean, "{number:08} login user=ada password=*** ok").unwrap();
    }
    let mut running = running("filter_guest");
    let mut stdin = running.stdin.take().unwrap();
    let writer = thread::spawn(move || {
        stdin.write_all(&log).unwrap();
        stdin // not closed yet, so that the host is still there to be measured
    });
    let mut stdout = running.stdout.take().unwrap();
    let (passed, mut stdout) = in_time(move || {
        let mut passed = vec![0; clean.len()];
        stdout.read_exact(&mut passed).unwrap();
        (passed == clean, stdout)
    });
    assert!(passed, "{size} bytes came out otherwise");
    let status = Path::new("/proc").join(running.host.id().to_string()).join("status");
    let peak = std::fs::read_to_string(status).ok().map(|status| {
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    });
    drop(writer.join().unwrap());
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).unwrap();
    let (status, errors) = running.ends();
    assert!(status.success() && rest.is_empty() && errors.is_empty(), "{status}: {errors}");
    peak
}

#[test]
fn twenty_megabytes_pass_in_the_memory_of_two() {
    let (two, twenty) = (pass(2_000_000), pass(20_000_000));
    if cfg!(target_os = "linux") {
        let (two, twenty) = (two.unwrap(), twenty.unwrap());
        assert!(twenty < two + 4096, "{two} KiB for 2 MB, {twenty} KiB for 20 MB");
    }
}

#[test]
fn a_line_that_is_refused_is_not_passed_on_but_those_before_it_are() {
    let output = filter(b"good\nb\xffd\nlost\n").code(1).stdout("good\n");
    output.stderr("Error: no complete output: line 2 is not text in UTF-8\n");
    let long = format!("1\n2\n{}\n", "x".repeat(70_000));
    let output = filter(long).code(1).stdout("1\n2\n");
    output.stderr("Error: no complete output: line 3 is longer than 65536 bytes\n");
    // Without an end of line nothing can be held for ever either.
    filter("x".repeat(70_000)).code(1).stdout("").stderr(contains("line 1 is longer than 65536"));
}

#[test]
#[cfg(unix)]
fn when_nobody_reads_the_host_ends_quietly() {
    use std::os::unix::process::ExitStatusExt;
    for (package, wish) in [("filter_guest", "one\n"), ("filter_rude_guest", "flood\n")] {
        let mut running = running(package);
        running.write(wish);
        running.line();
        running.stdout = None;
        let mut stdin = running.stdin.take().unwrap();
        // The filter learns it when it writes, as any program does.
        thread::spawn(move || while stdin.write_all(b"another line\n").is_ok() {});
        let (status, errors) = running.ends();
        assert_eq!(status.signal(), Some(13), "{package} ended with {status}: {errors}"); // SIGPIPE
        assert_eq!(errors, "", "{package}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn what_the_host_cannot_read_or_write_is_its_own_error_and_not_the_guests() {
    let run = |input: &str, output: &str| {
        let guest = guest("filter_guest", "wasm32-wasip2");
        let mut host = Command::new(host("filter_host").get_program());
        host.arg(guest).env("RUST_BACKTRACE", "0").stdin(std::fs::File::open(input).unwrap());
        host.stdout(std::fs::File::options().write(true).open(output).unwrap());
        let output = in_time(move || host.output().unwrap());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let folder = "Error: cannot read standard input: Is a directory (os error 21)\n";
    assert_eq!(run("/", "/dev/null"), (Some(1), folder.to_owned()));
    let full = "Error: cannot write standard output: No space left on device (os error 28)\n";
    let manifest = root().join("Cargo.toml");
    assert_eq!(run(&manifest.to_string_lossy(), "/dev/full"), (Some(1), full.to_owned()));
}

#[test]
fn a_panic_in_the_task_ends_the_host_though_the_input_is_open() {
    let mut running = running("filter_rude_guest");
    assert_eq!(running.line(), "your wish?\n", "what was written before is not lost");
    running.write("panic\n");
    let (status, errors) = running.ends();
    assert_eq!(status.code(), Some(1), "{errors}");
    for part in [
        "in the middle of the work",
        "filter_rude_guest.wasm failed while it ran",
        "wasm trap: wasm `unreachable` instruction executed",
    ] {
        assert!(errors.contains(part), "{errors}");
    }
}

#[test]
fn a_guest_may_say_at_the_end_that_it_failed() {
    let mut running = running("filter_rude_guest");
    assert_eq!(running.line(), "your wish?\n", "a read can be cancelled");
    running.write("dance\n");
    let (status, errors) = running.ends();
    assert_eq!(status.code(), Some(1));
    assert_eq!(errors, "Error: no complete output: there is no such wish\n");
}

#[test]
fn all_is_written_even_if_the_guest_says_too_early_that_it_is_done() {
    let guest = guest("filter_rude_guest", "wasm32-wasip2");
    let output = host("filter_host").arg(guest).write_stdin("early\n").timeout(LIMIT).assert();
    output.success().stdout("your wish?\n".to_owned() + &"and more\n".repeat(10_000)).stderr("");
}

/// A component of the example's world: `start` runs while it is instantiated, `filter` in a call.
fn component(start: &str, filter: &str) -> String {
    format!(
        r#"(component
            (core module $filter
                (func $start {start})
                (start $start)
                (memory (export "memory") 1)
                (func (export "filter") (param i32) (result i32) {filter})
                (func (export "callback") (param i32 i32 i32) (result i32) unreachable)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) unreachable))
            (core instance $filter (instantiate $filter))
            (func (export "filter") async
                (param "input" (stream u8))
                (result (tuple (stream u8) (future (result (error string)))))
                (canon lift (core func $filter "filter") async
                    (memory (core memory $filter "memory"))
                    (realloc (core func $filter "realloc"))
                    (callback (core func $filter "callback")))))"#
    )
}

#[test]
fn a_trap_is_an_error_that_names_the_guest() {
    let bad = BadInput::new();
    for (name, start, filter) in
        [("start.wasm", "unreachable", "i32.const 0"), ("call.wasm", "", "unreachable")]
    {
        let path = bad.module(name, &component(start, filter));
        let output = host("filter_host").arg(&path).timeout(LIMIT).assert().stdout("");
        let trap = "wasm trap: wasm `unreachable` instruction executed";
        refused(output, &path, "{} failed while it ran", trap);
    }
}

#[test]
fn the_host_refuses_what_is_not_a_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("filter_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let path = bad.module("whole.wasm", &component("", "unreachable"));
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
    reject(&path, "{} does not fit the world in wit/filter: build", "no export `filter` found");
    let path = bad.module("imports.wasm", r#"(component (import "log:sink/line" (func)))"#);
    reject(&path, "{} does not fit the world in wit/filter: build", "log:sink/line");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let run = |arguments: &[&str]| host("filter_host").args(arguments).assert().code(2);
    run(&[]).stderr(contains("<GUEST.wasm>"));
    run(&["--lines", "guest.wasm"]).stderr(contains("--lines"));
    run(&["guest.wasm", "log.txt"]).stderr(contains("log.txt").and(contains("unexpected")));
}
