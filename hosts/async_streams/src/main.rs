//! Sends several telegrams through one instance of a component, all at once.
//! Notice the order of the output: telegrams take turns, and no text is read ahead of its line.
//! Run: just run async_streams

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use futures::future::try_join_all;
use wasmtime::component::{
    Accessor, Component, FutureReader, HasSelf, Linker, ResourceTable, StreamReader, bindgen,
};
use wasmtime::error::Context;
use wasmtime::{AsContextMut, Cache, CacheConfig, Config, Engine, Result, Store, Trap, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/async_streams" });

/// Send telegrams by an office in a component.
#[derive(Parser)]
struct Cli {
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What to send, a text for each line
    texts: Vec<String>,
}

/// The state of the host while the guest runs.
struct Telegraph {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Telegraph {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl OfficeImports for Telegraph {}

impl<T: Send> OfficeImportsWithStore<T> for HasSelf<Telegraph> {
    async fn transmit(_: &Accessor<T, Self>, line: u32, letters: String) {
        println!("host: {line}: sends {letters:?}");
        tokio::task::yield_now().await; // meanwhile the other calls go on
        println!("host: {line}: sent");
    }
}

/// The parameters and the results of the export, as in the WIT.
type Telegram = (FutureReader<u32>, StreamReader<u8>);
type Answer = (Result<u32, String>,);

fn telegram(mut store: impl AsContextMut, line: u32, text: String) -> Result<Telegram> {
    let line = FutureReader::new(&mut store, async move { Ok::<_, wasmtime::Error>(line) })?;
    Ok((line, StreamReader::new(store, text.into_bytes())?))
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Component, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // magic number, version 13; a core module has 1
        "{guest} is not a component (but a core module, or no WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. The lines, and WASI 0.2, which std brings along.
    let mut linker: Linker<Telegraph> = Linker::new(&engine);
    Office::add_to_linker::<_, HasSelf<_>>(&mut linker, |telegraph| telegraph)?;
    p2::add_to_linker_async(&mut linker)?;

    // 4. Store: this guest's state and capabilities.
    let ctx = WasiCtx::builder().inherit_stdout().inherit_stderr().build(); // it says what it reads
    let mut store = Store::new(&engine, Telegraph { ctx, table: ResourceTable::new() });

    // 5. Instantiate and call.
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let office = runtime.block_on(linker.instantiate_async(&mut store, &component));
    let office =
        office.and_then(|it| it.get_typed_func::<Telegram, Answer>(&mut store, "telegram"));
    let office = office.with_context(|| {
        format!("{guest} does not fit the world telegraph:office/office: build it from wit/async_streams")
    })?;
    let result = if let [text] = &cli.texts[..] {
        // Alone: `call_async` ends with a trap where nothing can go on, `run_concurrent` waits.
        let telegram = telegram(&mut store, 1, text.clone())?;
        runtime.block_on(office.call_async(&mut store, telegram)).map(|answer| vec![answer])
    } else {
        let calls = store.run_concurrent(async |store| {
            try_join_all((1..).zip(cli.texts).map(async |(line, text)| {
                let telegram = store.with(|store| telegram(store, line, text))?;
                office.call_concurrent(store, telegram).await
            }))
            .await
        });
        runtime.block_on(calls).flatten()
    };
    let error = match result {
        Ok(answers) => {
            println!("host: {answers:?}");
            return Ok(u8::from(answers.iter().any(|(answer,)| answer.is_err())).into());
        }
        Err(error) => error,
    };
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
