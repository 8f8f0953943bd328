//! Tries the feature `rt-multi-thread` of tokio: a runtime with several threads.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

#[tokio::main]
async fn main() {
    tokio::spawn(async { println!("runs") }).await.unwrap();
}
