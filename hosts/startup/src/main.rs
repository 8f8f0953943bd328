//! Climbs from "compiled for each request" to "ready in microseconds", and says what each rung takes.
//! Notice `ready`: the rungs differ in a line of step 1 and a line of step 2, and in nothing else.
//! Run: just run startup

mod compiled;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use clap::builder::RangedI64ValueParser;
use clap::{Parser, ValueEnum};
use tempfile::TempDir;
use wasmtime::component::{Component, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{
    Cache, CacheConfig, Config, Enabled, Engine, Error, PoolingAllocationConfig, Result, Store,
    StoreLimits, StoreLimitsBuilder, Strategy, Trap, bail, ensure,
};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

use compiled::{Folder, Loaded, Origin};

bindgen!({ path: "../../wit/startup" });

/// Measure how a guest gets ready, and what a request costs that has a fresh instance.
#[derive(Parser)]
struct Cli {
    /// Measure this rung alone; can be given several times
    #[arg(long = "rung", value_name = "RUNG")]
    rungs: Vec<Rung>,
    /// Requests to measure, on each rung
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = up_to(1_000_000))]
    requests: u32,
    /// Threads that answer them at once
    #[arg(long, value_name = "COUNT", default_value_t = 4, value_parser = up_to(64))]
    threads: u32,
    /// How long a request may take
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    timeout: Duration,
    /// Keep what was compiled in a folder that nobody else can write to, rather than in a temporary one
    #[arg(long, value_name = "DIR")]
    compiled: Option<PathBuf>,
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// The request, a file of text
    #[arg(value_name = "REQUEST")]
    request: PathBuf,
}

fn up_to(most: i64) -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(1..=most)
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// Ways to get from a file to an answer.
#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Rung {
    /// Compiled by Cranelift, which makes fast code
    Cranelift,
    /// Compiled by Winch, which makes code fast
    Winch,
    /// Compiled for Pulley, an interpreter that is part of wasmtime
    Pulley,
    /// Compiled before, and found in the cache of wasmtime
    Cache,
    /// Compiled before, and found in a file of this program's own
    File,
    /// The same; each instance has its memory filled, rather than shared until it writes
    Copied,
    /// The same as `file`; each instance takes its memory from a pool
    Pool,
}

/// What an instance may have: bytes of memory, elements of each table, and so many tables and instances
/// of modules that it consists of.
const MOST_MEMORY: usize = 64 << 20;
const MOST_ELEMENTS: usize = 10_000;
const MOST_PARTS: u32 = 20;

/// How late a guest that computes for too long may be ended.
const TICK: Duration = Duration::from_millis(10);

/// How often a time is taken that is not one of very many, or very long. The one in the middle counts.
const ROUNDS: usize = 5;

