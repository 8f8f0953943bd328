//! What the `inspect` example promises, seen from outside.
//! Run: just test inspect

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with, starts_with};
use serde_json::Value;
use tests::{BadInput, examples, guest, guest_with, host, program, root};

fn inspect(arguments: &[&str], file: &Path) -> Assert {
    host("inspect_host").args(arguments).arg(file).assert()
}

/// The report on `file` for programs.
fn report(file: &Path) -> Value {
    let output = inspect(&["--json"], file).success().stderr("");
    serde_json::from_slice(&output.get_output().stdout).unwrap()
}

/// Kind, generations of WASI, role and host of `file`, in one line.
fn summary(file: &Path) -> String {
    let report = report(file);
    let versions = report["wasi"].as_array().unwrap().iter().map(|it| it.as_str().unwrap());
    let generations = versions.map(|version| version.splitn(3, '.').take(2).collect::<Vec<_>>());
    let generations: BTreeSet<_> = generations.map(|numbers| numbers.join(".")).collect();
    let mut generations: Vec<_> = generations.into_iter().collect();
    if report["async"] == true {
        generations.push("async".to_owned());
    }
    format!(
        "{}, WASI {}, {}, {}",
        report["kind"].as_str().unwrap(),
        if generations.is_empty() { "none".to_owned() } else { generations.join(" ") },
        report["role"].as_str().unwrap_or("no role"),
        report["host"]["package"].as_str().unwrap_or("no host"),
    )
}

