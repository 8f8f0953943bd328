//! A component and the sandboxes that it runs in: what a request may cost, and what an instance of the
//! component shares with the request after it.
//! Notice that a limit belongs to a sandbox, and that three numbers bound all of them together.
//! Run: just run http

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{self, Poll};
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use clap::ValueEnum;
use tokio::io::AsyncWrite;
use tokio::sync::{Notify, watch};
use tokio::time::Sleep;
use wasmtime::component::{Component, GuestTaskId, Linker, ResourceTable};
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Enabled, Engine, Error, InstanceAllocationStrategy, PoolingAllocationConfig,
    ResourceLimiter, Result, Store, StoreContextMut, bail, ensure,
};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{self, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView, async_trait, p3};
use wasmtime_wasi_http::handler::{
    HandlerState, Instance, ProxyPre, ShouldAccept, WorkerExpiration, WorkerState, WorkerStatus,
};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::outbound::{self, Outbound};
use crate::{harmless, say};

/// Which requests share an instance of a component.
#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Reuse {
    /// None: each has a fresh one, as if there had been no other request
    Fresh,
    /// One after the other: what one leaves in memory, the next one finds
    Serial,
    /// Those that are there at the same time as well (WASI 0.3): if one traps, all are lost
    Concurrent,
}

/// What the sandboxes may cost.
#[derive(Clone)]
pub struct Limits {
    /// How long a request may take, to the end of its response.
    pub time: Duration,
    /// Requests at once. There are at most twice as many instances, for some work on after a response.
    pub requests: u32,
    /// Bytes of the memory of an instance, and of all of them together.
    pub memory: usize,
    pub total_memory: usize,
    /// Requests that an instance sees in its life, and how many at once.
    pub reuse: usize,
    pub at_once: usize,
    /// Bytes of the body of a request, and of a response.
    pub request_body: u64,
    pub response_body: u64,
    /// Requests to other servers at once, of all instances together.
    pub outbound: usize,
}

/// Elements of each table; tables and instances of modules in a component; things that it has open at
/// once, for each request; bytes that are copied for one call; random bytes of one call; bytes that it
/// prints for one request.
const MOST_ELEMENTS: usize = 20_000;
const MOST_PARTS: u32 = 20;
const MOST_HANDLES: usize = 200;
const MOST_COPIED: usize = 8 << 20;
const MOST_RANDOM: u64 = 64 << 10;
const MOST_PRINTED: usize = 4 << 10;

/// Bytes that the fields of a head take in memory, which are more than its letters.
const MOST_FIELDS: usize = 64 << 10;

/// How often a guest that computes lets others have their turn, and how late it may be ended.
const TICK: Duration = Duration::from_millis(10);

/// How long an instance waits for its next request.
const IDLE: Duration = Duration::from_secs(10);

/// What each instance is granted. Nothing, by default.
#[derive(Default)]
pub struct Grants {
    pub vars: Vec<(String, String)>,
    pub dirs: Vec<(PathBuf, String)>,
    pub outbound: Vec<(String, Option<u16>)>,
}

/// What makes sandboxes out of components, all with the same limits.
pub struct Loader {
    engine: Engine,
    linker: Linker<State>,
    shared: Arc<Shared>,
    reuse: Reuse,
}

/// What all sandboxes have in common.
struct Shared {
    limits: Limits,
    grants: Grants,
    /// Bytes of memory that are left for them.
    memory: Mutex<usize>,
    outbound: Outbound,
}

/// A component that was compiled and linked.
pub struct Sandbox {
    linked: ProxyPre<State>,
    shared: Arc<Shared>,
    reuse: Reuse,
}

/// The state of an instance.
pub struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    http: WasiHttpCtx,
    outbound: Outbound,
    printed: Printed,
    meter: Meter,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { ctx: &mut self.http, table: &mut self.table, hooks: &mut self.outbound }
    }
}

/// Counts the memory of an instance, and gives it back to all of them in the end.
struct Meter {
    shared: Arc<Shared>,
    taken: usize,
}

