//! A server for http whose answers come from components: its command line, its routes, its life.
//! Notice that serve.rs is the core and sandbox.rs what a component may do and cost.
//! Run: just run http

mod client;
mod outbound;
mod sandbox;
mod serve;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use clap::builder::RangedU64ValueParser;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure};

use client::Asked;
use sandbox::{Grants, Limits, Loader, Reuse, Sandbox};
use serve::{Door, Server};

/// Serve http with components of WASI 0.2 (wasi:http/proxy) and 0.3 (wasi:http/service).
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// Which requests share an instance of a component
    #[arg(long, value_enum, default_value_t = Reuse::Fresh)]
    reuse: Reuse,
    /// Serve the paths below a prefix with a component, which sees the rest of them
    #[arg(long = "route", value_name = "PREFIX=COMPONENT", value_parser = route)]
    routes: Vec<(String, PathBuf)>,
    /// Serve the paths below /NAME with NAME.wasm, for all of a directory
    #[arg(long = "routes", value_name = "DIR")]
    folder: Option<PathBuf>,

    /// Let guests send requests to a server
    #[arg(long, value_name = "HOST:PORT or HOST:*", value_parser = server)]
    allow: Vec<(String, Option<u16>)>,
    /// Let guests read and write a directory
    #[arg(long = "dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    dirs: Vec<(PathBuf, String)>,
    /// Set an environment variable of guests
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,

    /// Send a request, print the answer, and end after the last one instead of serving on
    #[arg(long = "request", value_name = "METHOD PATH [BODY]")]
    requests: Vec<Asked>,
    /// Send these requests shortly after each other, without waiting for the answers
    #[arg(long, requires = "requests")]
    together: bool,

    #[command(flatten)]
    limits: Flags,

    /// The component for all paths that have no other route
    #[arg(value_name = "COMPONENT")]
    component: Option<PathBuf>,
}

/// A flag for each limit.
#[derive(clap::Args)]
#[command(next_help_heading = "Limits")]
struct Flags {
    /// How long a request may take, to the end of its response
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// How long the head of a request may take, and how long a connection may be idle
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    head_timeout: Duration,
    /// How long requests in flight have when the host is told to end
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    grace: Duration,
    /// Requests at once
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = count(10_000))]
    max_requests: u64,
    /// Connections at once; further ones wait
    #[arg(long, value_name = "COUNT", default_value_t = 1000, value_parser = count(100_000))]
    max_connections: u64,
    /// Bytes of the head of a request
    #[arg(long, value_name = "BYTES", default_value_t = 16 << 10,
        value_parser = RangedU64ValueParser::<u64>::new().range(8192..=1 << 20))]
    max_head_size: u64,
    /// Bytes of the body of a request
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_body_size: u64,
    /// Bytes of the body of a response, from a guest or to one
    #[arg(long, value_name = "BYTES", default_value_t = 8 << 20)]
    max_response_size: u64,
    /// Bytes of the memory of an instance
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_memory_size: usize,
    /// Bytes of the memory of all instances together
    #[arg(long, value_name = "BYTES", default_value_t = 4 << 30)]
    max_total_memory: usize,
    /// Requests of guests to other servers at once
    #[arg(long, value_name = "COUNT", default_value_t = 100)]
    max_outbound: usize,
    /// Requests that an instance sees in its life, where it is used again
    #[arg(long, value_name = "COUNT", default_value_t = 128, value_parser = count(1_000_000))]
    max_reuse: u64,
    /// Requests that an instance has at once, with --reuse concurrent
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = count(10_000))]
    max_at_once: u64,
}

const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn count(most: u64) -> RangedU64ValueParser {
    RangedU64ValueParser::new().range(1..=most)
}

/// A time, up to a year: a point in time that is too far away to be written is a panic in libraries.
fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if time > YEAR => Err(format!("at most {}, which is a year", YEAR.as_secs())),
        time => time.map_err(|error| error.to_string()),
    }
}

/// A prefix without the slash at its end: it is empty for all paths.
fn route(value: &str) -> Result<(String, PathBuf), String> {
    let (prefix, component) = value.split_once('=').ok_or("write PREFIX=COMPONENT")?;
    if !prefix.starts_with('/') || prefix.contains(['?', '#', ' ']) {
        return Err("a prefix is a path, such as /shop".to_owned());
    }
    Ok((prefix.trim_end_matches('/').to_owned(), component.into()))
}

fn server(value: &str) -> Result<(String, Option<u16>), String> {
    let (host, port) = value.rsplit_once(':').ok_or("write HOST:PORT, or HOST:* for all ports")?;
    if host.is_empty() || host.contains(['/', '@']) {
        return Err("write HOST:PORT, without http://".to_owned());
    }
    let port = match port {
        "*" => None,
        port => Some(port.parse().map_err(|_| "a port is a number up to 65535, or *")?),
    };
    Ok((host.to_owned(), port))
}

