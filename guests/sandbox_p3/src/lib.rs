//! A few of the faults in WASI 0.3, whose output is a stream and whose waiting is async.
//! Notice that `sleep` costs the host nothing but a timer: no thread waits.
//! Run: just run sandbox

use wasip3::cli::{environment, stdout};
use wasip3::clocks::monotonic_clock;
use wasip3::wit_stream;

struct Faults;

wasip3::cli::command::export!(Faults);

impl wasip3::exports::cli::run::Guest for Faults {
    async fn run() -> Result<(), ()> {
        let fault = environment::get_arguments().into_iter().nth(1);
        match fault.as_deref() {
            Some("greet") => print(1).await,
            Some("flood") => print(usize::MAX).await,
            Some("sleep") => {
                monotonic_clock::wait_for(u64::MAX).await;
                Ok(())
            }
            Some("loop") => loop {
                std::hint::spin_loop();
            },
            _ => {
                eprintln!("which fault?");
                Err(())
            }
        }
    }
}

/// Prints a greeting so many times, until the host takes no more.
async fn print(times: usize) -> Result<(), ()> {
    let (mut sender, receiver) = wit_stream::new();
    let printed = stdout::write_via_stream(receiver);
    for _ in 0..times {
        if !sender.write_all(b"hello\n".repeat(if times > 1 { 1000 } else { 1 })).await.is_empty() {
            break;
        }
    }
    drop(sender); // the end of the stream
    printed.await.map_err(drop)
}
