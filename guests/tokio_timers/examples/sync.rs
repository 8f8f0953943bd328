//! Tries the feature `sync` of tokio: channels and locks between tasks.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

use tokio::sync::{Mutex, mpsc};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move { sender.send("runs").await });
    let word = Mutex::new(receiver.recv().await.unwrap());
    println!("{}", word.lock().await);
}