fn dir(value: &str) -> Result<(PathBuf, String), std::convert::Infallible> {
    let (host, guest) = value.split_once("::").unwrap_or((value, value));
    Ok((host.into(), guest.into()))
}

fn variable(value: &str) -> Result<(String, String), String> {
    let (name, value) = value.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

// Unlike the other hosts, this one does not end quietly when nobody reads its output any more, which
// `sigpipe::reset()` would do: a client that goes away must not end the server.
fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The engine puts names into its errors that a guest chose.
            let text = format!("{error:?}");
            let lines: Vec<_> = text.lines().map(harmless).collect();
            say(&format!("Error: {}", lines.join("\n")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let whole = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let flags = &cli.limits;
    let limits = Limits {
        time: flags.timeout,
        requests: u32::try_from(flags.max_requests)?,
        memory: flags.max_memory_size,
        total_memory: flags.max_total_memory,
        reuse: whole(flags.max_reuse),
        at_once: whole(flags.max_at_once),
        request_body: flags.max_body_size,
        response_body: flags.max_response_size,
        outbound: flags.max_outbound,
    };
    let door = Door {
        connections: whole(flags.max_connections),
        head_time: flags.head_timeout,
        head_size: whole(flags.max_head_size),
        grace: flags.grace,
    };
    let grants = Grants { vars: cli.vars, dirs: cli.dirs, outbound: cli.allow };
    let routes = components(cli.routes, cli.folder.as_deref(), cli.component)?;
    let loader = Loader::new(limits.clone(), grants, cli.reuse).context(
        "cannot set memory aside for all instances: give a lower --max-requests or --max-memory-size",
    )?;
    let load = |(prefix, path): (String, PathBuf)| Ok((prefix, loader.load(&path)?));
    let routes = routes.into_iter().map(load).collect::<Result<Vec<(String, Sandbox)>>>()?;
    let server = Arc::new(Server::new(door, limits, routes));

    // A thread for each core. No guest holds one up: what waits gives it back, and what computes gives
    // it back at each tick.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let listener = listen(cli.addr).with_context(|| {
            format!("cannot listen at {}: give another --addr, or port 0 for a free one", cli.addr)
        })?;
        let addr = listener.local_addr()?;
        let (stop, stopped) = mpsc::channel(1);
        let (mut terminated, mut interrupted) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let told = stop.clone();
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    _ = terminated.recv() => {}
                    _ = interrupted.recv() => {}
                }
                let _ = told.send(()).await;
            }
        });
        say(&format!("listening on http://{addr}/"));
        let serving = tokio::spawn(server.serve(listener, stopped));
        if !cli.requests.is_empty() {
            let played = client::play(addr, cli.requests, cli.together).await;
            played.context("cannot play the client")?;
            stop.send(()).await?;
        }
        Ok(serving.await?)
    });
    runtime.shutdown_background(); // what a guest still does after its response is not waited for
    ended
}

/// A socket for clients. Of those that come faster than they are accepted, some hundreds wait: with the
/// 128 of `TcpListener::bind` the others would lose a second each.
fn listen(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?; // so that a host which has just ended leaves its port to the next
    socket.bind(addr)?;
    socket.listen(1024)
}

/// The routes of the command line, each with the file of its component.
fn components(
    mut routes: Vec<(String, PathBuf)>,
    folder: Option<&Path>,
    component: Option<PathBuf>,
) -> Result<Vec<(String, PathBuf)>> {
    routes.extend(component.map(|component| (String::new(), component)));
    if let Some(folder) = folder {
        let unreadable = || format!("cannot read the directory {}", folder.display());
        for entry in folder.read_dir().with_context(unreadable)? {
            let path = entry.with_context(unreadable)?.path();
            let name = path.file_stem().and_then(|stem| stem.to_str());
            if let (Some(name), Some("wasm")) = (name, path.extension().and_then(|e| e.to_str())) {
                routes.push((format!("/{name}"), path));
            }
        }
    }
    ensure!(!routes.is_empty(), "there is nothing to serve: give a component, --route or --routes");
    routes.sort();
    if let Some(twice) = routes.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let ((prefix, one), (_, other)) = (&twice[0], &twice[1]);
        bail!("{prefix}/ has two components, {} and {}", one.display(), other.display());
    }
    Ok(routes)
}

/// Writes a line to standard error, where nobody may be reading any more.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A text of a client or a guest as it may stand in a line: control characters are spelled out.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => harmless.extend(letter.escape_default()),
            letter => harmless.push(letter),
        }
    }
    harmless
}
