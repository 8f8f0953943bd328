//! Greets, tells the year and ends with a status, in WASI 0.3.
//! Notice that `run` is async and standard output a stream: writing waits without blocking.
//! Run: just run evolution

use wasip3::cli::{environment, exit, stdout};
use wasip3::clocks::system_clock;
use wasip3::wit_stream;

/// In seconds, as the Gregorian calendar has it on average: close to New Year this may be wrong.
const YEAR: i64 = 31_556_952;

struct Evolution;

wasip3::cli::command::export!(Evolution);

impl wasip3::exports::cli::run::Guest for Evolution {
    async fn run() -> Result<(), ()> {
        let arguments = environment::get_arguments();
        let names: String = arguments.into_iter().skip(1).map(|name| name + " ").collect();
        let greeting = format!("Hello {names}in {}\n", 1970 + system_clock::now().seconds / YEAR);

        let (mut sender, receiver) = wit_stream::new();
        let written = stdout::write_via_stream(receiver);
        let rest = sender.write_all(greeting.into_bytes()).await;
        drop(sender); // the end of the stream; without it the host would wait for more
        written.await.map_err(|_| ())?;
        if !rest.is_empty() {
            return Err(()); // the host took a part only
        }
        exit::exit_with_code(3);
        Ok(())
    }
}
