//! What is known of a file, and how it is printed, for people and for programs.
//! Notice `shown`: names come from the file, and may hold what a terminal takes for a command.
//! Run: just run inspect

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Formatter, Result};

use serde::Serialize;

use crate::words::Purpose;

/// All that the tool found out. Its fields in order are the lines of the report.
#[derive(Serialize)]
pub struct Report {
    pub file: String,
    pub bytes: usize,
    pub kind: String,
    /// The versions of WASI as they are named in the file, and 0.0 and 0.1 for preview 0 and preview 1.
    pub wasi: BTreeSet<String>,
    /// Whether it has async functions, streams or futures, which came with WASI 0.3.
    #[serde(rename = "async")]
    pub is_async: bool,
    /// None of what has no code or is compiled already: what follows is not known then.
    pub role: Option<Role>,
    pub imports: BTreeMap<Purpose, Vec<Item>>,
    pub exports: Vec<Item>,
    /// Of the binary format, the largest first.
    pub sections: Vec<Section>,
    pub host: Host,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Command,
    Reactor,
    Library,
    HttpHandler,
}

/// An import or export: a function and its type, or an interface and its functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    pub name: String,
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub ty: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<Item>,
}

#[derive(Serialize)]
pub struct Section {
    pub name: String,
    pub bytes: usize,
    pub percent: f64,
}

/// Which host of the collection of examples runs the file, with the command that does; or why none can.
#[derive(Default, Serialize)]
pub struct Host {
    pub package: Option<&'static str>,
    pub commands: Vec<String>,
    pub note: String,
}

impl Item {
    /// As it is printed, `name: type` or an interface's name.
    pub fn line(&self) -> String {
        let colon = if self.ty.is_empty() { "" } else { ": " };
        format!("{}{colon}{}", self.name, self.ty)
    }

    pub fn new(name: impl Into<String>, ty: impl Into<String>) -> Self {
        Self { name: name.into(), ty: ty.into(), functions: Vec::new() }
    }
}

/// What a module or component says of itself.
#[derive(Default)]
pub struct Contents {
    pub kind: &'static str,
    pub wasi: BTreeSet<String>,
    pub role: Option<Role>,
    pub imports: BTreeMap<Purpose, Vec<Item>>,
    pub exports: Vec<Item>,
    pub is_component: bool,
    /// Whether a core module carries a WIT world.
    pub carries_world: bool,
    /// Whether a component has async functions, streams or futures.
    pub is_async: bool,
    /// What keeps it from running where only the usual proposals to WebAssembly are known.
    pub proposal: Option<String>,
}

/// How many sections are listed one by one.
const SECTIONS: usize = 10;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "file     {}, {} bytes", shown(&self.file), self.bytes)?;
        writeln!(f, "kind     {}", self.kind)?;
        if let Some(role) = self.role {
            let also = match self.is_async && !self.wasi.iter().any(|it| it.starts_with("0.3.")) {
                true => ", and async, which came with 0.3",
                false => "",
            };
            writeln!(f, "WASI     {}{also}", generations(&self.wasi))?;
            writeln!(f, "role     {}", role.words())?;
            imports(f, &self.imports)?;
            exports(f, &self.exports)?;
        }
        sections(f, &self.sections, self.bytes)?;
        writeln!(f, "host     {}", shown(&self.host.note))?;
        for command in &self.host.commands {
            writeln!(f, "    {}", shown(command))?;
        }
        Ok(())
    }
}

impl Role {
    fn words(self) -> &'static str {
        match self {
            Self::Command => "command: a program, it runs once from start to end",
            Self::Reactor => "reactor: a library that is set up by `_initialize`, then called",
            Self::Library => "library: it runs when a host calls its exports",
            Self::HttpHandler => "HTTP handler: a server calls it for each request",
        }
    }
}

/// The versions, oldest first.
fn generations(versions: &BTreeSet<String>) -> String {
    let versions = versions.iter().map(|version| match version.as_str() {
        "0.0" => "0.0, also called preview 0",
        "0.1" => "0.1, also called preview 1",
        other => other,
    });
    match versions.collect::<Vec<_>>()[..] {
        [] => "none: it imports and exports nothing of WASI".to_owned(),
        ref some => shown(&some.join(" and ")),
    }
}

fn imports(f: &mut Formatter<'_>, imports: &BTreeMap<Purpose, Vec<Item>>) -> Result {
    if imports.is_empty() {
        return writeln!(f, "imports  nothing: it can compute, and reach nothing else");
    }
    writeln!(f, "imports")?;
    for (purpose, items) in imports {
        writeln!(f, "    {}", purpose.words())?;
        items.iter().try_for_each(|item| lines(f, item, 8))?;
    }
    Ok(())
}

fn exports(f: &mut Formatter<'_>, items: &[Item]) -> Result {
    if items.is_empty() {
        return writeln!(f, "exports  nothing");
    }
    writeln!(f, "exports")?;
    items.iter().try_for_each(|item| lines(f, item, 4))
}

fn lines(f: &mut Formatter<'_>, item: &Item, indent: usize) -> Result {
    writeln!(f, "{:indent$}{}", "", shown(&item.line()))?;
    item.functions.iter().try_for_each(|function| lines(f, function, indent + 4))
}

fn sections(f: &mut Formatter<'_>, sections: &[Section], bytes: usize) -> Result {
    let whole: usize = sections.iter().map(|section| section.bytes).sum();
    match whole {
        0 => return Ok(()),
        _ if whole == bytes => writeln!(f, "size")?,
        _ => writeln!(f, "size     {whole} bytes in binary format")?,
    }
    let (listed, others) = sections.split_at(sections.len().min(SECTIONS));
    for Section { name, bytes, percent } in listed {
        writeln!(f, "    {bytes:>9} {percent:>5.1} %  {}", shown(name))?;
    }
    if !others.is_empty() {
        let rest: usize = others.iter().map(|section| section.bytes).sum();
        let percent = percent(rest, whole);
        writeln!(f, "    {rest:>9} {percent:>5.1} %  {} smaller ones", others.len())?;
    }
    Ok(())
}

/// With one digit behind the point.
pub fn percent(part: usize, whole: usize) -> f64 {
    (part as f64 * 1000.0 / whole.max(1) as f64).round() / 10.0
}

/// How much of one name is printed.
const LONGEST_NAME: usize = 1000;

/// A text of the file's, in one line, for a terminal: without control characters, and not without end.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, c) in text.chars().enumerate() {
        if count == LONGEST_NAME {
            shown.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}
