//! A TCP server on tokio: a line such as `200 tea` of a client is answered with `tea` after 200 ms.
//! Notice `accept`, which is std's, since tokio's fails inside WASI; the rest is tokio as anywhere.
//! Run: just run tokio

use std::env;
use std::io::ErrorKind;
use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// As long as a line may be, in bytes.
const LIMIT: u64 = 1024;

/// As long as a client may be silent, and as long as it may have its answer wait.
const PATIENCE: Duration = Duration::from_secs(10);

// WASI 0.2 has no threads, and so tokio has none for its tasks: they take turns on this one.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let (Some(address), Some(clients)) = (args.next(), args.next()) else {
        bail!("two arguments are needed: an address, and how many clients to serve");
    };
    let clients: usize = clients.parse().context("the second argument is not a number")?;

    let listener = TcpListener::bind(&address).context("cannot listen")?;
    listener.set_nonblocking(true).context("cannot listen without waiting")?;
    let mut tasks = JoinSet::new();
    for number in 1..=clients {
        let stream = accept(&listener).await.context("cannot accept")?;
        tasks.spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("guest: client {number}: {error:#}"); // the others are still served
            }
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended?;
    }
    Ok(())
}

/// Waits for the next client: looks for one now and then, and lets the other tasks run in between.
/// `tokio::net::TcpListener` would be told when there is one, but its `accept` fails, as
/// examples/accept.rs shows.
async fn accept(listener: &TcpListener) -> Result<TcpStream> {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                return Ok(TcpStream::from_std(stream)?);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                sleep(Duration::from_millis(5)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Answers the lines of one client, until it sends no more.
async fn serve(stream: TcpStream) -> Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        let mut limited = (&mut reader).take(LIMIT);
        if timeout(PATIENCE, limited.read_line(&mut line)).await.context("it is silent")?? == 0 {
            return Ok(());
        }
        let line = line.strip_suffix('\n').context("its line is too long, or has no end")?;
        let (wait, text) = line.split_once(' ').context("it sent no time and text")?;
        let wait = Duration::from_millis(wait.parse().context("it sent no time")?);
        sleep(wait.min(PATIENCE)).await;
        writer.write_all(format!("{text}\n").as_bytes()).await?;
    }
}
