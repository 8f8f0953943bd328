//! That examples/sizes.md is true: what each guest weighs as cargo builds it, and by the profile `small`.
//! Notice that a figure may be off by two percent, and a debug build by the length of the folder's name,
//! which is in it. With SNAPSHOTS=overwrite the table is written anew.
//! Run: just sizes

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use tests::{artifacts, command, root};
use toml::Table;

const PAGE: &str = "examples/sizes.md";

/// Not in the table: `compose_wac` is a tool of sixty crates, and the macros of Extism's kit are as many.
/// They would take as long as all others together.
const LEFT_OUT: [&str; 3] = ["compose_wac", "extism", "extism_rude"];

/// The bytes of the guest in the folder `guests/{name}`, built as `cargo build` in that folder does,
/// but from the root, so that what other tests have built is used.
fn size(name: &str, target: &str, profile: &str) -> u64 {
    let mut cargo = command("cargo", &root());
    // Incremental builds split a crate in more pieces, and CI goes without. cargo keeps both.
    cargo.env("CARGO_INCREMENTAL", "0").args(["build", "--profile", profile, "--target", target]);
    cargo.arg("--package").arg(format!("{name}_guest"));
    let config = Path::new("guests").join(name).join(".cargo/config.toml");
    if fs::read_to_string(root().join(&config)).unwrap().contains("rustflags") {
        cargo.arg("--config").arg(config);
    }
    let files = artifacts(&mut cargo);
    let wasm: Vec<_> =
        files.iter().filter(|file| file.extension() == Some("wasm".as_ref())).collect();
    let [file] = wasm[..] else { panic!("{name} is one file, not {wasm:?}") };
    fs::metadata(file).unwrap().len()
}

/// The guests, sorted: the names of their folders and the targets that these are built for.
fn guests() -> Vec<(String, String)> {
    let mut folders: Vec<PathBuf> =
        fs::read_dir(root().join("guests")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    let guests = folders.into_iter().map(|folder| {
        let config = fs::read_to_string(folder.join(".cargo/config.toml")).unwrap();
        let config: Table = config.parse().unwrap();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        (name, config["build"]["target"].as_str().unwrap().to_owned())
    });
    guests.filter(|(name, _)| !LEFT_OUT.contains(&&**name)).collect()
}

#[test]
fn the_smallest_are_those_of_their_pages() {
    let text = fs::read_to_string(root().join(PAGE)).unwrap();
    let (_, rows) = text.split_once("|---|---|---|---|\n").unwrap();
    let rows: Vec<Vec<_>> = rows
        .lines()
        .take_while(|row| !row.is_empty())
        .map(|row| row.split(" | ").collect())
        .collect();
    assert_eq!(rows.len(), 4);
    for row in rows {
        let page = row[3].split(['(', ')']).nth(1).unwrap();
        let page = fs::read_to_string(root().join("examples").join(page)).unwrap();
        // The tests of the pages see to the figures there. A command may be broken into lines.
        let page = page.replace(" \\\n    ", " ");
        let shown = [format!("host: {} bytes\n", row[2]), format!("| {} |\n", row[2])];
        assert!(shown.iter().any(|shown| page.contains(shown)), "the page does not show {row:?}");
        for command in row[1].split('`').skip(1).step_by(2) {
            assert!(page.contains(command), "the page does not show: {command}");
        }
    }
}

#[test]
fn the_sizes_of_all_guests_are_true() {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let (head, rows) = page.split_once("|---|---|---|---|---|\n").unwrap();
    let rows: Vec<Vec<_>> = rows.lines().map(|row| row.split(" | ").collect()).collect();
    let guests = guests();
    let sizes = |profile| guests.iter().map(|(name, target)| size(name, target, profile)).collect();
    // At the same time: cargo waits for another cargo only where both build by one profile.
    let (debug, small): (Vec<_>, Vec<_>) = thread::scope(|scope| {
        let debug = scope.spawn(|| sizes("dev"));
        let small = sizes("small");
        (debug.join().unwrap(), small)
    });
    let folder = root().as_os_str().len() as u64;
    let mut table = String::new();
    for (((name, target), debug), small) in guests.iter().zip(debug).zip(small) {
        let first = format!("| {name}");
        let row = rows.iter().find(|row| row[0] == first);
        let near = |cell: usize, actual: u64, allowed: u64| {
            let written = row.and_then(|row| row.get(cell)?.parse().ok()).unwrap_or(0_u64);
            if written.abs_diff(actual) <= allowed + written / 50 { written } else { actual }
        };
        let debug = near(2, debug, folder);
        let small = near(3, small, 0);
        let percent = small as f64 * 100.0 / debug as f64;
        table += &format!("{first} | `{target}` | {debug} | {small} | {percent:.1} |\n");
    }
    let new = format!("{head}|---|---|---|---|---|\n{table}");
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        fs::write(root().join(PAGE), new).unwrap();
    } else {
        let wrong: Vec<_> = new.lines().filter(|line| !page.contains(line)).collect();
        assert!(
            new == page,
            "{PAGE} differs, it should say: {wrong:#?}\nIf that is well: just sizes"
        );
    }
}
