//! What the `runner` example promises, seen from outside, and that its host runs or explains every
//! guest of the workspace.
//! Run: just test runner

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Duration;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, artifacts, command, guest, host, program, refused, root};

const ISBN: &str = "978-3-16-148410-0";

#[test]
fn every_guest_of_the_workspace_runs_or_is_explained() {
    let mut folders: Vec<_> =
        fs::read_dir(root().join("guests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join(".cargo/config.toml").is_file());
    folders.sort();
    for folder in folders {
        // Built as a reader would in the folder of a guest, which names its target itself.
        let mut files = artifacts(command("cargo", &folder).arg("build"));
        files.retain(|file| file.extension().is_some_and(|extension| extension == "wasm"));
        assert!(!files.is_empty(), "{} makes no wasm", folder.display());
        for file in files {
            // One that waits for something that never comes is ended after this time: it did run.
            let output = host("runner_host").arg(&file).timeout(Duration::from_secs(120)).output();
            let output = output.unwrap();
            let text = format!("{}: {output:?}", file.display());
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(!errors.contains("panicked at hosts/"), "{text}");
            let shown = file.display();
            if errors.starts_with(&format!("Error: {shown} is a ")) {
                // A library, of which there is one thing to say. What has a `main` is not one.
                assert!(!folder.join("src/main.rs").is_file(), "{text}");
                assert!(errors.contains(" it exports "), "{text}");
                assert!(
                    errors
                        .trim_end()
                        .ends_with(": write a host that calls its exports, or build a program"),
                    "{text}"
                );
                assert_eq!(errors.trim_end().lines().count(), 1, "{text}");
                assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{text}");
            } else if errors.starts_with(&format!("Error: cannot link {shown}: this host offers")) {
                // A program for a host of its own: the second line says what it asks for.
                assert!(errors.contains("import"), "{text}");
                assert_eq!((output.status.code(), &*output.stdout), (Some(1), &b""[..]), "{text}");
            } else {
                // Whatever else is printed is the guest's: it had its say, or failed while it ran.
                let failed = errors.contains(&format!("Error: {shown} failed while it ran\n"));
                assert!(failed || !errors.contains(&*shown.to_string()), "{text}");
                assert!(!output.stdout.is_empty() || !errors.is_empty(), "{text}");
            }
        }
    }
}

/// Runs cargo on the example's guest at the root.
fn cargo(arguments: &[&str], runner: Option<&str>) -> Output {
    let mut cargo = command("cargo", &root());
    cargo.args(&arguments[..1]).args(["--quiet", "--package", "runner_guest", "--target"]);
    cargo.args(&arguments[1..]);
    if let Some(runner) = runner {
        cargo.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", runner);
    }
    cargo.output().unwrap()
}

#[test]
fn cargo_runs_tests_and_benches_in_this_host() {
    for (target, place, wrong) in
        [("wasm32-wasip1", "WASI preview 1", 3), ("wasm32-wasip2", "WASI 0.2", 1)]
    {
        let run = cargo(&["run", target, "--", ISBN], None);
        let text = String::from_utf8_lossy(&run.stdout);
        assert_eq!(text, format!("{ISBN} is an ISBN, checked inside {place}\n"));
        let run = cargo(&["run", target, "--", "978"], None);
        assert_eq!(run.status.code(), Some(wrong));
        let test = cargo(&["test", target], None);
        assert!(String::from_utf8_lossy(&test.stdout).contains("3 passed"), "{test:?}");
        let bench = cargo(&["bench", target], None);
        assert!(String::from_utf8_lossy(&bench.stdout).starts_with("check: "), "{bench:?}");
    }
}

#[test]
fn a_bare_cargo_run_in_the_guests_folder_finds_the_runner() {
    let mut cargo = command("cargo", &root().join("guests/runner"));
    let output = cargo.args(["run", "--quiet", "--", ISBN]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("inside WASI preview 1"));
}

#[test]
fn a_grant_stands_in_the_variable() {
    let granted = cargo(&["test", "wasm32-wasip1"], Some(".cargo/run-guest --dir .::/"));
    assert_eq!(granted.status.code(), Some(134), "{granted:?}");
    // What the test said was captured by the harness, and ended with it.
    let text = [granted.stdout, granted.stderr].concat();
    assert!(!String::from_utf8_lossy(&text).contains("assertion failed"), "{text:?}");
}

#[test]
fn both_kinds_get_what_is_granted_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("notes.txt"), "kept").unwrap();
    let source = r#"fn main() {
        println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
        println!("{:?}", std::env::vars().collect::<Vec<_>>());
        println!("{:?}", std::fs::read_to_string("/data/notes.txt").ok());
        println!("{:?}", std::fs::write("/data/new.txt", "").is_ok());
    }"#;
    for target in ["wasm32-wasip1", "wasm32-wasip2"] {
        let program = program(dir.path(), source, target);
        let data = format!("{}::/data", dir.path().display());
        let run =
            |flags: &[&str]| host("runner_host").args(flags).arg(&program).arg("--dir").assert();
        run(&[]).success().stdout("[\"--dir\"]\n[]\nNone\nfalse\n");
        let granted = run(&["--ro-dir", &data, "--env", "MOOD=calm"]);
        granted.success().stdout("[\"--dir\"]\n[(\"MOOD\", \"calm\")]\nSome(\"kept\")\nfalse\n");
        run(&["--dir", &data]).success().stdout(contains("Some(\"kept\")\ntrue\n"));
    }
    let program = program(dir.path(), source, "wasm32-wasip1");
    let passed =
        host("runner_host").env("MOOD", "fair").args(["--env", "MOOD"]).arg(&program).assert();
    passed.success().stdout(contains(r#"[("MOOD", "fair")]"#));
}

#[test]
fn the_network_is_closed_unless_it_is_inherited() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() {
        println!("{:?}", std::net::TcpListener::bind("127.0.0.1:0").is_ok());
        println!("{:?}", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
        println!("{:?}", std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_ok());
    }"#;
    let program = program(dir.path(), source, "wasm32-wasip2");
    let run = |flags: &[&str]| host("runner_host").args(flags).arg(&program).assert().success();
    run(&[]).stdout("false\nfalse\nfalse\n");
    run(&["-S", "inherit-network"]).stdout("true\ntrue\nfalse\n");
    run(&["-Sinherit-network", "-S", "allow-ip-name-lookup"]).stdout(starts_with("true\ntrue\n"));
}

#[test]
fn preview_0_is_linked_beside_preview_1() {
    let bad = BadInput::new();
    // Both generations in one module: ends with the sum of the two error numbers for a closed file.
    let path = bad.module(
        "both.wasm",
        r#"(module
            (import "wasi_unstable" "fd_close" (func $old (param i32) (result i32)))
            (import "wasi_snapshot_preview1" "fd_close" (func $new (param i32) (result i32)))
            (import "wasi_unstable" "proc_exit" (func $exit (param i32)))
            (memory (export "memory") 1)
            (func (export "_start")
                (call $exit (i32.add (call $old (i32.const 99)) (call $new (i32.const 99))))))"#,
    );
    host("runner_host").arg(path).assert().code(16).stderr("");
}

