//! WASI 0.3 below std: the four calls of guests/raw through the bindings of the crate wasip3.
//! Notice `run`: it is async, and output is a stream that the guest makes and the host reads.
//! Run: just run raw

use wasip3::cli::{environment, stdout};
use wasip3::clocks::system_clock;
use wasip3::random::random;

struct Raw;

wasip3::cli::command::export!(Raw);

impl wasip3::exports::cli::run::Guest for Raw {
    async fn run() -> Result<(), ()> {
        let clock = system_clock::now().seconds;
        let random = random::get_random_bytes(4);
        let arguments: Vec<_> = environment::get_arguments().into_iter().skip(1).collect();
        let text = format!("arguments {arguments:?}, clock {clock}, random {random:?}\n");
        let (mut writer, reader) = wasip3::wit_stream::new();
        let printed = stdout::write_via_stream(reader);
        let rest = writer.write_all(text.into_bytes()).await;
        drop(writer); // the end of the stream; without it the host would wait for more
        printed.await.map_err(drop)?;
        if rest.is_empty() { Ok(()) } else { Err(()) } // what the host did not take is not printed
    }
}
