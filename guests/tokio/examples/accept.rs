//! The same step with tokio's own listener, and the error that it ends with as of tokio 1.54.
//! Notice that the client is connected, and lost.
//! Run: just run tokio

use std::env;

use anyhow::{Context, Result};
use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let address = env::args().nth(1).context("an argument is needed: an address")?;
    let listener = TcpListener::bind(address).await.context("cannot listen")?;
    listener.accept().await.context("cannot accept")?;
    Ok(())
}
