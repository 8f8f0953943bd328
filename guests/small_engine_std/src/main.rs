//! Reads a number and prints how many primes lie below it: the other guest, with std.
//! Notice that it needs what Rust's target takes for granted, more than WebAssembly 1.0.
//! Run: just run small_engine

use anyhow::{Context, Result};

fn main() -> Result<()> {
    let line = std::io::read_to_string(std::io::stdin()).context("cannot read")?;
    let limit: u32 = line.trim().parse().context("give a number on standard input, such as 100")?;
    println!("{} primes", (2..limit).filter(|&n| is_prime(n)).count());
    Ok(())
}

/// Tries every divisor up to the root.
fn is_prime(n: u32) -> bool {
    (2..)
        .take_while(|&divisor| u64::from(divisor) * u64::from(divisor) <= u64::from(n))
        .all(|divisor| !n.is_multiple_of(divisor))
}
