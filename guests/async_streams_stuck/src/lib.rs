//! The same office with one mistake: it writes to a stream of its own, which it reads afterwards.
//! Notice the order of the last lines: `write_all` waits for a reader that comes after it.
//! Run: just run async_streams

wit_bindgen::generate!({ path: "../../wit/async_streams" });

use wit_bindgen::{FutureReader, StreamReader};

struct Office;

export!(Office);

impl Guest for Office {
    async fn telegram(line: FutureReader<u32>, text: StreamReader<u8>) -> Result<u32, String> {
        let line = line.await;
        let (mut writer, reader) = wit_stream::new();
        writer.write_all(text.collect().await).await;
        drop(writer);
        let letters = String::from_utf8_lossy(&reader.collect().await).to_uppercase();
        transmit(line, letters.clone()).await;
        Ok(letters.len() as u32)
    }
}
