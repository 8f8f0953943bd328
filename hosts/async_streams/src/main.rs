//! Sends several telegrams through one instance of a component, all at once.
//! Notice the order of the output: telegrams take turns, and no text is read ahead of its line.
//! Run: just run async_streams

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use futures::future::try_join_all;
use tokio::time::timeout;
use wasmtime::component::{
    Accessor, Component, FutureReader, HasSelf, Linker, ResourceTable, StreamReader, bindgen,
};
use wasmtime::error::Context;
use wasmtime::{AsContextMut, Cache, Config, Engine, Error, Result, Store, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/async_streams" });

/// Send telegrams by an office in a component.
#[derive(Parser)]
struct Cli {
    /// Send each telegram after the one before it, not all at once
    #[arg(long)]
    in_turn: bool,
    /// Give up after this long
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
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

/// What a call of `telegram` takes. The guest gets the reading ends; what writes stays here.
fn telegram(
    mut store: impl AsContextMut,
    line: u32,
    text: &str,
) -> Result<(FutureReader<u32>, StreamReader<u8>)> {
    let line = FutureReader::new(&mut store, async move { Ok::<_, Error>(line) })?;
    Ok((line, StreamReader::new(store, text.as_bytes().to_vec())?))
}

/// The guest's answer to each telegram, in the order of the texts.
type Answers = Vec<Result<u32, String>>;

/// Starts all calls; each goes on while the others wait.
async fn at_once(
    store: &mut Store<Telegraph>,
    office: &Office,
    texts: &[String],
) -> Result<Answers> {
    let calls = store.run_concurrent(async |store| {
        try_join_all((1..).zip(texts).map(async |(line, text)| {
            let (line, text) = store.with(|store| telegram(store, line, text))?;
            office.call_telegram(store, line, text).await
        }))
        .await
    });
    calls.await.flatten()
}

/// Calls again when the call before has returned. A call that cannot go on is an error at once:
/// nobody else uses the store, so the engine knows that nothing will change.
async fn in_turn(
    store: &mut Store<Telegraph>,
    office: &Office,
    texts: &[String],
) -> Result<Answers> {
    let mut answers = Answers::new();
    for (line, text) in (1..).zip(texts) {
        let telegram = telegram(&mut *store, line, text)?;
        let (answer,) = office.func_telegram().call_async(&mut *store, telegram).await?;
        answers.push(answer);
    }
    Ok(answers)
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<()> {
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
    //    along in every guest, in its async form: the other would block this thread, and panics in
    //    a tokio runtime. What is linked can be instantiated often.
    let mut linker: Linker<Telegraph> = Linker::new(&engine);
    Office::add_to_linker::<_, HasSelf<_>>(&mut linker, |telegraph| telegraph)?;
    p2::add_to_linker_async(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(OfficePre::new).with_context(|| {
            format!(
                "{guest} does not fit the world in wit/async_streams: build the guest from that WIT"
            )
        })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let ctx = WasiCtx::builder().inherit_stdout().inherit_stderr().build(); // it says what it reads
    let mut store = Store::new(&engine, Telegraph { ctx, table: ResourceTable::new() });

    // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
    //    ones are its answers. After an error of the first kind this store is of no more use.
    let failed = || format!("{guest} failed while it ran");
    let office = linked.instantiate_async(&mut store).await.with_context(failed)?;
    let calls = async {
        if cli.in_turn {
            in_turn(&mut store, &office, &cli.texts).await
        } else {
            at_once(&mut store, &office, &cli.texts).await
        }
    };
    // What may wait for ever is given up at some time. This ends a guest that waits, not one that
    // computes without end: such a guest does not let the timer have its turn.
    let answers = match timeout(Duration::from_secs(cli.timeout), calls).await {
        Ok(answers) => answers.with_context(failed)?,
        Err(_) => bail!("{guest} did not answer within {} s", cli.timeout),
    };
    for (line, answer) in (1..).zip(&answers) {
        match answer {
            Ok(letters) => println!("host: {line}: {letters} letters"),
            Err(problem) => println!("host: {line}: {problem}"),
        }
    }
    let unsent = answers.iter().filter(|answer| answer.is_err()).count();
    ensure!(unsent == 0, "no telegram on {unsent} of {} lines", answers.len());
    Ok(())
}
