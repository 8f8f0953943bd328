//! Lends an account to a standing order in a component, which opens another one by itself.
//! Notice who owns what: an account is closed when its owner drops it, and else stays open.
//! Run: just run resources

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Result, Store, Trap, ensure, format_err};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

use bank::desk::ledger::{Host, HostAccount};

bindgen!({
    path: "../../wit/resources",
    imports: { default: trappable }, // a handle can be bad, so that every method can fail
    with: { "bank:desk/ledger.account": Account },
});

/// Lead a standing order that a component implements through its life.
#[derive(Parser)]
struct Cli {
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// How much a run moves from Ada's account, which has 100 cents
    cents: u32,
    /// What to do with the order, one after the other
    #[arg(value_parser = ["run", "drop"])]
    steps: Vec<String>,
}

pub struct Account(String, u32); // what a handle leads to: a name, and cents
type Handle = Resource<Account>;

/// The state of the host while the guest runs.
struct Bank {
    ctx: WasiCtx,
    table: ResourceTable, // the accounts, and what WASI opens for the guest
}

impl WasiView for Bank {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl Host for Bank {}

impl HostAccount for Bank {
    fn new(&mut self, name: String) -> Result<Handle> {
        println!("host: open {name:?}");
        Ok(self.table.push(Account(name, 0))?)
    }

    fn pay(&mut self, from: Handle, to: Handle, cents: u32) -> Result<Result<u32, u32>> {
        let left = &mut self.table.get_mut(&from)?.1;
        let Some(rest) = left.checked_sub(cents) else { return Ok(Err(*left)) };
        *left = rest;
        let saved = &mut self.table.get_mut(&to)?.1;
        *saved += cents; // never more than there was in all
        Ok(Ok(*saved))
    }

    fn drop(&mut self, owned: Handle) -> Result<()> {
        let Account(name, cents) = self.table.delete(owned)?;
        println!("host: close {name:?} with {cents} cents");
        Ok(())
    }
}

fn main() -> Result<ExitCode> {
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code, holds no guest state. The cache keeps compiled guests on disk.
    let engine = Engine::new(Config::new().cache(Cache::new(CacheConfig::new()).ok()))?;

    // 2. Code: a Component, from the path given.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // magic number, version 13; a core module has 1
        "{guest} is not a component (but a core module, or no WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;

    // 3. Linker: what the guest may import. The ledger, and WASI 0.2, which std brings along.
    let mut linker: Linker<Bank> = Linker::new(&engine);
    Desk::add_to_linker::<_, HasSelf<_>>(&mut linker, |bank| bank)?;
    p2::add_to_linker_sync(&mut linker)?;

    // 4. Store: this guest's state and capabilities.
    let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
    let mut store = Store::new(&engine, Bank { ctx, table: ResourceTable::new() });

    // 5. Instantiate and call.
    let desk = Desk::instantiate(&mut store, &component, &linker).with_context(|| {
        format!("{guest} does not fit the world bank:desk/desk: build it from wit/resources")
    })?;
    let result = save(&mut store, &desk, &cli);
    let open = store.data_mut().table.iter_mut().filter(|entry| entry.is::<Account>()).count();
    println!("host: accounts still open: {open}");
    let Err(error) = result else { return Ok(ExitCode::SUCCESS) };
    let trapped = error.is::<Trap>();
    eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
    Ok(ExitCode::from(if trapped { 134 } else { 1 })) // 134 as the wasmtime CLI, and as abort()
}

fn save(mut store: &mut Store<Bank>, desk: &Desk, cli: &Cli) -> Result<()> {
    let ada = store.data_mut().table.push(Account("Ada".to_owned(), 100))?;
    let orders = desk.bank_desk_saving().standing_order();
    let order = orders.call_constructor(&mut store, "savings", cli.cents)?;
    for step in &cli.steps {
        println!("host: {step} the order");
        if step == "drop" {
            order.resource_drop(&mut store)?;
        } else {
            let lent = Resource::new_borrow(ada.rep()); // for one call; `ada` stays the owner
            let paid = orders.call_run(&mut store, order, lent)?;
            let saved = paid.map_err(|left| format_err!("Ada has only {left} cents left"))?;
            println!("host: {saved} cents are saved");
        }
    }
    store.data_mut().drop(ada)
}
