//! Compiles a module ahead of time, for a host without a compiler.
//! Notice that the settings of both engines must agree: wasmtime compares them when it loads the file.
//! Run: just run small_engine

use std::path::PathBuf;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Config, Engine, Result, ensure};

/// Compile a WebAssembly module for a host that cannot.
#[derive(Parser)]
struct Cli {
    /// What to compile for, if not for this machine; spelled as the wasmtime CLI spells it
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,

    /// Where to write the compiled module
    #[arg(short, long, value_name = "GUEST.cwasm")]
    output: PathBuf,

    /// The guest, a core module
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

fn main() -> Result<()> {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    let cli = Cli::parse();
    let guest = cli.guest.display();

    // 1. Engine: compiles code. Its settings become part of what it compiles.
    let mut config = Config::new();
    config.concurrency_support(false); // async components: the other host leaves them out
    if let Some(target) = &cli.target {
        config.target(target).with_context(|| format!("cannot compile for {target}"))?;
    }
    let engine = Engine::new(&config).context("cannot compile for this target")?;

    // 2. Code: machine code or bytecode, as the file that a Module is made of elsewhere.
    let wasm = std::fs::read(&cli.guest).with_context(|| {
        format!("cannot read {guest}: check the path, or build the guest first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x01\0\0\0"), // the magic number, then version 1; a component has 13
        "{guest} is not a core module (it is a component, or not WebAssembly): build the guest with --target wasm32-wasip1"
    );
    let code = engine.precompile_module(&wasm).with_context(|| {
        format!(
            "cannot compile {guest}: it is damaged, or needs a feature that this host leaves out"
        )
    })?;

    // 3. Linker,
    // 4. Store,
    // 5. Instantiate and call: steps of the host that loads the file. Nothing runs here.
    std::fs::write(&cli.output, code)
        .with_context(|| format!("cannot write {}: check the path", cli.output.display()))
}
