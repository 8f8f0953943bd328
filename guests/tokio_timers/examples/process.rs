//! Tries the feature `process` of tokio: other programs.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

#[tokio::main(flavor = "current_thread")]
async fn main() {
    tokio::process::Command::new("true").status().await.unwrap();
    println!("runs");
}
