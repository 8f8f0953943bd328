//! That wasmtime is built once: no host asks for other features of it, or of what lies below it.
//! Run: cargo test -p tests --test builds

use std::collections::BTreeSet;

use serde_json::{Deserializer, Value};
use tests::{command, examples, root};

/// The libraries that a `cargo build` with `arguments` uses, by their paths. cargo puts a hash of
/// the features and the profile into each name, so the same library built otherwise has another.
fn libraries(arguments: &[&str]) -> BTreeSet<String> {
    let mut cargo = command("cargo", &root());
    let output =
        cargo.args(["build", "--message-format", "json"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages =
        Deserializer::from_slice(&output.stdout).into_iter::<Value>().map(Result::unwrap);
    let files =
        messages.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let files = files.map(|file| file.as_str().unwrap().to_owned());
    files.filter(|file| file.ends_with(".rlib") || file.ends_with(".so")).collect()
}

#[test]
fn going_through_all_hosts_compiles_nothing_of_wasmtime() {
    let all = libraries(&[]);
    for example in examples() {
        let alone = libraries(&["--package", &format!("{example}_host")]);
        assert!(alone.len() > 100, "{example}_host has few libraries: {alone:?}");
        let other: Vec<_> = alone.difference(&all).collect();
        let engine = ["wasmtime", "cranelift", "wiggle", "wasmparser"];
        let again = other.iter().any(|file| engine.iter().any(|name| file.contains(name)));
        assert!(!again, "{example}_host alone builds these again, its features differ: {other:?}");
        assert!(other.len() <= 3, "{example}_host alone builds {other:?}");
    }
}
