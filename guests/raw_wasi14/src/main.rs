//! WASI 0.2 below std: the four calls of guests/raw through the bindings of the crate wasi, release 0.14.
//! Notice what is gone: addresses, `unsafe`, and every error but that of the output.
//! Run: just run raw

use wasi14 as wasi;

use wasi::cli::{environment, stdout};
use wasi::clocks::wall_clock;
use wasi::io::streams::StreamError;
use wasi::random::random;

fn main() -> Result<(), StreamError> {
    let clock = wall_clock::now().seconds;
    let random = random::get_random_bytes(4);
    let arguments: Vec<_> = environment::get_arguments().into_iter().skip(1).collect();
    let text = format!("arguments {arguments:?}, clock {clock}, random {random:?}\n");
    // What `println!` comes to: a stream that the host keeps. One call takes up to 4096 bytes.
    let stdout = stdout::get_stdout();
    for piece in text.as_bytes().chunks(4096) {
        stdout.blocking_write_and_flush(piece)?;
    }
    Ok(())
}
