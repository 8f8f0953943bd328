//! Asks a till what goods cost with tax, and knows of no tax itself.
//! Notice what is missing: nothing in this file tells that the guest was made of two components.
//! Run: just run compose

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::component::{Component, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Result, Store, Trap, ensure};
use wasmtime_wasi::p2;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

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

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: one Component, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // magic number, version 13; a core module has 1
        "{guest} is not a component (but a core module, or no WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. WASI 0.2, which std brings along, and no tax.
    let mut linker: Linker<Shop> = Linker::new(&engine);
    p2::add_to_linker_sync(&mut linker)?;

    // 4. Store: this guest's state and capabilities.
    let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
    let mut store = Store::new(&engine, Shop { ctx, table: ResourceTable::new() });

    // 5. Instantiate and call.
    let checkout = Checkout::instantiate(&mut store, &component, &linker).with_context(|| {
        format!("{guest} does not fit the world shop:till/checkout: plug in what it imports")
    })?;
    for (goods, cents) in &cli.items {
        match checkout.call_total(&mut store, goods, *cents) {
            Ok(Ok(total)) => println!("host: {goods} at {cents} costs {total}"),
            Ok(Err(reason)) => {
                eprintln!("host: {goods} at {cents} has no total: {reason}");
                return Ok(ExitCode::FAILURE);
            }
            Err(error) => {
                let trapped = error.is::<Trap>();
                eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
                return Ok(ExitCode::from(if trapped { 134 } else { 1 })); // 134 as the wasmtime CLI
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
