//! A filter of bad manners: `doze`, `early`, `flood`, `panic` or `wait`, as its input says.
//! Notice that the host needs no line of code for any of them, and that only `wait` holds it up.
//! Run: just run filter

wit_bindgen::generate!({ path: "../../wit/filter" });

use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::task::Poll;

use wit_bindgen::{FutureReader, StreamReader};

struct Filter;

export!(Filter);

impl Guest for Filter {
    async fn filter(
        mut input: StreamReader<u8>,
    ) -> (StreamReader<u8>, FutureReader<Result<(), String>>) {
        let (mut writer, output) = wit_stream::new();
        let (ending, ended) = wit_future::new(|| Ok(()));
        wit_bindgen::spawn_local(async move {
            // Rare, but allowed: to read or write no bytes at all, and to cancel what has begun.
            input.read(Vec::new()).await;
            writer.write_all(Vec::new()).await;
            let mut wish = hurried_read(&mut input).await;
            writer.write_all(b"your wish?\n".to_vec()).await;
            if wish.is_empty() {
                (_, wish) = input.read(Vec::with_capacity(100)).await;
            }
            let result = match wish.as_slice() {
                b"doze\n" => pending().await,
                b"early\n" => {
                    let _ = ending.write(Ok(())).await;
                    writer.write_all(b"and more\n".repeat(10_000)).await;
                    return;
                }
                b"flood\n" => {
                    while writer.write_all(b"more\n".repeat(1000)).await.is_empty() {}
                    Ok(())
                }
                b"panic\n" => {
                    hurried_read(&mut input).await;
                    panic!("in the middle of the work")
                }
                b"wait\n" => {
                    let (_unused, mut never) = wit_stream::new();
                    let _: Option<u8> = never.next().await;
                    Ok(())
                }
                _ => Err("there is no such wish".to_owned()),
            };
            let _ = ending.write(result).await;
        });
        (output, ended)
    }
}

/// Begins to read and cancels that, unless there is something at once.
async fn hurried_read(input: &mut StreamReader<u8>) -> Vec<u8> {
    let mut read = pin!(input.read(Vec::with_capacity(100)));
    match poll_fn(|task| Poll::Ready(read.as_mut().poll(task))).await {
        Poll::Ready((_, piece)) => piece,
        Poll::Pending => read.cancel().1,
    }
}