/// A file beside others that are bad as well.
fn file(bad: &BadInput, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = bad.missing().with_file_name(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// All guests of the workspace. A project that was made of one example has fewer.
const GUESTS: [(&str, &str); 72] = [
    ("adapter_guest", "core module, WASI 0.1, command, runner_host"),
    (
        "adapter_library_guest",
        "core module with a world, to be made into a component, WASI 0.1, library, adapter_host",
    ),
    ("async_streams_guest", "component, WASI 0.2 async, library, async_streams_host"),
    ("async_streams_sleepy_guest", "component, WASI 0.2 async, library, async_streams_host"),
    ("async_streams_stuck_guest", "component, WASI 0.2 async, library, async_streams_host"),
    ("cargo_component_guest", "component, WASI 0.2, library, cargo_component_host"),
    ("cargo_component_plain_guest", "component, WASI 0.2, library, cargo_component_host"),
    ("command_guest", "core module, WASI 0.1, command, runner_host"),
    ("component_guest", "component, WASI 0.2, library, component_host"),
    ("component_careless_guest", "component, WASI 0.2, library, component_host"),
    ("compose_guest", "component, WASI 0.2, library, no host"), // it is plugged together first
    ("compose_broken_guest", "component, WASI 0.2, library, no host"),
    ("compose_tax_guest", "component, WASI 0.2, library, no host"),
    ("compose_wac_guest", "core module, WASI 0.1, command, runner_host"),
    ("debug_guest", "core module, WASI 0.1, command, runner_host"),
    ("evolution_p0_guest", "core module, WASI 0.0, command, runner_host"),
    ("evolution_p1_guest", "core module, WASI 0.1, command, runner_host"),
    ("evolution_p2_guest", "component, WASI 0.2, command, runner_host"),
    ("evolution_p3_guest", "component, WASI 0.2 0.3 async, command, runner_host"),
    ("extism_guest", "core module, WASI none, library, extism_host"),
    ("extism_component_guest", "component, WASI 0.2, library, extism_component_host"),
    ("extism_module_guest", "core module, WASI 0.1, reactor, extism_module_host"),
    ("extism_rude_guest", "core module, WASI none, library, extism_host"),
    ("fastly_guest", "core module, WASI 0.1, command, fastly_host"),
    ("fastly_http_guest", "component, WASI 0.2 0.3 async, http-handler, http_host"),
    ("fastly_rude_guest", "core module, WASI 0.1, command, fastly_host"),
    ("filter_guest", "component, WASI 0.2 async, library, filter_host"),
    ("filter_rude_guest", "component, WASI 0.2 async, library, filter_host"),
    ("http_guest", "component, WASI 0.2 0.3 async, http-handler, http_host"),
    ("http_p2_guest", "component, WASI 0.2, http-handler, http_host"),
    ("http_rude_guest", "component, WASI 0.2 0.3 async, http-handler, http_host"),
    ("imports_guest", "core module, WASI 0.1, command, imports_host"),
    ("inspect_guest", "component, WASI 0.2, library, no host"), // that is its lesson
    ("javascript_guest", "core module, WASI 0.1, command, runner_host"),
    ("javascript_rates_guest", "component, WASI 0.2, library, no host"), // JavaScript calls it
    ("no_std_guest", "core module, WASI 0.1, command, runner_host"),
    ("no_std_alloc_guest", "core module, WASI 0.1, command, runner_host"),
    ("no_std_twin_guest", "core module, WASI 0.1, command, runner_host"),
    ("optimize_guest", "core module, WASI 0.1, command, runner_host"),
    ("plugins_guest", "component, WASI 0.2, library, plugins_host"),
    ("plugins_next_guest", "component, WASI 0.2, library, plugins_host"),
    ("plugins_old_guest", "component, WASI 0.2, library, plugins_host"),
    ("plugins_rude_guest", "component, WASI 0.2, library, plugins_host"),
    ("plugins_unseen_guest", "component, WASI 0.2, library, plugins_host"),
    ("raw_guest", "core module, WASI 0.1, command, runner_host"),
    ("raw_p2_guest", "component, WASI 0.2, command, runner_host"),
    ("raw_p3_guest", "component, WASI 0.2 0.3 async, command, runner_host"),
    ("raw_wasi11_guest", "core module, WASI 0.1, command, runner_host"),
    ("raw_wasi14_guest", "component, WASI 0.2, command, runner_host"),
    ("reactor_guest", "core module, WASI 0.1, reactor, reactor_host"),
    ("reactor_plain_guest", "core module, WASI 0.1, library, reactor_host"),
    ("resources_guest", "component, WASI 0.2, library, resources_host"),
    ("resources_greedy_guest", "component, WASI 0.2, library, resources_host"),
    ("runner_guest", "core module, WASI 0.1, command, runner_host"),
    ("sandbox_guest", "core module, WASI 0.1, command, runner_host"),
    ("sandbox_p3_guest", "component, WASI 0.2 0.3 async, command, runner_host"),
    ("small_engine_guest", "core module, WASI 0.1, command, runner_host"),
    ("small_engine_std_guest", "core module, WASI 0.1, command, runner_host"),
    ("sockets_guest", "component, WASI 0.2, command, runner_host"),
    ("startup_guest", "component, WASI 0.2, library, startup_host"),
    ("startup_async_guest", "component, WASI 0.2 async, library, no host"), // `just bench` calls it
    ("startup_calls_guest", "component, WASI 0.2, library, no host"),       // and this one
    ("stream_guest", "component, WASI 0.2, library, stream_host"),
    ("stream_count_guest", "component, WASI 0.2, library, stream_host"),
    ("stream_filter_guest", "component, WASI 0.2, library, stream_host"),
    ("stream_poison_guest", "component, WASI 0.2, library, stream_host"),
    ("tokio_guest", "component, WASI 0.2, command, runner_host"),
    ("tokio_timers_guest", "core module, WASI 0.1, command, runner_host"),
    ("tokio_wstd_guest", "component, WASI 0.2, command, runner_host"),
    ("wasmedge_sockets_guest", "core module, WASI 0.1, command, wasmedge_sockets_host"),
    ("wasmedge_sockets_client_guest", "core module, WASI 0.1, command, wasmedge_sockets_host"),
    ("witx_guest", "core module, WASI 0.1, command, witx_host"),
];

#[test]
fn every_guest_of_the_workspace_is_named_with_its_host() {
    let folders = fs::read_dir(root().join("guests")).unwrap();
    let mut named = 0;
    for folder in folders.map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let package = format!("{}_guest", folder.file_name().unwrap().display());
        let expected = GUESTS.iter().find(|(guest, _)| *guest == package);
        let (_, expected) =
            expected.unwrap_or_else(|| panic!("add a row for {package} to GUESTS in this test"));
        // The guest's own configuration may hold more than its target.
        let path = folder.join(".cargo/config.toml").display().to_string();
        let config = fs::read_to_string(&path).unwrap();
        let own = config.split('"').nth(1).unwrap();
        // For its own target the tool that this one is about writes to the same path as cargo does.
        let target = if package == "cargo_component_guest" { "wasm32-wasip2" } else { own };
        let wasm = guest_with(&package, target, &["--config", &path]);
        assert_eq!(summary(&wasm), *expected, "{package}");
        // The host is there, unless this is a project made of one example.
        let host = expected.rsplit(", ").next().unwrap().strip_suffix("_host");
        let host = host.map(|host| root().join("hosts").join(host).join("Cargo.toml"));
        assert!(
            examples().len() == 1 || host.is_none_or(|it| it.is_file()),
            "{package}: {expected}"
        );
        named += 1;
    }
    assert!(named > 0, "no guests");
}

#[test]
fn every_kind_is_named() {
    let bad = BadInput::new();
    for (name, wat, expected) in [
        (
            "preview0",
            r#"(module (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
            (func (export "_start")))"#,
            "core module, WASI 0.0, command, runner_host",
        ),
        (
            "reactor",
            r#"(module (func (export "_initialize")) (func (export "sum") (param i32 i32)))"#,
            "core module, WASI none, reactor, no host",
        ),
        (
            "library",
            r#"(module (func (export "sum") (param i32 i32) (result i32) i32.const 0))"#,
            "core module, WASI none, library, no host",
        ),
        (
            "not_a_command", // of another type than a command's
            r#"(module (memory (export "_start") 1) (func (export "_initialize") (param i32)))"#,
            "core module, WASI none, library, no host",
        ),
        (
            "program_0_2",
            r#"(component (instance $i) (export "wasi:cli/run@0.2.0" (instance $i)))"#,
            "component, WASI 0.2, command, runner_host",
        ),
        (
            "program_0_3",
            r#"(component (instance $i) (export "wasi:cli/run@0.3.0" (instance $i)))"#,
            "component, WASI 0.3, command, runner_host",
        ),
        (
            "handler_0_2",
            r#"(component (instance $i) (export "wasi:http/incoming-handler@0.2.0" (instance $i)))"#,
            "component, WASI 0.2, http-handler, http_host",
        ),
        (
            "handler_0_3",
            r#"(component (instance $i) (export "wasi:http/handler@0.3.0" (instance $i)))"#,
            "component, WASI 0.3, http-handler, http_host",
        ),
        ("empty_component", "(component)", "component, WASI none, library, no host"),
        (
            "imports_a_module", // which WIT has no words for
            r#"(component (import "plug" (core module)) (import "wasi:cli/exit@0.2.3" (instance)))"#,
            "component, WASI 0.2, library, no host",
        ),
    ] {
        let binary = bad.module(&format!("{name}.wasm"), wat);
        assert_eq!(summary(&binary), expected, "{name}");
        let text = file(&bad, &format!("{name}.wat"), wat);
        assert_eq!(summary(&text), format!("text format of a {expected}"), "{name}");
    }
    let script = file(&bad, "sum.wast", SCRIPT);
    let script = report(&script)["kind"].as_str().unwrap().to_owned();
    assert_eq!(script, "script in text format; modules: 1, assertions: 2, other steps: 0");
}

