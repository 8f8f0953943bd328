//! Makes slugs of titles: a component that `cargo component` builds.
//! Notice `mod bindings`: that file is generated, and kept with the sources.
//! Run: just run cargo_component

#[rustfmt::skip]
#[allow(warnings)]
mod bindings;

use bindings::{Guest, Problem, taken};

struct Desk;

bindings::export!(Desk with_types_in bindings);

impl Guest for Desk {
    fn slug(title: String) -> Result<String, Problem> {
        let words = title.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        let slug = words.collect::<Vec<_>>().join("-").to_lowercase();
        match slug.len() {
            0 => return Err(Problem::Empty),
            length @ 41.. => return Err(Problem::TooLong(length as u32)),
            _ => {}
        }
        if !taken(&slug) {
            return Ok(slug);
        }
        // Not without end: the host may say of every slug that it is taken.
        let mut numbered = (2..100).map(|number| format!("{slug}-{number}"));
        numbered.find(|slug| !taken(slug)).ok_or(Problem::AllTaken)
    }
}
