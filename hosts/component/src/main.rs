//! Asks a component what an order costs, and answers its questions about prices meanwhile.
//! Notice that both directions are plain Rust: bindgen! read the same WIT as the guest did.
//! Run: just run component

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Result, Store, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/component" });

/// Price an order by the rules in a component.
#[derive(Parser)]
struct Cli {
    /// The customer is a gold one
    #[arg(long)]
    gold: bool,
    /// Send it by express
    #[arg(long)]
    express: bool,
    /// A coupon code
    #[arg(long, value_name = "CODE")]
    coupon: Option<String>,
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// What is ordered; this shop sells `mug`, `lamp` and `chair`
    #[arg(value_name = "SKU=QUANTITY", value_parser = item)]
    items: Vec<Item>,
}

fn item(value: &str) -> Result<Item, String> {
    let (sku, quantity) = value.split_once('=').ok_or("write SKU=QUANTITY, for example mug=2")?;
    let quantity = quantity.parse().map_err(|_| format!("`{quantity}` is not a quantity"))?;
    Ok(Item { sku: sku.to_owned(), quantity })
}

/// The state of the host while the guest runs.
struct Shop {
    prices: BTreeMap<&'static str, u32>,
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Shop {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl PricingImports for Shop {
    fn unit_price(&mut self, sku: String) -> Option<u32> {
        let price = self.prices.get(sku.as_str()).copied();
        println!("host: unit-price {sku:?} is {price:?}");
        price
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

    // 3. Linker: what the guest may import. The world's own import, and WASI 0.2, which std brings
    //    along in every guest even where the guest only computes. What is linked can be
    //    instantiated often.
    let mut linker: Linker<Shop> = Linker::new(&engine);
    Pricing::add_to_linker::<_, HasSelf<_>>(&mut linker, |shop| shop)?;
    p2::add_to_linker_sync(&mut linker)?;
    let linked =
        linker.instantiate_pre(&component).and_then(PricingPre::new).with_context(|| {
            format!(
                "{guest} does not fit the world in wit/component: build the guest from that WIT"
            )
        })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let shop = Shop {
        prices: BTreeMap::from([("mug", 1250), ("lamp", 4900), ("chair", 12900)]),
        ctx: WasiCtx::builder().inherit_stderr().build(), // a panic says where
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, shop);

    // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
    //    one is the guest's answer. After an error of the first kind this store is of no more use.
    let failed = || format!("{guest} failed while it ran");
    let pricing = linked.instantiate(&mut store).with_context(failed)?;
    let extras = if cli.express { Extras::EXPRESS } else { Extras::empty() };
    let tier = if cli.gold { Tier::Gold } else { Tier::Standard };
    let order = Order { tier, items: cli.items, extras, coupon: cli.coupon };
    println!("host: price {order:?}");
    match pricing.call_price(&mut store, &order).with_context(failed)? {
        Ok(quote) => println!("host: {quote:?}"),
        Err(problem) => bail!("no quote: {problem}"),
    }
    Ok(())
}
