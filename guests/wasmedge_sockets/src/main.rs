//! An echo server over TCP or UDP, written with WasmEdge's crate: sockets for preview 1, of old.
//! Notice that it reads like std::net, and that the module it becomes runs where these are offered.
//! Run: just run wasmedge_sockets
#![cfg_attr(not(target_family = "wasm"), no_main)]
#![cfg(target_family = "wasm")]

use std::io::{Read, Write};

use anyhow::{Result, bail};
use wasmedge_wasi_socket::{TcpListener, UdpSocket};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tcp") => tcp(),
        Some("udp") => udp(),
        _ => bail!("say tcp or udp"),
    }
}

/// Sends everything back, until the first client has no more. The port goes to standard output, for
/// the client; what there is to tell goes to standard error.
fn tcp() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0", false)?; // 0: a port that is free
    println!("{}", listener.local_addr()?.port());

    let (mut stream, peer) = listener.accept(false)?;
    eprintln!("server: a client at {peer}");
    let (mut buffer, mut total) = ([0; 4096], 0);
    loop {
        let length = stream.read(&mut buffer)?;
        if length == 0 {
            break;
        }
        stream.write_all(&buffer[..length])?;
        total += length;
    }
    eprintln!("server: {total} bytes came and went");
    Ok(())
}

/// Sends each datagram back, until an empty one comes.
fn udp() -> Result<()> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    println!("{}", socket.as_ref().get_local()?.port());

    let (mut buffer, mut total) = ([0; 4096], 0);
    loop {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], peer)?;
        if length == 0 {
            break;
        }
        total += 1;
    }
    eprintln!("server: {total} datagrams came and went");
    Ok(())
}