#[test]
fn the_host_refuses_what_it_cannot_run() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("runner_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    reject(&bad.text(), "{} is not WebAssembly: give", "cargo built for a wasm target\n");
    reject(&bad.empty(), "{} is not WebAssembly: give", "cargo built for a wasm target\n");
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    reject(&bad.damaged(), "cannot compile {}: it is damaged, or needs", "unexpected end");
    let path =
        bad.module("shared.wasm", r#"(module (memory 1 1 shared) (func (export "_start")))"#);
    let cause = "threads must be enabled for shared memories";
    reject(&path, "cannot compile {}: it is damaged, or needs a feature", cause);
}

#[test]
fn a_library_is_told_from_a_program_by_the_exact_names_of_its_exports() {
    let bad = BadInput::new();
    let reject = |wat: &str, first: &str| {
        let path = bad.module("library.wasm", wat);
        let advice = ": write a host that calls its exports, or build a program\n";
        refused(host("runner_host").arg(&path).assert().stdout(""), &path, first, advice);
    };
    let exports = |name: &str| format!(r#"(module (func (export "{name}")))"#);
    reject(&exports("_started"), "{} is a library, it exports _started: write");
    reject(&exports("_initialize_all"), "{} is a library, it exports _initialize_all: write");
    // The name is that of a component's interface.
    let name = "wasi:cli/run@0.2.0";
    reject(&exports(name), "{} is a library, it exports wasi:cli/run@0.2.0: write");
    reject("(module)", "{} is a library, it exports nothing: write");
    reject("(component)", "{} is a library, it exports nothing: write");
    let global = r#"(module (global (export "_start") i32 (i32.const 0)))"#;
    reject(global, "{} is a library, it exports nothing: write");
    let reactor = r#"(module (func (export "_initialize")) (memory (export "memory") 1))"#;
    reject(reactor, "{} is a reactor, it exports _initialize: write");
}

#[test]
fn names_that_a_guest_chose_command_no_terminal() {
    let bad = BadInput::new();
    let shown = |wat: &str, text: &str| {
        let path = bad.module("names.wasm", wat);
        let output = host("runner_host").arg(path).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(errors.contains(text), "{errors:?}");
        assert!(!errors.contains(|c: char| c.is_control() && c != '\n'), "{errors:?}");
    };
    let import = r#"(module (import "env" "\1b[2J\07" (func)) (func (export "_start")))"#;
    shown(import, r"unknown import: `env::\u{1b}[2J\u{7}`");
    shown(r#"(module (func (export "\1b[2J\c2\9bm")))"#, r"it exports \u{1b}[2J\u{9b}m: write");
    let twice = r#"(module (func (export "a\0db")) (func (export "\1b[2J")))"#;
    shown(twice, r"it exports a\r");
    // In the backtrace of a trap.
    let trap =
        r#"(module (func $f (@name "\1b[2J") unreachable) (func (export "_start") (call $f)))"#;
    shown(trap, r"\u{1b}[2J");
}

/// A component that imports the interface of the name `imports`, if there is one, and exports
/// `exports` with a function `run` of this body.
fn component(imports: &str, exports: &str, body: &str) -> String {
    let import = match imports {
        "" => String::new(),
        name => format!(
            r#"(import "{name}" (instance (export "get-arguments" (func (result (list string))))))"#
        ),
    };
    format!(
        r#"(component {import}
            (core module $m (func (export "run") (result i32) {body}))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance (export "{exports}") (export "run" (func $run))))"#
    )
}

#[test]
fn a_component_for_a_release_candidate_is_refused_with_its_name() {
    let bad = BadInput::new();
    let reject = |imports: &str, exports: &str, cause: &str| {
        let path = bad.module("rc.wasm", &component(imports, exports, "i32.const 0"));
        let output = host("runner_host").arg(&path).assert().stdout("");
        refused(output, &path, "cannot link {}: this host offers the releases of WASI", cause);
    };
    let (import, export) =
        ("wasi:cli/environment@0.3.0-rc-2026-03-15", "wasi:cli/run@0.3.0-rc-2026-03-15");
    let missing = format!("component imports instance `{import}`, but a matching");
    reject(import, export, &missing);
    reject(import, "wasi:cli/run@0.2.0", &missing);
    reject("", export, "no exported instance named `wasi:cli/run@0.3.0`");
    // With a release in its place it runs.
    let program = component("wasi:cli/environment@0.2.0", "wasi:cli/run@0.2.3", "i32.const 0");
    host("runner_host").arg(bad.module("release.wasm", &program)).assert().success();
}

#[test]
fn a_status_passes_as_far_as_the_generation_knows_it() {
    let bad = BadInput::new();
    let exit = |module: &str, status: u32| {
        let wat = format!(
            r#"(module (import "{module}" "proc_exit" (func $exit (param i32)))
                (memory (export "memory") 1)
                (func (export "_start") (call $exit (i32.const {status}))))"#
        );
        let path = bad.module("exit.wasm", &wat);
        (host("runner_host").arg(&path).assert(), path)
    };
    for module in ["wasi_unstable", "wasi_snapshot_preview1"] {
        for status in [0, 3, 125] {
            exit(module, status).0.code(i32::try_from(status).unwrap()).stderr("");
        }
        for status in [126, 200, 256] {
            let (output, path) = exit(module, status);
            let cause = "exit with invalid exit status outside of [0..126)";
            refused(output, &path, "{} failed while it ran", cause);
        }
    }
    for (answer, status) in [("i32.const 0", 0), ("i32.const 1", 1)] {
        let path = bad.module("run.wasm", &component("", "wasi:cli/run@0.2.0", answer));
        host("runner_host").arg(path).assert().code(status).stderr("");
    }
    // What std asks of WASI 0.2 is success or failure.
    let dir = tempfile::tempdir().unwrap();
    let path = program(dir.path(), "fn main() { std::process::exit(3) }", "wasm32-wasip2");
    host("runner_host").arg(path).assert().code(1).stderr("");
}

