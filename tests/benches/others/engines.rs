//! The moderator of the example `extism` in an interpreter, and as a plug-in of Extism's kind.
//! Notice that the guest of wasmi is the very file that wasmtime runs in `calls.rs`.
//! Run: just bench

use std::hint::black_box;
use std::time::Duration;
use std::{env, fs};

use criterion::{Criterion, criterion_group, criterion_main};
use extism::{CompiledPlugin, Manifest, PTR, Plugin, PluginBuilder, UserData, Wasm, host_fn};
use wasmi::{Caller, Engine, Extern, Linker, Module, Store};
use wasmi_wasi::{WasiCtx, WasiCtxBuilder};

const MESSAGE: &str = "well, what the heck is a moderator";
const BANNED: [&str; 2] = ["darn", "heck"];

/// A guest, by the path that the variable has: the bench builds nothing.
fn guest(variable: &str) -> Vec<u8> {
    let path = env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: just bench"));
    fs::read(path).expect("a guest")
}

fn wasmi(c: &mut Criterion) {
    let engine = Engine::default();
    let module = Module::new(&engine, guest("MODULE")).expect("a module");
    let mut linker: Linker<WasiCtx> = Linker::new(&engine);
    wasmi_wasi::add_to_linker(&mut linker, |wasi| wasi).expect("WASI");
    let banned = |caller: Caller<'_, WasiCtx>, ptr: u32, len: u32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
        let word = &memory.data(&caller)[ptr as usize..][..len as usize];
        u32::from(BANNED.iter().any(|banned| banned.as_bytes() == word))
    };
    linker.func_wrap("chat", "banned", banned).expect("one name");
    let mut store = Store::new(&engine, WasiCtxBuilder::new().build());
    let instance = linker.instantiate_and_start(&mut store, &module).expect("an instance");
    let initialize = instance.get_typed_func::<(), ()>(&store, "_initialize").expect("it");
    initialize.call(&mut store, ()).expect("a start");
    let memory = instance.get_memory(&store, "memory").expect("a memory");
    let alloc = instance.get_typed_func::<u32, u32>(&store, "buffer_alloc").expect("it");
    let free = instance.get_typed_func::<(u32, u32), ()>(&store, "buffer_free").expect("it");
    let moderate = instance.get_typed_func::<(u32, u32), u64>(&store, "moderate").expect("it");
    let mut call = |message: &str| {
        let len = message.len() as u32;
        let ptr = alloc.call(&mut store, len).expect("a buffer");
        memory.write(&mut store, ptr as usize, message.as_bytes()).expect("it fits");
        let answer = moderate.call(&mut store, (ptr, len)).expect("an answer");
        let (ptr, len) = ((answer >> 32) as u32, answer as u32);
        let bytes = &memory.data(&store)[ptr as usize..][..len as usize];
        let text = str::from_utf8(bytes).expect("text").to_owned();
        free.call(&mut store, (ptr, len)).expect("it is freed");
        text
    };
    assert!(call(MESSAGE).ends_with("what the **** is a moderator"));
    c.benchmark_group("wasmi").bench_function("moderate", |b| b.iter(|| call(black_box(MESSAGE))));
}

host_fn!(banned(word: String) -> &'static str {
    Ok(if BANNED.contains(&word.as_str()) { "yes" } else { "no" })
});

fn extism(c: &mut Criterion) {
    let manifest = Manifest::new([Wasm::data(guest("PLUGIN"))]);
    let plugin = PluginBuilder::new(manifest)
        .with_function("banned", [PTR], [PTR], UserData::new(()), banned)
        .with_wasi(false);
    let compiled = CompiledPlugin::new(plugin).expect("a plug-in");
    let mut plugin = Plugin::new_from_compiled(&compiled).expect("an instance");
    let mut call = |message| plugin.call::<&str, String>("moderate", message).expect("an answer");
    assert!(call(MESSAGE).ends_with("what the **** is a moderator"));
    c.benchmark_group("Extism").bench_function("moderate", |b| b.iter(|| call(black_box(MESSAGE))));
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = wasmi, extism
}
criterion_main!(all);
