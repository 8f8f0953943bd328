//! What `just bench` calls to see what an async call costs, and how fast a stream is.
//! Notice that nothing here waits: a call that could have waited costs more than one that could not.
//! Run: just bench

wit_bindgen::generate!({ path: "../../wit/startup_async" });

use wit_bindgen::StreamReader;

struct Later;

export!(Later);

impl Guest for Later {
    async fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }

    async fn add_often(times: u32) -> u32 {
        let mut sum = 0;
        for n in 0..times {
            sum = add_in_host(sum, n).await;
        }
        sum
    }

    async fn drain(mut bytes: StreamReader<u8>) -> u64 {
        let mut buffer = Vec::with_capacity(64 << 10);
        let mut count = 0;
        loop {
            (_, buffer) = bytes.read(buffer).await;
            if buffer.is_empty() {
                return count; // the writer was dropped
            }
            count += buffer.len() as u64;
            buffer.clear();
        }
    }
}
