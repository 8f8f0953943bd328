//! A plug-in of a chat: it hides the words that the chat does not want to see.
//! Notice that no pointer is to be seen: `plugin_fn` and `host_fn` carry strings through Extism.
//! Run: just run extism

use extism_pdk::{FnResult, host_fn, plugin_fn, var};

#[host_fn]
extern "ExtismHost" {
    /// Answers `yes` for a word that is to be hidden.
    fn banned(word: &str) -> String;
}

#[plugin_fn]
pub fn moderate(message: String) -> FnResult<String> {
    let mut words = Vec::new();
    for word in message.split(' ') {
        // SAFETY: the host function takes and returns strings, as declared above.
        let answer = unsafe { banned(word) }?;
        words.push(if answer == "yes" {
            "*".repeat(word.chars().count())
        } else {
            word.to_owned()
        });
    }
    // A variable of this plug-in, which its host keeps between the calls.
    let count = var::get("messages")?.unwrap_or(0u32) + 1;
    var::set("messages", count)?;
    Ok(format!("{count}: {}", words.join(" ")))
}
