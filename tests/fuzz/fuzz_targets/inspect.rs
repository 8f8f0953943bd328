//! What `inspect_host` does with a file: all but reading it and printing the report.
//! Notice that what is fuzzed is the host's own source, by its path.
//! Run: cargo +nightly fuzz run --fuzz-dir tests/fuzz inspect
#![no_main]
#![allow(dead_code)] // the main.rs that uses the rest is not here

#[path = "../../../hosts/inspect/src/component.rs"]
mod component;
#[path = "../../../hosts/inspect/src/hosts.rs"]
mod hosts;
#[path = "../../../hosts/inspect/src/kind.rs"]
mod kind;
#[path = "../../../hosts/inspect/src/module.rs"]
mod module;
#[path = "../../../hosts/inspect/src/report.rs"]
mod report;
#[path = "../../../hosts/inspect/src/sizes.rs"]
mod sizes;
#[path = "../../../hosts/inspect/src/text.rs"]
mod text;
#[path = "../../../hosts/inspect/src/words.rs"]
mod words;

use std::io::sink;

use anyhow::Result;
use kind::Kind;
use libfuzzer_sys::fuzz_target;
use text::Text;

fuzz_target!(|bytes: &[u8]| {
    let _ = all(bytes); // an error is an answer
});

fn all(bytes: &[u8]) -> Result<()> {
    let kind = kind::of(bytes)?;
    let mut translated = None;
    if let Kind::Text(text) = kind {
        text::tree(text, &mut sink())?;
        translated = Some(text::read(text)?);
    }
    let binary = match (&kind, &translated) {
        (Kind::Module | Kind::Component, _) => bytes,
        (_, Some(Text::Binary(binary))) => binary,
        _ => return Ok(()),
    };
    let is_component = matches!(kind::of(binary), Ok(Kind::Component));
    let _ = text::print(binary, &mut sink());
    let _ = component::wit(binary, is_component);
    let contents = match is_component {
        true => component::contents(binary)?,
        false => module::contents(binary)?,
    };
    sizes::of(binary)?;
    hosts::find(&kind, translated.as_ref(), &contents, "FILE");
    Ok(())
}
