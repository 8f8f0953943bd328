//! Runs a WASI preview 1 command that only prints, and says what it was made of.
//! Notice that nothing depends on the target it was built for: a module is its imports and exports.
//! Run: just run no_std

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};

/// Run a WASI preview 1 command that may print and nothing else.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // magic number, version 1; a component has 13
        "{guest} is not a core module (but a component, or no WebAssembly): build the guest with --target wasm32v1-none or wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;
    println!("host: {} bytes", wasm.len());
    for import in module.imports() {
        println!("host: imports {}::{}", import.module(), import.name());
    }

    // 3. Linker: what the guest may import.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;

    // 4. Store: this guest's state and capabilities.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // to print is all it is for
        .inherit_stderr() // for the std guest it is compared with: a panic says where
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate and call.
    let instance = linker.instantiate(&mut store, &module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").with_context(|| {
        format!("{guest} is not a command, it exports no `_start`: build a program, not a library")
    })?;
    let Err(error) = start.call(&mut store, ()) else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
