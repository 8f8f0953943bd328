//! Tasks, timers and channels of tokio in a program of preview 1, which has one thread.
//! Notice that only the target tells this from a native program, and that it runs as one too.
//! Run: just run tokio

use std::future::pending;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{interval, sleep, timeout};

const TICK: Duration = Duration::from_millis(100);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    // Three tasks wait at the same time, each for another span, and report over one channel.
    let (sender, mut receiver) = mpsc::channel(10);
    for (dish, ticks) in [("tea", 3), ("eggs", 2), ("toast", 1)] {
        let sender = sender.clone();
        tokio::spawn(async move {
            sleep(TICK * ticks).await;
            sender.send(dish).await.expect("somebody receives");
        });
    }
    drop(sender); // the channel ends when the last task has
    while let Some(dish) = receiver.recv().await {
        println!("{dish}: ready");
    }

    // What takes too long is given up.
    println!("never: {}", timeout(TICK, pending::<()>()).await.unwrap_err());

    let mut clock = interval(TICK); // its first tick comes at once
    for count in 1..=3 {
        clock.tick().await;
        println!("tick {count}");
    }
}
