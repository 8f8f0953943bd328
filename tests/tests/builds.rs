//! That wasmtime is built once: no host asks for other features of it, or of what lies below it.
//! Run: cargo test -p tests --test builds

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{apart, artifacts, command, root};

/// The libraries that a `cargo build` with `arguments` uses, by their paths. cargo puts a hash of
/// the features and the profile into each name, so the same library built otherwise has another.
fn libraries(arguments: &[&str]) -> BTreeSet<PathBuf> {
    let files = artifacts(command("cargo", &root()).arg("build").args(arguments));
    let library = |file: &PathBuf| file.extension().is_some_and(|e| e == "rlib" || e == "so");
    files.into_iter().filter(library).collect()
}

#[test]
fn going_through_all_hosts_compiles_nothing_of_wasmtime() {
    let all = libraries(&[]);
    let apart = apart();
    for entry in fs::read_dir(root().join("hosts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let folder = Path::new("hosts").join(&name);
        let manifest = fs::read_to_string(root().join(&folder).join("Cargo.toml"));
        let engine = manifest.is_ok_and(|manifest| manifest.contains("\nwasmtime = "));
        if !engine || apart.contains(&folder) {
            continue;
        }
        let alone = libraries(&["--package", &format!("{name}_host")]);
        assert!(alone.len() > 100, "{name}_host has few libraries: {alone:?}");
        let other: Vec<_> = alone.difference(&all).collect();
        let engine = ["wasmtime", "cranelift", "wiggle", "wasmparser"];
        let again = other
            .iter()
            .any(|file| engine.iter().any(|name| file.to_string_lossy().contains(name)));
        assert!(!again, "{name}_host alone builds these again, its features differ: {other:?}");
        assert!(other.len() <= 3, "{name}_host alone builds {other:?}");
    }
}
