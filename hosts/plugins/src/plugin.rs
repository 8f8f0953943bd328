//! One plug-in, in a sandbox of its own, on the terms of the manifest.
//! Notice that its memory may be lost at any time, and that its table is kept by the host.
//! Run: just run plugins

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{fmt, mem, thread};

use bytes::Bytes;
use wasmtime::component::{
    Component, ComponentExportIndex, HasSelf, Linker, Resource, ResourceTable, ResourceTableError,
    TypedFunc,
};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, ResourceLimiter, Result, Store, Trap, bail, ensure};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock::{self, Host as MonotonicClock};
use wasmtime_wasi::p2::pipe::MemoryOutputPipe;
use wasmtime_wasi::p2::{self, DynPollable, OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, async_trait};

use crate::manifest::{Manifest, Table, Terms};
use crate::text::one_line;

pub use world::exports::text::plugins::filters::About;
use world::text::plugins::data::{Host as Data, HostTable};
use world::text::plugins::logging::{Host as Logging, Level};

mod world {
    wasmtime::component::bindgen!({
        path: "../../wit/plugins",
        world: "plugin",
        imports: { default: trappable }, // a handle can be bad, so that every method can fail
        with: { "text:plugins/data.table": crate::plugin::Opened },
    });
}

/// What a plug-in need not have. Those that were built before version 1.1.0 do not have it.
const ENDING: &str = "text:plugins/ending@1.1.0";
type Finish = TypedFunc<(String,), (Result<Option<String>, String>,)>;

/// Bytes of a file, elements of all tables of a plug-in together, and how many memories, tables and
/// instances of modules it may consist of, of each kind.
const MOST_FILE: u64 = 64 << 20;
const MOST_ELEMENTS: usize = 10_000;
const MOST_PARTS: usize = 20;

/// How often it may log for one text; of what it prints, the bytes that are shown where it fails.
const MOST_LOGGED: usize = 10;
const MOST_PRINTED: usize = 500;

/// Characters of a name and of a line of help, and how many filters a plug-in may offer.
const LONGEST_NAME: usize = 30;
const LONGEST_HELP: usize = 100;
const MOST_FILTERS: usize = 50;

const UNFIT: &str = "it does not fit the world `plugin` of this host";

/// How late a guest that computes for too long may be ended.
const TICK: Duration = Duration::from_millis(10);

/// Why nothing came of a text.
#[derive(Debug)]
pub enum Failure {
    /// The plug-in says what is wrong with the text.
    Refused(String),
    /// It trapped or met a limit. What it had in its memory is gone.
    Broken(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(reason) => write!(f, "refuses it: {reason}"),
            Self::Broken(reason) => write!(f, "failed: {reason}"),
        }
    }
}

/// What a handle of a plug-in leads to: a table of the program, or with no name the plug-in's own.
pub struct Opened(Option<String>);

/// A plug-in's own table, and how many bytes it takes.
#[derive(Default)]
struct Private {
    kept: Table,
    used: usize,
}

impl Private {
    fn set(&mut self, key: String, value: String, most: usize) -> Result<(), String> {
        let size = |value: &String| key.len() + value.len() + 100; // and what the map needs itself
        let before = self.kept.get(&key).map_or(0, size);
        let used = self.used - before + size(&value);
        if used > most {
            return Err(format!("the table is full, it may have {most} bytes"));
        }
        self.used = used;
        self.kept.insert(key, value);
        Ok(())
    }
}

