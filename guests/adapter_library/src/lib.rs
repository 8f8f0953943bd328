//! The roll of tickets as a library, compiled for WASI preview 1 like the command.
//! Notice what wit-bindgen adds to the module: the world it exports, as a section beside the code.
//! Run: just run adapter

use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({ path: "../../wit/adapter" });

struct Tickets;

export!(Tickets);

/// How many tickets there are on the roll.
const ROLL: u32 = 3;

/// How many were torn off.
static TORN: AtomicU32 = AtomicU32::new(0);

impl Guest for Tickets {
    fn draw(name: String) -> Result<u32, String> {
        if name.is_empty() {
            return Err("a ticket needs a name".to_owned());
        }
        let number = TORN.fetch_add(1, Ordering::Relaxed) + 1;
        assert!(number <= ROLL, "the roll is empty");
        println!("ticket {number} is for {name}");
        Ok(number)
    }
}
