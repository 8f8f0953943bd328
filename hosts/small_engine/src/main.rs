//! Runs a WASI preview 1 command in wasmi, an interpreter for small devices.
//! Notice how little differs from a host with wasmtime: linking comes last, and limits are flags.
//! Run: just run small_engine

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Error, Result, ensure};
use clap::Parser;
use wasmi::errors::ErrorKind;
use wasmi::{Config, Engine, Linker, Module, Store, StoreLimits, StoreLimitsBuilder};
use wasmi_wasi::{Dir, WasiCtx, WasiCtxBuilder, ambient_authority};

/// Run a WASI preview 1 command with only the capabilities named here.
#[derive(Parser)]
struct Cli {
    /// Let the guest read and write a directory
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    dirs: Vec<(PathBuf, String)>,

    /// Set an environment variable of the guest; without VALUE it is passed on from here
    #[arg(long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    vars: Vec<(String, String)>,

    /// End the guest when it has used so much fuel, about one unit an instruction
    #[arg(long, value_name = "N")]
    fuel: Option<u64>,

    /// Let the memory of the guest grow to so many bytes and no further
    #[arg(long, value_name = "BYTES", default_value_t = 2 << 20)]
    max_memory_size: usize,

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

/// What one guest may use.
struct State {
    wasi: WasiCtx,
    limits: StoreLimits,
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: translates code for its interpreter, holds no guest state. It does so function by
    //    function when they are first called, and there is nothing to keep on disk.
    let mut config = Config::default();
    config.consume_fuel(cli.fuel.is_some()); // counting costs time
    let engine = Engine::new(&config);

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::new(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );

    // 3. Linker: what the guest may import. Here all of preview 1; which files, variables and
    //    arguments it finds there is decided in step 4. Whether it imports more shows in step 5.
    let mut linker: Linker<State> = Linker::new(&engine);
    wasmi_wasi::add_to_linker(&mut linker, |state| &mut state.wasi)?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes; all else is granted below or not at all. Sleeping uses no fuel.
    let mut wasi = WasiCtxBuilder::new();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(&program)?.args(args)?; // by convention its own name comes first, without the host's path
    wasi.envs(&cli.vars)?; // these, and none of the host's own
    for (host, guest) in &cli.dirs {
        let dir = Dir::open_ambient_dir(host, ambient_authority()).with_context(|| {
            format!("cannot grant {}: --dir takes a directory that exists", host.display())
        })?;
        wasi.preopened_dir(dir, guest)?;
    }
    // The size is that of one memory, so their number is limited too. Tables lie outside of memories.
    let limits = StoreLimitsBuilder::new()
        .memories(1)
        .memory_size(cli.max_memory_size)
        .tables(1)
        .table_elements(10_000)
        .build();
    let mut store = Store::new(&engine, State { wasi: wasi.build(), limits });
    store.limiter(|state| &mut state.limits);
    if let Some(fuel) = cli.fuel {
        store.set_fuel(fuel)?;
    }

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    let ended = linker
        .instantiate_and_start(&mut store, &module)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, "_start"))
        .and_then(|start| start.call(&mut store, ()));
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) if matches!(error.kind(), ErrorKind::Linker(_)) => {
            Err(error).with_context(|| {
                format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
            })
        }
        Err(error) => status(Error::from(error).context(format!("{guest} failed while it ran"))),
    }
}

/// The exit status of a guest that did not return from `_start`: its own if it called `exit`, and
/// otherwise that of a failure, which is printed.
fn status(error: Error) -> Result<ExitCode> {
    let engine: Option<&wasmi::Error> = error.downcast_ref();
    if let Some(status) = engine.and_then(wasmi::Error::i32_exit_status) {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    eprintln!("Error: {error:?}");
    let trap = engine.is_some_and(|error| error.as_trap_code().is_some());
    Ok(ExitCode::from(if trap { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
