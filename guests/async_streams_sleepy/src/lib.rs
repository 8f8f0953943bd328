//! The same office with a slow clerk: it sleeps for a moment before it sends a telegram.
//! Notice that `sleep` is not an `await`: it holds up every call of this instance, not one.
//! Run: just run async_streams

wit_bindgen::generate!({ path: "../../wit/async_streams" });

use std::thread;
use std::time::Duration;

use wit_bindgen::{FutureReader, StreamReader};

struct Office;

export!(Office);

impl Guest for Office {
    async fn telegram(line: FutureReader<u32>, text: StreamReader<u8>) -> Result<u32, String> {
        let line = line.await;
        println!("{line}: falls asleep");
        thread::sleep(Duration::from_millis(50));
        println!("{line}: wakes up");
        let letters = String::from_utf8_lossy(&text.collect().await).to_uppercase();
        transmit(line, letters.clone()).await;
        Ok(letters.len() as u32)
    }
}
