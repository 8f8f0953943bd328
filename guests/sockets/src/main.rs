//! A TCP client, a TCP server, a UDP client and a name lookup, by the first argument.
//! Notice that this is plain std::net; nothing in it names WASI, and it runs on your machine too.
//! Run: just run sockets

use std::env;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::net::{ToSocketAddrs, UdpSocket};

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["connect", address] => connect(parse(address)?),
        ["serve", address] => serve(parse(address)?),
        ["udp", address] => udp(parse(address)?),
        ["lookup", name] => lookup(name),
        _ => bail!(
            "two arguments are needed: connect, serve or udp and an address, or lookup and a name"
        ),
    }
}

fn parse(address: &str) -> Result<SocketAddr> {
    address.parse().with_context(|| format!("`{address}` is not an address with a port"))
}

/// Sends a text to an echo server and prints what comes back.
fn connect(address: SocketAddr) -> Result<()> {
    let mut stream = TcpStream::connect(address).context("cannot connect")?;
    stream.write_all(b"hello by TCP").context("cannot send")?;
    let mut echo = [0; 12];
    stream.read_exact(&mut echo).context("no echo")?;
    println!("guest: {}", String::from_utf8_lossy(&echo));
    Ok(())
}

/// Is an echo server for one client.
fn serve(address: SocketAddr) -> Result<()> {
    let listener = TcpListener::bind(address).context("cannot listen")?; // std binds and listens
    let (mut stream, _) = listener.accept().context("cannot accept")?;
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer).context("cannot receive")? {
            0 => break,
            length => stream.write_all(&buffer[..length]).context("cannot send")?,
        }
    }
    println!("guest: the client has gone");
    Ok(())
}

/// Sends a datagram to an echo server and prints the one that comes back.
fn udp(address: SocketAddr) -> Result<()> {
    // A client does not care for its own address: whichever fits, and any free port.
    let any = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    let socket = UdpSocket::bind((any, 0)).context("cannot bind")?;
    socket.send_to(b"hello by UDP", address).context("cannot send")?;
    let mut buffer = [0; 1024];
    let (length, _) = socket.recv_from(&mut buffer).context("no echo")?;
    println!("guest: {}", String::from_utf8_lossy(&buffer[..length]));
    Ok(())
}

/// Prints the addresses that belong to a name.
fn lookup(name: &str) -> Result<()> {
    let addresses =
        (name, 0).to_socket_addrs().with_context(|| format!("cannot look up {name}"))?;
    for address in addresses {
        println!("guest: {name} is {}", address.ip());
    }
    Ok(())
}
