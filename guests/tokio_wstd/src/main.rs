//! The same server on wstd, which is made for WASI 0.2 and asks for no flag.
//! Notice that it accepts without looking again and again: each wait is one of WASI's own.
//! Run: just run tokio

use std::env;

use anyhow::{Context, Result, bail, ensure};
use wstd::future::FutureExt;
use wstd::io::{AsyncRead, AsyncWrite};
use wstd::iter::AsyncIterator;
use wstd::net::{TcpListener, TcpStream};
use wstd::runtime::spawn;
use wstd::task::sleep;
use wstd::time::Duration;

/// As long as a line may be, in bytes.
const LIMIT: usize = 1024;

/// As long as a client may be silent, and as long as it may have its answer wait, in milliseconds.
const PATIENCE: u64 = 10_000;

#[wstd::main]
async fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let (Some(address), Some(clients)) = (args.next(), args.next()) else {
        bail!("two arguments are needed: an address, and how many clients to serve");
    };
    let clients: usize = clients.parse().context("the second argument is not a number")?;

    let listener = TcpListener::bind(&address).await.context("cannot listen")?;
    let mut incoming = listener.incoming();
    let mut tasks = Vec::new();
    for number in 1..=clients {
        let stream = incoming.next().await.context("no more clients")?.context("cannot accept")?;
        tasks.push(spawn(async move {
            if let Err(error) = serve(stream).await {
                eprintln!("guest: client {number}: {error:#}"); // the others are still served
            }
        }));
    }
    for task in tasks {
        task.await;
    }
    Ok(())
}

/// Answers the lines of one client, until it sends no more.
async fn serve(mut stream: TcpStream) -> Result<()> {
    let mut buffer = [0; LIMIT];
    let mut length = 0;
    loop {
        while let Some(end) = buffer[..length].iter().position(|&byte| byte == b'\n') {
            let line = str::from_utf8(&buffer[..end]).context("it sent no text")?.to_owned();
            buffer.copy_within(end + 1..length, 0);
            length -= end + 1;
            let (wait, text) = line.split_once(' ').context("it sent no time and text")?;
            let wait: u64 = wait.parse().context("it sent no time")?;
            sleep(Duration::from_millis(wait.min(PATIENCE))).await;
            stream.write_all(format!("{text}\n").as_bytes()).await?;
        }
        ensure!(length < LIMIT, "its line is too long");
        let patience = sleep(Duration::from_millis(PATIENCE));
        let more = stream.read(&mut buffer[length..]).timeout(patience).await;
        match more.context("it is silent")?? {
            0 if length == 0 => return Ok(()),
            0 => bail!("its line has no end"),
            more => length += more,
        }
    }
}