impl ResourceLimiter for Meter {
    // An error, unlike the answer `false`, ends the guest and says why.
    fn memory_growing(&mut self, now: usize, then: usize, own: Option<usize>) -> Result<bool> {
        if own.is_some_and(|own| then > own) {
            return Ok(false); // beyond its own maximum the engine gives nothing: nothing is counted
        }
        let most = self.shared.limits.memory;
        ensure!(then <= most, "it wants more than {most} bytes of memory");
        let more = then.saturating_sub(now);
        let mut left = self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner);
        *left = left.checked_sub(more).context(OutOfMemory)?;
        self.taken += more;
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

impl Drop for Meter {
    fn drop(&mut self) {
        *self.shared.memory.lock().unwrap_or_else(PoisonError::into_inner) += self.taken;
    }
}

/// The memory for all instances is used up. That is no fault of the guest which asked last.
#[derive(Clone, Copy, Debug)]
pub struct OutOfMemory;

impl std::fmt::Display for OutOfMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "there is no memory left for it, of all that guests may have together")
    }
}

impl std::error::Error for OutOfMemory {}

impl Loader {
    /// # Errors
    /// If the limits are none that the engine can do.
    pub fn new(limits: Limits, grants: Grants, reuse: Reuse) -> Result<Self> {
        // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
        //    machine without a place for it compiles each time. At each tick of its epoch a guest that
        //    computes lets others have their turn. Memory comes from a pool.
        let mut config = Config::new();
        config.cache(Cache::from_file(None).ok());
        config.epoch_interruption(true);
        config.wasm_memory64(false); // what no guest here needs is surface for nothing
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(&limits)));
        let engine = Engine::new(&config)?;
        let ticking = engine.weak();
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;

        let linker = linker(&engine)?;
        let memory = Mutex::new(limits.total_memory);
        let outbound =
            Outbound::new(grants.outbound.clone(), limits.outbound, limits.response_body);
        let shared = Arc::new(Shared { limits, grants, memory, outbound });
        Ok(Self { engine, linker, shared, reuse })
    }

    /// Compiles a component and links it. Runs nothing of it.
    ///
    /// # Errors
    /// If it cannot be read, or is no component that serves http.
    pub fn load(&self, path: &Path) -> Result<Sandbox> {
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
        let ty = component.component_type();
        let serves =
            |interface| ty.exports(&self.engine).any(|(name, _)| name.starts_with(interface));
        let (p2, p3) =
            (serves("wasi:http/incoming-handler@0.2."), serves("wasi:http/handler@0.3."));
        ensure!(
            p2 || p3,
            "{guest} does not serve http: give a component of the world wasi:http/service (0.3) or wasi:http/proxy (0.2)"
        );
        if !p3 && self.reuse == Reuse::Concurrent {
            bail!(
                "{guest} is made for WASI 0.2, which has one request at a time in an instance: --reuse concurrent is for 0.3"
            );
        }

        let linked = self.linker.instantiate_pre(&component);
        let linked = linked.and_then(|linked| match p3 {
            true => wasmtime_wasi_http::p3::bindings::ServicePre::new(linked).map(ProxyPre::P3),
            false => wasmtime_wasi_http::p2::bindings::ProxyPre::new(linked).map(ProxyPre::P2),
        });
        let linked = linked.with_context(|| {
            format!("{guest} cannot be linked: it may import WASI and wasi:http, and nothing else")
        })?;
        let sandbox = Sandbox { linked, shared: self.shared.clone(), reuse: self.reuse };
        sandbox.store()?; // what cannot be granted is known now, and not with the first request
        Ok(sandbox)
    }
}

/// Memory for all instances that are there at once, set aside in advance.
fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let instances = limits.requests.saturating_mul(2);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    pool.total_core_instances(instances.saturating_mul(MOST_PARTS));
    pool.total_tables(instances.saturating_mul(MOST_PARTS));
    pool.total_stacks(instances);
    pool.total_memories(instances);
    pool.max_memory_size(limits.memory);
    pool.table_elements(MOST_ELEMENTS);
    // A slot is cleared by writing zeros over the pages that were written to, where the system can tell
    // which these are. To give pages back and get others takes several times as long. So much of each
    // slot is kept, which is little for one, and adds up for thousands.
    pool.pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(256 << 10);
    pool.table_keep_resident(4 << 10);
    pool
}

