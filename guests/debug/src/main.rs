//! A shop's accounts, with three faults: one panics, one never ends, one is slow.
//! Notice that nothing here helps to find them: the host and the compiler's debug info are enough.
//! Run: just run debug

use std::collections::HashSet;
use std::{env, fs};

use anyhow::{Context, Result, bail};

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["invoice", file] => invoice(file),
        ["shelf", name] => shelf(name),
        ["duplicates", how @ ("by_search" | "by_set"), count] => duplicates(how, count.parse()?),
        _ => bail!("say what to do: invoice FILE, shelf NAME or duplicates by_search|by_set COUNT"),
    }
}

/// Percent off, by tens of pieces.
const DISCOUNTS: [u64; 5] = [0, 2, 5, 8, 10];

/// Prints what each order in a file costs.
fn invoice(file: &str) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let mut total = 0;
    for line in text.lines() {
        let (article, pieces) = line.split_once(' ').context("an order is ARTICLE PIECES")?;
        let cents = price(article, pieces.parse()?)?;
        println!("{pieces} of {article}: {cents} cents");
        total += cents;
    }
    println!("all: {total} cents");
    Ok(())
}

fn price(article: &str, pieces: u32) -> Result<u64> {
    let each = match article {
        "coffee" => 720,
        "tea" => 450,
        _ => bail!("{article} is not sold here"),
    };
    let full = each * u64::from(pieces);
    Ok(full - full * discount(pieces) / 100)
}

fn discount(pieces: u32) -> u64 {
    let tens = pieces as usize / 10;
    DISCOUNTS[tens]
}

/// Shelves, and on which other shelf each of them stands.
const SHELVES: [(&str, &str); 3] = [("tea", "drinks"), ("drinks", "offers"), ("offers", "tea")];

/// Prints how far a shelf is from the floor.
fn shelf(name: &str) -> Result<()> {
    println!("{name}: {} shelves from the floor", height(name));
    Ok(())
}

fn height(name: &str) -> u32 {
    match SHELVES.iter().find(|(shelf, _)| *shelf == name) {
        Some((_, below)) => 1 + height(below),
        None => 0,
    }
}

/// Counts the numbers that came before, among made-up numbers of orders.
fn duplicates(how: &str, count: usize) -> Result<()> {
    let mut numbers = Vec::with_capacity(count);
    let mut number = 1_u32;
    for _ in 0..count {
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        numbers.push(number >> 12);
    }
    let found = if how == "by_search" { by_search(&numbers) } else { by_set(&numbers) };
    println!("{found} of {count} numbers came before");
    Ok(())
}

#[inline(never)] // so that a profile has a line for it
fn by_search(numbers: &[u32]) -> usize {
    let mut found = 0;
    for (index, number) in numbers.iter().enumerate() {
        if came_before(&numbers[..index], *number) {
            found += 1;
        }
    }
    found
}

#[inline(never)]
fn came_before(earlier: &[u32], number: u32) -> bool {
    for other in earlier {
        if *other == number {
            return true;
        }
    }
    false
}

#[inline(never)]
fn by_set(numbers: &[u32]) -> usize {
    let mut seen = HashSet::new();
    numbers.iter().filter(|number| !seen.insert(**number)).count()
}
