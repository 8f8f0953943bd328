//! One step of a stream, in a sandbox of its own for each record: a record and a state in, results
//! and the next state out.
//! Notice that nothing of a guest lives on between two records but what it returned.
//! Run: just run stream

use std::path::Path;
use std::time::Duration;
use std::{fmt, thread};

use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Enabled, Engine, Error, PoolingAllocationConfig, ResourceLimiter, Result, Store,
    Trap, bail, ensure,
};
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Host as MonotonicClock};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{self, DynPollable};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

bindgen!({ path: "../../wit/stream" });

/// What one record may cost.
#[derive(Clone, Copy)]
pub struct Limits {
    /// How long the step may take.
    pub time: Duration,
    /// Bytes of the guest's memory.
    pub memory: usize,
    /// Take sandboxes from a pool, which has so many: one for each record that is worked on at once.
    pub pool: Option<u32>,
}

/// Elements of each table, and how many tables and instances of modules a guest may consist of.
const MOST_ELEMENTS: usize = 10_000;
const MOST_PARTS: u32 = 20;

/// Bytes of what comes out of one step.
const MOST_OUTPUT: usize = 8 << 20;

/// Bytes of what a guest prints that are kept, and of what it printed or said that are shown where it
/// fails.
const MOST_PRINTED: usize = 16 << 10;
const MOST_SHOWN: usize = 500;

/// How late a guest that computes for too long may be ended.
const TICK: Duration = Duration::from_millis(10);

