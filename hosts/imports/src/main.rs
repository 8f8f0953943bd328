//! Offers two functions of its own to a module, beside WASI: one of numbers, one of strings.
//! Notice `bytes_at`: an address and a length are a claim of the guest's, checked before any use.
//! Run: just run imports

use std::collections::BTreeMap;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{
    Cache, CacheConfig, Caller, Config, Engine, Extern, Linker, Module, Result, Store, Trap, ensure,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtx};

/// Print price tags in Polish, with the rate and the words of this host.
#[derive(Parser)]
struct Cli {
    /// Leave a function out, to see what its guest says
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

/// `shop::exchange`, a number for a number. An error ends the guest, as a trap would.
fn exchange(cents: u32) -> Result<u32> {
    let price = u64::from(cents) * 425 / 100;
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
    // Too little room is no error: the guest learns the length and asks again.
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
    let cli = Cli::parse();
    let guest = &cli.guest_and_args[0];

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Module, from the path given.
    let wasm = std::fs::read(guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // magic number, version 1; a component has 13
        "{guest} is not a core module (but a component, or no WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let module = Module::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. WASI preview 1, and beside it what is ours.
    let mut linker: Linker<Shop> = Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |shop| &mut shop.wasi)?;
    let offers = |name: &str| !cli.without.iter().any(|without| without == name);
    if offers("exchange") {
        linker.func_wrap("shop", "exchange", exchange)?;
    }
    if offers("translate") {
        linker.func_wrap("shop", "translate", translate)?;
    }

    // 4. Store: this guest's state and capabilities.
    let wasi = WasiCtx::builder()
        .inherit_stdout() // the tags
        .inherit_stderr() // a panic says where
        .args(&cli.guest_and_args) // by convention the first is the program itself
        .build_p1();
    let words =
        BTreeMap::from([("mug", "kubek"), ("chair", "krzesło"), ("lamp", "lampa biurkowa")]);
    let mut store = Store::new(&engine, Shop { wasi, words });

    // 5. Instantiate and call.
    let instance = linker.instantiate(&mut store, &module).with_context(|| {
        format!("cannot link {guest}: link what it imports, by that name and with that type")
    })?;
    let start = instance.get_typed_func::<(), ()>(&mut store, "_start").with_context(|| {
        format!("{guest} is not a command, it exports no `_start`: build a program, not a library")
    })?;
    let Err(error) = start.call(&mut store, ()) else {
        return Ok(ExitCode::SUCCESS);
    };
    if let Some(&I32Exit(status)) = error.downcast_ref() {
        return Ok(ExitCode::from(u8::try_from(status)?));
    }
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}
