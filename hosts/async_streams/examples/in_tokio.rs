//! Runs a program of WASI 0.2 within a tokio runtime: the two ways that work, and two that panic.
//! Notice that the compiler takes all four, and that the panics come when the guest waits.
//! Run: just run async_streams

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::{Engine, Result, Store};
use wasmtime_wasi::p2::{self, bindings};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// Run a program of WASI 0.2 within a tokio runtime.
#[derive(Parser)]
struct Cli {
    /// How to run it
    way: Way,
    /// The guest, a component with a `main`
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

#[derive(Clone, PartialEq, ValueEnum)]
enum Way {
    /// WASI in its async form
    Async,
    /// WASI in its blocking form, on a thread where blocking is allowed
    Thread,
    /// WASI in its blocking form, called as it is: a panic
    Blocking,
    /// WASI in its async form, in a runtime without timers: a panic when the guest sleeps
    NoTimers,
}

/// The state of the host while the guest runs.
struct Program {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Program {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

fn store(engine: &Engine) -> Store<Program> {
    let ctx = WasiCtx::builder().inherit_stdout().inherit_stderr().build();
    Store::new(engine, Program { ctx, table: ResourceTable::new() })
}

async fn run(engine: &Engine, component: &Component) -> Result<Result<(), ()>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    let mut store = store(engine);
    let program = bindings::Command::instantiate_async(&mut store, component, &linker).await?;
    program.wasi_cli_run().call_run(&mut store).await
}

fn run_blocking(engine: &Engine, component: &Component) -> Result<Result<(), ()>> {
    let mut linker = Linker::new(engine);
    p2::add_to_linker_sync(&mut linker)?;
    let mut store = store(engine);
    let program = bindings::sync::Command::instantiate(&mut store, component, &linker)?;
    program.wasi_cli_run().call_run(&mut store)
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let engine = Engine::default();
    let component = Component::from_file(&engine, &cli.guest)?;
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    if cli.way != Way::NoTimers {
        runtime.enable_all();
    }
    let ended = runtime.build()?.block_on(async move {
        match cli.way {
            Way::Async | Way::NoTimers => run(&engine, &component).await,
            Way::Blocking => run_blocking(&engine, &component),
            Way::Thread => {
                tokio::task::spawn_blocking(move || run_blocking(&engine, &component)).await?
            }
        }
    });
    println!("host: {:?}", ended?);
    Ok(())
}
