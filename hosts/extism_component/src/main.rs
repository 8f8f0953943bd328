//! Shows each message of a chat to a component, before anybody reads it.
//! Notice that the types are in WIT, and that the host of the plug-in has nothing to match them with.
//! Run: just run extism

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Result, Store, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/extism" });

/// What the chat does not want to see.
const BANNED: [&str; 2] = ["darn", "heck"];

/// Let a component moderate a chat.
#[derive(Parser)]
struct Cli {
    /// Send the messages so often, and say how long a call takes
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What is said in the chat
    #[arg(required = true)]
    messages: Vec<String>,
}

/// The state of the host while the guest runs.
struct Chat {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Chat {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl ModeratorImports for Chat {
    fn banned(&mut self, word: String) -> bool {
        BANNED.contains(&word.as_str())
    }
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Component, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
        "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;

    // 3. Linker: what the guest may import. The world's own import, and WASI 0.2, which std brings
    //    along in every guest even where the guest only computes. What is linked can be
    //    instantiated often.
    let mut linker: Linker<Chat> = Linker::new(&engine);
    Moderator::add_to_linker::<_, HasSelf<_>>(&mut linker, |chat| chat)?;
    p2::add_to_linker_sync(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(ModeratorPre::new).with_context(|| {
            format!("{guest} does not fit the world in wit/extism: build the guest from that WIT")
        })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let chat = Chat {
        ctx: WasiCtx::builder().inherit_stderr().build(), // a panic says where
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, chat);

    // 5. Instantiate and call. After an error out of the guest this store is of no more use.
    let failed = || format!("{guest} failed while it ran");
    let moderator = linked.instantiate(&mut store).with_context(failed)?;
    for message in &cli.messages {
        let shown = moderator.call_moderate(&mut store, message).with_context(failed)?;
        println!("host: {shown:?}");
    }
    if let Some(times) = cli.repeat {
        let start = Instant::now();
        for message in (0..times).flat_map(|_| &cli.messages) {
            moderator.call_moderate(&mut store, message).with_context(failed)?;
        }
        let calls = f64::from(times) * cli.messages.len() as f64;
        println!("host: {:.1} µs a call", start.elapsed().as_secs_f64() * 1e6 / calls);
    }
    Ok(())
}
