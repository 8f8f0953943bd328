//! Runs whatever cargo built for WASI: a preview 0 or 1 module, or a component for WASI 0.2 or 0.3.
//! Notice that the file itself says what it is: in its first eight bytes and in its exports.
//! Run: just run runner

use std::convert::Infallible;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::component::{self, Component};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Linker, Module, Result, Store, Trap, bail};
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

enum Code {
    Module(Module),
    Component(Component),
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    // WASI 0.3 is async on the host's side, so all of it is here. One thread is enough.
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(&cli))
}

async fn run(cli: &Cli) -> Result<ExitCode> {
    let guest = &cli.guest_and_args[0];

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module or a Component. The magic number is the same, the version tells.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    let code = match wasm.get(..8) {
        Some(b"\0asm\x01\0\0\0") => Module::from_binary(&engine, &wasm).map(Code::Module),
        Some(b"\0asm\x0d\0\x01\0") => Component::from_binary(&engine, &wasm).map(Code::Component),
        _ => bail!("{guest} is not WebAssembly: give a file that cargo built for a wasm target"),
    };
    let code = code.with_context(|| format!("{guest} is damaged: build the guest again"))?;
    let (page, exports): (_, Vec<String>) = match &code {
        Code::Module(module) => {
            let functions = module.exports().filter(|export| export.ty().func().is_some());
            ("reactor", functions.map(|export| export.name().to_owned()).collect())
        }
        Code::Component(component) => {
            let ty = component.component_type();
            ("component", ty.exports(&engine).map(|(name, _)| name.to_owned()).collect())
        }
    };
    let starts = |start: &str| exports.iter().any(|name| name.starts_with(start));
    if !starts("_start") && !starts("wasi:cli/run@") {
        let exports = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        let kind = if starts("_initialize") { "reactor" } else { "library" };
        bail!("{guest} is a {kind}: it exports {exports}; see examples/{page}");
    }

    // 3. Linker: what the guest may import. Old and new versions of WASI stand side by side.
    let mut modules: Linker<WasiP1Ctx> = Linker::new(&engine);
    p0::add_to_linker_async(&mut modules, |wasi| wasi)?;
    p1::add_to_linker_async(&mut modules, |wasi| wasi)?;
    let mut components: component::Linker<WasiP1Ctx> = component::Linker::new(&engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;

    // 4. Store: this guest's state and capabilities.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio().args(&cli.guest_and_args).envs(&cli.vars);
    let grants =
        [("--dir", &cli.dirs, FsPerms::ReadWrite), ("--ro-dir", &cli.ro_dirs, FsPerms::ReadOnly)];
    for (flag, dirs, perms) in grants {
        for (host, guest) in dirs {
            wasi.preopened_dir(host, guest, perms).with_context(|| {
                format!("cannot grant {}: {flag} takes a directory that exists", host.display())
            })?;
        }
    }
    let on = |option: &str| cli.options.iter().any(|given| given == option);
    wasi.allow_ip_name_lookup(on("allow-ip-name-lookup"));
    if on("inherit-network") {
        // Kinds of sockets and addresses are granted apart: these, and all.
        wasi.allow_tcp(true).allow_udp(true).socket_addr_check(|_, _| Box::pin(async { true }));
    }
    let mut store = Store::new(&engine, wasi.build_p1());

    // 5. Instantiate and call.
    let cannot_link = || format!("cannot link {guest}: this host offers WASI and nothing else");
    let ended = match code {
        Code::Module(module) => {
            let instance = modules.instantiate_async(&mut store, &module).await;
            let instance = instance.with_context(cannot_link)?;
            let start = instance.get_typed_func::<(), ()>(&mut store, "_start")?;
            start.call_async(&mut store, ()).await.map(Ok)
        }
        Code::Component(component) => {
            let instance = components.instantiate_async(&mut store, &component).await;
            let instance = instance.with_context(cannot_link)?;
            if starts("wasi:cli/run@0.3") {
                let command = p3::bindings::Command::new(&mut store, &instance)?;
                let run = async |store: &_| command.wasi_cli_run().call_run(store).await;
                store.run_concurrent(run).await.flatten()
            } else {
                let command = p2::bindings::Command::new(&mut store, &instance)?;
                command.wasi_cli_run().call_run(&mut store).await
            }
        }
    };
    let error = match ended {
        Ok(Ok(())) => return Ok(ExitCode::SUCCESS),
        Ok(Err(())) => return Ok(ExitCode::FAILURE), // a component's `main` that failed
        Err(error) => error,
    };
    // A guest that calls `exit` ends as an error too, one that carries the status.
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
