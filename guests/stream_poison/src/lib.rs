//! Counts, and fails in every way a step can fail, as the value of the record wants it.
//! Notice that none of it reaches the records before and after, not even those of the same key.
//! Run: just run stream

wit_bindgen::generate!({ path: "../../wit/stream" });

use std::time::Duration;
use std::{hint, thread};

use serde_json::Value;

struct Poison;

export!(Poison);

impl Guest for Poison {
    fn process(_: String, value: String, state: Option<String>) -> Result<Outcome, String> {
        let value: Value = serde_json::from_str(&value).map_err(|error| error.to_string())?;
        let mut results = vec![];
        match value.as_str().unwrap_or_default() {
            "error" => return Err("this record is not welcome".to_owned()),
            "essay" => return Err("no ".repeat(1 << 20)),
            "panic" => panic!("this record is too much"),
            "loop" => loop {
                hint::spin_loop();
            },
            "memory" => drop(hint::black_box(vec![1_u8; 1 << 30])),
            "recursion" => println!("{}", deep(u64::MAX)),
            "sleep" => thread::sleep(Duration::from_secs(3600)),
            "exit" => std::process::exit(0),
            "talk" => loop {
                eprintln!("and another thing");
            },
            "print" => println!("{}", "nobody reads this ".repeat(10_000)),
            "read" => results.push(format!("{:?}", std::fs::read_dir("/").map(|_| ()).is_ok())),
            "text" => results.push("no JSON".to_owned()),
            "two" => results.extend(["1 2".to_owned()]),
            "lines" => results.push("[\n1,\r\n2\n]".to_owned()),
            "large" => results.push(format!("{:?}", "x".repeat(16 << 20))),
            "state" => {
                let state = Some("x".repeat(4 << 20));
                return Ok(Outcome { results, state });
            }
            "forget" => return Ok(Outcome { results, state: None }),
            _ => {}
        }
        if value.as_u64().is_some_and(|number| number % 10 == 0) {
            panic!("every tenth record");
        }
        let seen = state.map_or(Ok(0), |state| state.parse::<u64>()).map_err(|e| e.to_string())?;
        let seen = (seen + 1).to_string();
        results.push(seen.clone());
        Ok(Outcome { results, state: Some(seen) })
    }
}

fn deep(level: u64) -> u64 {
    match level {
        0 => 0,
        _ => hint::black_box(level) + hint::black_box(deep(level - 1)),
    }
}
