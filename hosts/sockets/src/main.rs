//! Runs a program that uses the network, decides what it may reach, and is the other side itself.
//! Notice `Allowed::allows`: every use of every address is asked for, and the answer is a `bool`.
//! Run: just run sockets

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::mpsc;
use tokio::time::timeout;
use wasmtime::component::{Component, Linker, ResourceTable};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Result, Store, Trap, bail, ensure};
use wasmtime_wasi::p2::{self, bindings::CommandPre};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};

/// Run a program and let it use the network as far as it is named here.
#[derive(Parser)]
struct Cli {
    /// Let the guest have sockets of a kind, or look up names; spelled as the wasmtime CLI spells it
    #[arg(short = 'S', value_name = "OPTION", value_delimiter = ',', value_parser = ["tcp", "udp", "allow-ip-name-lookup"])]
    options: Vec<String>,

    /// Let the guest connect and send to an address, at any port if none is given
    #[arg(long, value_name = "IP[:PORT]", value_parser = address)]
    connect: Vec<Address>,

    /// Let the guest listen at an address of this machine, at any port if none is given
    #[arg(long, value_name = "IP[:PORT]", value_parser = address)]
    listen: Vec<Address>,

    /// The loopback address at which guest and host meet
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST.into(), value_parser = loopback)]
    at: IpAddr,

    /// Give up after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,

    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: String,

    /// What the guest is told to do; the host is the other side of it
    part: Option<Part>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Part {
    /// Connect to a TCP server
    Connect,
    /// Be a TCP server
    Serve,
    /// Send a datagram to a UDP server
    Udp,
    /// Look up the name localhost
    Lookup,
}

/// An address and a port, or any port.
type Address = (IpAddr, Option<u16>);

fn address(value: &str) -> Result<Address, String> {
    if let Ok(address) = value.parse::<SocketAddr>() {
        return Ok((address.ip(), Some(address.port())));
    }
    let ip = value.parse().map_err(|_| "write 127.0.0.1, 127.0.0.1:80, ::1 or [::1]:80")?;
    Ok((ip, None))
}

fn loopback(value: &str) -> Result<IpAddr, String> {
    let ip = value.parse::<IpAddr>().ok().filter(IpAddr::is_loopback);
    ip.ok_or_else(|| "write 127.0.0.1 or ::1".into())
}

/// What the guest may reach, and where it may be reached.
struct Allowed {
    connect: Vec<Address>,
    listen: Vec<Address>,
}

impl Allowed {
    fn allows(&self, address: SocketAddr, usage: SocketAddrUse) -> bool {
        let named = |list: &[Address]| {
            let fits = |port: Option<u16>| port.is_none_or(|port| port == address.port());
            list.iter().any(|&(ip, port)| ip == address.ip() && fits(port))
        };
        match usage {
            // The address of the other side. Datagrams of strangers are dropped.
            SocketAddrUse::TcpConnect | SocketAddrUse::UdpSend | SocketAddrUse::UdpReceive => {
                named(&self.connect)
            }
            // The guest's own address. A client has its socket bound to no address in particular and
            // any port. That is harmless: to listen there, or to receive, it has to ask again.
            SocketAddrUse::TcpBind | SocketAddrUse::UdpBind => {
                named(&self.listen) || (address.ip().is_unspecified() && address.port() == 0)
            }
            SocketAddrUse::TcpListen => named(&self.listen),
            // Again the address of the other side: whoever reaches an address that was allowed above.
            SocketAddrUse::TcpAccept => true,
        }
    }
}

/// The state of the host while the guest runs.
struct Network {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Network {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// Sends back what a client sends, until it has gone.
async fn echo_tcp(listener: TcpListener) -> Result<()> {
    let (mut client, _) = listener.accept().await?;
    let mut buffer = [0; 1024];
    loop {
        match client.read(&mut buffer).await? {
            0 => return Ok(()),
            length => client.write_all(&buffer[..length]).await?,
        }
    }
}

/// Sends back what anybody sends.
async fn echo_udp(socket: UdpSocket) -> Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let (length, sender) = socket.recv_from(&mut buffer).await?;
        socket.send_to(&buffer[..length], sender).await?;
    }
}

