//! The filter `mask`: puts what the program's table `people` says in place of names.
//! Notice that what it keeps in its own memory is there for the next text.
//! Run: just run plugins

wit_bindgen::generate!({ path: "../../wit/plugins", world: "plugin" });

use std::cell::OnceCell;

use exports::text::plugins::filters::{About, Filter, Guest};
use text::plugins::data::Table;
use text::plugins::logging::{Level, log};

struct Mask;

export!(Mask);

thread_local! {
    /// Names, and what to put in place of them.
    static PEOPLE: OnceCell<Vec<(String, String)>> = const { OnceCell::new() };
}

impl Guest for Mask {
    fn describe() -> About {
        let filter = Filter { name: "mask".into(), help: "puts a role in place of a name".into() };
        About { name: "mask".into(), version: "1.0.0".into(), filters: vec![filter] }
    }

    fn apply(_: String, text: String) -> Result<Option<String>, String> {
        PEOPLE.with(|people| {
            if people.get().is_none() {
                let read = read()?;
                log(Level::Info, &format!("{} names are masked", read.len()));
                let _ = people.set(read);
            }
            Ok(people.get().map(|people| mask(&text, people)))
        })
    }
}

fn read() -> Result<Vec<(String, String)>, String> {
    let table = Table::open("people")?;
    let role = |name: String| table.get(&name).map(|role| (name, role));
    Ok(table.keys().into_iter().filter_map(role).collect())
}

fn mask(text: &str, people: &[(String, String)]) -> String {
    people.iter().fold(text.to_owned(), |text, (name, role)| text.replace(name, role))
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn names_are_masked_wherever_they_stand() {
        let people = [("Ada".into(), "[author]".into()), ("Grace".into(), "[reader]".into())];
        assert_eq!(
            mask("Ada wrote to Grace, Ada!", &people),
            "[author] wrote to [reader], [author]!"
        );
        assert_eq!(mask("nobody", &people), "nobody");
    }
}
