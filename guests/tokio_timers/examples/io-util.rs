//! Tries the feature `io-util` of tokio: readers and writers, here in memory.
//! Notice whether it prints `runs`, and what happens if not.
//! Run: just run tokio

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (mut writer, reader) = tokio::io::duplex(100);
    writer.write_all(b"runs\n").await.unwrap();
    let mut line = String::new();
    BufReader::new(reader).read_line(&mut line).await.unwrap();
    print!("{line}");
}
