//! Prints what the workspace may cost and what it costs here: disk, and the waits of a reader.
//! Notice that nothing fails here. The budgets are for thirty examples, on two cores.
//! Run: just budgets

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tests::{command, examples, root, target};
use walkdir::WalkDir;

/// How many examples the budgets are made for.
const EXAMPLES: u64 = 30;

fn main() -> Result<()> {
    sigpipe::reset();
    let count = examples().len() as u64;
    println!("{count} examples; the budgets are for {EXAMPLES}, on two cores\n");

    let (all, own) = size(&target())?;
    let expected = all - own + own / count * EXAMPLES;
    println!("target, after all tests and lints     {:>6} MB of 12000", all / 1_000_000);
    println!("  with {EXAMPLES} examples of the same size    {:>6} MB", expected / 1_000_000);
    for part in ["debug/incremental", "debug", "copies"] {
        let bytes = size(&target().join(part))?.0;
        println!("  target/{part:<29} {:>6} MB", bytes / 1_000_000);
    }

    println!("just run command, warm, median of 7   {:>6} ms of 400", run(true)?.as_millis());
    println!("the same, guest not compiled yet      {:>6} ms of 1000", run(false)?.as_millis());

    let start = Instant::now();
    let tests = command("just", &root()).arg("test").output()?;
    println!("just test, warm                       {:>6} s of 120", start.elapsed().as_secs());
    ensure!(tests.status.success(), "just test fails: run it for the reason");
    println!("just test and .ci/run, cold           measured by .ci/run: 1500 s and 2700 s");
    Ok(())
}

/// How long `just run command` takes; if not `compiled`, with an empty cache of compiled guests, as
/// after a change of the guest.
fn run(compiled: bool) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..7 {
        let empty = tempfile::tempdir()?;
        let mut just = command("just", &root());
        if !compiled {
            just.env("XDG_CACHE_HOME", empty.path());
        }
        let start = Instant::now();
        let output = just.args(["run", "command"]).output()?;
        times.push(start.elapsed());
        ensure!(output.status.success(), "just run command fails: {output:?}");
    }
    times.sort();
    Ok(times[times.len() / 2])
}

/// The bytes on disk below `folder`, files with several names counted once; and how many of them
/// were made of the workspace's own crates.
fn size(folder: &Path) -> Result<(u64, u64)> {
    let (mut all, mut own) = (0, 0);
    let mut seen = BTreeSet::new();
    let packages = packages()?;
    for entry in WalkDir::new(folder).into_iter().filter_map(Result::ok) {
        let metadata = entry.metadata()?;
        #[cfg(unix)]
        let new = {
            use std::os::unix::fs::MetadataExt;
            metadata.is_file() && seen.insert((metadata.dev(), metadata.ino()))
        };
        #[cfg(not(unix))]
        let new = metadata.is_file() && seen.insert(entry.path().to_owned());
        if new {
            all += metadata.len();
            let path = entry.path().strip_prefix(folder)?;
            let mut names = path.iter().map(|part| part.to_string_lossy());
            if names.any(|name| packages.iter().any(|package| name.contains(package.as_str()))) {
                own += metadata.len();
            }
        }
    }
    Ok((all, own))
}

/// What files made of the workspace's own crates have in their names.
fn packages() -> Result<Vec<String>> {
    let mut packages = vec!["_guest".to_owned(), "_host".to_owned(), "tests-".to_owned()];
    for entry in fs::read_dir(root().join("tests/tests")).context("cannot list tests/tests")? {
        let name = entry?.file_name().to_string_lossy().trim_end_matches(".rs").to_owned();
        packages.push(format!("{name}-"));
    }
    Ok(packages)
}