fn linker(engine: &Engine) -> Result<Linker<State>> {
    // 3. Linker: what the guest may import. WASI in its async form, so that a guest which waits holds
    //    up no thread. What a guest finds there is decided in step 4.
    let mut linker = Linker::new(engine);
    p2::add_to_linker_async(&mut linker)?;
    p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    outbound::add_to_linker(&mut linker)?;
    Ok(linker)
}

impl Sandbox {
    fn store(&self) -> Result<Store<State>> {
        // 4. Store: the state and capabilities of one instance, and a limit for each.
        let shared = self.shared.clone();
        let mut ctx = WasiCtx::builder();
        ctx.envs(&shared.grants.vars).max_random_size(MOST_RANDOM);
        let printed = Printed::default();
        ctx.stdout(printed.clone()).stderr(printed.clone());
        for (host, guest) in &shared.grants.dirs {
            ctx.preopened_dir(host, guest, FsPerms::ReadWrite)
                .with_context(|| format!("cannot grant {}: it is no directory", host.display()))?;
        }
        // In an instance that is used again, what several requests have open is there at once.
        let handles = match self.reuse {
            Reuse::Fresh => MOST_HANDLES,
            Reuse::Serial | Reuse::Concurrent => MOST_HANDLES.saturating_mul(shared.limits.at_once),
        };
        let mut table = ResourceTable::new();
        table.set_max_capacity(handles);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(MOST_FIELDS);
        let outbound = shared.outbound.clone();
        let meter = Meter { shared, taken: 0 };
        let state = State { ctx: ctx.build(), table, http, outbound, printed, meter };
        let mut store = Store::new(self.linked_engine(), state);
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(MOST_COPIED);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(handles); // tasks, streams and futures of WASI 0.3
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);
        Ok(store)
    }

    fn linked_engine(&self) -> &Engine {
        match &self.linked {
            ProxyPre::P2(linked) => linked.engine(),
            ProxyPre::P3(linked) => linked.engine(),
        }
    }

    /// How long a request may take, and how large bodies may be.
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }
}

// wasmtime-wasi-http has the loop that calls an instance, `ProxyHandler`. It asks for a new instance
// where none is free, and asks the instances that there are whether they take another request.
impl HandlerState for Sandbox {
    type StoreData = State;
    type WorkerExpiration = Expiration;
    type WorkerState = Worker;

    async fn instantiate(&self) -> Result<Instance<State, Expiration, Worker>> {
        let mut store = self.store()?;
        let time = self.limits().time;

        // 5. Instantiate and call. A fresh instance is called once; what comes after a request that
        //    took too long is in `Expiration`.
        let proxy = tokio::time::timeout(time, self.linked.instantiate_async(&mut store)).await;
        let proxy = proxy.context("it took too long to start")??;
        let late = Arc::new(AtomicBool::new(false));
        let limits = self.limits();
        let (reuse, at_once) = match self.reuse {
            Reuse::Fresh => (1, 1),
            Reuse::Serial => (limits.reuse, 1),
            Reuse::Concurrent => (limits.reuse, limits.at_once),
        };
        let (ended, _) = watch::channel(None);
        let sleep = Box::pin(tokio::time::sleep(time));
        Ok(Instance {
            store,
            proxy,
            view: State::http,
            expiration: Expiration { time, late: late.clone(), alone: reuse == 1, sleep },
            state: Worker { time, reuse, at_once, late, ended },
        })
    }
}

/// A request, as far as its instance and its connection both have to know of it.
#[derive(Default)]
pub struct Exchange {
    /// Nobody waits for an answer any more.
    pub gone: Notify,
    /// Its body is longer than it may be; or the guest waits for more of it.
    pub over: AtomicBool,
    pub waiting: AtomicBool,
    /// Its time is up.
    pub late: AtomicBool,
    /// How its instance ended, which comes after the response; and why, if it was a fault.
    pub ended: OnceLock<watch::Receiver<Option<Result<(), Fault>>>>,
}

/// Why an instance was ended: the engine's words, which may have the guest's in them.
#[derive(Clone)]
pub struct Fault {
    pub reason: String,
    pub out_of_memory: bool,
}

