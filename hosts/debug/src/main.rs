//! Runs a WASI preview 1 command and helps to find out what is wrong with it: where it trapped, what it
//! asked of WASI, what was in its memory, where its time goes, and what a debugger can see of it.
//! Notice that each of these is off until a flag asks for it, for each costs something.
//! Run: just run debug

mod calls;
mod coredump;
mod profile;

use std::convert::Infallible;
use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use clap::Parser;
use rustc_demangle::demangle;
use tracing_subscriber::layer::SubscriberExt;
use wasmtime::error::Context;
use wasmtime::{
    Cache, Config, Engine, Error, FrameInfo, GuestProfiler, Linker, Module, OptLevel,
    ProfilingStrategy, Result, Store, StoreLimits, StoreLimitsBuilder, Trap, UpdateDeadline,
    WasmBacktrace, WasmBacktraceDetails, WasmCoreDump, ensure,
};
use wasmtime_wasi::cli::OutputFile;
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{FsPerms, I32Exit, WasiCtx};

use coredump::harmless;

/// Run a WASI preview 1 command that misbehaves, or open what an earlier run has left.
#[derive(Parser)]
struct Cli {
    /// Let the guest read a directory
    #[arg(long = "ro-dir", value_name = "HOST[::GUEST]", value_parser = dir)]
    ro_dirs: Vec<(PathBuf, String)>,

    /// Print each call of WASI that the guest makes
    #[arg(long)]
    log_calls: bool,

    /// Print functions of Rust's library too, where a guest failed
    #[arg(long)]
    all_frames: bool,

    /// Write the guest's standard error to a file
    #[arg(long, value_name = "FILE")]
    stderr: Option<PathBuf>,

    /// debug-info: let a native debugger see the guest; coredump=FILE: keep its memory if it traps
    #[arg(short = 'D', value_name = "OPTION", value_parser = debug_option)]
    debug: Vec<DebugOption>,

    /// guest,FILE: sample the guest for the Firefox profiler; perfmap: name its functions to perf
    #[arg(long, value_name = "STRATEGY", value_parser = strategy)]
    profile: Option<Strategy>,

    /// How long the guest may take, computing and waiting; while a debugger stops it, no time passes
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    timeout: Duration,

    /// How much memory the guest may have
    #[arg(long, value_name = "BYTES", default_value = "268435456")]
    max_memory_size: usize,

    /// Print what is in a core dump of GUEST.wasm, or in a profile, instead of running a guest
    #[arg(long, value_name = "FILE")]
    open: Option<PathBuf>,

    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(
        required_unless_present = "open",
        trailing_var_arg = true,
        value_names = ["GUEST.wasm", "ARGS"]
    )]
    guest_and_args: Vec<String>,
}

#[derive(Clone)]
enum DebugOption {
    DebugInfo,
    CoreDump(PathBuf),
}

#[derive(Clone)]
enum Strategy {
    Guest(PathBuf),
    PerfMap,
}

fn dir(value: &str) -> Result<(PathBuf, String), Infallible> {
    let (host, guest) = value.split_once("::").unwrap_or((value, value));
    Ok((host.into(), guest.into()))
}

fn debug_option(value: &str) -> Result<DebugOption, &'static str> {
    match value.split_once('=') {
        None if value == "debug-info" => Ok(DebugOption::DebugInfo),
        Some(("coredump", file)) => Ok(DebugOption::CoreDump(file.into())),
        _ => Err("write debug-info or coredump=FILE"),
    }
}

fn strategy(value: &str) -> Result<Strategy, &'static str> {
    match value.split_once(',') {
        None if value == "perfmap" => Ok(Strategy::PerfMap),
        Some(("guest", file)) => Ok(Strategy::Guest(file.into())),
        _ => Err("write guest,FILE or perfmap"),
    }
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// The state of a run.
struct Debug {
    wasi: WasiP1Ctx,
    limits: StoreLimits,
    profiler: Option<GuestProfiler>,
}