/// Why there is no outcome.
#[derive(Debug)]
pub enum Failure {
    /// The guest says what is wrong with the record.
    Refused(String),
    /// It took longer than this. On a machine with less to do it might not have.
    TooLong(Duration),
    /// It trapped or met another limit, and would again.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "refused: {reason}"),
            Self::TooLong(time) => write!(f, "failed: it took longer than {time:?}"),
            Self::Broken(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// What compiles guests, all for the same limits.
pub struct Loader {
    engine: Engine,
    limits: Limits,
}

/// A guest that was compiled and linked. A clone of it costs nothing.
#[derive(Clone)]
pub struct Step {
    linked: ProcessorPre<State>,
    limits: Limits,
}

/// The state of the host while the guest works on one record.
struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    limits: Limits,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl ResourceLimiter for State {
    // An error, unlike the answer `false`, ends the guest and says why.
    fn memory_growing(&mut self, _: usize, then: usize, _: Option<usize>) -> Result<bool> {
        let most = self.limits.memory;
        ensure!(then <= most, "it wants more than {most} bytes of memory");
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, then: usize, _: Option<usize>) -> Result<bool> {
        ensure!(then <= MOST_ELEMENTS, "it wants more than {MOST_ELEMENTS} table elements");
        Ok(true)
    }

    fn memories(&self) -> usize {
        1 // so that the limit of one is the limit of all
    }

    fn tables(&self) -> usize {
        MOST_PARTS as usize
    }

    fn instances(&self) -> usize {
        MOST_PARTS as usize
    }
}

/// In place of the clock of wasmtime-wasi: one that nobody can wait for. A guest that waits does not
/// run, and what does not run the epoch cannot interrupt.
impl MonotonicClock for State {
    fn now(&mut self) -> Result<monotonic_clock::Instant> {
        WasiClocksView::clocks(self).now()
    }

    fn resolution(&mut self) -> Result<monotonic_clock::Duration> {
        WasiClocksView::clocks(self).resolution()
    }

    fn subscribe_instant(&mut self, _: monotonic_clock::Instant) -> Result<Resource<DynPollable>> {
        bail!("a step may not wait")
    }

    fn subscribe_duration(
        &mut self,
        _: monotonic_clock::Duration,
    ) -> Result<Resource<DynPollable>> {
        bail!("a step may not wait")
    }
}

impl Loader {
    /// # Errors
    /// If the limits are none that the engine can do.
    pub fn new(limits: Limits) -> Result<Self> {
        // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
        //    machine without a place for it compiles each time. Guests look at the engine's epoch, a
        //    counter that a thread raises, and end themselves when it has reached their deadline.
        let mut config = Config::new();
        config.cache(Cache::from_file(None).ok());
        config.epoch_interruption(true);
        if let Some(at_once) = limits.pool {
            config.allocation_strategy(pool(limits.memory, at_once));
        }
        let engine = Engine::new(&config)?;
        let ticking = engine.weak();
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;
        Ok(Self { engine, limits })
    }

    /// Compiles a guest and links it. Runs nothing of it.
    ///
    /// # Errors
    /// If it cannot be read, or is not a component of the world in wit/stream.
    pub fn load(&self, path: &Path) -> Result<Step> {
        let guest = path.display();

        // 2. Code: a Component, from the path given.
        let wasm = std::fs::read(path).with_context(|| {
            format!("cannot read {guest}: check the path, or build the guest first")
        })?;
        ensure!(
            wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
            "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
        );
        let component = Component::from_binary(&self.engine, &wasm).with_context(|| {
            format!(
                "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
            )
        })?;

        // 3. Linker: what the guest may import. The world has no import; WASI 0.2 is what std brings
        //    along in every guest. What is linked can be instantiated often, by any thread.
        let mut linker: Linker<State> = Linker::new(&self.engine);
        p2::add_to_linker_sync(&mut linker)?;
        linker.allow_shadowing(true);
        monotonic_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
        let linked =
            linker.instantiate_pre(&component).and_then(ProcessorPre::new).with_context(|| {
                format!(
                    "{guest} does not fit the world in wit/stream: build the guest from that WIT"
                )
            })?;
        Ok(Step { linked, limits: self.limits })
    }
}

/// Memory for all sandboxes that are there at once, set aside in advance.
fn pool(memory: usize, at_once: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(at_once);
    pool.total_core_instances(at_once.saturating_mul(MOST_PARTS));
    pool.total_tables(at_once.saturating_mul(MOST_PARTS));
    pool.total_memories(at_once);
    pool.max_memory_size(memory);
    pool.table_elements(MOST_ELEMENTS);
    // A slot is cleared by writing zeros over the pages that were written to, where the system can tell
    // which these are. To give pages back and get others takes several times as long.
    pool.pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(2 << 20);
    pool.table_keep_resident(64 << 10);
    pool
}

impl Step {
    /// Works on one record, in a sandbox that is there for this record alone.
    ///
    /// # Errors
    /// If the guest refuses the record, traps or meets a limit. Nothing is left of it then.
    pub fn process(&self, key: &str, value: &str, state: Option<&str>) -> Result<Outcome, Failure> {
        // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
        //    bytes; step 3 has taken sleep away. Nothing else is granted, and time, memory, handles
        //    and copied bytes have a limit each. What it prints is only shown if it fails.
        let printed = MemoryOutputPipe::new(MOST_PRINTED);
        let mut ctx = WasiCtx::builder();
        let ctx = ctx.stderr(printed.clone()).max_random_size(64 << 10).build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(100);
        let mut store = Store::new(self.linked.engine(), State { ctx, table, limits: self.limits });
        store.limiter(|state| state);
        store.set_hostcall_fuel(MOST_OUTPUT);
        let ticks = self.limits.time.as_millis().div_ceil(TICK.as_millis()) + 1; // one has begun
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2));

        // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
        //    one is the guest's answer.
        let called = self
            .linked
            .instantiate(&mut store)
            .and_then(|guest| guest.call_process(&mut store, key, value, state));
        match called {
            Ok(answer) => answer.map_err(|reason| Failure::Refused(start(reason.as_bytes()))),
            Err(error) => Err(self.failure(&error, &printed.contents())),
        }
    }

    /// What to say of a guest that did not return.
    fn failure(&self, error: &Error, printed: &[u8]) -> Failure {
        if let Some(Trap::Interrupt) = error.downcast_ref() {
            return Failure::TooLong(self.limits.time);
        }
        let cause = error.root_cause().to_string();
        Failure::Broken(match start(printed).trim() {
            "" => cause,
            printed => format!("{cause}; it printed: {printed}"),
        })
    }
}

/// As much of a text of the guest's as is shown.
fn start(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MOST_SHOWN)]).into_owned()
}
