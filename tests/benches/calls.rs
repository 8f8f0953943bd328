//! What a call costs, from the host into a guest and back, with more and more in its hands.
//! Notice that the functions do nothing worth mentioning: what is measured is how one gets there.
//! Run: just bench

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tests::guest_with;
use wasmtime::component::{Accessor, Component, HasSelf, Linker, ResourceTable, StreamReader};
use wasmtime::{Caller, Config, Engine, Extern, Instance, Module, Store};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p1, p2};

mod calls {
    wasmtime::component::bindgen!({ path: "../wit/startup_calls" });
}

mod later {
    wasmtime::component::bindgen!({ path: "../wit/startup_async" });
}

mod chat {
    wasmtime::component::bindgen!({ path: "../wit/extism" });
}

use later::{LaterImports, LaterImportsWithStore};

/// Calls of the host in one call of the guest, so many that the one does not count.
const TIMES: u32 = 1_000;

/// Bytes that go through a stream in one call.
const STREAMED: usize = 16 << 20;

/// What is said in the chat of the example `extism`.
const MESSAGE: &str = "well, what the heck is a moderator";
const BANNED: [&str; 2] = ["darn", "heck"];

/// The state of a host.
struct Host {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl Host {
    fn new() -> Self {
        Self { ctx: WasiCtx::builder().build(), table: ResourceTable::new() }
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl calls::bench::calls::host::Host for Host {
    fn add(&mut self, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}

impl LaterImports for Host {}

impl<T: Send> LaterImportsWithStore<T> for HasSelf<Host> {
    async fn add_in_host(_: &Accessor<T, Self>, a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
}

impl chat::ModeratorImports for Host {
    fn banned(&mut self, word: String) -> bool {
        BANNED.contains(&word.as_str())
    }
}

/// A component of this workspace, built for release.
fn component(engine: &Engine, package: &str) -> Component {
    let guest = guest_with(package, "wasm32-wasip2", &["--release"]);
    Component::from_file(engine, guest).expect("a component")
}

/// The floor: no boundary at all.
fn native(c: &mut Criterion) {
    #[inline(never)]
    fn add(a: u32, b: u32) -> u32 {
        a.wrapping_add(b)
    }
    let mut group = c.benchmark_group("native");
    group.bench_function("add", |b| b.iter(|| add(black_box(1), black_box(2))));
    #[inline(never)]
    fn moderate(count: &mut u32, message: &str) -> String {
        let hide = |word: &str| match black_box(BANNED).contains(&word) {
            false => word.to_owned(),
            true => "*".repeat(word.chars().count()),
        };
        let words: Vec<_> = message.split(' ').map(hide).collect();
        *count += 1;
        format!("{count}: {}", words.join(" "))
    }
    let mut count = 0;
    group.bench_function("moderate", |b| b.iter(|| moderate(&mut count, black_box(MESSAGE))));
}

/// A core module: numbers, and what a host does with addresses for text.
fn core(c: &mut Criterion) {
    let mut group = c.benchmark_group("core");
    let engine = Engine::default();
    let text = r#"(module
        (import "host" "add" (func $add (param i32 i32) (result i32)))
        (func (export "add") (param i32 i32) (result i32)
            (i32.add (local.get 0) (local.get 1)))
        (func (export "add-in-host") (param $times i32) (result i32) (local $sum i32)
            (loop $again
                (local.set $sum (call $add (local.get $sum) (local.get $times)))
                (br_if $again
                    (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))
            (local.get $sum)))"#;
    let module =
        Module::new(&engine, wat::parse_str(text).expect("a module")).expect("it compiles");
    let mut linker = wasmtime::Linker::new(&engine);
    linker.func_wrap("host", "add", |a: u32, b: u32| a.wrapping_add(b)).expect("one name");
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let add = instance.get_typed_func::<(u32, u32), u32>(&mut store, "add").expect("add");
    group.bench_function("add", |b| {
        b.iter(|| add.call(&mut store, black_box((1, 2))).expect("a sum"));
    });
    let in_host = instance.get_typed_func::<u32, u32>(&mut store, "add-in-host").expect("it");
    group.bench_function("add in host", |b| {
        b.iter(|| in_host.call(&mut store, black_box(TIMES)).expect("a sum"));
    });

    let guest = guest_with("extism_module_guest", "wasm32-wasip1", &["--release"]);
    let module = Module::from_file(&engine, guest).expect("a module");
    let mut linker = wasmtime::Linker::new(&engine);
    p1::add_to_linker_sync(&mut linker, |wasi: &mut WasiP1Ctx| wasi).expect("WASI");
    let banned = |mut caller: Caller<'_, WasiP1Ctx>, ptr: u32, len: u32| {
        let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("a memory");
        let word = &memory.data(&caller)[ptr as usize..][..len as usize];
        u32::from(BANNED.iter().any(|banned| banned.as_bytes() == word))
    };
    linker.func_wrap("chat", "banned", banned).expect("one name");
    let mut store = Store::new(&engine, WasiCtx::builder().build_p1());
    let instance = linker.instantiate(&mut store, &module).expect("an instance");
    let initialize = instance.get_typed_func::<(), ()>(&mut store, "_initialize").expect("it");
    initialize.call(&mut store, ()).expect("a start");
    let moderate = moderator(&mut store, &instance);
    group.bench_function("moderate", |b| b.iter(|| moderate(&mut store, black_box(MESSAGE))));
}

/// A function of a guest that takes and returns text by address.
fn moderator(
    store: &mut Store<WasiP1Ctx>,
    instance: &Instance,
) -> impl Fn(&mut Store<WasiP1Ctx>, &str) -> String + use<> {
    let memory = instance.get_memory(&mut *store, "memory").expect("a memory");
    let alloc = instance.get_typed_func::<u32, u32>(&mut *store, "buffer_alloc").expect("it");
    let free = instance.get_typed_func::<(u32, u32), ()>(&mut *store, "buffer_free").expect("it");
    let moderate = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "moderate").expect("it");
    move |store, message| {
        let len = message.len() as u32;
        let ptr = alloc.call(&mut *store, len).expect("a buffer");
        memory.write(&mut *store, ptr as usize, message.as_bytes()).expect("it fits");
        let answer = moderate.call(&mut *store, (ptr, len)).expect("an answer");
        let (ptr, len) = ((answer >> 32) as u32, answer as u32);
        let bytes = &memory.data(&*store)[ptr as usize..][..len as usize];
        let text = str::from_utf8(bytes).expect("text").to_owned();
        free.call(store, (ptr, len)).expect("it is freed");
        text
    }
}

/// A component: the same numbers, and values with types.
fn typed(c: &mut Criterion) {
    let mut group = c.benchmark_group("component");
    for (suffix, concurrency) in [("", true), (", no async", false)] {
        let mut config = Config::new();
        config.concurrency_support(concurrency);
        let engine = Engine::new(&config).expect("an engine");
        let mut linker: Linker<Host> = Linker::new(&engine);
        p2::add_to_linker_sync(&mut linker).expect("WASI");
        calls::Calls::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).expect("imports");
        let component = component(&engine, "startup_calls_guest");
        let mut store = Store::new(&engine, Host::new());
        let guest = calls::Calls::instantiate(&mut store, &component, &linker).expect("a guest");
        group.bench_function(format!("add{suffix}"), |b| {
            b.iter(|| guest.call_add(&mut store, black_box(1), black_box(2)).expect("a sum"));
        });
        group.bench_function(format!("add in host{suffix}"), |b| {
            b.iter(|| guest.call_add_in_host(&mut store, black_box(TIMES)).expect("a sum"));
        });
        if !concurrency {
            continue;
        }
        for (name, bytes) in [("16 B", 16), ("1 KiB", 1 << 10), ("64 KiB", 64 << 10)] {
            let text = "w".repeat(bytes);
            group.bench_function(format!("echo {name}"), |b| {
                b.iter(|| guest.call_echo(&mut store, black_box(&text)).expect("the text"));
            });
        }
        let item = |n| calls::Item { sku: format!("sku-{n:04}"), quantity: n };
        let items: Vec<_> = (0..100).map(item).collect();
        group.bench_function("100 records", |b| {
            b.iter(|| guest.call_pieces(&mut store, black_box(&items)).expect("a number"));
        });
        let counter = guest.bench_calls_things().counter();
        let handle = counter.call_constructor(&mut store).expect("a counter");
        group.bench_function("method", |b| {
            b.iter(|| counter.call_add(&mut store, handle, black_box(1)).expect("a sum"));
        });
        group.bench_function("resource", |b| {
            b.iter(|| {
                let handle = counter.call_constructor(&mut store).expect("a counter");
                handle.resource_drop(&mut store).expect("it is dropped");
            });
        });

        let mut linker: Linker<Host> = Linker::new(&engine);
        p2::add_to_linker_sync(&mut linker).expect("WASI");
        chat::Moderator::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).expect("imports");
        let component = self::component(&engine, "extism_component_guest");
        let mut store = Store::new(&engine, Host::new());
        let guest = chat::Moderator::instantiate(&mut store, &component, &linker).expect("a guest");
        group.bench_function("moderate", |b| {
            b.iter(|| guest.call_moderate(&mut store, black_box(MESSAGE)).expect("an answer"));
        });
    }
}

/// WASI 0.3: calls that may wait, though none does, and a stream of bytes.
fn concurrent(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime");
    let engine = Engine::default();
    let mut linker: Linker<Host> = Linker::new(&engine);
    p2::add_to_linker_async(&mut linker).expect("WASI");
    later::Later::add_to_linker::<_, HasSelf<_>>(&mut linker, |host| host).expect("imports");
    let component = component(&engine, "startup_async_guest");
    let mut store = Store::new(&engine, Host::new());
    let guest = later::Later::instantiate_async(&mut store, &component, &linker);
    let guest = runtime.block_on(guest).expect("a guest");

    let mut group = c.benchmark_group("async");
    group.bench_function("add", |b| {
        b.iter_custom(|times| {
            let calls = store.run_concurrent(async |store| {
                let start = Instant::now();
                for _ in 0..times {
                    let sum = guest.call_add(store, black_box(1), black_box(2)).await;
                    black_box(sum.expect("a sum"));
                }
                start.elapsed()
            });
            runtime.block_on(calls).expect("all calls")
        });
    });
    group.bench_function("add in host", |b| {
        b.iter_custom(|times| {
            let calls = store.run_concurrent(async |store| {
                let start = Instant::now();
                for _ in 0..times {
                    let sum = guest.call_add_often(store, black_box(TIMES)).await;
                    black_box(sum.expect("a sum"));
                }
                start.elapsed()
            });
            runtime.block_on(calls).expect("all calls")
        });
    });
    group.throughput(Throughput::Bytes(STREAMED as u64)).sample_size(20);
    group.bench_function("stream", |b| {
        b.iter_custom(|times| {
            let mut took = Duration::ZERO;
            for _ in 0..times {
                let bytes = vec![b'w'; STREAMED];
                let call = store.run_concurrent(async |store| {
                    let start = Instant::now();
                    let bytes = store.with(|store| StreamReader::new(store, bytes));
                    let read = guest.call_drain(store, bytes.expect("a stream")).await;
                    assert_eq!(read.expect("a number"), STREAMED as u64);
                    start.elapsed()
                });
                took += runtime.block_on(call).expect("all bytes");
            }
            took
        });
    });
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = native, core, typed, concurrent
}
criterion_main!(all);
