//! Runs a preview 1 command that speaks WasmEdge's sockets, which no version of WASI ever had.
//! Notice step 3: its functions stand under the name of preview 1, four in place of preview 1's own.
//! Run: just run wasmedge_sockets

mod sockets;

use std::convert::Infallible;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Linker, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

use sockets::Sockets;

/// Run a WASI preview 1 command that uses the sockets of WasmEdge.
#[derive(Parser)]
struct Cli {
    /// Let the guest read and write a directory
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    dirs: Vec<(PathBuf, String)>,

    /// Let the guest bind, reach and hear this address, on every port; nothing without it
    #[arg(long = "allow", value_name = "IP")]
    allowed: Vec<IpAddr>,

    /// Let the guest look up names; spelled as the wasmtime CLI spells it
    #[arg(short = 'S', value_name = "OPTION", value_parser = ["allow-ip-name-lookup"])]
    options: Vec<String>,

    /// How long a call of the guest's may wait for the network
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 10_000)]
    wait: u32,

    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

fn dir(value: &str) -> Result<(PathBuf, String), Infallible> {
    let (host, guest) = value.split_once("::").unwrap_or((value, value));
    Ok((host.into(), guest.into()))
}

/// The state of the host while the guest runs. What it holds is closed when it is dropped.
struct Program {
    wasi: WasiP1Ctx,
    sockets: Sockets,
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
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
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );

    // 3. Linker: what the guest may import. All of preview 1, and then WasmEdge's functions, four of
    //    them in place of preview 1's own. In its async form a call that waits holds no thread.
    let mut linker: Linker<Program> = Linker::new(&engine);
    p1::add_to_linker_async(&mut linker, |program| &mut program.wasi)?;
    linker.allow_shadowing(true);
    sockets::add_to_linker(&mut linker)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!(
            "cannot link {guest}: this host offers WASI preview 1 with WasmEdge's sockets and nothing else"
        )
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    //    `Sockets` limits how many there are and how long one call waits, not how many calls there are.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(args); // by convention its own name comes first, without the host's path
    for (host, guest) in &cli.dirs {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite).with_context(|| {
            format!("cannot grant {}: --dir takes a directory that exists", host.display())
        })?;
    }
    let lookup = cli.options.iter().any(|option| option == "allow-ip-name-lookup");
    let sockets = Sockets::new(cli.allowed, lookup, Duration::from_millis(cli.wait.into()));
    let mut store = Store::new(&engine, Program { wasi: wasi.build_p1(), sockets });

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    match call(&linked, &mut store).await {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

async fn call(linked: &wasmtime::InstancePre<Program>, store: &mut Store<Program>) -> Result<()> {
    let instance = linked.instantiate_async(&mut *store).await?;
    let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
    start.call_async(store, ()).await
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
