//! Throws two dice and adds a line to a log: a program to look into, whatever it is built for.

use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dice = [1, 2].map(|die| RandomState::new().hash_one(die) % 6 + 1);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    println!("{dice:?}");
    let log = std::env::args().nth(1).ok_or("give a file for the log")?;
    writeln!(File::options().append(true).create(true).open(log)?, "{seconds} {dice:?}")?;
    Ok(())
}
