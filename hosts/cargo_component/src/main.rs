//! Asks a component for slugs, no matter which tool built it.
//! Notice that only the list of imports differs: it shows whose adapter or linker made the file.
//! Run: just run cargo_component

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use wasmtime::component::{Component, HasSelf, Linker, ResourceTable, bindgen};
use wasmtime::error::Context;
use wasmtime::{Cache, CacheConfig, Config, Engine, Result, Store, Trap, ensure};
use wasmtime_wasi::p2;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

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
        "{guest} is not a component (but a core module, or no WebAssembly): build the guest with `cargo component build` or --target wasm32-wasip2"
    );
    let component = Component::from_binary(&engine, &wasm)
        .with_context(|| format!("{guest} is damaged: build the guest again"))?;
    let ty = component.component_type();
    let imports: Vec<_> = ty.imports(&engine).map(|(name, _)| name).collect();
    let wasi = imports.iter().filter_map(|name| name.strip_prefix("wasi:")?.split_once('@'));
    let versions: BTreeSet<_> = wasi.clone().map(|(_, version)| version).collect();
    let versions = Vec::from_iter(versions).join(" and ");
    println!("host: imports {} interfaces of WASI {versions}", wasi.count());

    // 3. Linker: what the guest may import. The world's own import, and WASI 0.2.
    let mut linker: Linker<Press> = Linker::new(&engine);
    Desk::add_to_linker::<_, HasSelf<_>>(&mut linker, |press| press)?;
    p2::add_to_linker_sync(&mut linker)?;

    // 4. Store: this guest's state and capabilities.
    let press = Press {
        pages: BTreeSet::from(["about".to_owned()]),
        ctx: WasiCtx::builder().inherit_stderr().build(), // a panic says where
        table: ResourceTable::new(),
    };
    let mut store = Store::new(&engine, press);

    // 5. Instantiate and call.
    let desk = Desk::instantiate(&mut store, &component, &linker).with_context(|| {
        format!("{guest} does not fit the world press:desk/desk: build it from wit/cargo_component")
    })?;
    let mut status = ExitCode::SUCCESS;
    for title in &cli.titles {
        match desk.call_slug(&mut store, title) {
            Ok(Ok(slug)) => {
                println!("host: {title:?} is {slug}");
                store.data_mut().pages.insert(slug);
            }
            Ok(Err(problem)) => {
                eprintln!("host: {title:?} has no slug, {problem}");
                status = ExitCode::FAILURE;
            }
            Err(error) => {
                let trapped = error.is::<Trap>();
                eprintln!("Error: {:?}", error.context(format!("{guest} failed while it ran")));
                return Ok(ExitCode::from(if trapped { 134 } else { 1 })); // 134 as the wasmtime CLI
            }
        }
    }
    Ok(status)
}