/// A module and what it must do, as the tests of WebAssembly engines are written.
const SCRIPT: &str = r#"
(module (func (export "sum") (param i32 i32) (result i32)
  (i32.add (local.get 0) (local.get 1))))
(assert_return (invoke "sum" (i32.const 2) (i32.const 3)) (i32.const 5))
(assert_invalid (module (func (result i32))) "type mismatch")
"#;

#[test]
fn one_program_is_told_for_what_it_was_built() {
    let dir = tempfile::tempdir().unwrap();
    let source = "fn main() { println!(\"{:?}\", std::fs::read(\"/log\")) }";
    let module = program(dir.path(), source, "wasm32-wasip1");
    assert_eq!(summary(&module), "core module, WASI 0.1, command, runner_host");
    let component = program(dir.path(), source, "wasm32-wasip2");
    assert_eq!(summary(&component), "component, WASI 0.2, command, runner_host");
    for file in [module, component] {
        let imports = &report(&file)["imports"];
        for (purpose, there) in
            [("files", true), ("streams", true), ("network", false), ("own", false)]
        {
            assert_eq!(imports[purpose].is_array(), there, "{purpose} in {imports}");
        }
    }
}

#[test]
fn what_wasmtime_compiled_is_told_by_its_header() {
    let bad = BadInput::new();
    // A header of 64 bytes: ELF for 64 bits, little-endian, made by wasmtime (200); at 18 the machine,
    // x86-64 (62); at 48 what was compiled, a module (1) or a component (2).
    let mut header = [0; 64];
    header[..8].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1, 1, 200]);
    header[18] = 62;
    header[52] = 64;
    for (flag, kind, host) in
        [(1, "core module", "small_engine_precompiled_host"), (2, "component", "no host")]
    {
        header[48] = flag;
        let compiled = summary(&file(&bad, "made.cwasm", header));
        let expected =
            format!("{kind}, compiled by wasmtime for x86-64, WASI none, no role, {host}");
        assert_eq!(compiled, expected);
    }
    // One that was really made, where the example is there that makes some.
    if root().join("hosts/small_engine_compile").is_dir() {
        let module = bad.module("empty_module.wasm", "(module)");
        let made = module.with_file_name("made.cwasm");
        let mut compile = host("small_engine_compile_host");
        compile.arg("--output").arg(&made).arg(&module).assert().success();
        inspect(&[], &made)
            .success()
            .stdout(contains("kind     core module, compiled by wasmtime 48"));
    }
    // A native program is none.
    let native = PathBuf::from(host("inspect_host").get_program());
    refused(inspect(&[], &native), &native, "it is a native program");
}

