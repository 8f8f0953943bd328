//! Runs programs that nobody vouches for: bytes and a policy in, a result and captured output out.
//! Notice that every limit has a number, and that the error of a guest which met one names it.
//! Run: just run sandbox

use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};
use std::time::Duration;
use std::{fmt, io, thread};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{self, Component, ResourceTableError};
use wasmtime::error::Context;
use wasmtime::{
    Config, Engine, Error, InstancePre, Linker, Module, ResourceLimiter, Result, Store, Trap, bail,
    ensure,
};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::p2::pipe::MemoryInputPipe;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::sockets::SocketAddrUse;
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx, WasiCtxView, WasiView, async_trait, p2, p3};

/// What all guests of a [`Sandbox`] may cost, each by itself.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Bytes of the file. A longer one is refused before it is looked at.
    pub file: usize,
    /// How long it may take to compile it.
    pub compile: Duration,
    /// How long it may run, waiting included.
    pub time: Duration,
    /// Bytes of all its memories together.
    pub memory: usize,
    /// Elements of all its tables together; an element takes 8 bytes or more.
    pub table_elements: usize,
    /// How many memories, tables and instances of modules it may consist of, of each kind.
    pub parts: usize,
    /// Bytes of the stack of its calls. 64 KiB to 1 MiB make sense.
    pub stack: usize,
    /// Bytes that are kept of its standard output, and as many of its standard error.
    pub output: usize,
    /// How many files, streams, sockets and timers a component may have open at once.
    pub handles: usize,
    /// Bytes that the host copies for one call, such as those of a string or a buffer.
    pub copied: usize,
    /// Random bytes that it gets by one call.
    pub random: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file: 16 << 20,
            compile: Duration::from_secs(30),
            time: Duration::from_secs(5),
            memory: 64 << 20,
            table_elements: 100_000,
            parts: 20,
            stack: 512 << 10,
            output: 1 << 20,
            handles: 100,
            copied: 8 << 20,
            random: 64 << 10,
        }
    }
}

/// What one run of a guest is given. Nothing, by default: no arguments, variables, input, files or
/// network. Clocks, sleeping and random bytes are there in any case.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Its arguments, of which the first is by convention its own name.
    pub args: Vec<String>,
    /// Its environment variables.
    pub vars: Vec<(String, String)>,
    /// Its standard input.
    pub input: Vec<u8>,
    /// Directories that it may read, and under which name. Do not grant one inside of another.
    pub read: Vec<(PathBuf, String)>,
    /// Addresses that it may connect to by TCP.
    pub connect: Vec<SocketAddr>,
}

/// How a guest ended, and what it said until then.
#[derive(Debug)]
pub struct Outcome {
    /// Its exit status; or why it was ended, which is a [`Limit`] if it met one.
    pub ended: Result<u8>,
    /// What it wrote to standard output, up to [`Limits::output`]. Made by a stranger: do not send it
    /// to a terminal as it is.
    pub stdout: Vec<u8>,
    /// The same of standard error.
    pub stderr: Vec<u8>,
}

/// A limit that a guest met, with its value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Limit {
    File(usize),
    Compile(Duration),
    Time(Duration),
    Memory(usize),
    TableElements(usize),
    Stack(usize),
    Output(usize),
    Handles(usize),
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(bytes) => write!(f, "it is longer than {bytes} bytes"),
            Self::Compile(time) => write!(f, "it takes longer than {time:?} to compile"),
            Self::Time(time) => write!(f, "it ran for longer than {time:?}"),
            Self::Memory(bytes) => write!(f, "it wants more than {bytes} bytes of memory"),
            Self::TableElements(count) => write!(f, "it wants more than {count} table elements"),
            Self::Stack(bytes) => write!(f, "its calls need more than {bytes} bytes of stack"),
            Self::Output(bytes) => write!(f, "it printed more than {bytes} bytes"),
            Self::Handles(count) => write!(f, "it opened more than {count} things at once"),
        }
    }
}

impl std::error::Error for Limit {}

