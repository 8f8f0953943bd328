//! Tries the feature `net` of tokio: sockets, without a server's `accept`.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

use tokio::net::{TcpListener, TcpStream};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    println!("runs");
}
