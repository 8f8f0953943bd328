//! Makes a component of a WASI preview 1 module and runs it on WASI 0.2, all in one process.
//! Notice that the module's code stays as it is: an adapter is put between it and the new WASI.
//! Run: just run adapter

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use wasi_preview1_component_adapter_provider as adapters;
use wasmtime::component::{Component, Linker, ResourceTable, bindgen};
use wasmtime::error::{Context, ToWasmtimeResult};
use wasmtime::{Cache, CacheConfig, Config, Engine, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p2::{self, bindings::sync::Command};
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Adapter {
    /// For a program: exports `wasi:cli/run`, which calls the module's `_start`
    Command,
    /// For a library: exports nothing of its own
    Reactor,
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
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module, from the path given, and the Component that is made of it in memory.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // magic number, version 1; a component has 13
        "{guest} is not a core module (but a component, or no WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;
    for import in module.imports() {
        println!("host: before, imports {}::{}", import.module(), import.name());
    }
    let fitting = module.get_export("_start").map_or(Adapter::Reactor, |_| Adapter::Command);
    let kind = cli.wasi_adapter.unwrap_or(fitting);
    let adapter = match kind {
        Adapter::Command => adapters::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
        Adapter::Reactor => adapters::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
    };
    let adapted = ComponentEncoder::default()
        .module(&wasm)
        .and_then(|it| it.adapter(adapters::WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter))
        .and_then(|it| it.validate(true).encode())
        .to_wasmtime_result() // wit-component has anyhow's errors, wasmtime its own
        .with_context(|| format!("cannot make a component of {guest} with the adapter {kind:?}: give it a module that imports preview 1 alone, and to Command a program"))?;
    println!("host: {} bytes and the adapter {kind:?} make {}", wasm.len(), adapted.len());
    let component = Component::from_binary(&engine, &adapted)?;
    let ty = component.component_type();
    ty.imports(&engine).for_each(|(name, _)| println!("host: after, imports {name}"));
    ty.exports(&engine).for_each(|(name, _)| println!("host: after, exports {name}"));

    // 3. Linker: what the guest may import. Here all of WASI 0.2, and nothing of preview 1.
    let mut linker: Linker<Desk> = Linker::new(&engine);
    p2::add_to_linker_sync(&mut linker)?;

    // 4. Store: this guest's state and capabilities.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout().inherit_stderr(); // for tickets; for panics, which say where
    wasi.arg(guest.to_string()).args(&cli.names); // by convention the first is the program itself
    let mut store = Store::new(&engine, Desk { ctx: wasi.build(), table: ResourceTable::new() });

    // 5. Instantiate and call.
    let outcome = match kind {
        Adapter::Command => {
            let command = Command::instantiate(&mut store, &component, &linker)?;
            command.wasi_cli_run().call_run(&mut store).map(|ended| ended.is_ok())
        }
        Adapter::Reactor => {
            let tickets = Tickets::instantiate(&mut store, &component, &linker)
                .with_context(|| format!("{guest} does not fit the world shop:counter/tickets: build a library from wit/adapter"))?;
            cli.names.iter().try_fold(true, |all, name| {
                let drawn = tickets.call_draw(&mut store, name)?;
                println!("host: draw {name:?} is {drawn:?}");
                Ok(all && drawn.is_ok())
            })
        }
    };
    let error = match outcome {
        Ok(done) => return Ok(ExitCode::from(u8::from(!done))),
        Err(error) => error,
    };
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
