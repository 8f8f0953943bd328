//! Opens a socket, as a server does first.

fn main() -> std::io::Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    println!("listening on {}", listener.local_addr()?.ip());
    Ok(())
}
