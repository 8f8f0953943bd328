//! Runs a server on a loopback address, and is all of its clients at once.
//! Notice that nothing here knows tokio is in the guest: it sees sockets, and a clock.
//! Run: just run tokio

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Result, Store, Trap, bail, ensure};
use wasmtime_wasi::p2::{self, bindings::CommandPre};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

/// Run a server and send it requests, each from a client of its own, all at once.
#[derive(Parser)]
struct Cli {
    /// Give up after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,

    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: String,

    /// What a client sends as a line; without any, the guest is run as any program is
    #[arg(value_name = "REQUEST", allow_hyphen_values = true)]
    requests: Vec<String>,
}

/// The state of the host while the guest runs.
struct Server {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Server {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// Sends each request over a connection of its own, as soon as the guest listens, and prints the
/// answers in the order in which they come. Fails after that if an answer was missing.
async fn ask(requests: Vec<String>, mut listening: mpsc::Receiver<SocketAddr>) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let server = listening.recv().await.context("the guest did not listen")?;
    let mut clients = JoinSet::new();
    for request in requests {
        clients.spawn(async move {
            let answer = answer(server, &request).await;
            answer.with_context(|| format!("the guest did not answer {request:?}"))
        });
    }
    let mut missing = None;
    while let Some(client) = clients.join_next().await {
        match client? {
            Ok(answer) => println!("host: the guest answered {answer:?}"),
            Err(error) => missing = missing.or(Some(error)),
        }
    }
    missing.map_or(Ok(()), Err)
}

/// Sends a line, and returns what comes back until the guest closes the connection.
async fn answer(server: SocketAddr, request: &str) -> Result<String> {
    const LIMIT: u64 = 1024; // a guest could send without end
    let mut stream = TcpStream::connect(server).await?;
    stream.write_all(format!("{request}\n").as_bytes()).await?;
    stream.shutdown().await?; // there are no more requests
    let mut answer = Vec::new();
    let length = stream.take(LIMIT).read_to_end(&mut answer).await? as u64;
    ensure!(length > 0, "it closed the connection");
    ensure!(length < LIMIT, "it sent {LIMIT} bytes or more");
    Ok(String::from_utf8_lossy(&answer).trim_end().to_owned())
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let guest = &cli.guest;

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time. Code that counts its instructions as
    //    fuel can be interrupted.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    config.consume_fuel(true);
    let engine = Engine::new(&config)?;

    // 2. Code: a Component, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
        "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    let ty = component.component_type();
    ensure!(
        ty.exports(&engine).any(|(name, _)| name.starts_with("wasi:cli/run@0.2.")),
        "{guest} is not a command, it exports no `wasi:cli/run` of WASI 0.2: build a program, not a library"
    );

    // 3. Linker: what the guest may import. Here all of WASI 0.2, sockets included; what it may do
    //    with them is decided in step 4. What is linked can be instantiated often.
    let mut linker: Linker<Server> = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(CommandPre::new).with_context(|| {
            format!("cannot link {guest}: this host offers WASI 0.2 and nothing else")
        })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, 0)); // any free port
    wasi.arg(program);
    if !cli.requests.is_empty() {
        wasi.arg(address.to_string()).arg(cli.requests.len().to_string());
    }
    wasi.allow_tcp(true); // sockets of this kind, at the addresses that pass the check
    let (listens, listening) = mpsc::channel(1);
    wasi.socket_addr_check(move |address, usage| {
        // A client binds its socket to no address in particular before it connects.
        let here = address.ip().is_loopback();
        let allows = match usage {
            SocketAddrUse::TcpBind => here || address.ip().is_unspecified() && address.port() == 0,
            _ => here,
        };
        if allows && matches!(usage, SocketAddrUse::TcpListen) {
            let _ = listens.try_send(address); // with the port; a second time, never mind
        }
        Box::pin(async move { allows })
    });
    let mut store = Store::new(&engine, Server { ctx: wasi.build(), table: ResourceTable::new() });
    // Every now and then the guest lets the timer below and the clients have their turn.
    store.set_fuel(u64::MAX)?;
    store.fuel_async_yield_interval(Some(1_000_000))?;

    // 5. Instantiate and call, with the clients as a task beside it. When the guest has ended, the
    //    store goes, and its sockets with it: so a client that still waits comes to an end as well.
    let both = async {
        let clients = tokio::spawn(ask(cli.requests, listening));
        let ended = match linked.instantiate_async(&mut store).await {
            Ok(command) => command.wasi_cli_run().call_run(&mut store).await,
            Err(error) => Err(error),
        };
        drop(store);
        (ended, clients.await.map_err(Error::from).flatten())
    };
    let Ok((ended, answered)) = timeout(Duration::from_secs(cli.timeout), both).await else {
        bail!("{guest} did not end within {} s", cli.timeout);
    };
    match ended {
        Ok(Ok(())) => answered.map(|()| ExitCode::SUCCESS),
        Ok(Err(())) => Ok(ExitCode::FAILURE), // a component's way to say that it failed, and not why
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
