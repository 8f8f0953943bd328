//! Says that there is no such example, and which names come near.
//! Notice that only `just` calls it, when a name was mistyped.
//! Run: just run NAME

use clap::Parser;

#[derive(Parser)]
struct Cli {
    /// A name that no example has
    name: String,
}

fn main() {
    let name = Cli::parse().name;
    let mut examples = tests::examples();
    examples.sort_by_key(|example| strsim::damerau_levenshtein(example, &name));
    examples.truncate(3);
    eprintln!("no example `{name}`: did you mean {}? `just` lists them all", examples.join(", "));
    std::process::exit(1);
}
