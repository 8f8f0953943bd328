//! Runs a WASI preview 1 command that only prints, and says what it was made of.
//! Notice that nothing depends on the target it was built for: a module is its imports and exports.
//! Run: just run no_std

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Linker, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};

/// Run a WASI preview 1 command that may print, and say how large it is and what it imports.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32v1-none or wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );
    println!("host: {} bytes", wasm.len());
    for import in module.imports() {
        println!("host: imports {}::{}", import.module(), import.name());
    }

    // 3. Linker: what the guest may import. Here all of preview 1, of which a guest takes what it
    //    declares. What is linked can be instantiated often.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // to print is all it is for
        .inherit_stderr() // for the std guest it is compared with: a panic says where
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    let ended = linked
        .instantiate(&mut store)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, "_start"))
        .and_then(|start| start.call(&mut store, ()));
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

/// The exit status of a guest that did not return from `_start`: its own if it called `exit`, and
/// otherwise that of a failure, which is printed.
fn status(error: Error) -> Result<ExitCode> {
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    eprintln!("Error: {error:?}");
    Ok(ExitCode::from(if error.is::<Trap>() { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
