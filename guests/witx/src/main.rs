//! Writes its arguments into the journal of its host: a command that calls an interface of witx.
//! Notice `mod journal`: a tool made that file of journal.witx, and it is kept with the sources.
//! Run: just run witx

use anyhow::{Context, Result, bail};

#[rustfmt::skip]
#[allow(dead_code, clippy::all)] // most of it is for interfaces that use more of witx
mod journal;

use journal::{ERRNO, Error, LEVEL};

fn main() -> Result<()> {
    for entry in std::env::args().skip(1) {
        let (level, text) =
            entry.split_once('=').context("write LEVEL=TEXT, such as info=started")?;
        let level = match level {
            "info" => LEVEL::INFO,
            "warning" => LEVEL::WARNING,
            "error" => LEVEL::ERROR,
            other => bail!("`{other}` is not a level: write info, warning or error"),
        };
        match journal::append(level, text.as_ptr(), text.len()) {
            Ok(receipt) => println!("entry {}, {} bytes left", receipt.number, receipt.left),
            Err(Error::WasiError(errno)) if errno == ERRNO::FULL.into() => {
                bail!("the journal has no room for `{text}`")
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
