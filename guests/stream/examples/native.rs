//! The same function in a native program, for comparison: no sandbox, no limits, no order to keep.
//! Notice what else is missing: one bad record ends it.
//! Run: just run stream

use std::io::{self, BufWriter, Write};

use serde_json::Value;
use stream_guest::convert::fahrenheit;

fn main() -> io::Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    for line in io::stdin().lines() {
        let record: Value = serde_json::from_str(&line?)?;
        let result = fahrenheit(&record["value"].to_string()).map_err(io::Error::other)?;
        writeln!(output, "{{\"key\":{},\"value\":{result}}}", record["key"])?;
    }
    output.flush()
}