/// An engine and linkers for many guests. Make one, and share it: the engine's epoch ticks as long as
/// it is there.
pub struct Sandbox {
    engine: Engine,
    modules: Linker<State>,
    components: component::Linker<State>,
    limits: Limits,
    dropped: Arc<AtomicBool>,
}

/// A guest that was compiled and linked, for any number of runs.
#[derive(Clone)]
pub struct Guest(Program);

#[derive(Clone)]
enum Program {
    Module(InstancePre<State>),
    P2(p2::bindings::CommandPre<State>),
    P3(p3::bindings::CommandPre<State>),
}

/// The state of one run.
struct State {
    wasi: WasiP1Ctx,
    meter: Meter,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi.ctx()
    }
}

/// How much a guest still may take, of all its memories and tables together.
struct Meter {
    limits: Limits,
    memory: usize,
    table_elements: usize,
}

impl ResourceLimiter for Meter {
    // An error, unlike the answer `false`, ends the guest and says why.
    fn memory_growing(&mut self, now: usize, then: usize, own: Option<usize>) -> Result<bool> {
        if own.is_some_and(|own| then > own) {
            return Ok(false); // beyond its own maximum the engine gives nothing: nothing is counted
        }
        let limit = Limit::Memory(self.limits.memory);
        self.memory = self.memory.checked_sub(then.saturating_sub(now)).ok_or(limit)?;
        Ok(true)
    }

    fn table_growing(&mut self, now: usize, then: usize, own: Option<usize>) -> Result<bool> {
        if own.is_some_and(|own| then > own) {
            return Ok(false);
        }
        let limit = Limit::TableElements(self.limits.table_elements);
        let more = then.saturating_sub(now);
        self.table_elements = self.table_elements.checked_sub(more).ok_or(limit)?;
        Ok(true)
    }

    fn instances(&self) -> usize {
        self.limits.parts
    }

    fn tables(&self) -> usize {
        self.limits.parts
    }

    fn memories(&self) -> usize {
        self.limits.parts
    }
}

/// An output of a guest, kept up to a limit.
#[derive(Clone)]
struct Capture {
    kept: Arc<Mutex<Vec<u8>>>,
    limit: usize,
    over: Arc<AtomicBool>,
}

impl Capture {
    fn new(limit: usize) -> Self {
        Self { kept: Arc::default(), limit, over: Arc::default() }
    }

    /// Keeps what there is room for, and says whether that is all.
    fn keep(&self, bytes: &[u8]) -> bool {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.limit - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() > room {
            self.over.store(true, Ordering::Relaxed);
        }
        bytes.len() <= room
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

// For preview 1 and WASI 0.2. The error ends the guest.
impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.keep(&bytes) {
            true => Ok(()),
            false => Err(StreamError::Trap(Limit::Output(self.limit).into())),
        }
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10) // so much at once, in bytes
    }
}

#[async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

// For WASI 0.3. The guest gets an error, and may go on; it is ended by its time at the latest.
impl AsyncWrite for Capture {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(match self.keep(bytes) {
            true => Ok(bytes.len()),
            false => Err(io::Error::other(Limit::Output(self.limit))),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// How often a guest that computes lets other tasks have their turn, and how late it may be ended.
const TICK: Duration = Duration::from_millis(10);

impl Sandbox {
    /// # Errors
    /// If a limit is none that the engine can do, such as a stack of more than 1 MiB.
    pub fn new(limits: Limits) -> Result<Self> {
        // 1. Engine: compiles code, holds no guest state. No cache, for nothing of a stranger's shall
        //    stay on disk. At each tick of its epoch a guest that computes is interrupted.
        let mut config = Config::new();
        config.epoch_interruption(true);
        config.max_wasm_stack(limits.stack);
        config.wasm_memory64(false); // what no guest here needs is surface for nothing
        config.wasm_multi_memory(false);
        let engine = Engine::new(&config)?;

        let (modules, components) = linkers(&engine)?;
        let dropped = Arc::new(AtomicBool::new(false));
        let (ticking, stop) = (engine.clone(), dropped.clone());
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                thread::sleep(TICK);
                ticking.increment_epoch();
            }
        })?;
        Ok(Self { engine, modules, components, limits, dropped })
    }

