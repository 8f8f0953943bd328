//! Opens a profile: the functions that the samples met most often.
//! Notice the two columns: a function in which the time goes, and one that calls what takes the time.
//! Run: just run debug

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use wasmtime::error::Context;
use wasmtime::{Result, ensure};

/// How many functions are shown.
const MOST: usize = 10;

/// Prints the functions in the first thread of a profile of the Firefox profiler.
pub fn print(json: &[u8]) -> Result<()> {
    let profile: Value = serde_json::from_slice(json)?;
    let thread = &profile["threads"][0];
    let strings = thread["stringArray"].as_array().context("it has no strings")?;
    // Tables of columns, whose cells are rows of other tables.
    let cell = |table: &str, column: &str, row: usize| {
        thread[table][column][row].as_u64().map(|n| n as usize)
    };
    let name = |stack: usize| {
        let function = cell("frameTable", "func", cell("stackTable", "frame", stack)?)?;
        strings.get(cell("funcTable", "name", function)?)?.as_str().map(without_hash)
    };
    let stacks = thread["samples"]["stack"].as_array().context("it has no samples")?;
    let (mut own, mut all): (BTreeMap<_, usize>, BTreeMap<_, usize>) = Default::default();
    let mut samples = 0;
    for stack in stacks.iter().filter_map(Value::as_u64) {
        samples += 1;
        let (mut stack, mut on_it) = (Some(stack as usize), BTreeSet::new());
        while let Some(row) = stack {
            let name = name(row).context("a sample leads nowhere")?;
            if on_it.is_empty() {
                *own.entry(name).or_default() += 1;
            }
            on_it.insert(name);
            let caller = cell("stackTable", "prefix", row);
            ensure!(caller.is_none_or(|caller| caller < row), "a stack of calls has no end");
            stack = caller;
        }
        on_it.into_iter().for_each(|name| *all.entry(name).or_default() += 1);
    }
    println!("host: {samples} samples");
    println!("host:   in it  below it  function");
    let mut functions: Vec<_> = all.into_iter().collect();
    functions.sort_by_key(|(name, all)| std::cmp::Reverse((own.get(name).copied(), *all)));
    let percent = |count: usize| 100.0 * count as f64 / samples as f64;
    for (name, all) in functions.into_iter().take(MOST) {
        let own = percent(own.get(name).copied().unwrap_or_default());
        // A name may have anything in it; no letter of it commands the terminal.
        let name = name.replace(char::is_control, "?");
        println!("host: {own:6.1}%  {:7.1}%  {name}", percent(all));
    }
    Ok(())
}

/// A name without the hash that the compiler has put behind it.
fn without_hash(name: &str) -> &str {
    match name.rsplit_once("::h") {
        Some((name, hash)) if hash.len() == 16 => name,
        _ => name,
    }
}