/// The state of the host for one plug-in, as long as its memory lives. No other plug-in's is in here.
struct State {
    ctx: WasiCtx,
    table: ResourceTable, // what WASI opens for the guest, and the tables that it has opened
    name: String,
    terms: Terms,
    manifest: Arc<Manifest>,
    private: Private,
    memory: usize,   // bytes that it may still take
    elements: usize, // and elements of tables
    logged: usize,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl ResourceLimiter for State {
    // An error, unlike the answer `false`, ends the guest and says why.
    fn memory_growing(&mut self, now: usize, then: usize, own: Option<usize>) -> Result<bool> {
        if own.is_some_and(|own| then > own) {
            return Ok(false); // beyond its own maximum the engine gives nothing: nothing is counted
        }
        let left = self.memory.checked_sub(then.saturating_sub(now));
        self.memory = left.with_context(|| {
            format!("it wants more than {} MiB of memory", self.terms.memory_mib)
        })?;
        Ok(true)
    }

    fn table_growing(&mut self, now: usize, then: usize, own: Option<usize>) -> Result<bool> {
        if own.is_some_and(|own| then > own) {
            return Ok(false);
        }
        let left = self.elements.checked_sub(then.saturating_sub(now));
        self.elements =
            left.with_context(|| format!("it wants more than {MOST_ELEMENTS} table elements"))?;
        Ok(true)
    }

    fn memories(&self) -> usize {
        MOST_PARTS
    }

    fn tables(&self) -> usize {
        MOST_PARTS
    }

    fn instances(&self) -> usize {
        MOST_PARTS
    }
}

impl Logging for State {
    fn log(&mut self, level: Level, message: String) -> Result<()> {
        self.logged += 1;
        ensure!(self.logged <= MOST_LOGGED, "it logs more than {MOST_LOGGED} times for one text");
        let level = match level {
            Level::Info => "info",
            Level::Warning => "warning",
        };
        eprintln!("{}: {level}: {}", self.name, one_line(&message));
        Ok(())
    }
}

impl State {
    /// The table that a handle leads to. If it is the program's, it may have gone from the manifest.
    fn kept(&self, table: &Resource<Opened>) -> Result<Option<&Table>> {
        Ok(match &self.table.get(table)?.0 {
            Some(name) => self.manifest.tables.get(name),
            None => Some(&self.private.kept),
        })
    }
}

impl Data for State {}

impl HostTable for State {
    fn open(&mut self, name: String) -> Result<Result<Resource<Opened>, String>> {
        if !self.terms.read.contains(&name) {
            return Ok(Err(format!("the table `{name}` is not granted to {}", self.name)));
        }
        Ok(Ok(self.table.push(Opened(Some(name)))?))
    }

    fn private(&mut self) -> Result<Result<Resource<Opened>, String>> {
        if self.terms.private_kib == 0 {
            return Ok(Err(format!("no table of its own is granted to {}", self.name)));
        }
        Ok(Ok(self.table.push(Opened(None))?))
    }

    fn get(&mut self, table: Resource<Opened>, key: String) -> Result<Option<String>> {
        Ok(self.kept(&table)?.and_then(|table| table.get(&key)).cloned())
    }

    fn set(
        &mut self,
        table: Resource<Opened>,
        key: String,
        value: String,
    ) -> Result<Result<(), String>> {
        Ok(match &self.table.get(&table)?.0 {
            Some(name) => Err(format!("the table `{name}` is only to read")),
            None => self.private.set(key, value, self.terms.private_kib.saturating_mul(1024)),
        })
    }

    fn keys(&mut self, table: Resource<Opened>) -> Result<Vec<String>> {
        Ok(self.kept(&table)?.map(|table| table.keys().cloned().collect()).unwrap_or_default())
    }

    fn drop(&mut self, table: Resource<Opened>) -> Result<()> {
        self.table.delete(table)?;
        Ok(())
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
        bail!("a plug-in may not wait")
    }

    fn subscribe_duration(
        &mut self,
        _: monotonic_clock::Duration,
    ) -> Result<Resource<DynPollable>> {
        bail!("a plug-in may not wait")
    }
}

/// The beginning of what a plug-in prints in a call, for the case that it fails: a panic says why. The
/// rest is dropped.
#[derive(Clone, Default)]
struct Printed(Arc<Mutex<Vec<u8>>>);

impl Printed {
    fn kept(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OutputStream for Printed {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        let mut kept = self.kept();
        let room = MOST_PRINTED - kept.len();
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10) // so much at once, in bytes
    }
}

#[async_trait]
impl Pollable for Printed {
    async fn ready(&mut self) {}
}

impl IsTerminal for Printed {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Printed {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }

    // For WASI 0.3, which is not linked: a stream that nothing fits into.
    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        MemoryOutputPipe::new(0).async_stream()
    }
}

/// What compiles and links plug-ins.
pub struct Loader {
    engine: Engine,
    linker: Linker<State>,
}

impl Loader {
    /// # Errors
    /// If the engine cannot be made.
    pub fn new() -> Result<Self> {
        // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
        //    machine without a place for it compiles each time. Guests look at the engine's epoch, a
        //    counter that a thread raises, and end themselves when it has reached their deadline.
        let mut config = Config::new();
        config.cache(Cache::from_file(None).ok());
        config.epoch_interruption(true);
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
        Ok(Self { engine, linker })
    }

