//! Runs every page in `examples/` as a reader would and compares what it prints; tests/src/page.rs
//! says how. The solution of a page's exercise is not run here but in a copy, by copies.rs.
//! Notice the switch: SNAPSHOTS=overwrite writes what was printed into the page instead.
//! Run: just test, or cargo test -p tests --test walkthroughs -- EXAMPLE

use libtest_mimic::{Arguments, Trial};
use tests::page::{Which, check};
use tests::{examples, root};

fn main() {
    let pages = examples().into_iter().map(|example| {
        let page = root().join("examples").join(&example).join("README.md");
        Trial::test(example, move || Ok(check(&page, &root(), Which::Walkthrough, &[])?))
    });
    libtest_mimic::run(&Arguments::from_args(), pages.collect()).exit();
}
