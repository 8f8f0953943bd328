//! Runs programs of all generations of WASI and compares them, a line each.
//! Notice how little of the host depends on the generation: two linkers, and how `run` is called.
//! Run: just run evolution

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, Trap, bail};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::{I32Exit, WasiCtx, p0, p1, p2, p3};

/// Run programs of any generation of WASI and compare them.
#[derive(Parser)]
struct Cli {
    /// An argument for every guest
    #[arg(long = "arg", value_name = "ARG")]
    args: Vec<String>,
    /// Tell how long each took
    #[arg(long)]
    times: bool,
    /// The guests, modules or components
    #[arg(required = true, value_name = "GUEST.wasm")]
    guests: Vec<PathBuf>,
}

enum Code {
    Module(Module),
    Component(Component),
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    // WASI 0.3 is async on the host's side, so all of it is here. One thread is enough.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    for guest in &cli.guests {
        if let Err(error) = runtime.block_on(run(guest, &cli)) {
            let trapped = error.is::<Trap>();
            eprintln!("Error: {error:?}");
            return Ok(ExitCode::from(if trapped { 134 } else { 1 })); // 134 as the wasmtime CLI
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn run(path: &Path, cli: &Cli) -> Result<()> {
    let guest = path.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a module for preview 0 and 1, a component for 0.2 and 0.3; the magic number tells.
    let wasm = std::fs::read(path).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    let code = match wasm.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Module::from_binary(&engine, &wasm).map(Code::Module),
        Some(b"\0asm\x0d\0\x01\0") => Component::from_binary(&engine, &wasm).map(Code::Component),
        _ => bail!("{guest} is not WebAssembly: give a file that cargo built for a wasm target"),
    };
    let code = code.with_context(|| format!("{guest} is damaged: build the guest again"))?;
    // A module imports functions, from a module's name; a component interfaces, with a version.
    let (kind, origins): (_, Vec<String>) = match &code {
        Code::Module(module) => {
            ("module", module.imports().map(|import| import.module().to_owned()).collect())
        }
        Code::Component(component) => {
            let ty = component.component_type();
            let version = |name: &str| name.split('@').next_back().unwrap_or(name).to_owned();
            ("component", ty.imports(&engine).map(|(name, _)| version(name)).collect())
        }
    };

    // 3. Linker: what the guest may import.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p0::add_to_linker_async(&mut modules, |wasi| wasi)?;
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;

    // 4. Store: this guest's state and capabilities.
    let stdout = MemoryOutputPipe::new(1 << 16);
    let mut wasi = WasiCtx::builder();
    wasi.stdout(stdout.clone()).inherit_stderr().arg(guest.to_string()).args(&cli.args);
    let mut store = Store::new(&engine, wasi.build_p1());

    // 5. Instantiate and call.
    let cannot_link = || format!("cannot link {guest}: this host offers WASI and nothing else");
    let no_command = || format!("{guest} is not a command: build a program, not a library");
    let start = Instant::now();
    let (instantiated, ended) = match code {
        Code::Module(module) => {
            let instance = modules.instantiate_async(&mut store, &module).await;
            let instance = instance.with_context(cannot_link)?;
            let instantiated = start.elapsed();
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start");
            let start = start.with_context(no_command)?;
            (instantiated, start.call_async(&mut store, ()).await.map(Ok))
        }
        Code::Component(component) => {
            let instance = components.instantiate_async(&mut store, &component).await;
            let instance = instance.with_context(cannot_link)?;
            let instantiated = start.elapsed();
            let ended = if let Ok(command) = p3::bindings::Command::new(&mut store, &instance) {
                let run = async |store: &_| command.wasi_cli_run().call_run(store).await;
                store.run_concurrent(run).await.flatten()
            } else {
                let command = p2::bindings::Command::new(&mut store, &instance);
                command.with_context(no_command)?.wasi_cli_run().call_run(&mut store).await
            };
            (instantiated, ended)
        }
    };
    let status = match ended {
        Ok(Ok(())) => 0,
        Ok(Err(())) => 1, // how a component says that it failed
        Err(error) => match error.downcast_ref() {
            Some(&I32Exit(status)) => status,
            None => return Err(error.context(format!("{guest} failed while it ran"))),
        },
    };
    let ran = start.elapsed() - instantiated;

    let (count, origins) = (origins.len(), BTreeSet::from_iter(origins));
    let origins = origins.into_iter().collect::<Vec<_>>().join(" and ");
    println!("{kind}, {} bytes, {count} imports from {origins}, status {status}", wasm.len());
    if cli.times {
        println!("instantiated in {instantiated:.1?}, ran for {ran:.1?}");
    }
    print!("{}", String::from_utf8_lossy(&stdout.contents()));
    Ok(())
}
