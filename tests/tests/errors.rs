//! That the messages in examples/errors.md which no page prints are what one sees: those of mistakes
//! in a host, which an example does not make, and what came in place of those that are gone.
//! Run: cargo test -p tests --test errors

use std::fs;

use tests::{artifacts, command, host, program, root};
use wasmtime::component::{self, Component, ResourceTable};
use wasmtime::{Config, Engine, Instance, Linker, Module, Result, Store};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

/// A part of a message, spelled as in the index, and a mistake that leads to it. The mistake returns
/// all that is printed.
type Mistake = (&'static str, fn() -> String);

const MISTAKES: [Mistake; 27] = [
    // While a host is compiled.
    ("can't find crate for `std`", || compile("fn main() {}", "wasm64-unknown-unknown")),
    ("use of unstable library feature `wasip2`", || {
        compile("fn main() { use std::os::wasi::ffi::OsStrExt; }", "wasm32-wasip2")
    }),
    ("unresolved import `wasmtime_wasi::preview1`", || {
        compile_host("use wasmtime_wasi::preview1;")
    }),
    ("unresolved import `wasmtime_wasi::IoView`", || compile_host("use wasmtime_wasi::IoView;")),
    ("unresolved import `wasmtime_wasi::DirPerms`", || {
        compile_host("use wasmtime_wasi::DirPerms;")
    }),
    (
        "use of deprecated method `wasmtime::Config::async_support`: no longer has any effect",
        || compile_host("fn f(config: &mut wasmtime::Config) { config.async_support(true); }"),
    ),
    ("`?` couldn't convert the error: `anyhow::Error: std::error::Error` is not satisfied", || {
        compile_host("fn f(r: anyhow::Result<()>) -> wasmtime::Result<()> { r?; Ok(()) }")
    }),
    // While it loads and links.
    ("expected a WebAssembly module but was given a WebAssembly component", || {
        said(Module::from_binary(&Engine::default(), &wasm("(component)")))
    }),
    ("attempted to parse a wasm module with a component parser", || {
        said(Component::from_binary(&Engine::default(), &wasm("(module)")))
    }),
    ("expected 1 imports, found 0", || {
        let engine = Engine::default();
        let module = module(&engine, r#"(module (import "env" "log" (func)))"#);
        said(Instance::new(Store::new(&engine, ()), &module, &[]))
    }),
    ("import of `wasi_snapshot_preview1::args_get` defined twice", || {
        let mut linker = preview_1(&Engine::default());
        said(p1::add_to_linker_sync(&mut linker, |state| state))
    }),
    ("map entry `now` defined twice", || {
        let mut linker: component::Linker<State> = component::Linker::new(&Engine::default());
        p2::add_to_linker_sync(&mut linker).unwrap();
        said(p2::add_to_linker_sync(&mut linker))
    }),
    ("function implementation is missing", || {
        link(r#"(component (import "shop:stock/shelf" (instance (export "count" (func)))))"#)
    }),
    ("resource implementation is missing", || {
        let shelf = r#"(instance (export "item" (type (sub resource))))"#;
        link(&format!(r#"(component (import "shop:stock/shelf" {shelf}))"#))
    }),
    ("type mismatch with async: this import is declared `async func` in WIT", || {
        let engine = Engine::default();
        let text = r#"(component (import "count" (func async)))"#;
        let component = Component::from_binary(&engine, &wasm(text)).unwrap();
        let mut linker: component::Linker<()> = component::Linker::new(&engine);
        linker.root().func_wrap("count", |_, (): ()| Ok(())).unwrap();
        said(linker.instantiate_pre(&component))
    }),
    ("cross-`Engine` instantiation is not currently supported", || {
        let (one, other) = (Engine::default(), Engine::default());
        let linker: Linker<()> = Linker::new(&other);
        said(linker.instantiate(Store::new(&one, ()), &module(&one, "(module)")))
    }),
    ("failed to find function export `_start`", || run("(module)", &Config::new())),
    ("failed to convert function `_start` to given type", || {
        run(r#"(module (func (export "_start") (param i32)))"#, &Config::new())
    }),
    ("no exported instance named `wasi:cli/run@0.2.12`", || {
        let engine = Engine::default();
        let library = Component::from_binary(&engine, &wasm("(component)")).unwrap();
        let linker: component::Linker<State> = component::Linker::new(&engine);
        let mut store = Store::new(&engine, State::default());
        said(p2::bindings::sync::Command::instantiate(&mut store, &library, &linker))
    }),
    // While it calls.
    ("store configuration requires that `*_async` functions are used instead", || {
        let engine = Engine::default();
        let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
        p1::add_to_linker_async(&mut linker, |state| state).unwrap();
        let import = r#"(import "wasi_snapshot_preview1" "poll_oneoff" (func (param i32 i32 i32 i32) (result i32)))"#;
        let module = module(&engine, &format!("(module {import})"));
        let mut store = Store::new(&engine, WasiCtx::builder().build_p1());
        said(linker.instantiate(&mut store, &module))
    }),
    ("cannot synchronously call an async-lifted export", || {
        let module = r#"(core module $m
            (func (export "f") (result i32) (i32.const 0))
            (func (export "g") (param i32 i32 i32) (result i32) (i32.const 0)))"#;
        let lift =
            r#"(canon lift (core func $i "f") async (callback (core func $i "g")))"#.to_owned();
        call_twice(&format!(
            r#"(component {module} (core instance $i (instantiate $m)) (func (export "f") async {lift}))"#
        ))
    }),
    ("cannot enter component instance", || {
        let module = r#"(core module $m (func (export "f") unreachable))"#;
        call_twice(&format!(
            r#"(component {module} (core instance $i (instantiate $m))
                (func (export "f") (canon lift (core func $i "f"))))"#
        ))
    }),
    ("Exited with i32 exit status 3", || {
        let import = r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))"#;
        let body =
            r#"(memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 3)))"#;
        run(&format!("(module {import} {body})"), &Config::new())
    }),
    ("wasm trap: out of bounds memory access", || {
        let body = "(memory 1) (func (export \"_start\") (drop (i32.load (i32.const 65536))))";
        run(&format!("(module {body})"), &Config::new())
    }),
    ("wasm trap: call stack exhausted", || {
        run(r#"(module (func $f (export "_start") (call $f)))"#, &Config::new())
    }),
    ("wasm trap: interrupt", || {
        let mut config = Config::new();
        config.epoch_interruption(true);
        run(r#"(module (func (export "_start") (loop (br 0))))"#, &config)
    }),
    // Gone. The index says what there is in its place.
    ("failed to find a pre-opened file descriptor through which", || {
        let dir = tempfile::tempdir().unwrap();
        let source = r#"fn main() { println!("{}", std::fs::read("notes.txt").unwrap_err()); }"#;
        let file = program(dir.path(), source, "wasm32-wasip1");
        let program = fs::read(&file).unwrap();
        let gone = b"failed to find a pre-opened";
        assert!(!program.windows(gone.len()).any(|part| part == gone), "std says it again");
        let output = host("command_host").arg(&file).output().unwrap();
        let output = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output, "No such file or directory (os error 44)\n");
        format!("failed to find a pre-opened file descriptor through which: now {output}")
    }),
];

#[derive(Default)]
struct State {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn module(engine: &Engine, text: &str) -> Module {
    Module::from_binary(engine, &wasm(text)).unwrap()
}

/// What an error says, with its causes.
fn said<T>(result: Result<T>) -> String {
    format!("{:?}", result.err().expect("a mistake fails"))
}

fn preview_1(engine: &Engine) -> Linker<WasiP1Ctx> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |state| state).unwrap();
    linker
}

/// Runs a program of preview 1, which fails.
fn run(text: &str, config: &Config) -> String {
    let engine = Engine::new(config).unwrap();
    let mut store = Store::new(&engine, WasiCtx::builder().build_p1());
    let instance = preview_1(&engine).instantiate(&mut store, &module(&engine, text)).unwrap();
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
    said(start.and_then(|start| start.call(&mut store, ())))
}

/// Links a component, by a linker that offers nothing.
fn link(text: &str) -> String {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, &wasm(text)).unwrap();
    said(component::Linker::<()>::new(&engine).instantiate_pre(&component))
}

/// Calls the export `f` of a component by `call`, and again after that failed.
fn call_twice(text: &str) -> String {
    let engine = Engine::default();
    let component = Component::from_binary(&engine, &wasm(text)).unwrap();
    let mut store = Store::new(&engine, ());
    let linker: component::Linker<()> = component::Linker::new(&engine);
    let instance = linker.instantiate(&mut store, &component).unwrap();
    let function = instance.get_typed_func::<(), ()>(&mut store, "f").unwrap();
    let first = said(function.call(&mut store, ()));
    first + &said(function.call(&mut store, ()))
}

/// What the compiler says of a program of std for `target`.
fn compile(source: &str, target: &str) -> String {
    rustc(source, &["--target", target])
}

/// What the compiler says of a library that uses what the hosts here use.
fn compile_host(source: &str) -> String {
    let files = artifacts(command("cargo", &root()).args(["build", "--package", "command_host"]));
    let tests = artifacts(command("cargo", &root()).args(["build", "--package", "tests"]));
    let library = |name: &str| {
        let mut files =
            files.iter().chain(&tests).filter(|file| file.extension() == Some("rlib".as_ref()));
        let file = files.find(|file| {
            let stem = file.file_stem().unwrap().to_string_lossy();
            stem.rsplit_once('-').is_some_and(|(stem, _)| stem == format!("lib{name}"))
        });
        file.unwrap_or_else(|| panic!("cargo built no {name}")).clone()
    };
    let mut args = vec!["--crate-type".to_owned(), "lib".to_owned()];
    for name in ["anyhow", "wasmtime", "wasmtime_wasi"] {
        args.extend(["--extern".to_owned(), format!("{name}={}", library(name).display())]);
    }
    let folder = library("wasmtime");
    let folder = folder.parent().unwrap().display();
    args.push(format!("-Ldependency={folder}"));
    rustc(source, &args.iter().map(String::as_str).collect::<Vec<_>>())
}

fn rustc(source: &str, args: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("source.rs"), source).unwrap();
    let mut rustc = command("rustc", dir.path());
    rustc.args(["--edition", "2024", "--emit", "metadata", "source.rs"]).args(args);
    String::from_utf8(rustc.output().unwrap().stderr).unwrap()
}

/// The texts in the first cell of a row of the index.
fn texts(cell: &str) -> impl Iterator<Item = &str> {
    cell.split("` and ").map(|text| text.trim().trim_matches('`').trim())
}

#[test]
fn messages_that_no_page_prints_are_what_one_sees() {
    let index = fs::read_to_string(root().join("examples/errors.md")).unwrap();
    let rows = index.lines().filter(|line| line.contains("](../tests/tests/errors.rs)"));
    let cells: Vec<_> =
        rows.filter_map(|row| row.strip_prefix("| ")?.split(" | ").next()).collect();
    let listed: Vec<_> = cells.into_iter().flat_map(texts).collect();
    for (text, mistake) in MISTAKES {
        let message = mistake();
        assert!(message.contains(text), "examples/errors.md says\n{text}\nand one sees\n{message}");
        assert!(
            listed.contains(&text),
            "add a row to examples/errors.md, shown in this test: {text}"
        );
    }
    for text in listed {
        let known = MISTAKES.iter().any(|(known, _)| *known == text);
        assert!(known, "examples/errors.md: add a mistake to this test that leads to: {text}");
    }
}
