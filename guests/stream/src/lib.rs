//! Turns measurements in degrees Celsius into degrees Fahrenheit: JSON in, JSON out.
//! Notice that it is a function and nothing more: the stream is the host's business.
//! Run: just run stream

wit_bindgen::generate!({ path: "../../wit/stream" });

pub mod convert;

struct Transform;

export!(Transform);

impl Guest for Transform {
    fn process(_: String, value: String, _: Option<String>) -> Result<Outcome, String> {
        Ok(Outcome { results: vec![convert::fahrenheit(&value)?], state: None })
    }
}