/// How often a profile has a sample, and how exactly the timeout is kept.
const TICK: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    if let Some(file) = &cli.open {
        open(file, cli.guest_and_args.first(), cli.all_frames)?;
        return Ok(ExitCode::SUCCESS);
    }
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);
    let core_dump = cli.debug.iter().find_map(|option| match option {
        DebugOption::CoreDump(file) => Some(file),
        DebugOption::DebugInfo => None,
    });
    let debugger = cli.debug.iter().any(|option| matches!(option, DebugOption::DebugInfo));
    if cli.log_calls {
        let calls = calls::Calls(|call| eprintln!("host: {call}"));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(calls))?;
    }

    // 1. Engine: compiles code, holds no guest state. After a trap it looks for files and lines in the
    //    guest's debug info if it is told to.
    let mut config = Config::new();
    config.wasm_backtrace_details(WasmBacktraceDetails::Enable);
    config.epoch_interruption(true);
    config.coredump_on_trap(core_dump.is_some());
    if debugger {
        config.debug_info(true);
        config.cranelift_opt_level(OptLevel::None); // or variables end before their last line
    }
    if let Some(Strategy::PerfMap) = cli.profile {
        config.profiler(ProfilingStrategy::PerfMap); // writes /tmp/perf-PID.map
    }
    // Not for a debugger, whose breakpoints are in the code when the cache takes it from memory: they
    // would be there in the next run, and no debugger would know of them.
    config.cache(Cache::from_file(None).ok().filter(|_| !debugger));
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given.
    let wasm = read_guest(guest)?;
    let module = Module::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );

    // 3. Linker: what the guest may import. Here all of preview 1; which files, variables and
    //    arguments it finds there is decided in step 4.
    let mut linker: Linker<Debug> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |state| &mut state.wasi)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: this host offers WASI preview 1 and nothing else")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdio(); // a panic's message is the guest's standard error, and nowhere else
    if let Some(file) = &cli.stderr {
        wasi.stderr(OutputFile::new(create(file)?));
    }
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(&program).args(args); // by convention its own name comes first, without the host's path
    for (host, guest) in &cli.ro_dirs {
        wasi.preopened_dir(host, guest, FsPerms::ReadOnly).with_context(|| {
            format!("cannot grant {}: --ro-dir takes a directory that exists", host.display())
        })?;
    }
    let profile = match &cli.profile {
        Some(Strategy::Guest(file)) => Some(create(file)?),
        _ => None,
    };
    let profiler = match profile {
        Some(_) => {
            let modules = [(program.to_string(), module.clone())];
            Some(GuestProfiler::new(&engine, &program, TICK, modules)?)
        }
        None => None,
    };
    let limits = StoreLimitsBuilder::new()
        .memory_size(cli.max_memory_size)
        .memories(1) // so that the limit of one is the limit of all
        .trap_on_grow_failure(true)
        .build();
    let mut store = Store::new(&engine, Debug { wasi: wasi.build_p1(), limits, profiler });
    store.limiter(|state| &mut state.limits);
    let ticks = tick(&engine)?;
    let most = u64::try_from(cli.timeout.as_millis()).unwrap_or(u64::MAX);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |mut store| {
        // The guest is here at the start of a function or loop: the place to look at its stack.
        if let Some(mut profiler) = store.data_mut().profiler.take() {
            profiler.sample(&store, Duration::ZERO);
            store.data_mut().profiler = Some(profiler);
        }
        match ticks.load(Ordering::Relaxed) > most {
            true => Err(Trap::Interrupt.into()),
            false => Ok(UpdateDeadline::Continue(1)),
        }
    });

    // 5. Instantiate and call. What was found out is kept before it is said how the guest ended. If it
    //    cannot be kept, there is still the end to be told.
    let ended = linked
        .instantiate(&mut store)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, "_start"))
        .and_then(|start| start.call(&mut store, ()));
    if let (Some(profiler), Some(file)) = (store.data_mut().profiler.take(), profile) {
        let mut file = BufWriter::new(file);
        let written = profiler.finish(&mut file).and_then(|()| Ok(file.flush()?));
        say_failure(written.context("cannot write the profile"));
    }
    let Err(error) = ended else { return Ok(ExitCode::SUCCESS) };
    let exited = error.is::<I32Exit>(); // which is no failure of the guest's, and has a dump as well
    if let (Some(dump), Some(file), false) =
        (error.downcast_ref::<WasmCoreDump>(), core_dump, exited)
    {
        let bytes = dump.serialize(&mut store, &program);
        let written = create(file).and_then(|mut file| Ok(file.write_all(&bytes)?));
        say_failure(
            written.with_context(|| format!("cannot keep the core dump in {}", file.display())),
        );
    }
    status(&error, guest, cli.all_frames)
}

