//! Shows each message of a chat to a core module, before anybody reads it.
//! Notice `moderate` and `text`: what a string costs when nobody carries it for the host.
//! Run: just run extism

use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{
    Cache, Caller, Config, Engine, Extern, Instance, Linker, Memory, Module, Result, Store,
    TypedFunc, ensure,
};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// What the chat does not want to see.
const BANNED: [&str; 2] = ["darn", "heck"];

/// Let a core module moderate a chat.
#[derive(Parser)]
struct Cli {
    /// Send the messages so often, and say how long a call takes
    #[arg(long, value_name = "TIMES", value_parser = clap::value_parser!(u32).range(1..))]
    repeat: Option<u32>,
    /// The guest, a core module for wasm32-wasip1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What is said in the chat
    #[arg(required = true)]
    messages: Vec<String>,
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

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;

    // 3. Linker: what the guest may import. A function of the chat's own, and preview 1, which std
    //    brings along in every guest even where the guest only computes.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    linker.func_wrap("chat", "banned", |mut caller: Caller<'_, _>, ptr: u32, len: u32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory);
        let word = text(memory.context("no memory is exported")?.data(&caller), ptr, len)?;
        Ok(u32::from(BANNED.contains(&word)))
    })?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and `banned` of `chat`")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let wasi = WasiCtx::builder()
        .inherit_stderr() // a panic says where
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate and call: `_initialize` once, then `moderate` for each message. After an error
    //    out of the guest this store is dropped: what the guest was doing is half done.
    let failed = || format!("{guest} failed while it ran");
    let instance = linked.instantiate(&mut store).with_context(failed)?;
    let moderator = Moderator::new(&mut store, &instance).with_context(|| {
        format!("{guest} is not a moderator of this kind: give this host extism_module_guest")
    })?;
    moderator.initialize.call(&mut store, ()).with_context(failed)?;
    for message in &cli.messages {
        let shown = moderator.moderate(&mut store, message).with_context(failed)?;
        println!("host: {shown:?}");
    }
    if let Some(times) = cli.repeat {
        let start = Instant::now();
        for message in (0..times).flat_map(|_| &cli.messages) {
            moderator.moderate(&mut store, message).with_context(failed)?;
        }
        let calls = f64::from(times) * cli.messages.len() as f64;
        println!("host: {:.1} µs a call", start.elapsed().as_secs_f64() * 1e6 / calls);
    }
    Ok(())
}

/// What the guest exports.
struct Moderator {
    memory: Memory,
    initialize: TypedFunc<(), ()>,
    buffer_alloc: TypedFunc<u32, u32>,
    buffer_free: TypedFunc<(u32, u32), ()>,
    moderate: TypedFunc<(u32, u32), u64>,
}

impl Moderator {
    fn new(mut store: &mut Store<WasiP1Ctx>, instance: &Instance) -> Result<Self> {
        Ok(Self {
            memory: instance.get_memory(&mut store, "memory").context("no memory is exported")?,
            initialize: instance.get_typed_func(&mut store, "_initialize")?,
            buffer_alloc: instance.get_typed_func(&mut store, "buffer_alloc")?,
            buffer_free: instance.get_typed_func(&mut store, "buffer_free")?,
            moderate: instance.get_typed_func(&mut store, "moderate")?,
        })
    }

    /// Writes the message into a buffer of the guest's, which `moderate` takes over, and reads the
    /// answer out of another, which the guest is given back to free.
    fn moderate(&self, mut store: &mut Store<WasiP1Ctx>, message: &str) -> Result<String> {
        let len = u32::try_from(message.len())?;
        let ptr = self.buffer_alloc.call(&mut store, len)?;
        let written = self.memory.write(&mut store, ptr as usize, message.as_bytes());
        written.with_context(|| format!("{len} bytes at {ptr} are not in the guest's memory"))?;
        let answer = self.moderate.call(&mut store, (ptr, len))?;
        let (ptr, len) = ((answer >> 32) as u32, answer as u32);
        let shown = text(self.memory.data(&store), ptr, len)?.to_owned();
        self.buffer_free.call(&mut store, (ptr, len))?;
        Ok(shown)
    }
}

/// A text in the guest's memory. Address and length are a claim of the guest's, and checked.
fn text(memory: &[u8], ptr: u32, len: u32) -> Result<&str> {
    let bytes = memory.get(ptr as usize..).and_then(|rest| rest.get(..len as usize));
    let bytes =
        bytes.with_context(|| format!("{len} bytes at {ptr} are not in the guest's memory"))?;
    Ok(str::from_utf8(bytes)?)
}
