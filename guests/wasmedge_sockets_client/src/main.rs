//! A client for an echo server over TCP or UDP, written with WasmEdge's crate, and a name lookup.
//! Notice that each message is compared with what comes back, so a lost byte would be seen.
//! Run: just run wasmedge_sockets
#![cfg_attr(not(target_family = "wasm"), no_main)]
#![cfg(target_family = "wasm")]

use std::io::{BufRead, Read, Write};

use anyhow::{Context, Result, bail, ensure};
use wasmedge_wasi_socket::{TcpStream, UdpSocket, nslookup};

fn main() -> Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["tcp", host, messages] => tcp(host, messages.parse()?),
        ["udp", host, messages] => udp(host, messages.parse()?),
        ["lookup", name] => lookup(name),
        _ => bail!("say tcp HOST MESSAGES, udp HOST MESSAGES, or lookup NAME"),
    }
}

/// The port of the server, from standard input.
fn port() -> Result<u16> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    line.trim().parse().context("no port on standard input")
}

fn message(number: u32) -> Vec<u8> {
    format!("message {number}, {}\n", "x".repeat(number as usize % 100)).into_bytes()
}

fn tcp(host: &str, messages: u32) -> Result<()> {
    let port = port()?;
    let mut stream =
        TcpStream::connect((host, port)).with_context(|| format!("cannot connect to {host}"))?;
    for number in 1..=messages {
        let message = message(number);
        stream.write_all(&message)?;
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo)?;
        ensure!(echo == message, "message {number} came back changed");
    }
    println!("client: {messages} messages came back over TCP");
    Ok(())
}

fn udp(host: &str, messages: u32) -> Result<()> {
    let port = port()?;
    let socket = UdpSocket::bind("127.0.0.1:0").context("cannot bind")?;
    let mut buffer = [0; 4096];
    for number in 1..=messages {
        let message = message(number);
        socket.send_to(&message, (host, port)).with_context(|| format!("cannot send to {host}"))?;
        let (length, _) = socket.recv_from(&mut buffer)?;
        ensure!(buffer[..length] == message, "message {number} came back changed");
    }
    socket.send_to(b"", (host, port))?; // the last one
    println!("client: {messages} messages came back over UDP");
    Ok(())
}

fn lookup(name: &str) -> Result<()> {
    for address in nslookup(name, "http").with_context(|| format!("cannot look up {name}"))? {
        println!("client: {name} is {address}");
    }
    Ok(())
}
