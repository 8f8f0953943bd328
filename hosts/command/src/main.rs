//! Runs a WASI preview 1 command: a core module that exports `_start`.
//! Notice that step 4 starts from nothing and that each capability is one line.
//! Run: just run command

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

/// Run a WASI preview 1 command with only the capabilities named here.
#[derive(Parser)]
struct Cli {
    /// Let the guest read and write a directory
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    dirs: Vec<(PathBuf, String)>,

    /// Let the guest read a directory
    #[arg(long = "ro-dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    ro_dirs: Vec<(PathBuf, String)>,

    /// Set an environment variable of the guest; without VALUE it is passed on from here
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    vars: Vec<(String, String)>,

    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

fn dir(value: &str) -> Result<(PathBuf, String), Infallible> {
    let (host, guest) = value.split_once("::").unwrap_or((value, value));
    Ok((host.into(), guest.into()))
}

fn variable(value: &str) -> Result<(String, String), String> {
    match value.split_once('=') {
        Some((name, value)) => Ok((name.into(), value.into())),
        None => std::env::var(value)
            .map(|inherited| (value.into(), inherited))
            .map_err(|_| format!("`{value}` is not set here to be passed on: write {value}=VALUE")),
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = &cli.guest_and_args[0];

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // magic number, version 1; a component has 13
        "{guest} is not a core module (but a component, or no WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. Here all of preview 1; which files, variables and
    //    arguments it finds there is decided in step 4.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;

    // 4. Store: this guest's state and capabilities.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    wasi.args(&cli.guest_and_args); // by convention the first is the program itself
    wasi.envs(&cli.vars); // these, and none of the host's own
    for (host, guest) in &cli.dirs {
        wasi.preopened_dir(host, guest, FsPerms::ReadWrite).with_context(|| {
            format!("cannot grant {}: --dir takes a directory that exists", host.display())
        })?;
    }
    for (host, guest) in &cli.ro_dirs {
        wasi.preopened_dir(host, guest, FsPerms::ReadOnly).with_context(|| {
            format!("cannot grant {}: --ro-dir takes a directory that exists", host.display())
        })?;
    }
    let mut store = Store::new(&engine, wasi.build_p1());

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
    // A guest that calls `exit` ends as an error too, one that carries the status.
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
