//! A telegraph office: it puts a text in capitals and sends the beginning before it has the end.
//! Notice that an `await` holds up one call only: the others in this instance go on.
//! Run: just run async_streams

wit_bindgen::generate!({ path: "../../wit/async_streams" });

use wit_bindgen::{FutureReader, StreamReader};

struct Office;

export!(Office);

impl Guest for Office {
    async fn telegram(line: FutureReader<u32>, mut text: StreamReader<u8>) -> Result<u32, String> {
        let line = line.await;
        let mut sent = 0;
        loop {
            // The writer of `text` waits while nothing is read.
            let (status, piece) = text.read(Vec::with_capacity(6)).await;
            println!("{line}: {status:?} {:?}", String::from_utf8_lossy(&piece));
            if piece.is_empty() {
                return Ok(sent); // the writer was dropped
            }
            if !piece.is_ascii() {
                return Err("no code for these letters".to_owned());
            }
            sent += piece.len() as u32;
            let letters = String::from_utf8_lossy(&piece).to_uppercase();
            transmit(line, letters).await;
        }
    }
}
