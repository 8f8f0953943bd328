//! Accepts a connection as std does for preview 1: by `sock_accept` with three parameters.

use std::net::TcpListener;
use std::os::fd::FromRawFd;

fn main() -> std::io::Result<()> {
    // SAFETY: nothing else uses descriptor 3, which the host has opened if it grants a socket.
    let listener = unsafe { TcpListener::from_raw_fd(3) };
    listener.accept()?;
    Ok(())
}
