//! Passes standard input through a component to standard output, while it arrives.
//! Notice who holds which end: the host writes what the guest reads, and reads what it writes.
//! Run: just run filter

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{self, Poll, ready};

use clap::Parser;
use futures::channel::oneshot;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Stdin, Stdout};
use wasmtime::component::{
    Component, Destination, FutureConsumer, Linker, ResourceTable, Source, StreamConsumer,
    StreamProducer, StreamReader, StreamResult, VecBuffer, bindgen,
};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Result, Store, StoreContextMut, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/filter" });

/// Filter standard input by a component.
#[derive(Parser)]
struct Cli {
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

/// The state of the host while the guest runs.
struct Pipeline {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Pipeline {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

/// The most that is read or written at once, whatever the guest has room for.
const PIECE: usize = 64 * 1024;

/// The writing end of the stream that the guest reads: standard input.
struct Input(Stdin);

impl<D> StreamProducer<D> for Input {
    type Item = u8;
    type Buffer = VecBuffer<u8>; // for what is more than the guest has room for: never used here

    /// Called when the guest reads. `finish` means that the guest does not want to wait any longer.
    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        mut store: StoreContextMut<'a, D>,
        guest: Destination<'a, u8, Self::Buffer>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        // Without room the guest only asks whether there is something to read. That is not known
        // before reading, so let it come again with room; no bytes would be taken for the end.
        if guest.remaining(&mut store) == Some(0) {
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        let mut guest = guest.as_direct(store, PIECE); // the very bytes in the guest's memory
        let room = guest.remaining();
        let length = room.len().min(PIECE);
        let mut piece = ReadBuf::new(&mut room[..length]);
        match Pin::new(&mut self.0).poll_read(cx, &mut piece) {
            Poll::Ready(read) => {
                read.map_err(|error| cannot("read standard input", error))?;
                let length = piece.filled().len();
                guest.mark_written(length);
                let more = length > 0;
                Poll::Ready(Ok(if more { StreamResult::Completed } else { StreamResult::Dropped }))
            }
            Poll::Pending if finish => Poll::Ready(Ok(StreamResult::Cancelled)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// The reading end of the stream that the guest writes: standard output.
struct Output {
    stdout: Stdout,
    /// Whether bytes were taken from the guest that may not be written yet.
    taken: bool,
    /// Nothing is sent. It is dropped with this, after the guest has dropped the writing end.
    _open: oneshot::Sender<()>,
}

impl<D> StreamConsumer<D> for Output {
    type Item = u8;

    /// Called when the guest writes, and again until that is written; then the guest goes on.
    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        store: StoreContextMut<D>,
        guest: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        if !self.taken {
            let mut guest = guest.as_direct(store);
            let bytes = guest.remaining();
            let length = bytes.len().min(PIECE);
            match Pin::new(&mut self.stdout).poll_write(cx, &bytes[..length]) {
                Poll::Ready(written) => {
                    let written = written.map_err(|error| cannot("write standard output", error));
                    guest.mark_read(written?);
                    self.taken = true;
                }
                Poll::Pending if finish => return Poll::Ready(Ok(StreamResult::Cancelled)),
                Poll::Pending => return Poll::Pending,
            }
        }
        let written = ready!(Pin::new(&mut self.stdout).poll_flush(cx));
        written.map_err(|error| cannot("write standard output", error))?;
        self.taken = false;
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// What the two functions above return as an error ends the guest as a trap does.
fn cannot(what: &str, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("cannot {what}: {error}"))
}

/// The reading end of the future: what the guest says at the end.
struct Ending(Option<oneshot::Sender<Result<(), String>>>);

impl<D> FutureConsumer<D> for Ending {
    type Item = Result<(), String>;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        store: StoreContextMut<D>,
        mut guest: Source<'_, Self::Item>,
        _: bool,
    ) -> Poll<Result<()>> {
        let mut result = None;
        guest.read(store, &mut result)?;
        if let (Some(ending), Some(result)) = (self.0.take(), result) {
            let _ = ending.send(result); // an error if nobody waits for it any more
        }
        Poll::Ready(Ok(()))
    }
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    // `#[tokio::main(flavor = "current_thread")]` by hand: its feature of tokio would have wasmtime-wasi built twice.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let result = runtime.block_on(run(Cli::parse()));
    // After a failure a thread of tokio may still be reading standard input: do not wait for it.
    runtime.shutdown_background();
    result
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

    // 3. Linker: what the guest may import. The world has no import; WASI 0.2, in its async form, is
    //    what std brings along in every guest. What is linked can be instantiated often.
    let mut linker: Linker<Pipeline> = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(FilterPre::new).with_context(|| {
            format!("{guest} does not fit the world in wit/filter: build the guest from that WIT")
        })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    //    Standard input and output are not granted: the guest gets two streams and nothing else.
    let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
    let mut store = Store::new(&engine, Pipeline { ctx, table: ResourceTable::new() });

    // 5. Instantiate and call. The guest returns at once and goes on in a task, which runs as long as
    //    the closure does. After an error this store is of no more use.
    let failed = |error: Error| match error.downcast::<io::Error>() {
        Ok(error) => error.into(), // it was not the guest that failed
        Err(error) => error.context(format!("{guest} failed while it ran")),
    };
    let filter = linked.instantiate_async(&mut store).await.map_err(failed)?;
    let calls = store.run_concurrent(async |store| {
        let input = store.with(|store| StreamReader::new(store, Input(tokio::io::stdin())))?;
        let (output, ending) = filter.call_filter(store, input).await?;
        let (open, closed) = oneshot::channel();
        let (ended, result) = oneshot::channel();
        store.with(|mut store| {
            let stdout = tokio::io::stdout();
            output.pipe(&mut store, Output { stdout, taken: false, _open: open })?;
            ending.pipe(&mut store, Ending(Some(ended)))
        })?;
        let _ = closed.await; // the guest has ended its output, and all of it is written
        result.await.context("the guest did not say how it ended")
    });
    match calls.await.flatten().map_err(failed)? {
        Ok(()) => Ok(()),
        Err(problem) => bail!("no complete output: {problem}"),
    }
}
