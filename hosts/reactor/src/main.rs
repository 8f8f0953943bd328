//! Calls a library module several times: a reactor, which exports `_initialize` and no `_start`.
//! Notice who owns each buffer in `sign`: every string crosses as an address in the guest's memory.
//! Run: just run reactor

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{
    Cache, CacheConfig, Config, Engine, Instance, Linker, Memory, Module, Result, Store, Trap,
    TypedFunc, ensure,
};
use wasmtime_wasi::WasiCtx;
use wasmtime_wasi::p1::{self, WasiP1Ctx};

/// Sign a guest book that is a WASI preview 1 reactor.
#[derive(Parser)]
struct Cli {
    /// How often to call `_initialize`: once is right, 0 and 2 show why
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    initialize: u32,
    /// The guest, a core module for wasm32-wasip1
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// Who signs
    names: Vec<String>,
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // magic number, version 1; a component has 13
        "{guest} is not a core module (but a component, or no WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. std needs preview 1 even where the guest only computes.
    let mut linker: Linker<WasiP1Ctx> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi| wasi)?;

    // 4. Store: this guest's state and capabilities.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // the guest book says when it opens and closes
        .inherit_stderr() // a panic says where
        .build_p1();
    let mut store = Store::new(&engine, wasi);

    // 5. Instantiate, which runs none of the guest's code, and call: `_initialize`, then `sign`.
    let instance = linker.instantiate(&mut store, &module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;
    let book = GuestBook::new(&mut store, &instance)
        .with_context(|| format!("{guest} is not a guest book: give this host reactor_guest"))?;
    let Err(error) = book.run(&mut store, &cli) else {
        return Ok(ExitCode::SUCCESS);
    };
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
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
        Ok(Self {
            memory: instance.get_memory(&mut store, "memory").context("no memory is exported")?,
            initialize: instance.get_typed_func(&mut store, "_initialize").ok(),
            buffer_alloc: instance.get_typed_func(&mut store, "buffer_alloc")?,
            buffer_free: instance.get_typed_func(&mut store, "buffer_free")?,
            sign: instance.get_typed_func(&mut store, "sign")?,
        })
    }

    fn run(&self, store: &mut Store<WasiP1Ctx>, cli: &Cli) -> Result<()> {
        for _ in 0..cli.initialize {
            let Some(initialize) = &self.initialize else { break };
            println!("host: _initialize");
            initialize.call(&mut *store, ()).context("`_initialize` did not return")?;
        }
        for name in &cli.names {
            println!("host: sign {name:?}");
            let answer = self.sign(store, name).context("`sign` did not answer")?;
            println!("host: answer {answer:?}");
        }
        Ok(())
    }

    /// Passes `name` in and the answer out through the guest's memory.
    fn sign(&self, mut store: &mut Store<WasiP1Ctx>, name: &str) -> Result<String> {
        // In: the guest allocates, the host writes, `sign` takes the buffer over.
        let len = u32::try_from(name.len())?;
        let ptr = self.buffer_alloc.call(&mut store, len)?;
        self.memory.write(&mut store, ptr as usize, name.as_bytes())?;
        let answer = self.sign.call(&mut store, (ptr, len))?;

        // Out: the host copies, then hands the buffer back to be freed. Address and length are
        // the guest's claim: they are checked before anything is read or allocated.
        let (ptr, len) = ((answer >> 32) as u32, answer as u32);
        let rest = self.memory.data(&store).get(ptr as usize..);
        let bytes = rest.and_then(|rest| rest.get(..len as usize));
        let bytes = bytes.with_context(|| format!("{len} bytes at {ptr} are not in its memory"))?;
        let text = String::from_utf8_lossy(bytes).into_owned();
        self.buffer_free.call(&mut store, (ptr, len))?;
        Ok(text)
    }
}
