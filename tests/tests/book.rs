//! What the book promises: every page as a browser shows it, and guests that run where the page stands.
//! Notice that a browser reads it; what it looks for stands in tests/book/check.mjs.
//! Run: cargo test -p tests --test book

use std::fs;

use tests::{command, installed, root, target};

/// A picture of the book, for README.md.
const PICTURE: &str = "tests/book/command.png";

#[test]
fn the_book_can_be_read_and_its_guests_run() {
    let tools = ["mdbook", "mdbook-mermaid", "node", "npm", "chromium"];
    if !tools.iter().all(|tool| installed(tool, "the book")) {
        return;
    }
    let made = command("cargo", &root())
        .args(["run", "--quiet", "--package", "tests", "--bin", "book"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut npm = command("npm", &root());
    npm.args(["ci", "--silent", "--prefer-offline", "--prefix", "tests/book"]);
    assert!(npm.status().unwrap().success(), "npm ci failed");
    let mut check = command("node", &root());
    check.arg("tests/book/check.mjs").arg(target().join("book/html"));
    let overwrite = std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite");
    if overwrite {
        check.arg(PICTURE);
    }
    let read = check.output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout);
    let failed = String::from_utf8_lossy(&read.stderr);
    assert!(read.status.success(), "{said}{failed}");
    // "210 pages, 60 drawings, 900 links, 34 boxes of 10 examples"
    let last = said.lines().last().unwrap_or_default();
    let numbers: Vec<usize> =
        last.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [pages, drawings, links, _, boxed] = numbers[..] else { panic!("{said}") };
    assert!(pages > 100 && drawings > 40 && links > 300 && boxed >= 8, "{last}");
    assert!(fs::metadata(root().join(PICTURE)).is_ok_and(|file| file.len() > 10_000));
}
