//! How long a check takes: a benchmark without a harness, on stable.
//! Notice that it asks WASI for the time, so the time is that of the sandbox.
//! Run: just run runner

use std::hint::black_box;
use std::time::Instant;

const TIMES: u32 = 100_000;

fn main() {
    let start = Instant::now();
    for _ in 0..TIMES {
        // Without black_box the compiler would do the work once, while it compiles.
        black_box(runner_guest::check(black_box("978-3-16-148410-0"))).ok();
    }
    println!("check: {} ns", (start.elapsed() / TIMES).as_nanos());
}
