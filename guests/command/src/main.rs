//! Checks a text against a word limit: ordinary std Rust, compiled for WASI preview 1.
//! Notice that nothing below names WASI; std turns each call into one.
//! Run: just run command

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::{env, fs, io};

use anyhow::{Context, bail};

/// The exit status for a text that is too long; 1 is left to errors.
const OVER_LIMIT: u8 = 3;

fn main() -> anyhow::Result<ExitCode> {
    let mut args = env::args().skip(1);
    let report = args.next().context("no argument: name the file to write the report to")?;
    if let Some(extra) = args.next() {
        bail!("`{extra}` is one argument too many: name the file to write the report to");
    }
    let limit =
        env::var("WORD_LIMIT").context("WORD_LIMIT is not set: say how many words are allowed")?;
    let limit: usize =
        limit.parse().with_context(|| format!("WORD_LIMIT={limit} is not a number"))?;
    let text = io::read_to_string(io::stdin()).context("cannot read a text from standard input")?;

    let counts = count(&text);
    let words: usize = counts.values().sum();
    fs::write(&report, render(&counts)).with_context(|| format!("cannot write {report}"))?;

    if words > limit {
        println!("{words} words, {} over the limit of {limit}; see {report}", words - limit);
        return Ok(ExitCode::from(OVER_LIMIT));
    }
    println!("{words} words, the limit is {limit}; see {report}");
    Ok(ExitCode::SUCCESS)
}

/// How often each word occurs, letter case ignored.
fn count(text: &str) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for word in text.split(|c: char| !c.is_alphanumeric() && c != '\'').filter(|w| !w.is_empty()) {
        *counts.entry(word.to_lowercase()).or_default() += 1;
    }
    counts
}

/// The three most frequent words, a line each.
fn render(counts: &BTreeMap<String, usize>) -> String {
    let mut ranked: Vec<_> = counts.iter().collect();
    // The sort is stable, so words of equal count stay in the alphabetical order of the map.
    ranked.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    ranked.iter().take(3).map(|(word, count)| format!("{count:3} {word}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_and_case_do_not_count() {
        let counts = count("Stop! Don't stop, don't stop -- please.");
        assert_eq!(counts["stop"], 3);
        assert_eq!(counts["don't"], 2);
        assert_eq!(counts.len(), 3);
    }

    #[test]
    fn the_report_ranks_by_frequency_then_alphabet() {
        assert_eq!(render(&count("b a c c d")), "  2 c\n  1 a\n  1 b\n");
    }

    #[test]
    #[cfg(target_family = "wasm")]
    fn the_sandbox_is_empty_unless_something_is_granted() {
        assert_eq!(env::vars().count(), 0);
        assert!(fs::read_dir("/").is_err());
    }
}
