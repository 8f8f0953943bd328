//! Says what a .wasm file is: its kind, its WASI, what it imports and exports, and what runs it.
//! Notice that it runs nothing, and that the file is a stranger's: constants bound what it may cost.
//! Run: just run inspect

mod component;
mod hosts;
mod kind;
mod module;
mod report;
mod sizes;
mod text;
mod words;

use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::{Args, Parser};

use crate::kind::Kind;
use crate::report::{Contents, Report, shown};
use crate::text::Text;

/// Say what a WebAssembly file is, what it needs and what runs it. Nothing of it is run.
#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    instead: Instead,

    /// Write to a file rather than to standard output
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,

    /// How long the file may take to be understood
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,

    /// A module or component, in binary or text format
    file: PathBuf,
}

/// What is printed instead of the report.
#[derive(Args)]
#[group(multiple = false)]
struct Instead {
    /// Print the report as JSON
    #[arg(long)]
    json: bool,

    /// Print the world of a component in WIT
    #[arg(long)]
    wit: bool,

    /// Print a binary in text format
    #[arg(long)]
    to_text: bool,

    /// Write a text in binary format
    #[arg(long)]
    to_binary: bool,

    /// Print the syntax tree of a text or script
    #[arg(long)]
    tree: bool,
}

/// The longest file that is read, and the longest text. The memory that is needed grows with it, for
/// the crates that read it have limits for what a file only claims to hold.
const LONGEST: u64 = 128 << 20;
const LONGEST_TEXT: usize = 32 << 20;

fn main() -> ExitCode {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: {}", shown(&format!("{error:#}"))); // in one line
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let file = cli.file.display();

    // 1. Engine: none, for nothing runs here.
    // 2. Code: its bytes, from the path given, and no more than LONGEST. A pipe does not say how many
    //    it holds.
    let limit = limit(cli.timeout, cli.file.clone());
    let cannot_read = || format!("cannot read {file}: check the path");
    let opened = File::open(&cli.file).with_context(cannot_read)?;
    let mut bytes = Vec::new();
    opened.take(LONGEST + 1).read_to_end(&mut bytes).with_context(cannot_read)?;
    ensure!(bytes.len() as u64 <= LONGEST, "{file} is longer than {} MiB", LONGEST >> 20);

    // Its kind, by the first bytes, whatever the file is called. Text is translated to binary.
    let kind = kind::of(&bytes).with_context(|| format!("{file} is not WebAssembly"))?;
    let text = match kind {
        Kind::Text(text) => Some(text),
        _ => None,
    };
    ensure!(
        text.is_none_or(|text| text.len() <= LONGEST_TEXT),
        "{file} is text, and longer than {} MiB",
        LONGEST_TEXT >> 20
    );
    let translated = text
        .map(text::read)
        .transpose()
        .with_context(|| format!("{file} is not correct text format"))?;
    let binary = match (&kind, &translated) {
        (Kind::Module | Kind::Component, _) => Some(&bytes[..]),
        (_, Some(Text::Binary(binary))) => Some(&binary[..]),
        _ => None,
    };
    let is_component = binary.is_some_and(|it| matches!(kind::of(it), Ok(Kind::Component)));

    // Translated, where that is asked for. What is not valid is taken as well, to be looked at.
    let instead = &cli.instead;
    if instead.tree {
        let text = text.with_context(|| format!("{file} is not text: give --to-text first"))?;
        return text::tree(text, &mut cli.output(limit)?);
    }
    if instead.to_binary {
        let text = text.with_context(|| format!("{file} is binary already"))?;
        let binary = text::to_binary(text)
            .with_context(|| format!("{file} is a script, not one module or component"))?;
        return written(&mut cli.output(limit)?, &binary);
    }
    if instead.to_text {
        ensure!(text.is_none(), "{file} is text already");
        let binary = binary.with_context(|| format!("{file} is machine code, not WebAssembly"))?;
        return text::print(binary, &mut cli.output(limit)?);
    }

    // Its contents, valid in all parts or refused.
    let damaged = || match text {
        Some(_) => format!("{file} is correct text format of what is not valid"),
        None => format!("{file} is damaged"),
    };
    if instead.wit {
        let binary = binary.with_context(|| format!("{file} has no WIT: only components have"))?;
        let wit =
            component::wit(binary, is_component).with_context(|| format!("no WIT in {file}"))?;
        return written(&mut cli.output(limit)?, wit.as_bytes());
    }
    let contents = match binary {
        Some(binary) if is_component => component::contents(binary).with_context(damaged)?,
        Some(binary) => module::contents(binary).with_context(damaged)?,
        None => Contents::default(),
    };

    // 3. Linker,
    // 4. Store,
    // 5. Instantiate and call: steps of the host that the report names.
    let sections = binary.map(sizes::of).transpose().with_context(damaged)?;
    let report = Report {
        file: file.to_string(),
        bytes: bytes.len(),
        kind: described(&kind, translated.as_ref(), &contents),
        host: hosts::find(&kind, translated.as_ref(), &contents, &file.to_string()),
        wasi: contents.wasi,
        is_async: contents.is_async,
        role: contents.role,
        imports: contents.imports,
        exports: contents.exports,
        sections: sections.unwrap_or_default(),
    };
    let mut output = cli.output(limit)?;
    match instead.json {
        true => writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?,
        false => write!(output, "{report}")?,
    }
    Ok(output.flush()?)
}

/// The kind of a file, in words.
fn described(kind: &Kind<'_>, translated: Option<&Text>, contents: &Contents) -> String {
    match (kind, translated) {
        (Kind::Precompiled { component, version, machine }, _) => {
            let what = if *component { "component" } else { "core module" };
            let version = version.map(|version| format!(" {}", shown(version)));
            let version = version.unwrap_or_default();
            format!("{what}, compiled by wasmtime{version} for {machine}")
        }
        (_, Some(Text::Script { modules, assertions, others })) => format!(
            "script in text format; modules: {modules}, assertions: {assertions}, other steps: {others}"
        ),
        (_, Some(Text::Binary(_))) => format!("text format of a {}", contents.kind),
        (_, None) => contents.kind.to_owned(),
    }
}

/// Ends this process if what is returned is not dropped in time: a small file can be made such that it
/// takes long to check.
fn limit(seconds: u64, file: PathBuf) -> Sender<()> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let ended = receiver.recv_timeout(Duration::from_secs(seconds));
        if ended == Err(RecvTimeoutError::Timeout) {
            let file = shown(&file.display().to_string());
            eprintln!("Error: {file} takes longer than {seconds} s: --timeout gives it more");
            std::process::exit(1);
        }
    });
    sender
}

impl Cli {
    /// Where to write to, when there is something to write. Who reads it may take as long as they like.
    fn output(&self, limit: Sender<()>) -> Result<BufWriter<Box<dyn Write>>> {
        drop(limit);
        let output: Box<dyn Write> = match &self.output {
            Some(path) => {
                let file = File::create(path)
                    .with_context(|| format!("cannot write {}: check the path", path.display()))?;
                Box::new(file)
            }
            None => {
                let stdout = io::stdout().lock();
                let garbled = self.instead.to_binary && stdout.is_terminal();
                ensure!(!garbled, "binary format is not for a terminal: give --output PATH");
                Box::new(stdout)
            }
        };
        Ok(BufWriter::new(output))
    }
}

fn written(output: &mut dyn Write, bytes: &[u8]) -> Result<()> {
    output.write_all(bytes)?;
    Ok(output.flush()?)
}