/// Says in one line what this host could not do, unless it could.
fn say_failure(done: Result<()>) {
    if let Err(error) = done {
        eprintln!("host: {error:#}");
    }
}

/// Raises the engine's epoch with each tick, and counts them. A debugger stops this thread as well.
fn tick(engine: &Engine) -> Result<Arc<AtomicU64>> {
    let ticks = Arc::new(AtomicU64::new(0));
    let (counted, engine) = (ticks.clone(), engine.weak());
    thread::Builder::new().name("epoch".into()).spawn(move || {
        while let Some(engine) = engine.upgrade() {
            counted.fetch_add(1, Ordering::Relaxed);
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    })?;
    Ok(ticks)
}

/// A new file that only this user can read: what a guest had in memory or printed may be secret.
fn create(path: &Path) -> Result<File> {
    if path.is_file() {
        // It would keep the rights that it has. What is no file, such as /dev/null, stays as it is.
        std::fs::remove_file(path).with_context(|| format!("cannot replace {}", path.display()))?;
    }
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).with_context(|| format!("cannot write {}", path.display()))
}

fn read_guest(guest: &str) -> Result<Vec<u8>> {
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    Ok(wasm)
}

/// Prints what is in a core dump, which is itself a module, or in a profile.
fn open(file: &Path, guest: Option<&String>, all: bool) -> Result<()> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let shown = file.display();
    if !bytes.starts_with(b"\0asm") {
        return profile::print(&bytes)
            .with_context(|| format!("{shown} is neither a core dump nor a profile"));
    }
    let guest =
        guest.with_context(|| format!("{shown} may be a core dump: name its guest as well"))?;
    coredump::print(&bytes, &read_guest(guest)?, all)
        .with_context(|| format!("cannot open {shown} with {guest}"))
}

/// The exit status of a guest that did not return from `_start`: its own if it called `exit`, and
/// otherwise that of a failure, which is printed.
fn status(error: &Error, guest: &str, all: bool) -> Result<ExitCode> {
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    eprintln!("Error: {guest} failed while it ran\n\nCaused by:");
    // What is printed below stands among the causes too, in full.
    let stacks = ["error while executing at wasm backtrace:", "wasm coredump generated while"];
    for cause in error.chain().map(ToString::to_string) {
        if !stacks.iter().any(|stack| cause.starts_with(stack)) {
            eprintln!("    {cause}");
        }
    }
    let dumped = error.downcast_ref().map(WasmCoreDump::frames);
    if let Some(frames) = dumped.or(error.downcast_ref().map(WasmBacktrace::frames)) {
        print_stack(frames, all);
    }
    Ok(ExitCode::from(if error.is::<Trap>() { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}

/// Prints who called whom. The functions of Rust's own library are left out if others have lines.
fn print_stack(frames: &[FrameInfo], all: bool) {
    let foreign = |frame: &FrameInfo| {
        frame.symbols().iter().all(|symbol| symbol.file().is_none_or(coredump::of_rust))
    };
    let all = all || frames.iter().all(foreign);
    eprintln!("\nWhere, from the inside to the outside:");
    for (number, frame) in frames.iter().enumerate().filter(|(_, frame)| all || !foreign(frame)) {
        let offset = frame.module_offset().unwrap_or_default();
        // Several, if functions were inlined into the one that the last of them stands for.
        let symbols = frame.symbols();
        for (index, symbol) in symbols.iter().enumerate() {
            let own = frame.func_name().filter(|_| index + 1 == symbols.len());
            let name = function(own.or(symbol.name()).unwrap_or("?"));
            match index {
                0 => eprintln!("{number:4}: {offset:#8x} - {name}"),
                _ => eprintln!("                 - {name}"),
            }
            if let (Some(file), Some(line)) = (symbol.file(), symbol.line()) {
                eprintln!("                   at {}:{line}", harmless(coredump::near(file)));
            }
        }
        if symbols.is_empty() {
            match frame.func_name() {
                Some(name) => eprintln!("{number:4}: {offset:#8x} - {}", function(name)),
                None => eprintln!("{number:4}: {offset:#8x} - function {}", frame.func_index()),
            }
        }
    }
    if !all {
        let left = frames.iter().filter(|frame| foreign(frame)).count();
        eprintln!("      {left} functions of Rust's library are left out: --all-frames shows them");
    }
}

/// The name of a function as it stands in the source.
fn function(name: &str) -> String {
    harmless(&format!("{:#}", demangle(name)))
}
