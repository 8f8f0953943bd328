//! Makes a component of a WASI preview 1 module and runs it on WASI 0.2, all in one process.
//! Notice that the module's code stays as it is: an adapter is put between it and the new WASI.
//! Run: just run adapter

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use wasi_preview1_component_adapter_provider as adapters;
use wasmtime::component::{Component, Linker, ResourceTable, bindgen};
use wasmtime::error::{Context, ToWasmtimeResult};
use wasmtime::{Cache, Config, Engine, Error, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p2::{self, bindings::sync::CommandPre};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wit_component::ComponentEncoder;

bindgen!({ path: "../../wit/adapter" });

/// Adapt a WASI preview 1 module to WASI 0.2 and run it.
#[derive(Parser)]
struct Cli {
    /// The adapter to take; without this flag, the one that fits the module
    #[arg(long, value_name = "KIND")]
    wasi_adapter: Option<Adapter>,
    /// The guest, a core module for wasm32-wasip1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// Who waits for a ticket
    names: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Adapter {
    /// For a program: exports `wasi:cli/run`, which calls the module's `_start`
    Command,
    /// For a library: exports nothing of its own
    Reactor,
}

/// A component whose imports are all there, and whose exports are what its kind has.
enum Linked {
    Program(CommandPre<Desk>),
    Library(TicketsPre<Desk>),
}

/// The state of the host while the guest runs.
struct Desk {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Desk {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, names) = (cli.guest.display(), &cli.names);

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given, and the Component that is made of it in memory.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    for import in module.imports() {
        println!("host: before, imports {}::{}", import.module(), import.name());
    }
    let fitting = match module.get_export("_start") {
        Some(_) => Adapter::Command,
        None => Adapter::Reactor,
    };
    let kind = cli.wasi_adapter.unwrap_or(fitting);
    let (name, adapter, takes) = match kind {
        Adapter::Command => (
            "command",
            adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
            "a program that imports nothing but preview 1",
        ),
        Adapter::Reactor => (
            "reactor",
            adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            "a library that imports nothing but preview 1",
        ),
    };
    let adapted = ComponentEncoder::default()
        .module(&wasm)
        .and_then(|it| it.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|it| it.validate(true).encode())
        .to_wasmtime_result() // wit-component has anyhow's errors, wasmtime its own
        .with_context(|| {
            format!(
                "cannot make a component of {guest} with the {name} adapter: that takes {takes}"
            )
        })?;
    println!("host: {} bytes and the {name} adapter make {}", wasm.len(), adapted.len());
    let component = Component::from_binary(&engine, &adapted)
        .with_context(|| format!("cannot compile the component made of {guest}"))?;
    let types = component.component_type();
    for (name, _) in types.imports(&engine) {
        println!("host: after, imports {name}");
    }
    for (name, _) in types.exports(&engine) {
        println!("host: after, exports {name}");
    }

    // 3. Linker: what the guest may import. Here all of WASI 0.2, and nothing of preview 1. What is
    //    linked can be instantiated often.
    let mut linker: Linker<Desk> = Linker::new(&engine);
    p2::add_to_linker_sync(&mut linker)?;
    let linked = linker.instantiate_pre(&component).with_context(|| {
        format!("cannot link {guest}: this host offers WASI 0.2 and nothing else")
    })?;
    let linked = match kind {
        Adapter::Command => Linked::Program(CommandPre::new(linked)?), // the adapter exports its `run`
        Adapter::Reactor => Linked::Library(TicketsPre::new(linked).with_context(|| {
            format!("{guest} does not fit the world in wit/adapter: build the guest from that WIT, or give a program to the command adapter")
        })?),
    };

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout(); // the tickets
    wasi.inherit_stderr(); // a panic says where
    let program = cli.guest.file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(names); // by convention its own name comes first, without the host's path
    let mut store = Store::new(&engine, Desk { ctx: wasi.build(), table: ResourceTable::new() });

    // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
    //    one is the guest's answer. After an error of the first kind this store is of no more use.
    let ended = match linked {
        Linked::Program(program) => run(&program, &mut store),
        Linked::Library(library) => draw(&library, &mut store, names),
    };
    match ended {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(())) => Ok(ExitCode::FAILURE),
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

/// Runs a program once. It gets the names as arguments.
fn run(program: &CommandPre<Desk>, store: &mut Store<Desk>) -> Result<Result<(), ()>> {
    let command = program.instantiate(&mut *store)?;
    command.wasi_cli_run().call_run(store)
}

/// Calls a library for each of the names, whose answer may be a refusal. It stays between the calls.
fn draw(
    library: &TicketsPre<Desk>,
    store: &mut Store<Desk>,
    names: &[String],
) -> Result<Result<(), ()>> {
    let tickets = library.instantiate(&mut *store)?;
    let mut all = Ok(());
    for name in names {
        let drawn = tickets.call_draw(&mut *store, name)?;
        println!("host: draw {name:?} is {drawn:?}");
        if drawn.is_err() {
            all = Err(());
        }
    }
    Ok(all)
}

/// The exit status of a guest that did not return: its own if it called `exit`, and otherwise that
/// of a failure, which is printed.
fn status(error: Error) -> Result<ExitCode> {
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    eprintln!("Error: {error:?}");
    Ok(ExitCode::from(if error.is::<Trap>() { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
