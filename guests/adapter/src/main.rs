//! Hands out numbered tickets to the names it is given: a WASI preview 1 command like any other.
//! Notice that nothing in here knows of components; a host makes one of the finished module.
//! Run: just run adapter

use std::env;
use std::process::ExitCode;

/// The exit status when nobody waits; 1 is left to errors.
const NOBODY: u8 = 3;

/// How many tickets there are on the roll.
const ROLL: usize = 3;

fn main() -> ExitCode {
    let names: Vec<_> = env::args().skip(1).collect();
    if names.is_empty() {
        eprintln!("nobody waits");
        return ExitCode::from(NOBODY);
    }
    for (number, name) in names.iter().enumerate() {
        assert!(number < ROLL, "the roll is empty");
        println!("ticket {} is for {name}", number + 1);
    }
    ExitCode::SUCCESS
}
