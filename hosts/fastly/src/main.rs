//! Runs a program made for Fastly's platform in Viceroy, the engine that Fastly has for trying it locally.
//! Notice how little is decided here: imports, memory and output are Viceroy's affair.
//! Run: just run fastly

mod client;

use std::collections::HashSet;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hyper::{Server, Uri};
use viceroy_lib::config::{Backend, FastlyConfig, UnknownImportBehavior};
use viceroy_lib::{ExecuteCtx, ProfilingConfig, ViceroyService, WasmFeatures};

use client::Asked;

/// Serve http with a program that was made for Fastly's platform.
#[derive(Parser)]
struct Cli {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:0")]
    addr: SocketAddr,
    /// What the platform would have for the program: stores, backends, where clients are
    #[arg(long, short = 'C', value_name = "FASTLY.toml")]
    config: Option<PathBuf>,
    /// Give the program a backend that leads back to this server
    #[arg(long, value_name = "BACKEND")]
    loopback: Vec<String>,
    /// Make a component of the program first, by the adapter that Viceroy has
    #[arg(long)]
    adapt: bool,
    /// Send a request, print the answer, and end after the last one instead of serving on
    #[arg(long = "request", value_name = "METHOD PATH [BODY]")]
    requests: Vec<Asked>,
    /// How long the client waits for an answer
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,
    /// The program, built for wasm32-wasip1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

// Like the host of `http`, and unlike all others, this one does not end quietly when nobody reads its
// output: a client that goes away must not end the server.
fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Names in it may be the guest's.
            let text = format!("{error:?}");
            let lines: Vec<_> = text.lines().map(harmless).collect();
            say(&format!("Error: {}", lines.join("\n")));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let guest = cli.guest.display();
    let listener = TcpListener::bind(cli.addr).with_context(|| {
        format!("cannot listen at {}: give another --addr, or port 0 for a free one", cli.addr)
    })?;
    listener.set_nonblocking(true)?; // as tokio wants it
    let addr = listener.local_addr()?;

    // What the platform has for the program comes from a file. It has no line for an address that is
    // known only now.
    let config = match &cli.config {
        Some(path) => FastlyConfig::from_file(path)
            .with_context(|| format!("cannot use {}", path.display()))?,
        None => "".parse()?,
    };
    let mut backends = config.backends().clone();
    for name in &cli.loopback {
        backends.insert(name.clone(), Arc::new(backend(format!("http://{addr}/").parse()?)));
    }

    // 1. Engine: Viceroy makes one of wasmtime's, and chooses its settings.
    // 2. Code: from the path given. Viceroy takes a core module, or a component of the platform's world.
    // 3. Linker: preview 1 and all that Viceroy has of the platform, wanted or not. What else a program
    //    imports is an error here and not when it is called.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm"), // the magic number; Viceroy would take text, too
        "{guest} is not WebAssembly: build the guest with --target wasm32-wasip1"
    );
    let context = ExecuteCtx::build(
        &cli.guest,
        ProfilingConfig::None,
        HashSet::new(),
        UnknownImportBehavior::LinkError,
        cli.adapt,
        WasmFeatures::default(),
    )?;

    // 4. Store: Viceroy makes one for each request, with 128 MiB of memory at most, no files, and what
    //    the configuration names.
    let context = context
        .with_acls(config.acls().clone())
        .with_backends(backends)
        .with_dictionaries(config.dictionaries().clone())
        .with_geolocation(config.geolocation().clone())
        .with_object_stores(config.object_stores().clone())
        .with_secret_stores(config.secret_stores().clone())
        .finish()
        .with_context(|| {
            format!("cannot load {guest}: it is damaged, or imports what Viceroy does not have")
        })?;

    // 5. Instantiate and call: at each request. A program that cannot even start makes Viceroy panic,
    //    which costs the client its connection.
    std::panic::set_hook(Box::new(|panic| {
        let why = panic.payload_as_str().unwrap_or("it does not say why");
        say(&format!("host: Viceroy gave up on a request: {}", harmless(why)));
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        let server = Server::from_tcp(listener)?.http1_only(true);
        let server = server.serve(ViceroyService::new(context));
        say(&format!("listening on http://{addr}/"));
        if cli.requests.is_empty() {
            return Ok(server.await?);
        }
        let serving = tokio::spawn(server);
        let played = client::play(addr, &cli.requests, cli.timeout).await;
        serving.abort();
        played
    });
    runtime.shutdown_background(); // a program that computes for ever is not waited for
    ended
}

/// A backend at an address, with nothing else said about it.
fn backend(uri: Uri) -> Backend {
    Backend {
        uri,
        override_host: None,
        cert_host: None,
        use_sni: false,
        grpc: false,
        first_byte_timeout: None,
        between_bytes_timeout: None,
        client_cert: None,
        ca_certs: Vec::new(),
        health: Default::default(),
    }
}

/// Writes a line to standard error, where nobody may be reading any more.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A text of a guest as it may stand in a line: control characters are spelled out.
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