#[test]
fn a_trap_ends_with_134_and_names_the_guest() {
    let bad = BadInput::new();
    let trap = r#"(module (func (export "_start") unreachable))"#;
    // Instantiating runs code too: that of a `start` function.
    let start = r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#;
    let run = component("", "wasi:cli/run@0.2.0", "unreachable");
    let start_of_component =
        component("", "wasi:cli/run@0.2.0", "i32.const 0) (func $f unreachable) (start $f");
    let mut paths: Vec<_> = [trap, start, &run, &start_of_component]
        .iter()
        .enumerate()
        .map(|(index, wat)| bad.module(&format!("trap{index}.wasm"), wat))
        .collect();
    let dir = tempfile::tempdir().unwrap();
    paths.push(program(dir.path(), "fn main() { panic!() }", "wasm32-wasip2"));
    for path in paths {
        let output = host("runner_host").arg(&path).assert().code(134);
        let first = format!("Error: {} failed while it ran", path.display());
        output.stderr(contains(first).and(contains("wasm trap: wasm `unreachable`")));
    }
}

#[test]
fn the_guest_sees_the_name_of_its_file_and_not_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() { println!("{:?}", std::env::args().collect::<Vec<_>>()) }"#;
    for target in ["wasm32-wasip1", "wasm32-wasip2"] {
        let path = program(dir.path(), source, target);
        let output = host("runner_host").arg(path).arg("one two").assert().success();
        output.stdout(format!("[\"{target}.wasm\", \"one two\"]\n"));
    }
}

#[test]
fn the_guest_takes_one_isbn_and_says_so() {
    let guest = guest("runner_guest", "wasm32-wasip1");
    for (args, count) in [(&[][..], 0), (&[ISBN, ISBN], 2)] {
        let output = host("runner_host").arg(&guest).args(args).assert().code(2);
        output.stdout("").stderr(format!("{count} arguments: give one ISBN\n"));
    }
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let guest = guest("runner_guest", "wasm32-wasip1");
    host("runner_host").arg("--dri").assert().code(2).stderr(contains("--dri"));
    host("runner_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
    let output = host("runner_host").args(["-S", "network"]).arg(&guest).assert();
    output.code(2).stderr(contains("possible values: inherit-network"));
    let output = host("runner_host").args(["--env", "NOT_SET_ANYWHERE"]).arg(&guest).assert();
    output.code(2).stderr(contains("write NOT_SET_ANYWHERE=VALUE"));
    for flag in ["--dir", "--ro-dir"] {
        let output = host("runner_host").args([flag, "no/such/folder"]).arg(&guest).assert();
        let first = format!("Error: cannot grant no/such/folder: {flag} takes");
        output.code(1).stderr(starts_with(first));
    }
}