/// The state of an instance.
struct State {
    ctx: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl Rung {
    /// Whether the guest is compiled each time.
    fn compiles(self) -> bool {
        matches!(self, Self::Cranelift | Self::Winch | Self::Pulley)
    }

    /// Whether requests come in numbers, and are answered by several threads.
    fn serves(self) -> bool {
        matches!(self, Self::File | Self::Copied | Self::Pool)
    }
}

/// What all rungs have in common.
struct Ladder {
    guest: String,
    wasm: Vec<u8>,
    request: String,
    cache: TempDir,
    folder: Folder,
    threads: u32,
    timeout: Duration,
}

/// A request, answered.
struct Answered {
    answer: String,
    /// What it took to make the instance and to take it away again.
    instance: Duration,
    call: Duration,
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display().to_string();
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
        "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let request = std::fs::read_to_string(&cli.request).with_context(|| {
        format!("cannot read {}: give a file of text as the request", cli.request.display())
    })?;
    let cache = tempfile::tempdir().context("cannot make a temporary folder")?;
    let folder = cli.compiled.unwrap_or_else(|| cache.path().join("compiled"));
    let folder = Folder::open(&folder)
        .with_context(|| format!("cannot keep compiled code in {}", folder.display()))?;
    let (threads, timeout) = (cli.threads, cli.timeout);
    let ladder = Ladder { guest, wasm, request, cache, folder, threads, timeout };
    let rungs = if cli.rungs.is_empty() { Rung::value_variants() } else { &cli.rungs };
    println!("host: {} has {} bytes", ladder.guest, ladder.wasm.len());
    if cfg!(debug_assertions) {
        println!("host: this is a debug build of the host: for times that count, give --release");
    }

    // What is to be found has to be put there first.
    for &rung in rungs.iter().filter(|rung| !rung.compiles()) {
        if let (_, Some(origin)) = ladder.ready(rung)? {
            say(rung, &origin);
        }
    }

    // What a start takes, and then a request. The first one is answered and not counted: it finds
    // nothing warm.
    println!("host: in ms           ready    instance        call       bytes of code");
    let mut expected = None;
    let mut serving = Vec::new();
    for &rung in rungs {
        let (linked, ready) = ladder.measured(rung)?;
        let first = ladder.answer(&linked)?.answer;
        let expected = &*expected.get_or_insert(first);
        let (mut instance, mut call) = (Vec::new(), Vec::new());
        for _ in 0..cli.requests {
            let answered = ladder.answer(&linked)?;
            let answer = harmless(&answered.answer);
            ensure!(answered.answer == *expected, "{} answers otherwise: {answer}", name(rung));
            instance.push(answered.instance);
            call.push(answered.call);
        }
        let code = linked.instance_pre().component().image_range();
        println!(
            "host: {:9}{:12.3}{:12.3}{:12.3}{:20}",
            name(rung),
            ms(ready),
            ms(median(instance)),
            ms(median(call)),
            code.end.addr() - code.start.addr(),
        );
        if rung.serves() {
            serving.push((rung, linked));
        }
    }
    let expected = expected.unwrap_or_default();

    // The same under load. The rungs take turns, so that all of them meet what else the machine does.
    let mut rows: Vec<_> = serving.iter().map(|_| [Vec::new(), Vec::new()]).collect();
    for _ in 0..ROUNDS {
        for ((_, linked), [one, several]) in serving.iter().zip(&mut rows) {
            one.push(ladder.answer_many(linked, &expected, cli.requests, 1)?);
            several.push(ladder.answer_many(linked, &expected, cli.requests, cli.threads)?);
        }
    }
    for (row, ((rung, _), [one, several])) in serving.iter().zip(rows).enumerate() {
        if row == 0 {
            let (requests, threads) = (cli.requests, cli.threads);
            println!("host: {requests} requests, in ms, by 1 thread and by {threads}");
        }
        println!("host: {:9}{:12.3}{:12.3}", name(*rung), ms(median(one)), ms(median(several)));
    }
    if let Some((memory, addresses)) = most_memory() {
        println!("host: at most {memory} MiB of memory and {addresses} MiB of addresses");
    }
    println!("host: each answer was {}", harmless(&expected));
    Ok(())
}

impl Ladder {
    /// Gets the guest ready, and says how long that took.
    fn measured(&self, rung: Rung) -> Result<(TariffPre<State>, Duration)> {
        let mut took = Vec::new();
        loop {
            let start = Instant::now();
            let (linked, _) = self.ready(rung)?;
            took.push(start.elapsed());
            if rung.compiles() || took.len() == ROUNDS {
                return Ok((linked, median(took)));
            }
        }
    }

