//! Runs a WASI preview 1 command and says how long it took to compile and to run it.
//! Notice step 2: a file that was compiled before needs no compiler, and all your trust.
//! Run: just run optimize

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Engine, Error, Linker, Module, Precompiled, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};

/// Run a WASI preview 1 command, or precompile it, and say how long that took.
#[derive(Parser)]
struct Cli {
    /// Compile the guest into a file, and run nothing
    #[arg(long, value_name = "GUEST.cwasm", conflicts_with = "allow_precompiled")]
    precompile: Option<PathBuf>,

    /// Take a guest that is precompiled: give only files that come from you, they are not checked
    #[arg(long)]
    allow_precompiled: bool,

    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: compiles code, holds no guest state. It has no cache here, which would hide what
    //    the compiler costs.
    let engine = Engine::default();

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    let start = Instant::now();
    let module = if cli.allow_precompiled {
        ensure!(
            Engine::detect_precompiled(&wasm) == Some(Precompiled::Module),
            "{guest} is not a precompiled core module: leave --allow-precompiled out, or precompile it first"
        );
        // SAFETY: none that this program could see to. wasmtime compares versions and settings, but
        // does not check the machine code, which can do all that this program can. Whoever gives
        // the flag vouches for the file: that a compiler of theirs wrote it, and that nobody else
        // has written to it since.
        unsafe { Module::deserialize(&engine, &wasm) }.with_context(|| {
            format!("cannot load {guest}: it was compiled by another wasmtime, with other settings, or for another machine")
        })?
    } else {
        ensure!(
            Engine::detect_precompiled(&wasm).is_none(),
            "{guest} is precompiled: give --allow-precompiled if it comes from you"
        );
        ensure!(
            wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
            "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
        );
        Module::from_binary(&engine, &wasm).with_context(|| {
            format!(
                "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
            )
        })?
    };
    let loaded = start.elapsed();
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );
    if let Some(output) = &cli.precompile {
        ensure!(args.is_empty(), "--precompile runs nothing: give the arguments when you run it");
        let code = module.serialize()?;
        std::fs::write(output, &code)
            .with_context(|| format!("cannot write {}: check the path", output.display()))?;
        println!("host: {} bytes became {} in {}", wasm.len(), code.len(), ms(loaded));
        return Ok(ExitCode::SUCCESS);
    }

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
    let mut store = Store::new(&engine, wasi.build_p1());

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    let start = Instant::now();
    let ended = linked
        .instantiate(&mut store)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, "_start"))
        .and_then(|start| start.call(&mut store, ()));
    println!("host: {} bytes loaded in {}, ran {}", wasm.len(), ms(loaded), ms(start.elapsed()));
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

/// For a reader. A program that measures takes more than one run, and the least of them.
fn ms(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
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
