//! Tries the feature `rt` of tokio: a runtime made by hand, and a task.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

use tokio::runtime::Builder;

fn main() {
    let runtime = Builder::new_current_thread().build().unwrap();
    println!("{}", runtime.block_on(async { tokio::spawn(async { "runs" }).await.unwrap() }));
}
