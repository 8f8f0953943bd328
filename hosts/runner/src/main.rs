//! Runs whatever cargo built for WASI: a preview 0 or 1 module, or a component for WASI 0.2 or 0.3.
//! Notice that the file itself says what it is: in its first eight bytes and in its exports.
//! Run: just run runner

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Engine, Error, InstancePre, Linker, Module, Result, Store, Trap, bail,
};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, p0, p1, p2, p3};

/// Run a program for WASI with only the capabilities named here.
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

    /// Let the guest use the network; spelled as the wasmtime CLI spells it
    #[arg(short = 'S', value_name = "OPTION", value_parser = ["inherit-network", "allow-ip-name-lookup"])]
    options: Vec<String>,

    /// The guest, a module or a component, and its arguments
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

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(run(Cli::parse())).unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    }))
}

/// Prints an error, as text that commands no terminal: the engine puts names into it that the guest
/// chose. Control characters are spelled out, but for the ends of lines.
fn print_error(error: &Error) {
    let mut harmless = String::new();
    for letter in format!("{error:?}").chars() {
        match letter {
            letter if letter.is_control() && letter != '\n' => {
                harmless.extend(letter.escape_default());
            }
            letter => harmless.push(letter),
        }
    }
    eprintln!("Error: {harmless}");
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Module or a Component, from the path given. The magic number is the same for both,
    //    the version behind it is not. The exports tell a program from a library.
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
    if !is_program {
        let reactor = exports.iter().any(|name| name == "_initialize");
        let kind = if reactor { "reactor" } else { "library" };
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        bail!(
            "{guest} is a {kind}, it exports {exports}: write a host that calls its exports, or build a program"
        );
    }

    // 3. Linker: what the guest may import. Old and new versions of WASI stand side by side; which
    //    files, variables and arguments the guest finds there is decided in step 4.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p0::add_to_linker_async(&mut modules, |wasi| wasi)?;
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;
    let linked = match &code {
        Code::Module(module) => modules.instantiate_pre(module).map(Program::Module),
        Code::Component(component) => components.instantiate_pre(component).and_then(|linked| {
            if exports.iter().any(|name| name.starts_with("wasi:cli/run@0.3.")) {
                p3::bindings::CommandPre::new(linked).map(Program::P3)
            } else {
                p2::bindings::CommandPre::new(linked).map(Program::P2)
            }
        }),
    };
    let linked = linked.with_context(|| {
        format!("cannot link {guest}: this host offers the releases of WASI and nothing else")
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
    wasi.allow_ip_name_lookup(cli.options.iter().any(|option| option == "allow-ip-name-lookup"));
    if cli.options.iter().any(|option| option == "inherit-network") {
        // Kinds of sockets are granted apart from addresses: here both kinds, and every address.
        wasi.allow_tcp(true).allow_udp(true).socket_addr_check(|_, _| Box::pin(async { true }));
    }
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
        Program::Module(linked) => {
            let instance = linked.instantiate_async(&mut *store).await?;
            let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
            start.call_async(store, ()).await.map(Ok)
        }
        Program::P2(linked) => {
            let command = linked.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(store).await
        }
        Program::P3(linked) => {
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
    print_error(&error);
    Ok(ExitCode::from(if error.is::<Trap>() { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
