//! Text format: to binary, from binary, and as the tree that its parser makes of it.
//! Notice what each crate is for: `wat` gives bytes, `wast` the syntax, and it reads scripts as well.
//! Run: just run inspect

use std::io::{self, Write};

use anyhow::{Context, Result, anyhow};
use wasmprinter::PrintIoWrite;
use wast::parser::{self, ParseBuffer};
use wast::{QuoteWat, Wast, WastDirective};

/// What a text is.
pub enum Text {
    /// One module or component, translated.
    Binary(Vec<u8>),
    /// A script, as the tests of WebAssembly are: modules, calls, and what they must do.
    Script { modules: usize, assertions: usize, others: usize },
}

/// # Errors
/// If it is not correct; the error says where.
pub fn read(text: &str) -> Result<Text> {
    let buffer = ParseBuffer::new(text).map_err(|error| at(text, &error))?;
    let script: Wast<'_> = parser::parse(&buffer).map_err(|error| at(text, &error))?;
    if let [WastDirective::Module(QuoteWat::Wat(_))] = script.directives[..] {
        return to_binary(text).map(Text::Binary);
    }
    let (mut modules, mut assertions, mut others) = (0, 0, 0);
    for directive in &script.directives {
        match directive {
            WastDirective::Module(_) | WastDirective::ModuleDefinition(_) => modules += 1,
            WastDirective::Register { .. } | WastDirective::Invoke(_) => others += 1,
            WastDirective::ModuleInstance { .. } | WastDirective::Thread(_) => others += 1,
            WastDirective::Wait { .. } => others += 1,
            _ => assertions += 1,
        }
    }
    Ok(Text::Script { modules, assertions, others })
}

/// The bytes of a module or component. The crate `wat` has the parser of `wast` do what [`read`] does,
/// and then the step to bytes, in one call.
///
/// # Errors
/// If it is not correct, or a script.
pub fn to_binary(text: &str) -> Result<Vec<u8>> {
    wat::parse_str(text).map_err(|error| in_one_line(&error))
}

/// Writes the tree that `wast` makes of a text.
///
/// # Errors
/// If the text is not correct, its tree longer than [`LONGEST`], or cannot be written.
pub fn tree(text: &str, to: &mut dyn Write) -> Result<()> {
    let buffer = ParseBuffer::new(text).map_err(|error| at(text, &error))?;
    let script: Wast<'_> = parser::parse(&buffer).map_err(|error| at(text, &error))?;
    let mut limited = Limited { to, left: LONGEST };
    writeln!(limited, "{script:#?}")?;
    Ok(limited.flush()?)
}

/// Writes a module or component as text.
///
/// # Errors
/// If it is damaged, longer as a text than [`LONGEST`], or cannot be written.
pub fn print(binary: &[u8], to: &mut dyn Write) -> Result<()> {
    let limited = Limited { to, left: LONGEST };
    wasmprinter::Config::new().print(binary, &mut PrintIoWrite(limited)).context("cannot print it")
}

/// The longest text that is written, in bytes. A few bytes of a module can be a long text: they say, for
/// example, that a function has fifty thousand variables.
const LONGEST: usize = 1 << 30;

struct Limited<'a> {
    to: &'a mut dyn Write,
    left: usize,
}

impl Write for Limited<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("the text is longer than 1 GiB"))?;
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// An error of `wast` in one line: its own text shows the line of the file as well.
fn at(text: &str, error: &wast::Error) -> anyhow::Error {
    let (line, column) = error.span().linecol_in(text);
    anyhow!("line {}, column {}: {}", line + 1, column + 1, error.message())
}

/// An error of `wat`, which says where only in the second of its lines, ` --> <anon>:1:20`.
fn in_one_line(error: &wat::Error) -> anyhow::Error {
    let lines = error.to_string();
    let mut lines = lines.lines().map(str::trim);
    let message = lines.next().unwrap_or_default();
    let place = lines.next().and_then(|place| place.strip_prefix("--> <anon>:")?.split_once(':'));
    match place {
        Some((line, column)) => anyhow!("line {line}, column {column}: {message}"),
        None => anyhow!("{message}"),
    }
}
