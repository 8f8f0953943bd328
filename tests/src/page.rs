//! Reads a page and runs it: types its commands, compares what they print, compares what it quotes.
//! Notice that the text of the page is all there is; no test holds a second copy of a command.
//! Run: just test
//!
//! The blocks of a page, by the first word behind the fence:
//!
//! - `console`: each line after `$ ` goes to a shell at the root (a line that ends in `\` goes on in
//!   the next). Below it stands what it prints: standard output, and after a line `? STATUS`, for a
//!   command that fails, standard error as well. As in trycmd, `[..]` is any part of a line and a
//!   line `...` is any lines. Tools that the block needs stand behind `console`.
//! - `diff`: a change to the example, in the solution of an exercise. The `console` blocks between it
//!   and the next heading are run in a copy of the workspace to which it was applied.
//! - `rust`, `js`, `wit`, `toml`: a slice of the file whose path stands behind it.
//! - `sh`, `mermaid`: shown and not run.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use std::{env, fs, io, thread};

use diffy::patch_set::{FileOperation, ParseOptions, PatchSet};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Parser, Tag, TagEnd};
use snapbox::Data;
use snapbox::filter::NormalizeToExpected;

use crate::{command, installed};

/// How long a command of a page may take. The first build of wasmtime is the longest there is.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// Names and values of variables of the environment.
pub type Vars<'a> = &'a [(&'a str, &'a str)];

/// Where commands are run: the root of a workspace, and variables for them.
type Place<'a> = (&'a Path, Vars<'a>);

/// Which part of a page to run.
#[derive(Clone, Copy, PartialEq)]
pub enum Which {
    /// All but the exercise: in the workspace as it is.
    Walkthrough,
    /// The solution of the exercise: in a copy of the workspace, which it changes.
    Solution,
}

/// Runs `which` part of the page at `path` in the workspace at `root`, with the variables `vars` set.
/// With SNAPSHOTS=overwrite in the environment, writes what was printed into the page.
///
/// # Errors
/// If something differs from what the page says, or the page was rewritten; the text says what.
pub fn check(path: &Path, root: &Path, which: Which, vars: Vars) -> Result<(), String> {
    let mut page = read(path)?;
    let mut found = Found::default();
    let mut changed = false;
    for part in parts(&page) {
        match part {
            Part::Heading => changed = false,
            Part::Block(block) => {
                let of_solution = changed || block.language() == "diff";
                changed = of_solution;
                if of_solution == (which == Which::Solution) {
                    compare(path, &page, &block, (root, vars), &mut found);
                }
            }
        }
    }
    let shown = path.display();
    if found.failures.is_empty() {
        return Ok(());
    }
    let failures = found.failures.join("\n\n");
    let overwrite = env::var("SNAPSHOTS").as_deref() == Ok("overwrite");
    if overwrite && !found.rewrites.is_empty() {
        for (range, text) in found.rewrites.into_iter().rev() {
            page.replace_range(range, &text);
        }
        fs::write(path, page).map_err(|error| format!("{shown}: {error}"))?;
        return Err(format!("{failures}\n\n{shown} is rewritten: read its diff, and run again"));
    }
    Err(format!(
        "{failures}\n\nIf the page is wrong and not the code, let it be written and read the diff: \
         SNAPSHOTS=overwrite cargo test -p tests"
    ))
}