/// Checks that `path` was refused in one line that names it and says why.
#[track_caller]
fn refused(output: Assert, path: &Path, because: &str) {
    let output = output.code(1).stdout("");
    let output = output.stderr(starts_with("Error: ").and(ends_with("\n")).and(contains(because)));
    let text = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
    assert!(text.contains(&path.display().to_string()), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn what_is_malformed_gets_one_clear_line() {
    let bad = BadInput::new();
    let module = |name: &str, sections: &[u8]| {
        file(&bad, name, [b"\0asm\x01\0\0\0".as_slice(), sections].concat())
    };
    let component = bad.module(
        "whole.wasm",
        r#"(component (import "f" (func)) (core module (func)) (export "g" (func 0)))"#,
    );
    let component = fs::read(component).unwrap();
    for (path, because) in [
        (bad.missing(), "No such file"),
        (bad.missing().parent().unwrap().to_owned(), "Is a directory"),
        (bad.empty(), "is not WebAssembly: it is empty"),
        (bad.text(), "it is text, but"),
        (file(&bad, "four.wasm", b"\0asm"), "ends before its version"),
        (file(&bad, "version.wasm", b"\0asm\x02\0\0\0"), "with version 0x00000002"),
        (file(&bad, "old.wasm", b"\0asm\x0a\0\x01\0"), "with version 0x0001000a"), // a draft's component
        (file(&bad, "magic.wasm", b"\x7fasm\x01\0\0\0"), "it is text, but"),
        (file(&bad, "random.wasm", b"\xca\xfe\xba\xbe\0\0"), "it begins with ca fe ba be"),
        (file(&bad, "gz.wasm", b"\x1f\x8b\x08\0\0"), "gunzip"),
        (file(&bad, "elf.wasm", b"\x7fELF"), "a native program"),
        (bad.damaged(), "is damaged: unexpected end"),
        (module("garbage.wasm", b"garbage"), "is damaged: "),
        (module("length.wasm", b"\x01\xff\xff\xff\xff\x0f\0"), "unexpected end"), // 4 GiB of types
        (module("count.wasm", b"\x01\x05\xff\xff\xff\xff\x0f"), "exceeds limit of 1000000"),
        (module("leb.wasm", b"\x01\xff\xff\xff\xff\xff\xff\x01"), "invalid var_u32"),
        (module("order.wasm", b"\x03\x01\0\x01\x01\0"), "section out of order"),
        (module("twice.wasm", b"\x01\x01\0\x01\x01\0"), "section out of order"),
        (module("section.wasm", b"\x7f\x01\0"), "malformed section id: 127"),
        (module("utf8.wasm", b"\x07\x05\x01\x01\xff\0\0"), "malformed UTF-8"),
        (module("body.wasm", b"\x01\x04\x01\x60\0\0\x03\x02\x01\0"), "code section is absent"),
        (
            module("type.wasm", b"\x01\x05\x01\x60\0\x01\x7f\x03\x02\x01\0\x0a\x04\x01\x02\0\x0b"),
            "type mismatch",
        ),
        (file(&bad, "cut.wasm", &component[..component.len() - 3]), "is damaged: unexpected end"),
        (file(&bad, "cut_module.wasm", &component[..30]), "is damaged: "),
        (
            file(&bad, "syntax.wat", "(module\n  (func (call $nowhere)))"),
            "line 2, column 15: unknown func: failed to find name `$nowhere`",
        ),
        (file(&bad, "open.wat", "(module (func"), "line 1, column 14: "),
        (file(&bad, "comment.wat", "(; to be continued"), "unterminated block comment"),
        (
            file(&bad, "invalid.wat", "(module (func (result i32)))"),
            "is correct text format of what is not valid: type mismatch",
        ),
        (file(&bad, "assert.wast", "(assert_nothing)"), "line 1, column 2: "),
    ] {
        refused(inspect(&[], &path), &path, because);
        for flag in ["--json", "--wit", "--to-text", "--to-binary", "--tree"] {
            let output = inspect(&[flag], &path);
            let (status, text) = {
                let output = output.get_output();
                (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
            };
            // Conversions take what is well formed and not valid.
            assert!(matches!(status, Some(0 | 1)), "{flag} {}: {text}", path.display());
            assert!(text.lines().count() <= 1, "{flag} {}: {text}", path.display());
        }
    }
}

#[test]
fn damage_anywhere_is_no_panic() {
    let bad = BadInput::new();
    let small = guest_with("inspect_guest", "wasm32-wasip2", &["--profile", "small"]);
    let whole = fs::read(small).unwrap();
    // The ends of it: types and imports, wiring and exports. Between them is code.
    let ends = (0..600).step_by(11).chain((whole.len() - 600..whole.len()).step_by(11));
    for at in ends {
        let mut broken = whole.clone();
        broken[at] ^= 0xff;
        for flags in [&["--json"][..], &["--wit"]] {
            let output = inspect(flags, &file(&bad, "broken.wasm", &broken));
            let output = output.get_output();
            let text = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "byte {at}: {text}");
            assert!(text.lines().count() <= 1, "byte {at}: {text}");
        }
    }
}

/// A module of `functions` functions, each of which says in four bytes that it has 50,000 variables.
fn many_variables(functions: usize) -> Vec<u8> {
    let leb = |mut number: usize| {
        let mut bytes = Vec::new();
        while number > 0x7f {
            bytes.push(number as u8 & 0x7f | 0x80);
            number >>= 7;
        }
        bytes.push(number as u8);
        bytes
    };
    let section = |id: u8, body: Vec<u8>| [vec![id], leb(body.len()), body].concat();
    let count = leb(functions);
    let declared = [count.clone(), vec![0; functions]].concat();
    let bodies = [count, b"\x06\x01\xd0\x86\x03\x7f\x0b".repeat(functions)].concat();
    [
        b"\0asm\x01\0\0\0".to_vec(),
        section(1, b"\x01\x60\0\0".to_vec()),
        section(3, declared),
        section(10, bodies),
    ]
    .concat()
}

#[test]
fn a_hostile_file_costs_no_more_than_it_may() {
    let bad = BadInput::new();
    // Less than a megabyte, which takes longer than that to be checked.
    let slow = file(&bad, "slow.wasm", many_variables(100_000));
    let _ = host("inspect_host"); // built before the time begins
    let begun = Instant::now();
    let output = inspect(&["--timeout", "1"], &slow);
    refused(output, &slow, "takes longer than 1 s: --timeout gives it more");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    // Types of types of types …, each twice in the next.
    let doubled = |i: u32| format!("(type $t{i} (tuple $t{0} $t{0}))", i - 1);
    let types = (1..40).map(doubled).collect::<String>();
    let wat = format!(
        r#"(component (type $t0 (tuple u8 u8)) {types} (import "f" (func (param "x" $t39))))"#
    );
    let types = bad.module("types.wasm", &wat);
    refused(inspect(&[], &types), &types, "effective type size exceeds the limit");
    refused(inspect(&["--wit"], &types), &types, "effective type size exceeds the limit");
    let nested = file(&bad, "nested.wat", "(component ".repeat(100_000));
    refused(inspect(&[], &nested), &nested, "nesting too deep");
}

#[test]
#[cfg(unix)]
fn a_file_without_end_is_not_read_to_its_end() {
    refused(inspect(&[], Path::new("/dev/zero")), Path::new("/dev/zero"), "is longer than 128 MiB");
    let output = host("inspect_host").arg("/dev/stdin").write_stdin("(module)").assert();
    output.success().stdout(contains("kind     text format of a core module\n"));
}

#[test]
fn names_of_a_stranger_do_not_reach_the_terminal_as_they_are() {
    let bad = BadInput::new();
    let evil = r#"(module (import "a\1b[2J\e2\80\ae" "b\0aWASI     0.3.0" (func)) (func (export "c\07d")))"#;
    let path = bad.module("evil.wasm", evil);
    let output = inspect(&[], &path).success();
    let output = output.stdout(contains("a\\u{1b}[2J\\u{202e}::b\\nWASI     0.3.0: func()\n"));
    let text = String::from_utf8_lossy(&output.get_output().stdout).into_owned();
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
    assert_eq!(text.lines().filter(|line| line.starts_with("WASI")).count(), 1, "{text}");
}

#[test]
fn a_path_is_written_as_a_shell_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("it's mine.wasm");
    fs::write(&path, wat::parse_str(r#"(module (func (export "_start")))"#).unwrap()).unwrap();
    let command = report(&path)["host"]["commands"][0].as_str().unwrap().to_owned();
    let quoted = format!("'{}/it'\\''s mine.wasm'", dir.path().display());
    assert_eq!(command, format!("cargo run --package runner_host -- {quoted}"));
}

#[test]
fn a_program_that_needs_more_than_wasi_is_told_what() {
    let bad = BadInput::new();
    let import = |module: &str, name: &str| {
        format!(r#"(module (import "{module}" "{name}" (func)) (func (export "_start")))"#)
    };
    let interface = |name: &str| {
        format!(r#"(component (import "{name}" (instance)) (export "r" (instance 0)))"#)
    };
    for (wat, note) in [
        (import("shop", "ring"), "`shop::ring` is of its own host"),
        (import("env", "foo"), "`env::foo` is missing"),
        (import("wbg", "__wbg_log"), "is JavaScript's"),
        (import("wasi_snapshot_preview1", "path_fly"), "is an extension of WASI"),
        (import("wasi", "thread-spawn"), "is an extension of WASI"),
        (interface("wasi:cli/stdout@0.3.0-rc-2026-03-15"), "is of a draft, or"),
        (interface("wasi:nn/tensor@0.2.0-rc-2024-10-28"), "is of a draft, or"),
        (interface("wasi:config/store@0.2.0-draft"), "is of a draft, or"),
        (
            r#"(component (instance $i) (export "wasi:cli/run@0.3.0-rc-2026-03-15" (instance $i)))"#.to_owned(),
            "is of a draft, or",
        ),
        (
            r#"(component (instance $i) (export "wasi:cli/run@1.0.0" (instance $i)))"#.to_owned(),
            "is of a draft, or",
        ),
        (interface("wasi:http/outgoing-handler@0.2.6"), "`wasmtime run -S http FILE`"),
        (interface("shop:till/tax@1.0.0"), "from another component"),
        (
            r#"(module (func (export "_start")) (memory 1 1 shared))"#.to_owned(),
            "threads must be enabled",
        ),
    ] {
        let report = report(&bad.module("needs.wasm", &wat));
        assert_eq!(report["host"]["package"], Value::Null, "{wat}");
        let said = report["host"]["note"].as_str().unwrap();
        assert!(said.contains(note), "{wat}: {said}");
    }
}

#[test]
fn wit_is_what_the_guest_was_built_from() {
    let guest = guest("inspect_guest", "wasm32-wasip2");
    let output = inspect(&["--wit"], &guest).success().stderr("");
    output.stdout(
        contains("  import reading-at: func(place: string) -> option<reading>;\n")
            .and(contains("  export describe: func(place: string) -> result<string, string>;\n"))
            .and(contains("temperature: s32"))
            .and(contains("import wasi:clocks/wall-clock@0.2.6;")),
    );
    let bad = BadInput::new();
    let module = bad.module("module.wasm", "(module)");
    refused(inspect(&["--wit"], &module), &module, "only components have WIT");
}

#[test]
fn text_and_binary_turn_into_each_other() {
    let bad = BadInput::new();
    for wat in ["(module (func (export \"f\") nop))", "(component (import \"f\" (func)))"] {
        let text = file(&bad, "a.wat", wat);
        let binary = text.with_file_name("a.wasm");
        let to_binary = ["--to-binary", "--output", binary.to_str().unwrap()];
        inspect(&to_binary, &text).success().stdout("").stderr("");
        assert_eq!(fs::read(&binary).unwrap(), wat::parse_str(wat).unwrap());
        let again = inspect(&["--to-text"], &binary).success().stderr("");
        let again = String::from_utf8_lossy(&again.get_output().stdout).into_owned();
        assert_eq!(wat::parse_str(again).unwrap(), fs::read(&binary).unwrap());
        refused(inspect(&["--to-binary"], &binary), &binary, "is binary already");
        refused(inspect(&["--to-text"], &text), &text, "is text already");
        refused(inspect(&["--tree"], &binary), &binary, "give --to-text first");
    }
    // What is refused leaves no trace in a file that is there.
    let (wrong, kept) = (file(&bad, "wrong.wat", "(module"), file(&bad, "kept.wasm", "kept"));
    refused(
        inspect(&["--to-binary", "--output", kept.to_str().unwrap()], &wrong),
        &wrong,
        "line 1",
    );
    assert_eq!(fs::read(kept).unwrap(), b"kept");
    let module = bad.module("module.wasm", "(module)");
    refused(inspect(&["--output", "/nowhere/x"], &module), Path::new("/nowhere/x"), "cannot write");
}

#[test]
fn scripts_have_a_tree_and_no_binary() {
    let bad = BadInput::new();
    let script = file(&bad, "sum.wast", SCRIPT);
    let tree = inspect(&["--tree"], &script).success().stderr("");
    tree.stdout(
        contains("AssertReturn {").and(contains("AssertInvalid {")).and(contains("i32_add")),
    );
    refused(
        inspect(&["--to-binary"], &script),
        &script,
        "is a script, not one module or component: line 4, column 1",
    );
}

#[test]
fn flags_that_contradict_are_refused() {
    let bad = BadInput::new();
    let module = bad.module("module.wasm", "(module)");
    inspect(&["--wit", "--json"], &module).code(2).stderr(contains("cannot be used with"));
    inspect(&["--nope"], &module).code(2).stderr(contains("--nope"));
    inspect(&["--timeout=-1"], &module).code(2).stderr(contains("--timeout"));
    host("inspect_host").assert().code(2).stderr(contains("<FILE>"));
}
