//! Greets, tells the year and ends with a status, in preview 1.
//! Notice that it is the same program for preview 1 and 0.2: only the target differs.
//! Run: just run evolution

use std::time::SystemTime;

/// In seconds, as the Gregorian calendar has it on average: close to New Year this may be wrong.
const YEAR: u64 = 31_556_952;

fn main() {
    let names: String = std::env::args().skip(1).map(|name| name + " ").collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    println!("Hello {names}in {}", 1970 + now.as_secs() / YEAR);
    std::process::exit(3);
}