/// What differs from the page, and what to put there instead, in the order of the page.
#[derive(Default)]
struct Found {
    failures: Vec<String>,
    rewrites: Vec<(Range<usize>, String)>,
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn compare(path: &Path, page: &str, block: &Block, place: Place, found: &mut Found) {
    let first = block.content.lines().next().unwrap_or_default();
    match (block.language(), &block.info[..]) {
        ("console", [_, tools @ ..]) => {
            if !page[block.text.clone()].starts_with("$ ") {
                found.failures.push(format!(
                    "a `console` block begins with `$ ` and a command, at the margin: {first}"
                ));
            } else if tools.iter().all(|tool| installed(tool, path.display())) {
                for step in steps(page, block.text.clone()) {
                    step.compare(page, place, found);
                }
            }
        }
        ("diff", _) => {
            if let Err(error) = apply(&block.content, place.0) {
                found.failures.push(format!("the solution's diff: {error}"));
            }
        }
        ("rust" | "js" | "wit" | "toml", [_, file]) => match read(&place.0.join(file)) {
            Ok(source) if slice(&block.content, &source) => {}
            Ok(source) => {
                found.failures.push(format!("not a slice of {file}:\n{}", block.content));
                if let Some(text) = moved(&block.content, &source) {
                    found.rewrites.push((block.text.clone(), block.indented(page, &text)));
                }
            }
            Err(error) => found.failures.push(error),
        },
        ("sh" | "mermaid", _) => {}
        (language, _) => found.failures.push(format!(
            "nothing checks this block: make it `console` with a command, or name the file it is a \
             slice of (`rust hosts/NAME/src/main.rs`), not `{language}`: {first}"
        )),
    }
}

/// A command as a page shows it.
pub struct Shown {
    /// The command, with the backslashes at the ends of its lines.
    pub command: String,
    /// The exit status that the page names.
    pub status: i32,
    /// What it prints, as the page has it.
    pub output: String,
    /// Where the text of its block stands in the page.
    pub block: Range<usize>,
}

/// The commands of all `console` blocks of `page` outside of a solution, in their order.
pub fn commands(page: &str) -> Vec<Shown> {
    let mut commands = Vec::new();
    let mut changed = false;
    for part in parts(page) {
        match part {
            Part::Heading => changed = false,
            Part::Block(block) if block.language() == "diff" => changed = true,
            Part::Block(block) if block.language() == "console" && !changed => {
                for step in steps(page, block.text.clone()) {
                    let output = page[step.output].to_owned();
                    let (command, status) = (step.command, step.status);
                    commands.push(Shown { command, status, output, block: block.text.clone() });
                }
            }
            Part::Block(_) => {}
        }
    }
    commands
}

enum Part {
    Heading,
    Block(Block),
}

/// A fenced code block.
struct Block {
    /// The words behind the fence.
    info: Vec<String>,
    /// Where its text stands in the page.
    text: Range<usize>,
    /// The text without the indentation that a list around the block gives it.
    content: String,
}

impl Block {
    fn language(&self) -> &str {
        self.info.first().map_or("", |word| word)
    }

    /// `text` with the indentation of this block, to take the place of [`Block::text`].
    fn indented(&self, page: &str, text: &str) -> String {
        let line = page[..self.text.start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &page[line..self.text.start];
        text.trim_end().replace('\n', &format!("\n{indent}")) + "\n"
    }
}

fn parts(page: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut open: Option<Block> = None;
    for (event, range) in Parser::new(page).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { level: HeadingLevel::H2, .. }) => parts.push(Part::Heading),
            Event::Start(Tag::CodeBlock(kind)) => {
                let info = match kind {
                    CodeBlockKind::Fenced(info) => info.to_string(),
                    CodeBlockKind::Indented => String::new(),
                };
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
            Event::End(TagEnd::CodeBlock) => parts.extend(open.take().map(Part::Block)),
            _ => {}
        }
    }
    parts
}

/// One command of a `console` block and what the page says of it.
struct Step {
    command: String,
    status: i32,
    /// Where in the page its status and output stand.
    range: Range<usize>,
    /// Where its output stands.
    output: Range<usize>,
}

/// The commands of the `console` block that stands at `text`.
fn steps(page: &str, text: Range<usize>) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut at = text.start;
    for line in page[text].split_inclusive('\n') {
        let end = at + line.len();
        let plain = line.trim_end_matches('\n');
        if let Some(command) = plain.strip_prefix("$ ") {
            let command = command.to_owned();
            steps.push(Step { command, status: 0, range: end..end, output: end..end });
        } else if let Some(step) = steps.last_mut() {
            let status = plain.strip_prefix("? ").and_then(|status| status.parse().ok());
            if step.range.is_empty() && step.command.ends_with('\\') {
                step.command = format!("{}\n{plain}", step.command);
                (step.range, step.output) = (end..end, end..end);
            } else if let (Some(status), true) = (status, step.range.is_empty()) {
                step.status = status;
                step.range.end = end;
                step.output = end..end;
            } else {
                step.range.end = end;
                step.output.end = end;
            }
        }
        at = end;
    }
    steps
}

