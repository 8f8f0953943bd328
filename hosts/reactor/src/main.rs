//! Calls a library module several times: a reactor, which exports `_initialize` and no `_start`.
//! Notice who owns each buffer in `sign`: every string crosses as an address in the guest's memory.
//! Run: just run reactor

use std::path::PathBuf;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Engine, Instance, Linker, Memory, Module, Result, Store, TypedFunc, ensure,
};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// Sign a guest book that is a WASI preview 1 reactor.
#[derive(Parser)]
struct Cli {
    /// How often to call `_initialize`: once is right, 0 and 2 show why
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    initialize: u32,
    /// Do not give the answers back to be freed, to see the guest's memory grow
    #[arg(long)]
    keep_answers: bool,
    /// The guest, a core module for wasm32-wasip1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// Who signs
    names: Vec<String>,
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

    // 3. Linker: what the guest may import. Preview 1, which std brings along in every guest even
    //    where the guest only computes. What is linked can be instantiated often.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // the guest book says when it opens and closes
        .inherit_stderr() // a panic says where
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate and call: `_initialize` once, then `sign` as often as there are names. A module
    //    with a `start` function runs it while it is instantiated. After an error out of the guest
    //    this store is dropped: what the guest was doing is half done.
    let failed = || format!("{guest} failed while it ran");
    let instance = linked.instantiate(&mut store).with_context(failed)?;
    let book = GuestBook::new(&mut store, &instance)
        .with_context(|| format!("{guest} is not a guest book: give this host reactor_guest"))?;
    book.run(&mut store, &cli).with_context(failed)
}

/// What the guest exports.
struct GuestBook {
    memory: Memory,
    initialize: Option<TypedFunc<(), ()>>,
    buffer_alloc: TypedFunc<u32, u32>,
    buffer_free: TypedFunc<(u32, u32), ()>,
    sign: TypedFunc<(u32, u32), u64>,
}

impl GuestBook {
    fn new(mut store: &mut Store<WasiP1Ctx>, instance: &Instance) -> Result<Self> {
        let initialize = match instance.get_func(&mut store, "_initialize") {
            Some(function) => Some(function.typed(&store).context("`_initialize`")?),
            None => None, // a library without constructors may do without
        };
        Ok(Self {
            memory: instance.get_memory(&mut store, "memory").context("no memory is exported")?,
            initialize,
            buffer_alloc: instance.get_typed_func(&mut store, "buffer_alloc")?,
            buffer_free: instance.get_typed_func(&mut store, "buffer_free")?,
            sign: instance.get_typed_func(&mut store, "sign")?,
        })
    }

    fn run(&self, store: &mut Store<WasiP1Ctx>, cli: &Cli) -> Result<()> {
        if let Some(initialize) = &self.initialize {
            for _ in 0..cli.initialize {
                println!("host: _initialize");
                initialize.call(&mut *store, ()).context("`_initialize` did not return")?;
            }
        }
        for name in &cli.names {
            println!("host: sign {name:?}");
            let (ptr, len) = self.sign(store, name).context("`sign` did not answer")?;
            let answer = self.text(store, ptr, len).context("`sign` gave a bad answer")?;
            println!("host: answer {answer:?}");
            if !cli.keep_answers {
                let freed = self.buffer_free.call(&mut *store, (ptr, len));
                freed.context("`buffer_free` did not return")?;
            }
        }
        println!("host: the guest's memory is {} pages of 64 KiB", self.memory.size(store));
        Ok(())
    }

    /// Calls `sign`. The guest allocates a buffer, the host writes the name into it, and `sign` takes
    /// it over. What comes back is address and length of the answer: a buffer that is the host's now.
    fn sign(&self, mut store: &mut Store<WasiP1Ctx>, name: &str) -> Result<(u32, u32)> {
        let len = u32::try_from(name.len())?;
        let ptr = self.buffer_alloc.call(&mut store, len)?;
        let written = self.memory.write(&mut store, ptr as usize, name.as_bytes());
        written.with_context(|| format!("{len} bytes at {ptr} are not in the guest's memory"))?;
        let answer = self.sign.call(&mut store, (ptr, len))?;
        Ok(((answer >> 32) as u32, answer as u32))
    }

    /// Copies a text out of the guest's memory. Address and length are a claim of the guest's: they
    /// are checked before anything is read or allocated.
    fn text(&self, store: &Store<WasiP1Ctx>, ptr: u32, len: u32) -> Result<String> {
        let rest = self.memory.data(store).get(ptr as usize..);
        let bytes = rest.and_then(|rest| rest.get(..len as usize));
        let bytes =
            bytes.with_context(|| format!("{len} bytes at {ptr} are not in the guest's memory"))?;
        Ok(str::from_utf8(bytes)?.to_owned())
    }
}
