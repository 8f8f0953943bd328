//! Asks for tokio's default runtime, which has several threads, without the feature for it.
//! Notice the error: the attribute needs `(flavor = "current_thread")` inside WASI.
//! Run: just run tokio

#[tokio::main]
async fn main() {}
