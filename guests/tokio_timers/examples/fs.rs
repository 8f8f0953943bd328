//! Tries the feature `fs` of tokio: files.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tokio::fs::read("a file").await.unwrap_err();
    println!("runs");
}
