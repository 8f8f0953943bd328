//! The filter `with-last`: built from an interface 1.2.0, which is newer than the host's.
//! Notice that it runs, unless it calls what its host does not have.
//! Run: just run plugins

wit_bindgen::generate!({
    inline: r#"
        package text:plugins@1.2.0;

        interface data {
            resource table {
                open: static func(name: string) -> result<table, string>;
                private: static func() -> result<table, string>;
                get: func(key: string) -> option<string>;
                set: func(key: string, value: string) -> result<_, string>;
                @since(version = 1.1.0)
                keys: func() -> list<string>;
                @since(version = 1.2.0)
                remove: func(key: string);
            }
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
            import data;
            export filters;
        }
    "#,
});

use exports::text::plugins::filters::{About, Filter, Guest};
use text::plugins::data::Table;

struct Last;

export!(Last);

impl Guest for Last {
    fn describe() -> About {
        let help = "puts the text before it behind a text".into();
        let filter = Filter { name: "with-last".into(), help };
        About { name: "last".into(), version: "2.0.0".into(), filters: vec![filter] }
    }

    fn apply(_: String, text: String) -> Result<Option<String>, String> {
        let table = Table::private()?;
        let last = table.get("last");
        #[cfg(feature = "remove")]
        table.remove("last");
        table.set("last", &text)?;
        Ok(Some(last.map_or(text.clone(), |last| format!("{text}, after {last}"))))
    }
}
