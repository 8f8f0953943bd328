//! What the `runner` example promises, seen from outside, and that its host runs or explains every
//! guest of the workspace.
//! Run: just test runner

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::{Deserializer, Value};
use tests::{BadInput, guest, host, refused, root};

const ISBN: &str = "978-3-16-148410-0";

/// How commands end that are started with nothing: no arguments, files or input. Those of examples
/// that are not in this workspace are not looked for.
const KNOWN: [(&str, i32, &str); 17] = [
    ("adapter_guest", 3, "nobody waits\n"),
    ("command_guest", 1, "no argument: name the file to write the report to"),
    ("compose_wac_guest", 2, "--plug <PLUG.wasm>"),
    ("evolution_p0_guest", 3, "Hello in 2"),
    ("evolution_p1_guest", 3, "Hello  in 2"),
    ("evolution_p2_guest", 1, "Hello  in 2"),
    ("evolution_p3_guest", 3, "Hello  in 2"),
    ("imports_guest", 1, "unknown import: `shop::translate`"), // asks for more than WASI
    ("no_std_guest", 0, "hello without std\n"),
    ("no_std_alloc_guest", 0, "a Vec without std: [1, 4, 9, 16, 25]\n"),
    ("no_std_twin_guest", 0, "hello with std\n"),
    ("raw_guest", 0, "arguments [], clock 1"),
    ("raw_p2_guest", 0, "arguments [], clock 1"),
    ("raw_p3_guest", 0, "arguments [], clock 1"),
    ("raw_wasi11_guest", 0, "arguments [], clock 1"),
    ("raw_wasi14_guest", 0, "arguments [], clock 1"),
    ("runner_guest", 2, "no argument: give an ISBN\n"),
];

/// The `.wasm` files that a bare `cargo build` makes in the folder of a guest, which names its
/// target itself.
fn built(folder: &Path) -> Vec<PathBuf> {
    let mut cargo = tests::command("cargo", folder);
    let output = cargo.args(["build", "--message-format", "json-render-diagnostics"]);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages =
        Deserializer::from_slice(&output.stdout).into_iter::<Value>().map(Result::unwrap);
    let files =
        messages.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let files = files.map(|file| PathBuf::from(file.as_str().unwrap()));
    files.filter(|file| file.extension().is_some_and(|extension| extension == "wasm")).collect()
}

#[test]
fn every_guest_of_the_workspace_runs_or_is_explained() {
    let mut folders: Vec<_> =
        fs::read_dir(root().join("guests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.retain(|folder| folder.join(".cargo/config.toml").is_file());
    folders.sort();
    for folder in folders {
        let files = built(&folder);
        assert!(!files.is_empty(), "{} makes no wasm", folder.display());
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let known = KNOWN.iter().find(|(guest, ..)| *guest == name);
            // One that waits for something that never comes is ended: it did run.
            let output = host("runner_host").arg(&file).timeout(Duration::from_secs(120)).output();
            let output = output.unwrap();
            let errors = String::from_utf8_lossy(&output.stderr);
            let text = String::from_utf8_lossy(&output.stdout) + errors.clone();
            if let Some((_, status, said)) = known {
                assert_eq!(output.status.code(), Some(*status), "{name}: {text}");
                assert!(text.contains(said), "{name}: {text}");
            } else if let Some(advice) = advice(&errors, &file) {
                assert_eq!(output.status.code(), Some(1), "{name}: {text}");
                let exports = advice.split_once(" it exports ").unwrap().1;
                assert!(exports.contains("; see examples/"), "{name}: {text}");
                assert_eq!(errors.trim_end().lines().count(), 1, "{name}: {text}");
            } else {
                // A command that nobody described here. If the host did not run it, it is one for
                // a host of its own, and that is what the first line says.
                assert!(!errors.contains("src/main.rs:"), "{name}: the host panicked: {text}");
                let refused = errors.lines().find(|line| line.starts_with("Error: cannot "));
                let linked = format!("Error: cannot link {}: this host offers", file.display());
                assert!(refused.is_none_or(|line| line.starts_with(&linked)), "{name}: {text}");
            }
        }
    }
}

/// What the host says of `file` if that is no command.
fn advice<'a>(errors: &'a str, file: &Path) -> Option<&'a str> {
    let rest = errors.strip_prefix(&format!("Error: {} is a ", file.display()))?;
    (rest.starts_with("reactor: ") || rest.starts_with("library: ")).then_some(rest)
}

/// Runs cargo on the example's guest at the root.
fn cargo(arguments: &[&str], runner: Option<&str>) -> Output {
    let mut cargo = tests::command("cargo", &root());
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
    let mut cargo = tests::command("cargo", &root().join("guests/runner"));
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

/// Compiles a program of one line for `target` into `dir`.
fn program(dir: &Path, source: &str, target: &str) -> PathBuf {
    let (from, to) = (dir.join("program.rs"), dir.join(format!("{target}.wasm")));
    fs::write(&from, source).unwrap();
    let mut rustc = tests::command("rustc", &root());
    rustc.args(["--edition", "2024", "--target", target, "-o"]).args([&to, &from]);
    assert!(rustc.output().unwrap().status.success(), "{source}");
    to
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
    reject(&bad.text(), "{} is not WebAssembly: give", "");
    reject(&bad.empty(), "{} is not WebAssembly: give", "");
    let module = bad.module(
        "module.wasm",
        r#"(module (func (export "_initialize")) (memory (export "memory") 1))"#,
    );
    reject(&module, "{} is a reactor: it exports _initialize; see examples/reactor\n", "");
    let module = bad.module("module.wasm", "(module)");
    reject(&module, "{} is a library: it exports nothing; see examples/reactor\n", "");
    let component = bad.module("component.wasm", "(component)");
    reject(&component, "{} is a library: it exports nothing; see examples/component\n", "");
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}: this host offers WASI", "unknown import: `env::abort`");
    reject(&bad.damaged(), "{} is damaged: build", "");
}

#[test]
fn a_trap_ends_with_134_and_names_the_guest() {
    let bad = BadInput::new();
    let module = bad.module("trap.wasm", r#"(module (func (export "_start") unreachable))"#);
    let dir = tempfile::tempdir().unwrap();
    let component = program(dir.path(), "fn main() { panic!() }", "wasm32-wasip2");
    for path in [module, component] {
        let output = host("runner_host").arg(&path).assert().code(134);
        let first = format!("Error: {} failed while it ran", path.display());
        output.stderr(contains(first).and(contains("wasm trap: wasm `unreachable`")));
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
