//! Offers a journal to a module, beside WASI: an interface written in witx, as preview 1 is.
//! Notice `append`: wiggle checked the level before the call, and reads the text when it is asked to.
//! Run: just run witx

use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Error, Linker, Module, Result, Store, Trap, ensure};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};
use wiggle::{GuestError, GuestErrorType, GuestMemory, GuestPtr};

use journal::Journal;
use types::{Errno, JournalError, Level, Receipt};

// Makes the modules `types` and `journal` while this crate is compiled. A method of the trait
// `Journal` fails with a `JournalError`: an `Errno` for the guest, or an error that ends it.
wiggle::from_witx!({
    witx: ["src/journal.witx"],
    errors: { errno => trappable JournalError },
});
const _: &str = include_str!("journal.witx"); // wiggle does not tell cargo what it reads; this does

/// Run a WASI preview 1 command that writes a journal.
#[derive(Parser)]
struct Cli {
    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "LEVEL=TEXT"])]
    guest_and_args: Vec<String>,
}

/// The state of the host while the guest runs: a part for WASI, a part for the journal.
struct State {
    wasi: WasiP1Ctx,
    book: Book,
}

struct Book {
    entries: u32,
    left: u32,
}

/// How many bytes a guest may write: so few that a page can fill them.
const ROOM: u32 = 64;

impl Journal for Book {
    fn append(
        &mut self,
        memory: &mut GuestMemory<'_>,
        level: Level,
        text: GuestPtr<str>,
    ) -> Result<Receipt, JournalError> {
        // A line of the journal is the text and its end, so entries without text come to an end as
        // well. The length is a claim of the guest's: what is too long is not even read.
        let line = text.len().checked_add(1);
        let left = line.and_then(|line| self.left.checked_sub(line)).ok_or(Errno::Full)?;
        let text = memory.as_cow_str(text)?;
        let number = self.entries + 1; // a line is a byte at least, so there are fewer than 2^32
        // Quoted: a text has no line breaks here, and does not command the terminal.
        writeln!(io::stdout(), "host: {number} {level:?} {text:?}")
            .context("journal::append: cannot print the entry")
            .map_err(JournalError::trap)?;
        *self = Self { entries: number, left };
        Ok(Receipt { number, left: left.into() })
    }
}

/// What becomes of wiggle's errors. The guest is told of a text that is not UTF-8, and may go on. An
/// address outside of its memory ends it, as in preview 1.
impl From<GuestError> for JournalError {
    fn from(error: GuestError) -> Self {
        match error {
            GuestError::InvalidUtf8(_) => Errno::NotText.into(),
            other => Self::trap(other.into()),
        }
    }
}

impl GuestErrorType for Errno {
    fn success() -> Self {
        Self::Success
    }
}

fn main() -> Result<ExitCode> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let (guest, args) = (&cli.guest_and_args[0], &cli.guest_and_args[1..]);

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    ensure!(
        module.get_export("_start").is_some(),
        "{guest} is not a command, it exports no `_start`: build a program, not a library"
    );

    // 3. Linker: what the guest may import. WASI preview 1, and beside it what is ours. What is linked
    //    can be instantiated often.
    let mut linker: Linker<State> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |state| &mut state.wasi)?;
    journal::add_to_linker(&mut linker, |state| &mut state.book)?;
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: link what it imports, by that name and with that type")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout(); // what it says of its entries
    wasi.inherit_stderr(); // a panic says where
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(args); // by convention its own name comes first, without the host's path
    let book = Book { entries: 0, left: ROOM };
    let mut store = Store::new(&engine, State { wasi: wasi.build_p1(), book });

    // 5. Instantiate and call. A module with a `start` function runs it while it is instantiated.
    let ended = linked
        .instantiate(&mut store)
        .and_then(|instance| instance.get_typed_func::<(), ()>(&mut store, "_start"))
        .and_then(|start| start.call(&mut store, ()));
    match ended {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => status(error.context(format!("{guest} failed while it ran"))),
    }
}

/// The exit status of a guest that did not return from `_start`: its own if it called `exit`, and
/// otherwise that of a failure, which is printed.
fn status(error: Error) -> Result<ExitCode> {
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    eprintln!("Error: {error:?}");
    Ok(ExitCode::from(if error.is::<Trap>() { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
