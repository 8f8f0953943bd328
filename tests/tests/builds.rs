//! That wasmtime is built once: no host asks for other features of it, or of what lies below it.
//! Run: cargo test -p tests --test builds

use serde_json::{Deserializer, Value};
use tests::{command, examples, root};

/// Builds with `arguments` and returns the packages that were not fresh.
fn compiled(arguments: &[&str]) -> Vec<String> {
    let mut cargo = command("cargo", &root());
    let output =
        cargo.args(["build", "--message-format", "json"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages =
        Deserializer::from_slice(&output.stdout).into_iter::<Value>().map(Result::unwrap);
    let stale = messages.filter(|message| message["fresh"] == Value::Bool(false));
    stale.map(|message| message["package_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn going_through_all_hosts_compiles_nothing_of_wasmtime() {
    compiled(&[]);
    for example in examples() {
        let compiled = compiled(&["--package", &format!("{example}_host")]);
        let engine = ["wasmtime", "cranelift", "wiggle", "wasmparser"];
        let again: Vec<_> =
            compiled.iter().filter(|id| engine.iter().any(|name| id.contains(name))).collect();
        assert!(again.is_empty(), "{example}_host alone compiles {again:?}: its features differ");
        assert!(compiled.len() <= 3, "{example}_host alone compiles {compiled:?}");
    }
}
