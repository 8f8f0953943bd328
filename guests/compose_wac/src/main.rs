//! Plugs components together: the exports of some take the place of what another one imports.
//! Notice that it runs none of them. Composing is work on bytes, so this tool is a guest as well.
//! Run: just run compose

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use wac_graph::types::Package;
use wac_graph::{CompositionGraph, EncodeOptions, PackageId};

/// Make one component of several; spelled as `wac plug` spells it.
#[derive(Parser)]
struct Cli {
    /// A component whose exports the socket imports
    #[arg(long = "plug", value_name = "PLUG.wasm", required = true)]
    plugs: Vec<PathBuf>,
    /// Where the new component goes
    #[arg(short, long, value_name = "OUTPUT.wasm")]
    output: PathBuf,
    /// The component that is plugged into; what it exports, the new one exports
    #[arg(value_name = "SOCKET.wasm")]
    socket: PathBuf,
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut graph = CompositionGraph::new();
    let socket = register(&mut graph, "socket", &cli.socket)?;
    let plugs = cli.plugs.iter().enumerate();
    let plugs = plugs.map(|(n, plug)| register(&mut graph, &format!("plug{n}"), plug));
    let plugs = plugs.collect::<Result<_>>()?;

    let shown = cli.socket.display();
    wac_graph::plug(&mut graph, plugs, socket).with_context(|| {
        format!("nothing fits into {shown}: plug in what exports an import of it, by name and type")
    })?;
    let wasm =
        graph.encode(EncodeOptions::default()).context("cannot make one component of these")?;
    let shown = cli.output.display();
    fs::write(&cli.output, wasm)
        .with_context(|| format!("cannot write {shown}: name a file in a folder that is there"))?;

    let left: Vec<_> = graph.imports().map(|(name, ..)| name).collect();
    for import in graph.types()[graph[socket].ty()].imports.keys() {
        if !left.contains(&&**import) {
            println!("plugged in: {import}");
        }
    }
    Ok(())
}

/// Reads a component and gives it a name in the graph.
fn register(graph: &mut CompositionGraph, name: &str, path: &Path) -> Result<PackageId> {
    let shown = path.display();
    let wasm = fs::read(path).with_context(|| {
        format!("cannot read {shown}: check the path, or build the component first")
    })?;
    ensure!(
        wasm.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then version 13; a core module has 1
        "{shown} is not a component (it is a core module, or not WebAssembly): build it with --target wasm32-wasip2"
    );
    let package = Package::from_bytes(name, None, wasm, graph.types_mut())
        .with_context(|| format!("cannot read what {shown} imports and exports: it is damaged"))?;
    Ok(graph.register_package(package)?)
}
