//! Runs a command of any generation: a module of WASI 0.1, or a component of WASI 0.3 or 0.2.
//! Notice step 4: one clock and one source of random bytes serve all three, whatever the calls are
//! named.
//! Run: just run raw

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Engine, Error, InstancePre, Linker, Module, Result, Store, Trap, bail,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{Deterministic, HostWallClock, I32Exit, WasiCtx, p2, p3};

/// Run a command of WASI 0.1, 0.2 or 0.3, with a clock that stands still.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module or a component, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

/// A guest, compiled.
enum Code {
    Module(Module),
    Component(Component),
}

/// A program with all that it imports; the three generations differ in how they are called.
enum Program {
    P1(InstancePre<WasiP1Ctx>),
    P2(p2::bindings::CommandPre<WasiP1Ctx>),
    P3(p3::bindings::CommandPre<WasiP1Ctx>),
}

/// The guest reads the clock that the host gives it. This one always shows the same second, so a
/// transcript is always the same.
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

    // 2. Code: a Module or a Component, from the path given. The magic number is the same for both,
    //    the version behind it is not. What a component exports names its generation.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    let code = match wasm.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Module::from_binary(&engine, &wasm).map(Code::Module),
        Some(b"\0asm\x0d\0\x01\0") => Component::from_binary(&engine, &wasm).map(Code::Component),
        _ => bail!("{guest} is not WebAssembly: give a file that cargo built for a wasm target"),
    };
    let code = code.with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    let run = match &code {
        Code::Module(module) => module.get_export("_start").map(|_| "_start".to_owned()),
        Code::Component(component) => {
            let ty = component.component_type();
            let names = ty.exports(&engine).map(|(name, _)| name.to_owned());
            names.filter(|name| name.starts_with("wasi:cli/run@")).max() // the newest, if it has two
        }
    };
    let run = run.with_context(|| {
        format!(
            "{guest} is not a command, it exports neither `_start` nor `wasi:cli/run`: build a program, not a library"
        )
    })?;

    // 3. Linker: what the guest may import. A component of 0.3 is offered 0.2 as well: std in it
    //    still calls that. What is linked can be instantiated often.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;
    let linked = match &code {
        Code::Module(module) => modules.instantiate_pre(module).map(Program::P1),
        Code::Component(component) => components.instantiate_pre(component).and_then(|linked| {
            if run.starts_with("wasi:cli/run@0.3.") {
                p3::bindings::CommandPre::new(linked).map(Program::P3)
            } else {
                p2::bindings::CommandPre::new(linked).map(Program::P2)
            }
        }),
    };
    let linked = linked.with_context(|| {
        format!("cannot link {guest}: this host offers WASI 0.1, 0.2 and 0.3 and nothing else")
    })?;

    // 4. Store: this guest's state and capabilities, the same for all three generations. A new
    //    context grants clocks, sleep and random bytes, and no line here limits time or memory; all
    //    else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout(); // one of the four calls prints
    wasi.inherit_stderr(); // a panic says where
    wasi.wall_clock(Stopped);
    wasi.secure_random(Deterministic::new(vec![7])); // for this page only: anybody can guess these
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(args); // by convention its own name comes first, without the host's path
    let mut store = Store::new(&engine, wasi.build_p1());

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    match call(linked, &mut store).await {
        Ok(Ok(())) => Ok(ExitCode::SUCCESS),
        Ok(Err(())) => Ok(ExitCode::FAILURE), // a component's way to say that it failed, and not why
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

/// Calls a program. The outer `Result` says whether it returned, the inner one is its answer.
async fn call(program: Program, store: &mut Store<WasiP1Ctx>) -> Result<Result<(), ()>> {
    match program {
        Program::P1(linked) => {
            println!("host: WASI 0.1, _start");
            let instance = linked.instantiate_async(&mut *store).await?;
            let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
            start.call_async(store, ()).await.map(Ok)
        }
        Program::P2(linked) => {
            println!("host: WASI 0.2, run");
            let command = linked.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(store).await
        }
        Program::P3(linked) => {
            println!("host: WASI 0.3, run");
            let command = linked.instantiate_async(&mut *store).await?;
            store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
        }
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
