//! The filter `number`: puts the number of a text in front of it.
//! Notice that it was built from version 1.0.0 of the interface, and that nobody has to build it again.
//! Run: just run plugins

wit_bindgen::generate!({
    inline: r#"
        package text:plugins@1.0.0;

        interface logging {
            enum level {
                info,
                warning,
            }

            log: func(level: level, message: string);
        }

        interface filters {
            record filter {
                name: string,
                help: string,
            }

            record about {
                name: string,
                version: string,
                filters: list<filter>,
            }

            describe: func() -> about;
            apply: func(filter: string, text: string) -> result<option<string>, string>;
        }

        world plugin {
            import logging;
            export filters;
        }
    "#,
});

use std::sync::atomic::{AtomicU64, Ordering};

use exports::text::plugins::filters::{About, Filter, Guest};
use text::plugins::logging::{Level, log};

struct Number;

export!(Number);

static NUMBER: AtomicU64 = AtomicU64::new(0);

impl Guest for Number {
    fn describe() -> About {
        let filter = Filter { name: "number".into(), help: "puts its number before a text".into() };
        About { name: "number".into(), version: "0.3.1".into(), filters: vec![filter] }
    }

    fn apply(_: String, text: String) -> Result<Option<String>, String> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
        if number == 1 {
            log(Level::Info, "counting from 1");
        }
        Ok(Some(format!("{number} {text}")))
    }
}
