//! Runs a WASI preview 1 command that was compiled elsewhere: this host has no compiler.
//! Notice the `unsafe` of step 2: the file is trusted as if it were a part of this program.
//! Run: just run small_engine

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Config, Engine, Error, Linker, Module, Precompiled, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

/// Run a precompiled WASI preview 1 command with only the capabilities named here.
///
/// A precompiled file is as powerful as this program itself: give it only files that come from you.
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

    /// What the guest was compiled for, if not for this machine; spelled as the wasmtime CLI spells it
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,

    /// The guest, a core module that was precompiled, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.cwasm", "ARGS"])]
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
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: loads code, holds no guest state. It cannot compile.
    let mut config = Config::new();
    if let Some(target) = &cli.target {
        config.target(target).with_context(|| format!("cannot run code for {target}"))?;
    }
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given.
    let code = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        Engine::detect_precompiled(&code) == Some(Precompiled::Module),
        "{guest} is not a precompiled core module: compile it for this host first"
    );
    // SAFETY: none that this program could see to. wasmtime compares versions and settings, but does
    // not check the machine code, which can do all that this program can. Whoever starts it vouches
    // for the file: that a compiler of theirs wrote it, and that nobody else has written to it since.
    let module = unsafe { Module::deserialize(&engine, &code) }.with_context(|| {
        format!("cannot load {guest}: it was compiled by another wasmtime, with other settings, or for another target")
    })?;
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );

    // 3. Linker: what the guest may import. Here all of preview 1; which files, variables and
    //    arguments it finds there is decided in step 4. What is linked can be instantiated often.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(args); // by convention its own name comes first, without the host's path
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
