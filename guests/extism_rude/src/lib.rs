//! A plug-in that does what it is told to: loop, take memory, fill its variables, give up.
//! Notice what its host makes of each: an error, and the host goes on.
//! Run: just run extism

use extism_pdk::{FnResult, plugin_fn, var};

#[plugin_fn]
pub fn moderate(message: String) -> FnResult<String> {
    match message.as_str() {
        "loop" => loop {
            std::hint::black_box(&message);
        },
        "memory" => loop {
            std::hint::black_box(Vec::leak(vec![1_u8; 1 << 20]));
        },
        "variables" => var::set("junk", vec![1; 1 << 20])?,
        "panic" => panic!("the message is {message:?}"),
        "refuse" => return Err(extism_pdk::Error::msg("no opinion on this message").into()),
        _ => {}
    }
    Ok(message)
}