    /// Compiles a program and links it. Runs nothing of it.
    ///
    /// # Errors
    /// If it is no program for preview 1, WASI 0.2 or 0.3, imports anything else, or meets one of the
    /// limits `file` and `compile`.
    pub async fn load(&self, wasm: Vec<u8>) -> Result<Guest> {
        // 2. Code: a Module or a Component, which is compiled on another thread, since that takes time
        //    and cannot be interrupted. Compiled code is not taken: it would have to be trusted.
        ensure!(wasm.len() <= self.limits.file, Limit::File(self.limits.file));
        let engine = self.engine.clone();
        let compiling = tokio::task::spawn_blocking(move || Code::compile(&engine, &wasm));
        let code = match tokio::time::timeout(self.limits.compile, compiling).await {
            Ok(code) => code??,
            Err(_) => bail!(Limit::Compile(self.limits.compile)), // its thread ends later, alone
        };
        let program = match &code {
            Code::Module(module) => self.modules.instantiate_pre(module).map(Program::Module),
            Code::Component(component) => {
                let linked = self.components.instantiate_pre(component)?;
                let ty = component.component_type();
                let exports: Vec<_> = ty.exports(&self.engine).map(|(name, _)| name).collect();
                if exports.iter().any(|name| name.starts_with("wasi:cli/run@0.3.")) {
                    p3::bindings::CommandPre::new(linked).map(Program::P3)
                } else {
                    p2::bindings::CommandPre::new(linked).map(Program::P2)
                }
            }
        };
        Ok(Guest(program.context("it imports what is not offered, or is no program")?))
    }
}

/// What guests may import, for modules and for components.
fn linkers(engine: &Engine) -> Result<(Linker<State>, component::Linker<State>)> {
    // 3. Linker: what the guest may import. WASI in its async form, so that waiting can be ended. What
    //    a guest finds there is decided in step 4.
    let mut modules = Linker::new(engine);
    p1::add_to_linker_async(&mut modules, |state: &mut State| &mut state.wasi)?;
    let mut components = component::Linker::new(engine);
    p2::add_to_linker_async(&mut components)?;
    p3::add_to_linker(&mut components)?;
    Ok((modules, components))
}