    /// Steps 1 to 3, which a process has to take once. A careless host takes them for each request.
    fn ready(&self, rung: Rung) -> Result<(TariffPre<State>, Option<Origin>)> {
        let guest = &self.guest;

        // 1. Engine: compiles code, holds no guest state. Guests look at the engine's epoch, a counter
        //    that a thread raises, and end themselves when it has reached their deadline.
        let mut config = Config::new();
        config.epoch_interruption(true);
        match rung {
            Rung::Cranelift | Rung::File => {}
            Rung::Winch => {
                config.strategy(Strategy::Winch);
            }
            Rung::Pulley => {
                config.target("pulley64")?;
            }
            Rung::Cache => {
                let mut cache = CacheConfig::new();
                cache.with_directory(self.cache.path().join("cache"));
                config.cache(Some(Cache::new(cache)?));
            }
            Rung::Copied => {
                config.memory_init_cow(false);
            }
            Rung::Pool => {
                config.allocation_strategy(pool(self.threads));
            }
        }
        let engine = Engine::new(&config).context("cannot make the engine")?;
        let ticking = engine.weak();
        thread::Builder::new().name("epoch".into()).spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                thread::sleep(TICK);
            }
        })?;

        // 2. Code: a Component, from the bytes of the guest, or from the folder.
        let loaded = match rung {
            Rung::Cranelift | Rung::Winch | Rung::Pulley | Rung::Cache => {
                Component::from_binary(&engine, &self.wasm).map(|component| (component, None))
            }
            Rung::File | Rung::Copied | Rung::Pool => self
                .folder
                .load(&engine, &self.wasm)
                .map(|Loaded { component, origin }| (component, Some(origin))),
        };
        let (component, origin) = loaded.with_context(|| {
            format!(
                "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
            )
        })?;

        // 3. Linker: what the guest may import. The world has no import; WASI 0.2 is what std brings
        //    along in every guest. What is linked can be instantiated often, by any thread.
        let mut linker: Linker<State> = Linker::new(&engine);
        p2::add_to_linker_sync(&mut linker)?;
        let linked =
            linker.instantiate_pre(&component).and_then(TariffPre::new).with_context(|| {
                format!(
                    "{guest} does not fit the world in wit/startup: build the guest from that WIT"
                )
            })?;
        Ok((linked, origin))
    }

    /// Steps 4 and 5, which are all that is left of a request once the guest is ready.
    fn answer(&self, linked: &TariffPre<State>) -> Result<Answered> {
        let start = Instant::now();

        // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
        //    bytes, and only what the guest computes is limited in time; nothing else is granted.
        let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
        let limits = StoreLimitsBuilder::new()
            .memory_size(MOST_MEMORY)
            .memories(1) // so that the limit of one is the limit of all
            .table_elements(MOST_ELEMENTS)
            .tables(MOST_PARTS as usize)
            .instances(MOST_PARTS as usize)
            .trap_on_grow_failure(true) // an error says why; the answer "no" makes most guests panic
            .build();
        let state = State { ctx, table: ResourceTable::new(), limits };
        let mut store = Store::new(linked.engine(), state);
        store.limiter(|state| &mut state.limits);
        let ticks = self.timeout.as_millis().div_ceil(TICK.as_millis()) + 1; // one has begun
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX).min(u64::MAX / 2));

        // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
        //    one is the guest's answer. The store goes, and with it all that the request left behind.
        let (guest, timeout) = (&self.guest, self.timeout);
        let failed = |error: Error| match error.downcast_ref() {
            Some(Trap::Interrupt) => error.context(format!("{guest} took longer than {timeout:?}")),
            _ => error.context(format!("{guest} failed while it ran")),
        };
        let tariff = linked.instantiate(&mut store).map_err(failed)?;
        let instance = start.elapsed();
        let start = Instant::now();
        let answer = tariff.call_handle(&mut store, &self.request).map_err(failed)?;
        let call = start.elapsed();
        let start = Instant::now();
        drop(store);
        let instance = instance + start.elapsed();
        match answer {
            Ok(answer) => Ok(Answered { answer, instance, call }),
            Err(problem) => bail!("{guest} refuses the request: {}", harmless(&problem)),
        }
    }

    /// Has so many requests answered by so many threads, and says how long that took.
    fn answer_many(
        &self,
        linked: &TariffPre<State>,
        expected: &str,
        requests: u32,
        threads: u32,
    ) -> Result<Duration> {
        let answer_some = |first: u32| {
            for _ in (first..requests).step_by(threads as usize) {
                ensure!(self.answer(linked)?.answer == expected, "two threads answer differently");
            }
            Ok(())
        };
        let start = Instant::now();
        thread::scope(|scope| {
            let spawned: Vec<_> =
                (0..threads).map(|thread| scope.spawn(move || answer_some(thread))).collect();
            spawned.into_iter().try_for_each(|thread| match thread.join() {
                Ok(ended) => ended,
                Err(_) => bail!("a thread of the host panicked"),
            })
        })?;
        Ok(start.elapsed())
    }
}

/// Memory for all instances that are there at once, set aside in advance.
fn pool(at_once: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(at_once);
    pool.total_core_instances(at_once * MOST_PARTS);
    pool.total_tables(at_once * MOST_PARTS);
    pool.total_memories(at_once);
    pool.max_memory_size(MOST_MEMORY);
    pool.table_elements(MOST_ELEMENTS);
    // A slot is cleared by writing zeros over the pages that were written to, where the system can tell
    // which these are. To give pages back and get others takes several times as long.
    pool.pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(2 << 20);
    pool.table_keep_resident(64 << 10);
    pool
}

/// Says what became of the code that was to be found.
fn say(rung: Rung, origin: &Origin) {
    let rung = name(rung);
    match origin {
        Origin::Found => println!("host: {rung}: found"),
        Origin::Compiled { unusable: None, .. } => println!("host: {rung}: compiled"),
        Origin::Compiled { unusable: Some(why), .. } => {
            println!("host: {rung}: compiled again, for {why:#}");
        }
    }
    if let Origin::Compiled { unkept: Some(why), .. } = origin {
        println!("host: {rung}: compiled each time, for it cannot be kept: {why:#}");
    }
}

/// How a rung is spelled on the command line.
fn name(rung: Rung) -> String {
    format!("{rung:?}").to_lowercase()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The one in the middle, which one slow moment of the machine does not change.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// The most memory that this process had, and the most addresses, if the system tells.
fn most_memory() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()?.div_ceil(1024))
    };
    Some((mib("VmHWM:")?, mib("VmPeak:")?))
}

/// A text of a guest as it may stand in a line: control characters are spelled out.
fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            letter if letter.is_control() => harmless.extend(letter.escape_default()),
            letter => harmless.push(letter),
        }
    }
    harmless
}