    /// Reads and compiles a plug-in, on the terms of the manifest, and asks it what it offers.
    ///
    /// # Errors
    /// If it is not a plug-in, or fails when it is asked.
    pub fn load(&self, path: &Path, name: &str, manifest: &Arc<Manifest>) -> Result<Plugin> {
        // 2. Code: a Component, from the path given.
        let mut wasm = Vec::new();
        ensure!(path.is_file(), "it is not a file");
        let file = File::open(path).context("it cannot be read")?;
        file.take(MOST_FILE + 1).read_to_end(&mut wasm).context("it cannot be read")?;
        ensure!(wasm.len() as u64 <= MOST_FILE, "it is longer than {MOST_FILE} bytes");
        ensure!(
            wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
            "it is not a component (it is a core module, or not WebAssembly)"
        );
        let component = Component::from_binary(&self.engine, &wasm)
            .context("it is damaged, or needs a feature that this host leaves out")?;

        let linked = self.linker.instantiate_pre(&component).and_then(world::PluginPre::new);
        let linked = linked.context(UNFIT)?;
        let finish = component
            .get_export_index(None, ENDING)
            .and_then(|ending| component.get_export_index(Some(&ending), "finish"));
        // Nothing is granted to a plug-in that describes itself, and its memory is not kept.
        let terms = manifest.terms(name);
        let describing = Terms { read: BTreeSet::new(), private_kib: 0, ..terms.clone() };
        let mut plugin = Plugin {
            linked,
            finish,
            name: name.to_owned(),
            terms: describing,
            manifest: manifest.clone(),
            about: About { name: String::new(), version: String::new(), filters: Vec::new() },
            private: Private::default(),
            live: None,
            printed: Printed::default(),
        };
        let about = plugin
            .call(|live| live.guest.text_plugins_filters().call_describe(&mut live.store).map(Ok));
        let about = about.map_err(|failure| Error::msg(format!("it {failure}")))?;
        check(&about)?;
        plugin.about = about;
        plugin.forget();
        plugin.terms = terms;
        Ok(plugin)
    }
}

/// What plug-ins may import.
fn linker(engine: &Engine) -> Result<Linker<State>> {
    // 3. Linker: what a plug-in may import: what the world says, and WASI 0.2, which std brings along.
    //    A clock that cannot be waited for takes the place of WASI's.
    let mut linker: Linker<State> = Linker::new(engine);
    world::Plugin::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    p2::add_to_linker_sync(&mut linker)?;
    linker.allow_shadowing(true);
    monotonic_clock::add_to_linker::<_, HasSelf<_>>(&mut linker, |state| state)?;
    Ok(linker)
}

/// A plug-in, ready to work.
pub struct Plugin {
    linked: world::PluginPre<State>,
    finish: Option<ComponentExportIndex>,
    name: String,
    terms: Terms,
    manifest: Arc<Manifest>,
    about: About,
    private: Private, // lent to `live` while there is one
    live: Option<Live>,
    printed: Printed,
}

/// A plug-in with its memory.
struct Live {
    store: Store<State>,
    guest: world::Plugin,
    finish: Option<Finish>,
}

impl Plugin {
    /// What the plug-in says of itself. Its names are checked; the rest may be any text.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// Has a filter work on a text.
    ///
    /// # Errors
    /// If the plug-in refuses the text, traps or meets a limit.
    pub fn apply(&mut self, filter: &str, text: &str) -> Result<Option<String>, Failure> {
        self.call(|live| {
            let filters = live.guest.text_plugins_filters();
            filters.call_apply(&mut live.store, filter, text)
        })
    }

    /// Asks what a filter has to say at the end.
    ///
    /// # Errors
    /// As those of `apply`.
    pub fn finish(&mut self, filter: &str) -> Result<Option<String>, Failure> {
        if self.finish.is_none() {
            return Ok(None); // built before there was anything to say
        }
        self.call(|live| match &live.finish {
            Some(finish) => Ok(finish.call(&mut live.store, (filter.to_owned(),))?.0),
            None => Ok(Ok(None)),
        })
    }

    /// Goes on with what another file or another manifest has made of this plug-in. Its memory is
    /// lost, its own table is kept.
    pub fn replace(&mut self, mut new: Self) {
        self.forget();
        new.private = mem::take(&mut self.private);
        *self = new;
    }

    /// Sets the terms anew, by another manifest.
    pub fn set_terms(&mut self, manifest: &Arc<Manifest>) {
        self.forget();
        self.terms = manifest.terms(&self.name);
        self.manifest = manifest.clone();
    }

    /// Drops the plug-in's memory and keeps its table.
    fn forget(&mut self) {
        if let Some(live) = self.live.take() {
            self.private = live.store.into_data().private;
        }
    }