impl Sandbox {
    /// Runs a guest once, in a store of its own. Call it in a tokio runtime with timers.
    ///
    /// # Errors
    /// If the policy cannot be granted: a directory is not there. How the guest ended is in the
    /// outcome.
    pub async fn run(&self, guest: &Guest, policy: &Policy) -> Result<Outcome> {
        // 4. Store: this guest's state and capabilities, a limit for each.
        let (stdout, stderr) = (Capture::new(self.limits.output), Capture::new(self.limits.output));
        let mut wasi = WasiCtx::builder();
        wasi.args(&policy.args).envs(&policy.vars);
        wasi.stdin(MemoryInputPipe::new(policy.input.clone()));
        wasi.stdout(stdout.clone()).stderr(stderr.clone());
        wasi.max_random_size(self.limits.random);
        for (host, guest) in &policy.read {
            wasi.preopened_dir(host, guest, FsPerms::ReadOnly)
                .with_context(|| format!("cannot grant {}: it is no directory", host.display()))?;
        }
        let connect = policy.connect.clone();
        wasi.allow_tcp(!connect.is_empty());
        wasi.socket_addr_check(move |address, usage| {
            let allows = match usage {
                SocketAddrUse::TcpConnect => connect.contains(&address),
                // A client binds its socket to no address in particular before it connects.
                SocketAddrUse::TcpBind => address.ip().is_unspecified() && address.port() == 0,
                _ => false,
            };
            Box::pin(async move { allows })
        });
        let mut wasi = wasi.build_p1();
        wasi.ctx().table.set_max_capacity(self.limits.handles);
        let limits = self.limits.clone();
        let (memory, table_elements) = (limits.memory, limits.table_elements);
        let meter = Meter { limits, memory, table_elements };
        let mut store = Store::new(&self.engine, State { wasi, meter });
        store.limiter(|state| &mut state.meter);
        store.set_hostcall_fuel(self.limits.copied);
        if let Some(table) = store.concurrent_resource_table() {
            table.set_max_capacity(self.limits.handles); // tasks, streams and futures of WASI 0.3
        }
        store.set_epoch_deadline(1);
        store.epoch_deadline_async_yield_and_update(1);

        // 5. Instantiate and call, until the time is up. Dropped with its store, a guest that waits is
        //    as dead as one that computes.
        let ended = tokio::time::timeout(self.limits.time, call(&guest.0, &mut store)).await;
        drop(store);
        let ended = match ended {
            Ok(Ok(Ok(()))) => Ok(0),
            Ok(Ok(Err(()))) => Ok(1), // a component's way to say that it failed, and not why
            Ok(Err(error)) => match error.downcast_ref() {
                Some(&I32Exit(status)) => u8::try_from(status).map_err(Error::from),
                None => Err(error),
            },
            Err(_) => Err(Limit::Time(self.limits.time).into()),
        };
        let over = stdout.over.load(Ordering::Relaxed) || stderr.over.load(Ordering::Relaxed);
        let ended = match over {
            true => Err(Limit::Output(self.limits.output).into()), // whatever it made of that
            false => ended.map_err(|error| self.explained(error)),
        };
        Ok(Outcome { ended, stdout: stdout.take(), stderr: stderr.take() })
    }

    /// The limit that a guest met, in place of what the engine says of it, if it met one.
    fn explained(&self, error: Error) -> Error {
        let full = matches!(error.downcast_ref(), Some(ResourceTableError::Full));
        if let Some(&limit) = error.downcast_ref::<Limit>() {
            limit.into()
        } else if matches!(error.downcast_ref(), Some(Trap::StackOverflow)) {
            Limit::Stack(self.limits.stack).into()
        } else if full {
            Limit::Handles(self.limits.handles).into()
        } else {
            error
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::Relaxed); // the thread that ticks ends with its next tick
    }
}

/// A file, compiled.
enum Code {
    Module(Module),
    Component(Component),
}

impl Code {
    fn compile(engine: &Engine, wasm: &[u8]) -> Result<Self> {
        let code = match wasm.get(..8) {
            Some(b"\0asm\x01\0\0\0") => Module::from_binary(engine, wasm).map(Self::Module),
            Some(b"\0asm\x0d\0\x01\0") => Component::from_binary(engine, wasm).map(Self::Component),
            _ => bail!("it is not WebAssembly"),
        };
        code.context("it is damaged, or needs a feature that this host leaves out")
    }
}

/// Calls a program. The outer `Result` says whether it returned, the inner one is its answer.
async fn call(program: &Program, store: &mut Store<State>) -> Result<Result<(), ()>> {
    match program {
        Program::Module(linked) => {
            let instance = linked.instantiate_async(&mut *store).await?;
            let start = instance.get_typed_func::<(), ()>(&mut *store, "_start")?;
            start.call_async(store, ()).await.map(Ok)
        }
        Program::P2(linked) => {
            let command = linked.instantiate_async(&mut *store).await?;
            command.wasi_cli_run().call_run(store).await
        }
        Program::P3(linked) => {
            let command = linked.instantiate_async(&mut *store).await?;
            store.run_concurrent(async |store| command.wasi_cli_run().call_run(store).await).await?
        }
    }
}

/// What a guest wrote, as text that commands no terminal: control characters are spelled out, but for
/// the ends of lines and tabs.
pub fn harmless(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\t' => harmless.push(letter),
            letter if letter.is_control() => harmless.extend(letter.escape_default()),
            letter => harmless.push(letter),
        }
    }
    harmless
}
