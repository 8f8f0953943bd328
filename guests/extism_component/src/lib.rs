//! The same job without Extism, as a component.
//! Notice that it is the plug-in's own code and nothing else: the interface is in WIT.
//! Run: just run extism

use std::sync::atomic::{AtomicU32, Ordering};

wit_bindgen::generate!({ path: "../../wit/extism" });

struct Moderator;

export!(Moderator);

/// The messages so far. A component's memory stays from call to call.
static MESSAGES: AtomicU32 = AtomicU32::new(0);

impl Guest for Moderator {
    fn moderate(message: String) -> String {
        let hide = |word: &str| match banned(word) {
            true => "*".repeat(word.chars().count()),
            false => word.to_owned(),
        };
        let words: Vec<_> = message.split(' ').map(hide).collect();
        let count = MESSAGES.fetch_add(1, Ordering::Relaxed) + 1;
        format!("{count}: {}", words.join(" "))
    }
}