    /// Calls the plug-in. The outer `Result` of `call` says whether the guest ran to its end, the
    /// inner one is the guest's answer. After an error of the first kind the store is of no more use.
    fn call<T>(
        &mut self,
        call: impl FnOnce(&mut Live) -> Result<Result<T, String>>,
    ) -> Result<T, Failure> {
        self.printed.kept().clear();
        let called = self.live().and_then(|live| {
            live.store.data_mut().logged = 0;
            live.store.set_epoch_deadline(ticks(live.store.data().terms.time));
            call(live)
        });
        match called {
            Ok(answer) => answer.map_err(Failure::Refused),
            Err(error) => {
                self.forget();
                Err(Failure::Broken(self.reason(&error)))
            }
        }
    }

    /// The plug-in with its memory; with a new one, if it has none.
    fn live(&mut self) -> Result<&mut Live> {
        let live = match self.live.take() {
            Some(live) => live,
            None => self.start()?,
        };
        Ok(self.live.insert(live))
    }

    fn start(&mut self) -> Result<Live> {
        // 4. Store: this plug-in's state and capabilities. A new context grants clocks, sleep and random
        //    bytes; step 3 has taken sleep away. Nothing else is granted but the tables of its terms,
        //    and time, memory, handles, copied bytes and what it logs have a limit each.
        let mut ctx = WasiCtx::builder();
        let ctx = ctx.stderr(self.printed.clone()).max_random_size(64 << 10).build();
        let terms = self.terms.clone();
        let mut table = ResourceTable::new();
        table.set_max_capacity(terms.handles);
        let copied = terms.output_kib.saturating_mul(1024);
        let deadline = ticks(terms.time);
        let state = State {
            ctx,
            table,
            name: self.name.clone(),
            memory: terms.memory_mib.saturating_mul(1 << 20),
            elements: MOST_ELEMENTS,
            logged: 0,
            manifest: self.manifest.clone(),
            private: mem::take(&mut self.private),
            terms,
        };
        let mut store = Store::new(self.linked.engine(), state);
        store.limiter(|state| state);
        store.set_hostcall_fuel(copied);
        store.set_epoch_deadline(deadline);

        // 5. Instantiate and call. An instance lives on from text to text, until it fails.
        match self.instantiate(&mut store) {
            Ok((guest, finish)) => Ok(Live { store, guest, finish }),
            Err(error) => {
                self.private = store.into_data().private;
                Err(error)
            }
        }
    }

    fn instantiate(&self, store: &mut Store<State>) -> Result<(world::Plugin, Option<Finish>)> {
        let unfit = |error: Error| Error::msg(format!("{UNFIT}: {error:#}"));
        let instance = self.linked.instance_pre().instantiate(&mut *store)?;
        let guest = world::Plugin::new(&mut *store, &instance).map_err(unfit)?;
        let finish = self.finish.as_ref().map(|index| instance.get_typed_func(&mut *store, index));
        Ok((guest, finish.transpose().map_err(unfit)?))
    }

    /// Why the plug-in did not return.
    fn reason(&self, error: &Error) -> String {
        let cause = if let Some(Trap::Interrupt) = error.downcast_ref() {
            format!("it took longer than {:?}", self.terms.time)
        } else if let Some(ResourceTableError::Full) = error.downcast_ref() {
            format!("it has more than {} things open", self.terms.handles)
        } else {
            error.root_cause().to_string()
        };
        match String::from_utf8_lossy(&self.printed.kept()).trim() {
            "" => cause,
            printed => format!("{cause}; it printed: {printed}"),
        }
    }
}

/// The ticks of the epoch in this time, and one more for the one that has begun.
fn ticks(time: Duration) -> u64 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis()) + 1;
    u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2)
}

/// Refuses a plug-in whose description nobody could use.
fn check(about: &About) -> Result<()> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let named = |name: &str| {
        let length = name.chars().count();
        ensure!(
            (1..=LONGEST_NAME).contains(&length) && name.chars().all(plain),
            "its name `{name}` is not made of 1 to {LONGEST_NAME} small letters, digits and hyphens"
        );
        Ok(())
    };
    named(&about.name)?;
    let short = about.version.chars().count() <= LONGEST_NAME;
    ensure!(short, "its version has more than {LONGEST_NAME} characters");
    let count = about.filters.len();
    ensure!((1..=MOST_FILTERS).contains(&count), "it has {count} filters, not 1 to {MOST_FILTERS}");
    let mut names = BTreeSet::new();
    for filter in &about.filters {
        named(&filter.name)?;
        ensure!(names.insert(&filter.name), "it has the filter `{}` twice", filter.name);
        let short = filter.help.chars().count() <= LONGEST_HELP;
        ensure!(short, "the help of `{}` has more than {LONGEST_HELP} characters", filter.name);
    }
    Ok(())
}
