//! Runs programs of all generations of WASI and compares them.
//! Notice what serves all of them: one engine, two linkers; and what each has for itself: a store.
//! Run: just run evolution

use std::collections::BTreeSet;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Engine, Error, InstancePre, Linker, Module, Result, Store, Trap, TypedFunc,
    bail, ensure,
};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{I32Exit, WasiCtx, p0, p1, p2, p3};

/// Run programs of any generation of WASI and compare them.
#[derive(Parser)]
struct Cli {
    /// Tell how long each took
    #[arg(long)]
    times: bool,

    /// The guests, modules or components
    #[arg(required = true, value_name = "GUEST.wasm")]
    guests: Vec<String>,

    /// Arguments for every guest
    #[arg(last = true, value_name = "ARGS")]
    args: Vec<String>,
}

/// A guest, compiled.
enum Code {
    Module(Module),
    Component(Component),
}

/// A program with all that it imports; the three kinds differ in how they are called.
enum Program {
    Module(InstancePre<WasiP1Ctx>),
    P2(p2::bindings::CommandPre<WasiP1Ctx>),
    P3(p3::bindings::CommandPre<WasiP1Ctx>),
}

/// A program in a store, ready to be called.
enum Instance {
    Module(TypedFunc<(), ()>),
    P2(p2::bindings::Command),
    P3(p3::bindings::Command),
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    // 1. Engine: compiles code, holds no guest state, so one is enough for all guests. The cache
    //    keeps compiled guests on disk; a machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a module for preview 0 and 1, a component for 0.2 and 0.3; the magic number tells.
    let mut compiled = Vec::new();
    for guest in &cli.guests {
        let wasm = std::fs::read(guest).with_context(|| {
            format!("cannot read {guest}: check the path, or build the guest first")
        })?;
        let code = match wasm.get(..8) {
            Some(b"\0asm\x01\0\0\0") => Module::from_binary(&engine, &wasm).map(Code::Module),
            Some(b"\0asm\x0d\0\x01\0") => {
                Component::from_binary(&engine, &wasm).map(Code::Component)
            }
            _ => {
                bail!("{guest} is not WebAssembly: give a file that cargo built for a wasm target")
            }
        };
        let code = code.with_context(|| {
            format!(
                "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
            )
        })?;
        let exports: Vec<String> = match &code {
            Code::Module(module) => {
                let functions = module.exports().filter(|export| export.ty().func().is_some());
                functions.map(|export| export.name().to_owned()).collect()
            }
            Code::Component(component) => {
                let ty = component.component_type();
                ty.exports(&engine).map(|(name, _)| name.to_owned()).collect()
            }
        };
        let is_program = exports.iter().any(|name| match &code {
            Code::Module(_) => name == "_start",
            Code::Component(_) => name.starts_with("wasi:cli/run@"),
        });
        ensure!(
            is_program,
            "{guest} is not a command, it exports neither `_start` nor `wasi:cli/run`: build a program, not a library"
        );
        // A module imports functions, each from a module that it names; a component imports
        // interfaces, each with a version.
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
        let (count, origins) = (origins.len(), BTreeSet::from_iter(origins));
        let origins = origins.into_iter().collect::<Vec<_>>().join(" and ");
        let about = format!("{kind}, {} bytes, {count} imports from {origins}", wasm.len());
        compiled.push((guest, about, code, exports));
    }

    // 3. Linker: what the guests may import. Old and new versions of WASI stand side by side; which
    //    arguments a guest finds there is decided in step 4.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p0::add_to_linker_async(&mut modules, |wasi| wasi)?;
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;
    let mut programs = Vec::new();
    for (guest, about, code, exports) in &compiled {
        let linked = match &code {
            Code::Module(module) => modules.instantiate_pre(module).map(Program::Module),
            Code::Component(component) => {
                components.instantiate_pre(component).and_then(|linked| {
                    if exports.iter().any(|name| name.starts_with("wasi:cli/run@0.3.")) {
                        p3::bindings::CommandPre::new(linked).map(Program::P3)
                    } else {
                        p2::bindings::CommandPre::new(linked).map(Program::P2)
                    }
                })
            }
        };
        let linked = linked.with_context(|| {
            format!("cannot link {guest}: this host offers the releases of WASI and nothing else")
        })?;
        programs.push((guest, about, linked));
    }

    for (guest, about, linked) in &programs {
        println!("host: {about}");

        // 4. Store: this guest's state and capabilities; the next guest gets another. A new
        //    context grants clocks, sleep and random bytes, and no line here limits time or memory;
        //    all else is granted below or not at all.
        let mut wasi = WasiCtx::builder();
        wasi.inherit_stdout().inherit_stderr(); // what it says comes between two lines of the host
        let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
        wasi.arg(program).args(&cli.args); // by convention its own name comes first, not its path
        let mut store = Store::new(&engine, wasi.build_p1());

        // 5. Instantiate and call. A module with a `start` function runs it while it is
        //    instantiated.
        let start = Instant::now();
        let instance = instantiate(linked, &mut store).await;
        let instantiated = start.elapsed();
        let ended = match instance {
            Ok(instance) => call(instance, &mut store).await,
            Err(error) => Err(error),
        };
        let ran = start.elapsed() - instantiated;
        let status = match ended {
            Ok(Ok(())) => 0,
            Ok(Err(())) => 1, // a component's way to say that it failed, and not why
            Err(error) => match error.downcast_ref() {
                Some(&I32Exit(status)) => status,
                None => return Ok(failed(error.context(format!("{guest} failed while it ran")))),
            },
        };
        println!("host: status {status}");
        if cli.times {
            let build = if cfg!(debug_assertions) { "debug" } else { "release" };
            println!(
                "host: instantiated in {instantiated:.1?}, ran for {ran:.1?}, in a {build} build"
            );
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn instantiate(program: &Program, store: &mut Store<WasiP1Ctx>) -> Result<Instance> {
    match program {
        Program::Module(linked) => {
            let instance = linked.instantiate_async(&mut *store).await?;
            instance.get_typed_func(store, "_start").map(Instance::Module)
        }
        Program::P2(linked) => linked.instantiate_async(store).await.map(Instance::P2),
        Program::P3(linked) => linked.instantiate_async(store).await.map(Instance::P3),
    }
}

/// Calls a program. The outer `Result` says whether it returned, the inner one is its answer.
async fn call(instance: Instance, store: &mut Store<WasiP1Ctx>) -> Result<Result<(), ()>> {
    match instance {
        Instance::Module(start) => start.call_async(store, ()).await.map(Ok),
        Instance::P2(command) => command.wasi_cli_run().call_run(store).await,
        Instance::P3(command) => {
            store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
        }
    }
}

/// Prints why a guest did not end by itself, and gives the status for it.
fn failed(error: Error) -> ExitCode {
    eprintln!("Error: {error:?}");
    ExitCode::from(if error.is::<Trap>() { 134 } else { 1 }) // 134 as the wasmtime CLI, and as abort()
}
