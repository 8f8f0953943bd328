//! Lends an account to a standing order in a component, which opens another one by itself.
//! Notice who owns what: an account is closed when its owner drops it, and else stays open.
//! Run: just run resources

use std::path::PathBuf;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, Resource, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Result, Store, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

use bank::desk::ledger::{Host, HostAccount};

bindgen!({
    path: "../../wit/resources",
    imports: { default: trappable }, // a handle can be bad, so that every method can fail
    with: { "bank:desk/ledger.account": Account },
});

/// How many things may be open at a time: accounts, and what WASI opens for the guest.
const MOST_OPEN: usize = 20;

/// How many bytes the name of an account may have: it is kept in the host's memory.
const LONGEST_NAME: usize = 40;

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

/// What a handle leads to. The guest never sees this, only the handle.
pub struct Account {
    name: String,
    cents: u32,
}

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
    fn new(&mut self, name: String) -> Result<Resource<Account>> {
        ensure!(name.len() <= LONGEST_NAME, "an account's name has at most {LONGEST_NAME} bytes");
        let account = Account { name: name.clone(), cents: 0 };
        let opened = self.table.push(account);
        let opened = opened.with_context(|| format!("only {MOST_OPEN} things may be open"))?;
        println!("host: open {name:?}");
        Ok(opened)
    }

    fn pay(
        &mut self,
        from: Resource<Account>,
        to: Resource<Account>,
        cents: u32,
    ) -> Result<Result<u32, u32>> {
        // First what can go wrong, then what changes an account.
        let room = u32::MAX - self.table.get(&to)?.cents;
        ensure!(cents <= room, "an account cannot hold that much");
        let from = self.table.get_mut(&from)?;
        match from.cents.checked_sub(cents) {
            Some(rest) => from.cents = rest,
            None => return Ok(Err(from.cents)),
        }
        let to = self.table.get_mut(&to)?;
        to.cents += cents;
        Ok(Ok(to.cents))
    }

    fn drop(&mut self, owned: Resource<Account>) -> Result<()> {
        let Account { name, cents } = self.table.delete(owned)?;
        println!("host: close {name:?} with {cents} cents");
        Ok(())
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

    // 3. Linker: what the guest may import. The ledger with its accounts, and WASI 0.2, which std
    //    brings along in every guest even where the guest only computes. What is linked can be
    //    instantiated often.
    let mut linker: Linker<Bank> = Linker::new(&engine);
    Desk::add_to_linker::<_, HasSelf<_>>(&mut linker, |bank| bank)?;
    p2::add_to_linker_sync(&mut linker)?;
    let linked = linker.instantiate_pre(&component).and_then(DeskPre::new).with_context(|| {
        format!("{guest} does not fit the world in wit/resources: build the guest from that WIT")
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    //    A table takes as good as any number of things until it is told a limit.
    let ctx = WasiCtx::builder().inherit_stderr().build(); // a panic says where
    let mut bank = Bank { ctx, table: ResourceTable::new() };
    bank.table.set_max_capacity(MOST_OPEN);
    let mut store = Store::new(&engine, bank);

    // 5. Instantiate and call. Whatever came of it, what is open then is open until the store is
    //    dropped.
    let saved = save(&mut store, &linked, &cli);
    let open = store.data_mut().table.iter_mut().filter(|entry| entry.is::<Account>()).count();
    println!("host: accounts still open: {open}");
    saved
}

/// Opens Ada's account and does with a new order what the command line says. The outer `Result` of a
/// call says whether the guest ran to its end, the inner one is the guest's answer. After an error of
/// the first kind this store is of no more use.
fn save(store: &mut Store<Bank>, linked: &DeskPre<Bank>, cli: &Cli) -> Result<()> {
    let failed = || format!("{} failed while it ran", cli.guest.display());
    let desk = linked.instantiate(&mut *store).with_context(failed)?;
    let orders = desk.bank_desk_saving().standing_order();

    let ada = store.data_mut().table.push(Account { name: "Ada".to_owned(), cents: 100 })?;
    let order = orders.call_constructor(&mut *store, "savings", cli.cents).with_context(failed)?;
    for step in &cli.steps {
        println!("host: {step} the order");
        if step == "drop" {
            order.resource_drop(&mut *store).with_context(failed)?;
            continue;
        }
        let lent = Resource::new_borrow(ada.rep()); // for one call; `ada` stays the owner
        match orders.call_run(&mut *store, order, lent).with_context(failed)? {
            Ok(saved) => println!("host: {saved} cents are saved"),
            Err(left) => bail!("no money saved: Ada has only {left} cents left"),
        }
    }
    store.data_mut().drop(ada)
}
