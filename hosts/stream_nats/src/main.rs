//! Puts `stream_host` to work on a stream of NATS JetStream, in as many processes as there is work for.
//! Notice that no guest runs in here, and that nobody but the server knows how many workers there are.
//! Run: bash examples/stream/nats.sh 3

mod names;
mod pipe;
mod worker;

use std::io::{self, Write};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture};
use async_nats::jetstream::{self, consumer};
use async_nats::{ConnectOptions, Event};
use clap::{Parser, Subcommand};
use futures_util::TryStreamExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::io::{AsyncBufReadExt, BufReader};

use names::Names;
use pipe::quoted;

/// Pass the records of one stream of NATS JetStream through a component and on to another stream.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    names: Names,
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Args)]
struct Server {
    /// The server; one with a password belongs into the variable, which `ps` does not show
    #[arg(long, global = true, value_name = "URL", env = "NATS_URL", hide_env_values = true)]
    #[arg(default_value = "nats://127.0.0.1:4222")]
    nats: String,
}

#[derive(Subcommand)]
enum Command {
    /// Send records, lines of JSON on standard input, as `stream_host` reads them
    Send,
    /// Work on records until told to stop; start as many of these as there is work for
    Work(worker::Options),
    /// Print what there is in the stream of results, or of dead letters, and go on to the end
    Read {
        /// The dead letters
        #[arg(long)]
        dead: bool,
    },
    /// Say how many records and results there are
    Status {
        /// Wait until no record waits for a worker or is in the hands of one
        #[arg(long)]
        wait: bool,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    if !matches!(cli.command, Command::Work(_)) {
        sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let nats = connect(cli.server).await?;
        match cli.command {
            Command::Send => send(&nats, &cli.names).await,
            Command::Work(options) => worker::work(&nats, &cli.names, options).await,
            Command::Read { dead } => read(&nats, &cli.names, dead).await,
            Command::Status { wait } => status(&nats, &cli.names, wait).await,
        }
    })
}

/// Writes a line to standard error, where nobody may be reading any more.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// A connection that is made again whenever it is lost.
async fn connect(server: Server) -> Result<jetstream::Context> {
    let options = ConnectOptions::new().event_callback(|event| async move {
        static LOST: AtomicBool = AtomicBool::new(false);
        match event {
            Event::Disconnected => LOST.store(true, Relaxed),
            Event::Connected if LOST.load(Relaxed) => {}
            _ => return, // also each attempt that fails meanwhile
        }
        say(&format!("host: nats: {event}"));
    });
    let url: async_nats::ServerAddr = server.nats.parse().context("--nats is not a URL")?;
    let place = format!("{}:{}", url.host(), url.port()); // without a password
    let connected = options.connect(url).await;
    let client = connected.with_context(|| {
        format!("cannot reach a NATS server at {place}: start it, or check the address")
    })?;
    // What the server does not answer is tried again soon: it may have been started anew.
    Ok(ContextBuilder::new().ack_timeout(Duration::from_secs(5)).build(client))
}

/// Sends the records on standard input and waits until all of them are stored.
async fn send(nats: &jetstream::Context, names: &Names) -> Result<()> {
    #[derive(Deserialize)]
    struct Record {
        key: String,
        value: Box<RawValue>, // as it was written: no number is read and written again
    }
    /// How many may be on their way.
    const MOST: usize = 1000;

    names.records(nats).await?;
    let mut stored = Vec::new();
    let mut count = 0;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut line = 0;
    let ended = loop {
        // While there is no line, the connection goes on: what came before it is on its way already.
        let text = lines.next_line().await.transpose();
        let Some(text) = text else { break Ok(()) };
        line += 1;
        let record = text.map_err(anyhow::Error::from).and_then(|text| {
            let Record { key, value } = serde_json::from_str(&text)?;
            ensure!(names::is_key(&key), "no subject can end with the key {}", quoted(&key));
            Ok((names.record(&key), value.get().to_owned()))
        });
        let (subject, value) = match record.with_context(|| format!("line {line} is not a record"))
        {
            Ok(record) => record,
            Err(error) => break Err(error),
        };
        let sent = nats.publish(subject, value.into()).await;
        stored.push(sent.context("cannot send a record")?);
        if stored.len() == MOST {
            count += wait(&mut stored).await?;
        }
    };
    count += wait(&mut stored).await?;
    println!("{count} records sent");
    ended
}

/// Waits until the server has stored what was sent, and returns how many that are.
async fn wait(sent: &mut Vec<PublishAckFuture>) -> Result<usize> {
    let count = sent.len();
    for sent in sent.drain(..) {
        sent.await.context("the server did not store a record")?;
    }
    Ok(count)
}

/// Prints what there is in a stream, in lines of JSON, with what the server knows each message by.
async fn read(nats: &jetstream::Context, names: &Names, dead: bool) -> Result<()> {
    let (name, stream) = match dead {
        true => (names.dead_letters(), names.dead_letter("")),
        false => (names.to.clone(), names.result("")),
    };
    let mut found = names::existing(nats, &name, "start a worker first").await?;
    if found.info().await?.state.messages == 0 {
        return Ok(());
    }
    let all =
        consumer::pull::Config { ack_policy: consumer::AckPolicy::None, ..Default::default() };
    let consumer =
        found.create_consumer(all).await.with_context(|| format!("cannot read {name}"))?;
    let mut messages = pin!(consumer.messages().await?);
    let mut output = io::BufWriter::new(io::stdout().lock());
    while let Some(message) = messages.try_next().await? {
        let key = quoted(message.subject.strip_prefix(&stream).unwrap_or(&message.subject));
        let id = message.headers.as_ref().and_then(|headers| headers.get(names::MESSAGE_ID));
        let id = quoted(id.map_or("", |id| id.as_str()));
        let payload = String::from_utf8_lossy(&message.payload);
        if dead {
            writeln!(output, "{payload}")?;
        } else {
            writeln!(output, "{{\"id\":{id},\"key\":{key},\"value\":{payload}}}")?;
        }
        if message.info().is_ok_and(|info| info.pending == 0) {
            break;
        }
    }
    output.flush().context("cannot write standard output")
}

/// Prints how many messages there are in each stream.
async fn status(nats: &jetstream::Context, names: &Names, wait: bool) -> Result<()> {
    let left = loop {
        let left = left(nats, names).await?;
        if !wait || left == 0 {
            break left;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    println!("{:<13} {left}", "records left");
    for (what, name) in [("results", names.to.clone()), ("dead letters", names.dead_letters())] {
        let messages = match nats.get_stream(name).await {
            Ok(stream) => stream.cached_info().state.messages,
            Err(_) => 0, // no worker has made it yet
        };
        println!("{what:<13} {messages}");
    }
    Ok(())
}

/// How many records no worker has finished.
async fn left(nats: &jetstream::Context, names: &Names) -> Result<u64> {
    let records = names::existing(nats, &names.from, "send records first").await?;
    let consumer = records.get_consumer::<consumer::pull::Config>(&names.to).await;
    Ok(match consumer {
        Ok(consumer) => {
            let info = consumer.cached_info();
            info.num_pending + info.num_ack_pending as u64
        }
        Err(_) => records.cached_info().state.messages, // no worker was there yet
    })
}