/// Is a client of the guest, as soon as it listens.
async fn ask(mut listening: mpsc::Receiver<SocketAddr>) -> Result<()> {
    const QUESTION: &[u8] = b"hello from the host";
    let server = listening.recv().await.context("the guest did not listen")?;
    let mut stream = TcpStream::connect(server).await.context("cannot connect to the guest")?;
    stream.write_all(QUESTION).await.context("cannot send to the guest")?;
    let mut echo = [0; QUESTION.len()]; // as much as is expected, and no more
    stream.read_exact(&mut echo).await.context("the guest sent no echo")?;
    ensure!(echo == QUESTION, "the guest sent something else than what it got");
    println!("host: the guest sent back {:?}", String::from_utf8_lossy(&echo));
    Ok(())
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run(Cli::parse()));
    runtime.shutdown_background(); // a name that is still looked up is not waited for
    ended
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
    let mut linker: Linker<Network> = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(CommandPre::new).with_context(|| {
            format!("cannot link {guest}: this host offers WASI 0.2 and nothing else")
        })?;

    // The other side, at a port that the system picks. It is a task beside the guest.
    let (listens, listening) = mpsc::channel(1);
    let (args, peer) = match cli.part {
        Some(Part::Connect) => {
            let listener = TcpListener::bind((cli.at, 0)).await;
            let listener = listener.with_context(|| format!("cannot listen at {}", cli.at))?;
            let address = listener.local_addr()?.to_string();
            (vec!["connect".to_owned(), address], tokio::spawn(echo_tcp(listener)))
        }
        Some(Part::Serve) => {
            let address = SocketAddr::new(cli.at, 0).to_string(); // any port
            (vec!["serve".to_owned(), address], tokio::spawn(ask(listening)))
        }
        Some(Part::Udp) => {
            let socket = UdpSocket::bind((cli.at, 0)).await;
            let socket = socket.with_context(|| format!("cannot listen at {}", cli.at))?;
            let address = socket.local_addr()?.to_string();
            (vec!["udp".to_owned(), address], tokio::spawn(echo_udp(socket)))
        }
        Some(Part::Lookup) => {
            let name = "localhost".to_owned();
            (vec!["lookup".to_owned(), name], tokio::spawn(async { Ok(()) }))
        }
        None => (Vec::new(), tokio::spawn(async { Ok(()) })), // another program
    };

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // it speaks to the terminal, or to where the shell sends it
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(&args);
    let granted = |option: &str| cli.options.iter().any(|granted| granted == option);
    wasi.allow_tcp(granted("tcp")).allow_udp(granted("udp"));
    wasi.allow_ip_name_lookup(granted("allow-ip-name-lookup")); // every name, or none
    let allowed = Allowed { connect: cli.connect, listen: cli.listen };
    wasi.socket_addr_check(move |address, usage| {
        let allows = allowed.allows(address, usage);
        if allows && matches!(usage, SocketAddrUse::TcpListen) {
            let _ = listens.try_send(address); // with the port; if nobody asks, or a second time, never mind
        }
        Box::pin(async move { allows })
    });
    let mut store = Store::new(&engine, Network { ctx: wasi.build(), table: ResourceTable::new() });
    // Every now and then the guest lets the timer below and the other side have their turn.
    store.set_fuel(u64::MAX)?;
    store.fuel_async_yield_interval(Some(1_000_000))?;

    // 5. Instantiate and call. When the guest has ended, the store goes, and its sockets with it: so
    //    a client that still waits for the guest comes to an end as well.
    let both = async {
        let ended = match linked.instantiate_async(&mut store).await {
            Ok(command) => command.wasi_cli_run().call_run(&mut store).await,
            Err(error) => Err(error),
        };
        drop(store);
        let answered = match cli.part {
            Some(Part::Serve) if matches!(ended, Ok(Ok(()))) => {
                peer.await.map_err(Error::from).flatten()
            }
            _ => Ok(()), // a server would wait for more clients
        };
        (ended, answered)
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
