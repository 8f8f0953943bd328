//! What `sandbox_host` does with a file until it would run it: compile and link.
//! Notice that what is fuzzed is the host's own source, by its path.
//! Run: cargo +nightly fuzz run --fuzz-dir tests/fuzz sandbox
#![no_main]

#[allow(dead_code)] // nothing is run here
#[path = "../../../hosts/sandbox/src/sandbox.rs"]
mod sandbox;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sandbox::{Limits, Sandbox, harmless};
use tokio::runtime::{Builder, Runtime};

static SANDBOX: LazyLock<(Runtime, Sandbox)> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    (runtime, Sandbox::new(Limits::default()).unwrap())
});

fuzz_target!(|bytes: &[u8]| {
    let (runtime, sandbox) = &*SANDBOX;
    if let Err(error) = runtime.block_on(sandbox.load(bytes.to_owned())) {
        assert!(!harmless(format!("{error:?}").as_bytes()).is_empty());
    }
});
