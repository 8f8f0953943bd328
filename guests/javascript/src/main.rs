//! Closes a till: reads what was taken and paid from a file, and writes the balance to another.
//! Notice that it uses all that a program may: arguments, a variable, standard input, files, a status.
//! Run: just run javascript

use std::io;
use std::process::ExitCode;
use std::{env, fs};

use anyhow::{Context, Result, ensure};

/// The exit status when more was paid than taken; 1 is left to errors.
const SHORT: u8 = 3;

fn main() -> Result<ExitCode> {
    let folder = env::args().nth(1).context("name the folder of the till, such as /till")?;
    let currency = env::var("CURRENCY").unwrap_or_else(|_| "EUR".to_owned());
    let entries = format!("{folder}/entries.txt");
    let mut text =
        fs::read_to_string(&entries).with_context(|| format!("cannot read {entries}"))?;
    // What comes late is read from standard input.
    text += "\n";
    text += &io::read_to_string(io::stdin()).context("cannot read standard input")?;

    let (mut count, mut cents) = (0, 0);
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        count += 1;
        cents += amount(line).with_context(|| format!("`{line}` has no amount"))?;
    }
    let sign = if cents < 0 { "-" } else { "" };
    let (whole, part) = (cents.unsigned_abs() / 100, cents.unsigned_abs() % 100);
    let balance = format!("{sign}{whole}.{part:02} {currency}");
    let report = format!("{folder}/balance.txt");
    fs::write(&report, format!("{balance}\n")).with_context(|| format!("cannot write {report}"))?;

    println!("{count} entries, balance {balance}; see {report}");
    Ok(if cents < 0 { ExitCode::from(SHORT) } else { ExitCode::SUCCESS })
}

/// The first word of a line, a number such as 2.50 or -12, in hundredths.
fn amount(line: &str) -> Result<i64> {
    let word = line.split_whitespace().next().unwrap_or_default();
    let number: f64 = word.parse()?;
    ensure!(number.abs() < 1e9, "{word} is not a sum for a till"); // nor is NaN
    Ok((number * 100.0).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_in_hundredths() {
        assert_eq!(amount("2.50 tea").unwrap(), 250);
        assert_eq!(amount("-12").unwrap(), -1200);
        assert!(amount("tea").is_err());
        assert!(amount("inf").is_err());
        assert!(amount("nan").is_err());
    }
}
