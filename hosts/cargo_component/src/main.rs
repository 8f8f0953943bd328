//! Asks a component for slugs, no matter which tool built it.
//! Notice that only the list of imports differs: it shows whose adapter or linker made the file.
//! Run: just run cargo_component

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, Config, Engine, Result, Store, bail, ensure};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView, p2};

bindgen!({ path: "../../wit/cargo_component" });

/// Name pages after their titles.
#[derive(Parser)]
struct Cli {
    /// The guest, a component
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// The titles; the page `about` is there already
    #[arg(value_name = "TITLE")]
    titles: Vec<String>,
}

/// The state of the host while the guest runs.
struct Press {
    pages: BTreeSet<String>,
    ctx: WasiCtx,
    table: ResourceTable,
}

impl WasiView for Press {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.ctx, table: &mut self.table }
    }
}

impl DeskImports for Press {
    fn taken(&mut self, slug: String) -> bool {
        self.pages.contains(&slug)
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
        "{guest} is not a component (it is a core module, or not WebAssembly): build the guest with `cargo component build` or --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;
    let ty = component.component_type();
    let imports: Vec<_> = ty.imports(&engine).map(|(name, _)| name).collect();
    let wasi = imports.iter().filter_map(|name| name.strip_prefix("wasi:")?.split_once('@'));
    let versions: BTreeSet<_> = wasi.clone().map(|(_, version)| version).collect();
    let versions = Vec::from_iter(versions).join(" and ");
    println!("host: imports {} interfaces of WASI {versions}", wasi.count());

    // 3. Linker: what the guest may import. The world's own import, and WASI 0.2, which std brings
    //    along in every guest even where the guest only computes. What is linked can be
    //    instantiated often.
    let mut linker: Linker<Press> = Linker::new(&engine);
    Desk::add_to_linker::<_, HasSelf<_>>(&mut linker, |press| press)?;
    p2::add_to_linker_sync(&mut linker)?;
    let linked = linker.instantiate_pre(&component).and_then(DeskPre::new).with_context(|| {
        format!(
            "{guest} does not fit the world in wit/cargo_component: build the guest from that WIT"
        )
    })?;

    // 4. Store: this guest's state and capabilities. A new context grants clocks, sleep and random
    //    bytes, and no line here limits time or memory; all else is granted below or not at all.
    let press = Press {
        pages: BTreeSet::from(["about".to_owned()]),
        ctx: WasiCtx::builder().inherit_stderr().build(), // a panic says where
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, press);

    // 5. Instantiate and call. The outer `Result` says whether the guest ran to its end, the inner
    //    one is the guest's answer. After an error of the first kind this store is of no more use.
    let failed = || format!("{guest} failed while it ran");
    let desk = linked.instantiate(&mut store).with_context(failed)?;
    for title in &cli.titles {
        match desk.call_slug(&mut store, title).with_context(failed)? {
            Ok(slug) => {
                println!("host: {title:?} is {slug:?}");
                store.data_mut().pages.insert(slug);
            }
            Err(problem) => bail!("no slug for {title:?}: {problem}"),
        }
    }
    Ok(())
}
