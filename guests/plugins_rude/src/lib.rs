//! Filters that fail or attack, each in its own way.
//! Notice that none of it reaches another plug-in, or the texts before and after.
//! Run: just run plugins

wit_bindgen::generate!({ path: "../../wit/plugins", world: "plugin-with-ending" });

use std::time::Duration;
use std::{hint, thread};

use exports::text::plugins::{ending, filters};
use filters::{About, Filter};
use text::plugins::data::Table;
use text::plugins::logging::{Level, log};

struct Rude;

export!(Rude);

/// What a terminal would take for a command: to turn red, and to change the window's title.
const COMMANDS: &str = "\u{1b}[31mred\u{1b}]0;title\u{7}";

const NAMES: [&str; 18] = [
    "error",
    "panic",
    "loop",
    "sleep",
    "exit",
    "memory",
    "recursion",
    "handles",
    "large",
    "talk",
    "print",
    "listen",
    "files",
    "peek",
    "fill",
    "remember",
    "commands",
    "end",
];

impl filters::Guest for Rude {
    fn describe() -> About {
        let opened = [Table::open("people"), Table::private()].into_iter().flatten().count();
        let help = format!("has {opened} tables, commands a terminal {COMMANDS}");
        let filter = |name: &str| Filter { name: name.into(), help: help.clone() };
        let filters = NAMES.map(filter).to_vec();
        About { name: "rude".into(), version: COMMANDS.into(), filters }
    }

    fn apply(filter: String, text: String) -> Result<Option<String>, String> {
        if text.starts_with("be nice") {
            return Ok(Some(text));
        }
        match &*filter {
            "error" => return Err(format!("not this one {COMMANDS}")),
            "panic" => panic!("this text is too much {COMMANDS}"),
            "loop" => loop {
                hint::spin_loop();
            },
            "sleep" => thread::sleep(Duration::from_secs(3600)),
            "exit" => std::process::exit(0),
            "memory" => drop(hint::black_box(vec![1_u8; 1 << 30])),
            "recursion" => return Ok(Some(deep(u64::MAX).to_string())),
            "handles" => {
                let all: Result<Vec<_>, _> = (0..2_000).map(|_| Table::private()).collect();
                return Ok(Some(format!("{} handles", all?.len())));
            }
            "large" => return Ok(Some("x".repeat(16 << 20))),
            "talk" => loop {
                log(Level::Warning, COMMANDS);
            },
            "print" => loop {
                eprintln!("nobody reads this");
                println!("nor this");
            },
            "listen" => {
                let bound = std::net::UdpSocket::bind("127.0.0.1:0").map(|_| ());
                let stdin = std::io::read_to_string(std::io::stdin());
                return Ok(Some(format!("{:?} {stdin:?}", bound.map_err(|e| e.kind()))));
            }
            "files" => {
                let read = std::fs::read_dir("/").map(|_| ()).is_ok();
                let variables = std::env::vars().count();
                return Ok(Some(format!("{read} {variables}")));
            }
            "peek" => return Ok(Some(peek(&text))),
            "fill" => {
                let table = Table::private()?;
                for number in 0.. {
                    table.set(&format!("key {number}"), &"x".repeat(1000))?;
                }
            }
            "remember" => {
                let table = Table::private()?;
                table.set(&text, "")?;
                assert_ne!(text, "panic");
                return Ok(Some(table.keys().join(" ")));
            }
            "commands" => {
                log(Level::Info, COMMANDS);
                return Ok(Some(COMMANDS.into()));
            }
            _ => {}
        }
        Ok(None)
    }
}

impl ending::Guest for Rude {
    fn finish(filter: String) -> Result<Option<String>, String> {
        match &*filter {
            "end" => panic!("this is too much"),
            _ => Ok(None),
        }
    }
}

fn deep(level: u64) -> u64 {
    match level {
        0 => 0,
        _ => hint::black_box(level) + hint::black_box(deep(level - 1)),
    }
}

/// What there is of the table `name` and of its own: each key with its value, or why there is none.
fn peek(name: &str) -> String {
    let seen = |table: Result<Table, String>| match table {
        Ok(table) => {
            let keys = table.keys();
            format!("{keys:?} {:?}", table.set("rude", "was here"))
        }
        Err(error) => error,
    };
    format!("{}; {}", seen(Table::open(name)), seen(Table::private()))
}
