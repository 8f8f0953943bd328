//! Tries the feature `time` of tokio: timers, of which a timeout is one.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

use std::time::Duration;
use tokio::time::{sleep, timeout};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let never = std::future::pending::<()>();
    timeout(Duration::from_millis(10), never).await.unwrap_err();
    sleep(Duration::from_millis(10)).await;
    println!("runs");
}
