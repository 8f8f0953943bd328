//! Shows each message of a chat to a plug-in made with Extism's kit, before anybody reads it.
//! Notice how little there is to write, and that the limits of a plug-in are part of its manifest.
//! Run: just run extism

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use extism::{CompiledPlugin, Manifest, PTR, Plugin, PluginBuilder, UserData, Wasm, host_fn};

/// What the chat does not want to see.
const BANNED: [&str; 2] = ["darn", "heck"];

/// How long the plug-in may take for one message.
const TIME: Duration = Duration::from_millis(500);

/// How many instructions of WebAssembly it may run for one message, and before the first.
const FUEL: u64 = 3_000_000_000;

/// How much memory it may have, in pages of 64 KiB: 16 MiB.
const PAGES: u32 = 256;

/// Let a plug-in of Extism's kind moderate a chat.
#[derive(Parser)]
struct Cli {
    /// Send the messages so often, and say how long a call takes
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// The plug-in, a core module for wasm32-unknown-unknown
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What is said in the chat
    #[arg(required = true)]
    messages: Vec<String>,
}

host_fn!(banned(word: String) -> &'static str {
    Ok(if BANNED.contains(&word.as_str()) { "yes" } else { "no" })
});

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: Extism makes one of wasmtime's for each plug-in. What a host says is in a manifest.
    let limits = |wasm| Manifest::new([Wasm::data(wasm)]).with_timeout(TIME).with_memory_max(PAGES);

    // 2. Code: a core module, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-unknown-unknown"
    );

    // 3. Linker: what the guest may import. Extism's own functions, one of the chat's, and no WASI.
    //    The time is counted from each call. What the plug-in does before, only the fuel limits.
    let plugin = PluginBuilder::new(limits(wasm))
        .with_function("banned", [PTR], [PTR], UserData::new(()), banned)
        .with_fuel_limit(FUEL)
        .with_wasi(false);
    let compiled = CompiledPlugin::new(plugin).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;

    // 4. Store: this guest's state, in which its variables outlive a call, and its capabilities: it
    //    has neither clock nor random bytes, files nor network.
    let mut plugin = Plugin::new_from_compiled(&compiled).with_context(|| {
        format!("cannot start {guest}: this host offers Extism's functions and `banned`, no WASI")
    })?;

    // 5. Instantiate and call. Extism did the first of it above, `start` function and all. After an
    //    error out of the guest drop this plug-in, and make another of what was compiled.
    let failed = || format!("{guest} failed while it ran");
    for message in &cli.messages {
        let shown: String = plugin.call("moderate", message).with_context(failed)?;
        println!("host: {shown:?}");
    }
    if let Some(times) = cli.repeat {
        let start = Instant::now();
        for message in (0..times).flat_map(|_| &cli.messages) {
            plugin.call::<_, &str>("moderate", message).with_context(failed)?;
        }
        let calls = f64::from(times) * cli.messages.len() as f64;
        println!("host: {:.1} µs a call", start.elapsed().as_secs_f64() * 1e6 / calls);
    }
    Ok(())
}
