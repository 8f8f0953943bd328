//! Tries the feature `signal` of tokio: signals of the operating system.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let interrupted = tokio::signal::ctrl_c();
    drop(interrupted);
    println!("runs");
}
