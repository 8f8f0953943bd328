//! The filter `unseen`: drops a text that it has seen before, and at the end says how many there were.
//! Notice that what it has seen is in its table, so that a trap or a new version forgets nothing.
//! Run: just run plugins

wit_bindgen::generate!({ path: "../../wit/plugins", world: "plugin-with-ending" });

use exports::text::plugins::{ending, filters};
use filters::{About, Filter};
use text::plugins::data::Table;

struct Unseen;

export!(Unseen);

impl filters::Guest for Unseen {
    fn describe() -> About {
        let help = "drops what was there before, and counts it".into();
        let filter = Filter { name: "unseen".into(), help };
        About { name: "unseen".into(), version: "1.0.0".into(), filters: vec![filter] }
    }

    fn apply(_: String, text: String) -> Result<Option<String>, String> {
        let table = Table::private()?;
        let seen = table.get(&text).and_then(|seen| seen.parse().ok()).unwrap_or(0_u64);
        table.set(&text, &(seen + 1).to_string())?;
        Ok((seen == 0).then_some(text))
    }
}

impl ending::Guest for Unseen {
    fn finish(_: String) -> Result<Option<String>, String> {
        let table = Table::private()?;
        let times = table.keys().into_iter().filter_map(|text| table.get(&text)?.parse().ok());
        let again: u64 = times.map(|times: u64| times - 1).sum();
        Ok((again > 0).then(|| format!("({again} more, seen before)")))
    }
}