impl Step {
    fn compare(self, page: &str, place: Place, found: &mut Found) {
        let expected = &page[self.output];
        let output = match run(&self.command, place) {
            Ok(output) => output,
            Err(error) => return found.failures.push(format!("$ {}\n{error}", self.command)),
        };
        let status = output.status.code().unwrap_or(-1);
        let mut actual = String::from_utf8_lossy(&output.stdout).into_owned();
        if status != 0 {
            actual.push_str(&String::from_utf8_lossy(&output.stderr));
        }
        // A blank line at the end would be lost on the page's reader.
        actual.truncate(actual.trim_end().len());
        if !actual.is_empty() {
            actual.push('\n');
        }
        // What matches a `...` or `[..]` of the page becomes that again.
        let matched = NormalizeToExpected::new()
            .redact()
            .normalize(Data::text(actual.as_str()), &Data::text(expected))
            .to_string();
        if status != self.status || matched != expected {
            found.failures.push(format!(
                "$ {}\nexpected, with status {}:\n{expected}printed, with status {status}:\n{actual}",
                self.command, self.status
            ));
            let line = if status == 0 { String::new() } else { format!("? {status}\n") };
            found.rewrites.push((self.range, line + &matched));
        }
    }
}

/// Runs one command by a shell at `place`, and ends it and all it started after [`LIMIT`].
fn run(text: &str, (root, vars): Place) -> Result<Output, String> {
    let mut shell = command("sh", root);
    shell.args(["-c", text]).envs(vars.iter().copied()).stdin(Stdio::null());
    shell.stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)] // elsewhere, what the shell started goes on
    std::os::unix::process::CommandExt::process_group(&mut shell, 0);
    let mut child = shell.spawn().map_err(|error| format!("no shell: {error}"))?;
    let group = child.id();
    let pipe = |pipe: Option<Box<dyn io::Read + Send>>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            pipe.map(|mut pipe| pipe.read_to_end(&mut bytes));
            bytes
        })
    };
    let stdout = pipe(child.stdout.take().map(|pipe| Box::new(pipe) as _));
    let stderr = pipe(child.stderr.take().map(|pipe| Box::new(pipe) as _));
    let start = Instant::now();
    let status = loop {
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None if start.elapsed() < LIMIT => thread::sleep(Duration::from_millis(10)),
            None => {
                let _ = Command::new("kill").args(["-9", "--", &format!("-{group}")]).status();
                let _ = child.kill();
                return Err(format!("did not end within {} minutes", LIMIT.as_secs() / 60));
            }
        }
    };
    let joined = |thread: thread::JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
    Ok(Output { status, stdout: joined(stdout), stderr: joined(stderr) })
}

/// Applies a diff in the form of `git diff` to the files below `root`.
fn apply(diff: &str, root: &Path) -> Result<(), String> {
    let mut any = false;
    for patch in PatchSet::parse(diff, ParseOptions::unidiff()) {
        let patch = patch.map_err(|error| error.to_string())?;
        let FileOperation::Modify { modified, .. } = patch.operation() else {
            return Err("it makes, renames or deletes a file: let it change files only".to_owned());
        };
        let file: PathBuf = root.join(modified.strip_prefix("b/").unwrap_or(modified));
        let text = patch.patch().as_text().ok_or("a binary patch")?;
        let new = diffy::apply(&read(&file)?, text)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        fs::write(&file, new).map_err(|error| format!("{}: {error}", file.display()))?;
        any = true;
    }
    if any { Ok(()) } else { Err("it has no `--- a/FILE` and `+++ b/FILE`".to_owned()) }
}

/// Whether `text` stands in `source`, line by line; a block may be moved to the margin as a whole.
fn slice(text: &str, source: &str) -> bool {
    let text: Vec<_> = text.lines().collect();
    let source: Vec<_> = source.lines().collect();
    !text.is_empty() && source.windows(text.len()).any(|window| dedent(window) == text)
}

/// The lines without the spaces that all of them begin with.
fn dedent<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let indent = |line: &&&str| line.len() - line.trim_start_matches(' ').len();
    let full = lines.iter().filter(|line| !line.trim().is_empty());
    let least = full.map(|line| indent(&line)).min().unwrap_or(0);
    lines.iter().map(|line| line.get(least..).unwrap_or_default()).collect()
}

/// What became of a slice: the lines of `source` from the first line of `text` to the last, if both
/// are there and each of them once.
fn moved(text: &str, source: &str) -> Option<String> {
    let source: Vec<_> = source.lines().collect();
    let only = |wanted: &str| {
        let mut at = source.iter().enumerate().filter(|(_, line)| line.trim() == wanted.trim());
        let (index, _) = at.next()?;
        at.next().is_none().then_some(index)
    };
    let (first, last) = (only(text.lines().next()?)?, only(text.lines().last()?)?);
    (first <= last).then(|| dedent(&source[first..=last]).join("\n"))
}
