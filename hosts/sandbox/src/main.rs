//! Runs a program of a stranger, within limits: a thin shell around sandbox.rs, which is the lesson.
//! Notice that output is captured, counted, and made harmless before a terminal sees it.
//! Run: just run sandbox

mod sandbox;

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Error, Result, Trap, ensure};

use sandbox::{Limit, Limits, Policy, Sandbox, harmless};

/// Run a program for WASI that nobody vouches for.
#[derive(Parser)]
struct Cli {
    /// Let the guest read a directory
    #[arg(long = "ro-dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    read: Vec<(PathBuf, String)>,

    /// Let the guest connect to an address by TCP
    #[arg(long, value_name = "IP:PORT")]
    connect: Vec<SocketAddr>,

    /// Set an environment variable of the guest
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,

    /// Give the guest our standard input, which may have 1 MiB
    #[arg(long)]
    stdin: bool,

    #[command(flatten)]
    limits: Flags,

    /// The guest, a module or a component, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

/// A flag for each limit; what is not given is as in `Limits::default`.
#[derive(clap::Args)]
struct Flags {
    /// Bytes of the file
    #[arg(long, value_name = "BYTES")]
    max_file_size: Option<usize>,
    /// How long compiling may take
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    compile_timeout: Option<Duration>,
    /// How long the guest may run, waiting included
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    timeout: Option<Duration>,
    /// Bytes of all memories of the guest together
    #[arg(long, value_name = "BYTES")]
    max_memory_size: Option<usize>,
    /// Elements of all its tables together
    #[arg(long, value_name = "COUNT")]
    max_table_elements: Option<usize>,
    /// Memories, tables and instances of modules, of each kind
    #[arg(long, value_name = "COUNT")]
    max_instances: Option<usize>,
    /// Bytes of the stack of its calls
    #[arg(long, value_name = "BYTES")]
    max_wasm_stack: Option<usize>,
    /// Bytes of its standard output, and of its standard error
    #[arg(long, value_name = "BYTES")]
    max_output: Option<usize>,
    /// Files, streams, sockets and timers that a component has open at once
    #[arg(long, value_name = "COUNT")]
    max_resources: Option<usize>,
    /// Bytes that the host copies for one call
    #[arg(long, value_name = "BYTES")]
    hostcall_fuel: Option<usize>,
    /// Random bytes by one call
    #[arg(long, value_name = "BYTES")]
    max_random_size: Option<u64>,
}

impl Flags {
    fn limits(&self) -> Limits {
        let safe = Limits::default();
        Limits {
            file: self.max_file_size.unwrap_or(safe.file),
            compile: self.compile_timeout.unwrap_or(safe.compile),
            time: self.timeout.unwrap_or(safe.time),
            memory: self.max_memory_size.unwrap_or(safe.memory),
            table_elements: self.max_table_elements.unwrap_or(safe.table_elements),
            parts: self.max_instances.unwrap_or(safe.parts),
            stack: self.max_wasm_stack.unwrap_or(safe.stack),
            output: self.max_output.unwrap_or(safe.output),
            handles: self.max_resources.unwrap_or(safe.handles),
            copied: self.hostcall_fuel.unwrap_or(safe.copied),
            random: self.max_random_size.unwrap_or(safe.random),
        }
    }
}

/// Bytes of standard input, which are all read before the guest runs.
const MOST_INPUT: u64 = 1 << 20;

fn dir(value: &str) -> Result<(PathBuf, String), std::convert::Infallible> {
    let (host, guest) = value.split_once("::").unwrap_or((value, value));
    Ok((host.into(), guest.into()))
}

fn variable(value: &str) -> Result<(String, String), String> {
    let (name, value) = value.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(run(Cli::parse()));
    runtime.shutdown_background(); // a file that is still read or compiled is not waited for
    Ok(ended.unwrap_or_else(|error| {
        print_error(&error);
        ExitCode::FAILURE
    }))
}

/// Prints an error, as text alone: the engine puts names into it that the guest chose.
fn print_error(error: &Error) {
    eprintln!("Error: {}", harmless(format!("{error:?}").as_bytes()));
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);
    let limits = cli.limits.limits();
    let most = (limits.file as u64).saturating_add(1); // a byte more, so that it is seen as too long
    let mut wasm = Vec::new();
    File::open(guest).and_then(|file| file.take(most).read_to_end(&mut wasm)).with_context(
        || format!("cannot read {guest}: check the path, or build the guest first"),
    )?;
    let sandbox = Sandbox::new(limits).context("cannot make a sandbox")?;
    let mut input = Vec::new();
    if cli.stdin {
        io::stdin().take(MOST_INPUT + 1).read_to_end(&mut input)?;
        let most = MOST_INPUT;
        ensure!(input.len() as u64 <= most, "standard input is longer than {most} bytes");
    }
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    let policy = Policy {
        args: [&[program.into_owned()], args].concat(),
        vars: cli.vars,
        input,
        read: cli.read,
        connect: cli.connect,
    };
    let no_program = "is refused: give a program for WASI that imports nothing else";
    let loaded = sandbox.load(wasm).await.map_err(|error| about(guest, no_program, error))?;
    let outcome = sandbox.run(&loaded, &policy).await?;
    show(&mut io::stdout(), &outcome.stdout)?;
    show(&mut io::stderr(), &outcome.stderr)?;
    match outcome.ended {
        Ok(status) => Ok(ExitCode::from(status)),
        Err(error) => {
            let ended = error.is::<Limit>() || error.is::<Trap>();
            print_error(&about(guest, "failed while it ran", error));
            Ok(ExitCode::from(if ended { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
        }
    }
}

/// An error with a first line: that the guest met a limit, or else what `otherwise` says of it.
fn about(guest: &str, otherwise: &str, error: Error) -> Error {
    let first = match error.is::<Limit>() {
        true => format!("{guest} met a limit: --help lists them, with their flags"),
        false => format!("{guest} {otherwise}"),
    };
    error.context(first)
}

/// Prints what a guest wrote, to a terminal as text alone.
fn show<T: Write + IsTerminal>(to: &mut T, bytes: &[u8]) -> io::Result<()> {
    match to.is_terminal() {
        true => to.write_all(harmless(bytes).as_bytes())?,
        false => to.write_all(bytes)?,
    }
    to.flush()
}