impl From<&Error> for Fault {
    fn from(error: &Error) -> Self {
        let reason = error.root_cause().to_string();
        Self { reason, out_of_memory: error.is::<OutOfMemory>() }
    }
}

/// An instance at work.
pub struct Worker {
    time: Duration,
    reuse: usize,
    at_once: usize,
    late: Arc<AtomicBool>,
    ended: watch::Sender<Option<Result<(), Fault>>>,
}

impl WorkerState for Worker {
    type StoreData = State;
    type RequestData = Arc<Exchange>;

    fn should_accept_request(&self, at_once: usize, seen: usize) -> ShouldAccept {
        if seen >= self.reuse {
            ShouldAccept::Never
        } else if at_once >= self.at_once {
            ShouldAccept::No
        } else {
            ShouldAccept::Yes
        }
    }

    fn on_request_start(
        &self,
        store: StoreContextMut<'_, State>,
        exchange: Arc<Exchange>,
        _: GuestTaskId,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + Sync>> {
        // What one request has had printed takes no room from the next in this instance.
        store.data().printed.lines().printed = 0;
        let _ = exchange.ended.set(self.ended.subscribe());
        let (time, late) = (self.time, self.late.clone());
        Box::pin(async move {
            // A client that has gone is no reason to go on either.
            let _ = tokio::time::timeout(time, exchange.gone.notified()).await;
            late.store(true, Ordering::Relaxed);
        })
    }

    fn drop(&self, store: Store<State>, result: Result<()>) {
        self.ended.send_replace(Some(result.map_err(|error| Fault::from(&error))));
        drop(store); // after it is known why: this ends the bodies that come from there
    }
}

/// Says when an instance has to end. It is asked whenever the instance waits, be it for the next tick.
pub struct Expiration {
    time: Duration,
    late: Arc<AtomicBool>,
    alone: bool,
    sleep: Pin<Box<Sleep>>,
}

impl WorkerExpiration for Expiration {
    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
        status: WorkerStatus,
        since: Instant,
    ) -> Poll<()> {
        let late = self.late.load(Ordering::Relaxed);
        let time = match status {
            WorkerStatus::Idle if late => return Poll::Ready(()),
            // Where an instance is shared, the body of another response may still be written.
            WorkerStatus::PostReturn if late && self.alone => return Poll::Ready(()),
            WorkerStatus::Idle => IDLE,
            WorkerStatus::PostReturn | WorkerStatus::Requests => self.time,
        };
        let Some(deadline) = since.checked_add(time) else { return Poll::Pending };
        if self.sleep.deadline() != deadline.into() {
            self.sleep.as_mut().reset(deadline.into());
        }
        self.sleep.as_mut().poll(cx)
    }
}

/// What a guest prints, line by line among the host's own, up to a limit.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Lines>>);

#[derive(Default)]
struct Lines {
    begun: Vec<u8>,
    /// Bytes since the last request has begun.
    printed: usize,
}

impl Printed {
    fn lines(&self) -> MutexGuard<'_, Lines> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn print(&self, bytes: &[u8]) {
        let mut lines = self.lines();
        let room = MOST_PRINTED - lines.printed;
        lines.printed += bytes.len().min(room);
        lines.begun.extend(&bytes[..bytes.len().min(room)]);
        while let Some(end) = lines.begun.iter().position(|byte| *byte == b'\n') {
            let line: Vec<_> = lines.begun.drain(..=end).collect();
            say_of_guest(&line);
        }
        if room > 0 && bytes.len() >= room {
            say_of_guest(&std::mem::take(&mut lines.begun));
            say("host: the rest of what this guest prints is dropped");
        }
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        say_of_guest(&self.begun);
    }
}

fn say_of_guest(line: &[u8]) {
    let line = String::from_utf8_lossy(line);
    if !line.trim().is_empty() {
        say(&format!("guest: {}", harmless(line.trim_end())));
    }
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

// For WASI 0.2.
impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.print(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(4 << 10) // so much at once, in bytes
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

// For WASI 0.3.
impl AsyncWrite for Printed {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.print(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
