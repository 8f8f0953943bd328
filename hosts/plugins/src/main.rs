//! Passes text through filters, each of which is a plug-in: a component in a folder.
//! Notice that a bad plug-in costs a line on standard error, and no other plug-in anything.
//! Run: just run plugins

mod manifest;
mod plugin;
mod text;

use std::fs;
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use clap::Parser;
use wasmtime::error::Context;
use wasmtime::{Result, bail, ensure};

use manifest::Manifest;
use plugin::{Loader, Plugin};
use text::{harmless, one_line};

/// Pass text through filters, line by line, from standard input to standard output. The filters are
/// those of the plug-ins in a folder; plugins.toml in there says what each of them may.
#[derive(Parser)]
struct Cli {
    /// Bytes of a line
    #[arg(long, value_name = "BYTES", default_value_t = 256 << 10)]
    max_line_size: u64,
    /// The folder with plug-ins: components, in files that end in .wasm
    folder: PathBuf,
    /// The filters, one after the other; without any, says which there are
    #[arg(value_name = "FILTER")]
    filters: Vec<String>,
}

fn main() -> ExitCode {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // As text alone: the engine puts names into it that a guest chose.
            eprintln!("Error: {}", harmless(format!("{error:?}").trim_end()));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<()> {
    let mut folder = Folder::open(&cli.folder)?;
    if cli.filters.is_empty() {
        return list(&folder);
    }
    let pipeline = folder.pipeline(&cli.filters)?;
    let mut left_out = 0;
    let mut input = io::stdin().lock();
    for line in 1_u64.. {
        let text = next_line(&mut input, cli.max_line_size);
        let Some(text) = text.context("cannot read standard input")? else { break };
        folder.look();
        let done = text.and_then(|text| pass(&mut folder.plugins, &pipeline, Some(text)));
        match done {
            Ok(text) => print(text).context("cannot write standard output")?,
            Err(reason) => {
                left_out += 1;
                eprintln!("host: line {line} is left out: {}", one_line(&reason));
            }
        }
    }
    // What a filter says at the end goes through the filters after it.
    for (index, stage) in pipeline.iter().enumerate() {
        let plugin = &mut folder.plugins[stage.plugin];
        let said = plugin.plugin.finish(&stage.filter);
        let done = said
            .map_err(|failure| format!("{} {failure}", plugin.name))
            .and_then(|text| pass(&mut folder.plugins, &pipeline[index + 1..], text));
        match done {
            Ok(text) => print(text).context("cannot write standard output")?,
            Err(reason) => {
                left_out += 1;
                eprintln!("host: the end of `{}` is left out: {}", stage.filter, one_line(&reason));
            }
        }
    }
    match left_out {
        0 => Ok(()),
        1 => bail!("one text is left out, see above"),
        many => bail!("{many} texts are left out, see above"),
    }
}

/// A filter of the pipeline, and whose it is.
struct Stage {
    plugin: usize,
    filter: String,
}

/// Passes a text through filters, until one drops it.
fn pass(
    plugins: &mut [Loaded],
    stages: &[Stage],
    mut text: Option<String>,
) -> Result<Option<String>, String> {
    for stage in stages {
        let Some(now) = text else { break };
        let Loaded { name, plugin, .. } = &mut plugins[stage.plugin];
        let then = plugin.apply(&stage.filter, &now);
        text = then.map_err(|failure| format!("{name} {failure}"))?;
    }
    Ok(text)
}

/// Prints a text, if there is one; to a terminal without what would command it.
fn print(text: Option<String>) -> io::Result<()> {
    let Some(text) = text else { return Ok(()) };
    let mut output = io::stdout().lock();
    match output.is_terminal() {
        true => writeln!(output, "{}", harmless(&text)),
        false => writeln!(output, "{text}"),
    }
}

/// The next line, if there is one; or why it is not a text.
fn next_line(input: &mut impl BufRead, most: u64) -> io::Result<Option<Result<String, String>>> {
    let mut line = Vec::new();
    input.take(most.saturating_add(1)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_none() && line.len() as u64 > most {
        input.skip_until(b'\n')?;
        return Ok(Some(Err(format!("it has more than {most} bytes"))));
    }
    line.pop_if(|byte| *byte == b'\r');
    Ok(Some(String::from_utf8(line).map_err(|_| "it is not text in UTF-8".to_owned())))
}

/// Says which filters there are, and whose they are.
fn list(folder: &Folder) -> Result<()> {
    let mut output = io::stdout().lock();
    for Loaded { name, plugin, .. } in &folder.plugins {
        let about = plugin.about();
        let version = one_line(&about.version);
        writeln!(output, "{name}.wasm: {} {version}", about.name)?;
        for filter in &about.filters {
            writeln!(output, "    {:<14} {}", filter.name, one_line(&filter.help))?;
        }
    }
    Ok(())
}

/// A plug-in, and the file that it came from.
struct Loaded {
    /// The name of the file without `.wasm`. The plug-in's own name is what it says of itself.
    name: String,
    path: PathBuf,
    file: Stamp,
    plugin: Plugin,
}

/// When a file was written, and its length; nothing if it is not there.
type Stamp = Option<(SystemTime, u64)>;

fn stamp(path: &Path) -> Stamp {
    let file = path.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// The plug-ins of a folder, and what its manifest says of them.
struct Folder {
    loader: Loader,
    path: PathBuf, // of the manifest
    file: Stamp,
    manifest: Arc<Manifest>,
    plugins: Vec<Loaded>,
}

impl Folder {
    /// Loads all that is there and any good, and says what is not.
    fn open(folder: &Path) -> Result<Self> {
        let unreadable =
            || format!("cannot list {}: give a folder with plug-ins", folder.display());
        let entries = fs::read_dir(folder).with_context(unreadable)?;
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths = paths.collect::<io::Result<Vec<_>>>().with_context(unreadable)?;
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
        paths.sort();
        let path = folder.join("plugins.toml");
        // A file is looked at before it is read: if it changes meanwhile, that is seen the next time.
        let file = stamp(&path);
        let manifest = Arc::new(Manifest::read(&path)?);
        let mut opened = Self { loader: Loader::new()?, path, file, manifest, plugins: Vec::new() };
        for path in paths {
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let name = name.replace(char::is_control, "?");
            let file = stamp(&path);
            match opened.load(&path, &name) {
                Ok(plugin) => opened.plugins.push(Loaded { name, path, file, plugin }),
                Err(error) => {
                    let reason = one_line(&format!("{error:#}"));
                    eprintln!("host: {name}.wasm is left out: {reason}");
                }
            }
        }
        Ok(opened)
    }

    /// Loads a plug-in whose names nobody has yet.
    fn load(&self, path: &Path, name: &str) -> Result<Plugin> {
        let plugin = self.loader.load(path, name, &self.manifest)?;
        let about = plugin.about();
        for other in &self.plugins {
            let (taken, by) = (other.plugin.about(), &other.name);
            ensure!(taken.name != about.name, "its name `{}` is that of {by}.wasm", about.name);
            for filter in &about.filters {
                let free = taken.filters.iter().all(|other| other.name != filter.name);
                ensure!(free, "its filter `{}` is one of {by}.wasm", filter.name);
            }
        }
        Ok(plugin)
    }

    /// Finds the filters of these names, and lets go of the plug-ins that have none of them.
    fn pipeline(&mut self, filters: &[String]) -> Result<Vec<Stage>> {
        let has = |loaded: &Loaded, name: &String| {
            loaded.plugin.about().filters.iter().any(|filter| filter.name == *name)
        };
        self.plugins.retain(|loaded| filters.iter().any(|name| has(loaded, name)));
        let find = |name: &String| {
            let plugin = self.plugins.iter().position(|loaded| has(loaded, name));
            let plugin = plugin.with_context(|| {
                format!("no plug-in has the filter `{name}`: leave all filters away to see which there are")
            })?;
            Ok(Stage { plugin, filter: name.clone() })
        };
        filters.iter().map(find).collect()
    }

    /// Takes over what has changed in the folder and is any good, and says what is not.
    fn look(&mut self) {
        let file = stamp(&self.path);
        if file != self.file {
            self.file = file;
            match Manifest::read_again(&self.path) {
                Ok(Some(manifest)) => {
                    self.manifest = Arc::new(manifest);
                    for loaded in &mut self.plugins {
                        loaded.plugin.set_terms(&self.manifest);
                    }
                    eprintln!("host: plugins.toml has changed and takes over");
                }
                Ok(None) => eprintln!("host: plugins.toml is gone; what it said still holds"),
                Err(error) => {
                    let reason = one_line(&format!("{error:#}"));
                    eprintln!("host: plugins.toml stays in force as it was: {reason}");
                }
            }
        }
        for Loaded { name, path, file, plugin } in &mut self.plugins {
            let now = stamp(path);
            if now == *file {
                continue;
            }
            *file = now;
            let had = &plugin.about().filters;
            let new = self.loader.load(path, name, &self.manifest).and_then(|new| {
                let has = &new.about().filters;
                for filter in had {
                    let there = has.iter().any(|other| other.name == filter.name);
                    ensure!(there, "it no longer has the filter `{}`", filter.name);
                }
                Ok(new)
            });
            match new {
                Ok(new) => {
                    plugin.replace(new);
                    eprintln!("host: {name}.wasm has changed and takes over");
                }
                Err(error) => {
                    let reason = one_line(&format!("{error:#}"));
                    eprintln!("host: {name}.wasm stays as it was: {reason}");
                }
            }
        }
    }
}
