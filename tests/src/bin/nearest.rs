//! Says that there is no such example, and which names come near; or how to name one.
//! Notice that only `just` calls it, when a name was mistyped or left out.
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
    if name.is_empty() || name.starts_with('-') {
        let examples = examples.join(", ");
        eprintln!("usage: just run EXAMPLE [ARGUMENT]...\nwhere EXAMPLE is one of {examples}");
    } else {
        // A part of a long name is many letters away from it, and yet what was meant.
        examples.sort_by_key(|example| {
            (!example.contains(&name), strsim::damerau_levenshtein(example, &name))
        });
        examples.truncate(3);
        let examples = examples.join(", ");
        eprintln!("error: no example `{name}`: did you mean {examples}? `just` lists them all");
    }
    std::process::exit(1);
}
