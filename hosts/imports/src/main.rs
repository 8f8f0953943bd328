//! Offers two functions of its own to a module, beside WASI: one of numbers, one of strings.
//! Notice `bytes_at`: an address and a length are a claim of the guest's, checked before any use.
//! Run: just run imports

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{
    Cache, Caller, Config, Engine, Error, Extern, Linker, Module, Result, Store, Trap, ensure,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};

/// Print price tags in Polish, with the rate and the words of this host.
#[derive(Parser)]
struct Cli {
    /// Leave a function out, to see what becomes of a guest that imports it
    #[arg(long, value_name = "NAME", value_parser = ["exchange", "translate"])]
    without: Vec<String>,
    /// The guest, a core module for wasm32-wasip1, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "PRODUCT=CENTS"])]
    guest_and_args: Vec<String>,
}

/// The state of the host while the guest runs.
struct Shop {
    wasi: WasiP1Ctx,
    words: BTreeMap<&'static str, &'static str>,
}

/// 100 cents are 425 groszy, the hundredths of a złoty.
const RATE: u64 = 425;

/// `shop::exchange`, a number for a number, rounded to the nearest, halves up. An error of a host
/// function ends the guest, as a trap would.
fn exchange(cents: u32) -> Result<u32> {
    let price = (u64::from(cents) * RATE + 50) / 100; // 32 bits times 425 fit into 64
    println!("host: exchange {cents} is {price}");
    u32::try_from(price).context("shop::exchange: more than 32 bits can hold")
}

/// `shop::translate`, a string for a string. `Caller` is the way to the guest's memory and to `Shop`.
fn translate(
    mut caller: Caller<'_, Shop>,
    word: u32,
    len: u32,
    buf: u32,
    room: u32,
) -> Result<i32> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory);
    let memory = memory.context("shop::translate: the guest exports no `memory`")?;
    let (memory, shop) = memory.data_and_store_mut(&mut caller);
    let word = bytes_at(memory, word, len).context("shop::translate: bad word")?;
    let word = str::from_utf8(word).context("shop::translate: bad word")?;
    let known = shop.words.get(word).copied();
    println!("host: translate {word:?} is {known:?}, room for {room} bytes");
    let Some(known) = known else { return Ok(-1) };
    let buf = bytes_at(memory, buf, room).context("shop::translate: bad buffer")?;
    // Too little room is not an error: the guest learns the length and asks again.
    if let Some(buf) = buf.get_mut(..known.len()) {
        buf.copy_from_slice(known.as_bytes());
    }
    Ok(i32::try_from(known.len())?)
}

/// The guest's bytes where it says they are: lent and not copied, so a lie allocates nothing.
fn bytes_at(memory: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8]> {
    let rest = memory.get_mut(ptr as usize..);
    let bytes = rest.and_then(|rest| rest.get_mut(..len as usize));
    bytes.with_context(|| format!("{len} bytes at {ptr} are not in the guest's memory"))
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
    let mut linker: Linker<Shop> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |shop| &mut shop.wasi)?;
    let offers = |name: &str| !cli.without.iter().any(|without| without == name);
    if offers("exchange") {
        linker.func_wrap("shop", "exchange", exchange)?;
    }
    if offers("translate") {
        linker.func_wrap("shop", "translate", translate)?;
    }
    let linked = linker.instantiate_pre(&module).with_context(|| {
        format!("cannot link {guest}: link what it imports, by that name and with that type")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let mut wasi = WasiCtx::builder();
    wasi.inherit_stdout(); // the tags
    wasi.inherit_stderr(); // a panic says where
    let program = Path::new(guest).file_name().unwrap_or_default().to_string_lossy();
    wasi.arg(program).args(args); // by convention its own name comes first, without the host's path
    let words =
        BTreeMap::from([("mug", "kubek"), ("chair", "krzesło"), ("lamp", "lampa biurkowa")]);
    let mut store = Store::new(&engine, Shop { wasi: wasi.build_p1(), words });

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
