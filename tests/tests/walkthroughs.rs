//! Runs every page in `examples/` as a reader would and compares what it prints.
//! Notice the switch: SNAPSHOTS=overwrite writes what was printed into the page instead.
//! Run: just test, or cargo test -p tests --test walkthroughs -- EXAMPLE
//!
//! In a `console` block each line after `$ ` goes to a shell at the root (a line that ends in `\`
//! goes on in the next). Below it stands what it prints: standard output, and if the command is
//! expected to fail, with `? STATUS` before the output, then standard error as well. As in trycmd,
//! `[..]` is any part of a line and a line `...` is any lines. A tool that the block needs stands in
//! its info string. A block whose info string ends in a path is a slice of that file.

use std::ops::Range;
use std::path::Path;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};
use snapbox::Data;
use snapbox::filter::NormalizeToExpected;

fn main() {
    let pages = tests::examples().into_iter().map(|example| {
        let page = tests::root().join("examples").join(&example).join("README.md");
        Trial::test(example, move || check(&page))
    });
    libtest_mimic::run(&Arguments::from_args(), pages.collect()).exit();
}

/// A fenced code block: where its text stands in the page, and the words of its info string.
struct Block {
    info: Vec<String>,
    text: Range<usize>,
    /// The text without the indentation that a list around the block gives it.
    content: String,
}

/// One command of a `console` block and what the page says of it.
struct Step {
    command: String,
    status: i32,
    /// Where in the page the expected output stands.
    output: Range<usize>,
}

fn check(path: &Path) -> Result<(), Failed> {
    let mut page = fs::read_to_string(path)?;
    let mut failures = Vec::new();
    let mut rewrites = Vec::new();
    for block in blocks(&page) {
        let language = block.info.first().map(String::as_str);
        if language == Some("console") {
            if !block.info[1..].iter().all(|tool| tests::installed(tool, path.display())) {
                continue;
            }
            for step in steps(&page, block.text) {
                let actual = run(&step)?;
                let expected = &page[step.output.clone()];
                let matched = NormalizeToExpected::new()
                    .redact()
                    .normalize(Data::text(actual.as_str()), &Data::text(expected))
                    .to_string();
                if matched != expected {
                    failures.push(format!(
                        "$ {}\nexpected:\n{expected}\nprinted:\n{actual}",
                        step.command
                    ));
                    rewrites.push((step.output, actual));
                }
            }
        } else if let Some(file) = block.info.get(1) {
            let source = fs::read_to_string(tests::root().join(file))?;
            if !is_slice(&block.content, &source) {
                failures.push(format!("not a slice of {file}:\n{}", block.content));
            }
        }
    }
    if env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        for (range, actual) in rewrites.into_iter().rev() {
            page.replace_range(range, &actual);
        }
        fs::write(path, page)?;
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n\n").into()) }
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(info))) => {
                let info = info.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { info, text: 0..0, content: String::new() });
            }
            // An indented block arrives in pieces, a line each.
            Event::Text(piece) => {
                if let Some(block) = &mut open {
                    let start = if block.text.is_empty() { range.start } else { block.text.start };
                    block.text = start..range.end;
                    block.content.push_str(&piece);
                }
            }
            Event::End(TagEnd::CodeBlock) => blocks.extend(open.take()),
            _ => {}
        }
    }
    blocks
}

/// The commands of the `console` block that stands at `text`.
fn steps(page: &str, text: Range<usize>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut at = text.start;
    for line in page[text].split_inclusive('\n') {
        let end = at + line.len();
        let plain = line.trim_end_matches('\n');
        if let Some(command) = plain.strip_prefix("$ ") {
            steps.push(Step { command: command.to_owned(), status: 0, output: end..end });
        } else if let Some(step) = steps.last_mut() {
            if step.output.is_empty() && step.command.ends_with('\\') {
                step.command = format!("{}\n{plain}", step.command);
                step.output = end..end;
            } else if let Some(status) = plain.strip_prefix("? ").filter(|_| step.output.is_empty())
            {
                step.status = status.parse().expect("a number after `? `");
                step.output = end..end;
            } else {
                step.output.end = end;
            }
        }
        at = end;
    }
    steps
}

fn run(step: &Step) -> Result<String, Failed> {
    let output = tests::command("sh", &tests::root()).args(["-c", &step.command]).output()?;
    let mut text = String::from_utf8(output.stdout)?;
    let errors = String::from_utf8(output.stderr)?;
    let status = output.status.code().unwrap_or(-1);
    if status != step.status {
        return Err(format!(
            "$ {}\nended with {status}, the page says {}\n{text}{errors}",
            step.command, step.status
        )
        .into());
    }
    if status != 0 {
        text.push_str(&errors);
    }
    // A blank line at the end would be lost on the page's reader.
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(text)
}

fn is_slice(text: &str, source: &str) -> bool {
    let text: Vec<_> = text.lines().collect();
    let source: Vec<_> = source.lines().collect();
    source.windows(text.len()).any(|window| {
        // The page may show indented lines from the margin on.
        let indent = window[0].len().saturating_sub(text[0].len());
        window.iter().zip(&text).all(|(line, shown)| line.get(indent..).unwrap_or("") == *shown)
    })
}
