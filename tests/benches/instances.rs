//! What a fresh instance costs, from an empty store to the end of it, in each generation of WASI.
//! Notice that the code is compiled and linked before; what is measured is done again for each request.
//! Run: just bench

use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use tests::guest_with;
use tokio::runtime::{Builder, Runtime};
use wasmtime::component::{self, Component};
use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, InstancePre, Linker, Module,
    PoolingAllocationConfig, Store,
};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtx, p1, p2, p3};

/// A guest that was compiled and linked.
enum Linked {
    Module(InstancePre<WasiP1Ctx>),
    Component(component::InstancePre<WasiP1Ctx>),
}

impl Linked {
    fn new(engine: &Engine, guest: &str, target: &str) -> Self {
        let file = guest_with(guest, target, &["--release"]);
        if target == "wasm32-wasip1" {
            let mut linker = Linker::new(engine);
            p1::add_to_linker_async(&mut linker, |wasi| wasi).expect("WASI");
            let module = Module::from_file(engine, file).expect("a module");
            return Self::Module(linker.instantiate_pre(&module).expect("it is linked"));
        }
        let mut linker = component::Linker::new(engine);
        p2::add_to_linker_async(&mut linker).expect("WASI 0.2");
        p3::add_to_linker(&mut linker).expect("WASI 0.3");
        let component = Component::from_file(engine, file).expect("a component");
        Self::Component(linker.instantiate_pre(&component).expect("it is linked"))
    }

    /// Makes a store and an instance in it, which are gone when this returns.
    async fn instantiate(&self, engine: &Engine) {
        let mut store = Store::new(engine, WasiCtx::builder().build_p1());
        match self {
            Self::Module(linked) => drop(linked.instantiate_async(&mut store).await.expect("it")),
            Self::Component(linked) => {
                linked.instantiate_async(&mut store).await.map(drop).expect("it")
            }
        }
    }
}

fn runtime() -> Runtime {
    Builder::new_current_thread().build().expect("a runtime")
}

fn instances(c: &mut Criterion) {
    for (name, pooled) in [("on demand", false), ("pooled", true)] {
        let mut config = Config::new();
        if pooled {
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(
                PoolingAllocationConfig::new(),
            ));
        }
        let engine = Engine::new(&config).expect("an engine");
        let mut group = c.benchmark_group(name);
        for (generation, guest, target) in [
            ("0.1", "evolution_p1_guest", "wasm32-wasip1"),
            ("0.2", "evolution_p2_guest", "wasm32-wasip2"),
            ("0.3", "evolution_p3_guest", "wasm32-wasip2"),
        ] {
            let linked = Linked::new(&engine, guest, target);
            let runtime = runtime();
            group.bench_function(format!("{generation}, 1 thread"), |b| {
                b.iter_custom(|times| several(&runtime, times, &linked, &engine));
            });
            // Each makes as many as there are to be made, so that the time is comparable.
            group.bench_function(format!("{generation}, 2 threads"), |b| {
                b.iter_custom(|times| {
                    thread::scope(|scope| {
                        let other =
                            scope.spawn(|| several(&self::runtime(), times, &linked, &engine));
                        let took = several(&runtime, times, &linked, &engine);
                        took.max(other.join().expect("it ends"))
                    })
                });
            });
        }
    }
}

/// How long it takes to make so many instances, one after the other.
fn several(runtime: &Runtime, times: u64, linked: &Linked, engine: &Engine) -> Duration {
    runtime.block_on(async {
        let start = Instant::now();
        for _ in 0..times {
            linked.instantiate(engine).await;
        }
        start.elapsed()
    })
}

criterion_group! {
    name = all;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    targets = instances
}
criterion_main!(all);
