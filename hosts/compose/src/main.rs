//! Asks a till what goods cost with tax, and knows of no tax itself.
//! Notice what is missing: nothing in this file tells that the guest was made of two components.
//! Run: just run compose

use std::path::PathBuf;

use clap::Parser;
use wasmtime::component::{Component, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Result, Store, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/compose", world: "checkout" });

/// Ask a till what goods cost with tax.
#[derive(Parser)]
struct Cli {
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What is bought, at which price
    #[arg(value_name = "GOODS=CENTS", value_parser = item)]
    items: Vec<(String, u32)>,
}

fn item(value: &str) -> Result<(String, u32), String> {
    let (goods, cents) = value.split_once('=').ok_or("write GOODS=CENTS, for example mug=1250")?;
    let cents = cents.parse().map_err(|_| format!("`{cents}` is not a price in cents"))?;
    Ok((goods.to_owned(), cents))
}

/// The state of the host while the guest runs.
struct Shop {
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Shop {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk; a
    //    machine without a place for it compiles each time.
    let mut config = Config::new();
    config.cache(Cache::from_file(None).ok());
    let engine = Engine::new(&config)?;

    // 2. Code: a Component, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
        "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;

    // 3. Linker: what the guest may import. WASI 0.2, which std brings along, and no tax. What is
    //    linked can be instantiated often.
    let mut linker: Linker<Shop> = Linker::new(&engine);
    p2::add_to_linker_sync(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(CheckoutPre::new).with_context(|| {
            format!("{guest} does not fit the world in wit/compose: plug in what it imports, or build the guest from that WIT")
        })?;

    let mut unanswered = 0;
    for (goods, cents) in &cli.items {
        // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and
        //    random bytes, and no line here limits time or memory; all else is granted below or not
        //    at all. A store for each item, since after a trap no guest in it can be called again.
        let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
        let mut store = Store::new(&engine, Shop { ctx, table: ResourceTable::new() });

        // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the
        //    inner one is the guest's answer. Neither keeps the next item from being asked for.
        let answer = linked
            .instantiate(&mut store)
            .and_then(|checkout| checkout.call_total(&mut store, goods, *cents))
            .with_context(|| format!("{guest} failed while it ran"));
        match answer {
            Ok(Ok(total)) => {
                println!("host: {goods} at {cents} costs {total}");
                continue;
            }
            Ok(Err(reason)) => eprintln!("host: {goods} at {cents} has no total: {reason}"),
            Err(error) => eprintln!("host: {goods} at {cents} has no total: {error:?}"),
        }
        unanswered += 1;
    }
    ensure!(unanswered == 0, "no total for {unanswered} of {} items", cli.items.len());
    Ok(())
}
