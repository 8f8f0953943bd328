//! Runs a command of any generation: a module of WASI 0.1, or a component of WASI 0.3 or 0.2.
//! Notice that there is one clock and one source of random bytes, whatever the calls are named.
//! Run: just run raw

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, Trap, bail};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{Deterministic, HostWallClock, I32Exit, WasiCtx, p2, p3};

/// Run a command of WASI 0.1, 0.2 or 0.3, on a day that never ends.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module or a component, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

enum Code {
    Module(Module),
    Component(Component),
}

/// Clocks are the host's to give, so this one stands still, and a transcript is always the same.
struct Stopped;

impl HostWallClock for Stopped {
    fn resolution(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1_784_678_400)
    }
}

fn main() -> Result<ExitCode> {
    // WASI 0.3 is async, and wasmtime leaves the waiting to an executor: one thread of tokio's.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let guest = &cli.guest_and_args[0];

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module or a Component, from the path given. The first eight bytes tell.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    let damaged = || format!("{guest} is damaged: build the guest again");
    let code = if wasm.starts_with(b"\0asm\x01\0\0\0") {
        Code::Module(Module::from_binary(&engine, &wasm).with_context(damaged)?)
    } else if wasm.starts_with(b"\0asm\x0d\0\x01\0") {
        Code::Component(Component::from_binary(&engine, &wasm).with_context(damaged)?)
    } else {
        bail!("{guest} is not WebAssembly: give a file built for wasm32-wasip1 or wasm32-wasip2")
    };

    // 3. Linker: what the guest may import. Components of 0.3 get 0.2 as well: their std speaks it.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?; // async, since WASI 0.3 is
    p3::add_to_linker(&mut components)?;

    // 4. Store: this guest's state and capabilities, the same for all three.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // the first of the four calls
        .inherit_stderr() // a panic says where
        .wall_clock(Stopped)
        .secure_random(Deterministic::new(vec![7])) // never so outside of a lesson
        .args(&cli.guest_and_args) // by convention the first is the program itself
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate and call.
    let link = || format!("cannot link {guest}: this host offers WASI 0.1, 0.2 and 0.3 only");
    let no_command = || format!("{guest} is not a command: build a program, not a library");
    let ended = match &code {
        Code::Module(module) => {
            let instance = modules.instantiate_async(&mut store, module).await;
            let instance = instance.with_context(link)?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
            let start = start.with_context(no_command)?;
            println!("host: WASI 0.1, _start");
            start.call_async(&mut store, ()).await.map(Ok)
        }
        Code::Component(component) => {
            let instance = components.instantiate_async(&mut store, component).await;
            let instance = instance.with_context(link)?;
            if let Ok(command) = p3::bindings::Command::new(&mut store, &instance) {
                println!("host: WASI 0.3, run");
                let run = async |store: &_| command.wasi_cli_run().call_run(store).await;
                store.run_concurrent(run).await.flatten()
            } else {
                let command = p2::bindings::Command::new(&mut store, &instance);
                let command = command.with_context(no_command)?;
                println!("host: WASI 0.2, run");
                command.wasi_cli_run().call_run(&mut store).await
            }
        }
    };
    let error = match ended {
        Ok(Ok(())) => return Ok(ExitCode::SUCCESS),
        Ok(Err(())) => return Ok(ExitCode::FAILURE), // `run` says that it failed, and not why
        Err(error) => error,
    };
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
