//! Makes copies of an example: a project of the reader's own, or the start of another example here.
//! Notice `Rename`: a name is changed where it is a path, a package or an argument, not in prose.
//! Run: just new EXAMPLE DIR [NAME], just example NAME FROM

use std::fs;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use regex::Regex;
use tests::{copy, examples, root};
use walkdir::WalkDir;

/// What every project has as it stands here.
const COMMON: [&str; 11] = [
    ".cargo",
    ".gitignore",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "hosts/clippy.toml",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "tests/src/lib.rs",
    "tests/src/page.rs",
];

/// The examples whose hosts `.cargo/run-guest` starts, the first that is there.
const RUNNERS: [&str; 2] = ["runner", "command"];

#[derive(Parser)]
enum Cli {
    /// Make a project of your own from an example
    Project {
        /// The example, a folder in `examples/`
        example: String,
        /// The folder of the new project
        dir: PathBuf,
        /// What the example is called there, if not as here
        name: Option<String>,
    },
    /// Start a new example of this collection as a renamed copy
    Example {
        /// Its name
        name: String,
        /// The example to copy
        from: String,
    },
}

fn main() -> Result<()> {
    sigpipe::reset();
    match Cli::parse() {
        Cli::Project { example, dir, name } => project(&example, &dir, name.as_deref()),
        Cli::Example { name, from } => new_example(&name, &from),
    }
}

fn project(example: &str, dir: &Path, name: Option<&str>) -> Result<()> {
    let (root, dir) = (root(), resolve(dir)?);
    let name = name.unwrap_or(example);
    check_folder(&dir)?;
    let mut rest = Vec::new();
    if started_by_cargo(example)? && !RUNNERS.contains(&example) {
        let there = RUNNERS.into_iter().find(|host| root.join("hosts").join(host).is_dir());
        let runner = there.context("no example has the host that .cargo/run-guest starts")?;
        rest.push(Path::new("hosts").join(runner));
    }
    let with_runner = rest.first().map(|host| host.display().to_string());
    let mut beside = beside(example)?;
    beside.retain(|host| !rest.contains(host));
    rest.extend(beside.clone());
    let rename = Rename::new(example, name, &rest)?;

    let common = COMMON.into_iter().chain(["tests/tests/walkthroughs.rs"]).map(PathBuf::from);
    for part in common.chain(rest.clone()) {
        place(&part, &dir, None)?;
    }
    for part in parts(example)? {
        place(&part, &dir, Some(&rename))?;
    }
    edit(&dir.join("Cargo.toml"), |text| Ok(workspace(text, &dir, &rename)))?;
    for script in [".cargo/config.toml", ".cargo/run-guest"] {
        edit(&dir.join(script), |text| Ok(rename.text(text)))?;
    }
    if !started_by_cargo(example)? {
        fs::remove_file(dir.join(".cargo/run-guest")).context("cannot prune .cargo")?;
        let runs = |paragraph: &&str| !paragraph.contains("runner = ");
        edit(&dir.join(".cargo/config.toml"), |text| {
            Ok(text
                .split("\n\n")
                .filter(runs)
                .collect::<Vec<_>>()
                .join("\n\n")
                .trim_end()
                .to_owned()
                + "\n")
        })?;
    }
    place(Path::new("justfile"), &dir, None)?;
    edit(&dir.join("justfile"), |text| Ok(justfile(text, name)))?;
    place(Path::new("tests/Cargo.toml"), &dir, None)?;
    edit(&dir.join("tests/Cargo.toml"), |text| manifest(text, &dir.join("tests")))?;
    let text = readme(name, dir.join("wit").is_dir(), with_runner.as_deref(), &beside);
    fs::write(dir.join("README.md"), text).context("cannot write README.md")?;
    println!("{} is yours: cd there, then `just run {name}` and `just test`", dir.display());
    Ok(())
}

fn new_example(name: &str, from: &str) -> Result<()> {
    let root = root();
    let rename = Rename::new(from, name, &[])?;
    ensure!(name != from, "{name} is there already: choose another name");
    for other in examples() {
        ensure!(
            !other.starts_with(name) && !name.starts_with(&other),
            "of {name} and {other} one is the beginning of the other: choose another name"
        );
    }
    for part in parts(from)? {
        place(&part, &root, Some(&rename))?;
    }
    edit(&root.join("README.md"), |text| {
        let start = format!("| [{from}](");
        let row = text.lines().find(|line| line.starts_with(&start));
        let row = row.with_context(|| format!("README.md has no row for {from}"))?;
        let new = row.replacen(&format!("[{from}]"), &format!("[{name}]"), 1);
        Ok(text.replacen(row, &format!("{row}\n{}", rename.text(&new)), 1))
    })?;
    println!(
        "examples/{name} is a copy of {from}. Next: its row in README.md, its page's title and `Next`, \
         and `Next` of its neighbours; then `just test {name}`, and CONTRIBUTING.md for the rest"
    );
    Ok(())
}

/// The parts that belong to `example` alone, relative to the root. Each of them is there.
fn parts(example: &str) -> Result<Vec<PathBuf>> {
    ensure!(examples().iter().any(|e| e == example), "no example `{example}`: `just` lists them");
    let mut parts = vec![format!("tests/tests/{example}.rs").into()];
    for group in ["examples", "guests", "hosts", "wit"] {
        let entries = fs::read_dir(root().join(group));
        for entry in entries.with_context(|| format!("cannot list {group}/"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name == example || name.starts_with(&format!("{example}_")) {
                parts.push(Path::new(group).join(name));
            }
        }
    }
    Ok(parts)
}

/// The hosts of other examples that the page of `example` runs: what it compares itself with.
fn beside(example: &str) -> Result<Vec<PathBuf>> {
    let page = root().join("examples").join(example).join("README.md");
    let page = fs::read_to_string(page).context("cannot read the page")?;
    let (own, mut hosts) = (parts(example)?, Vec::new());
    let named = Regex::new(r"hosts/([a-z0-9_]+)/Cargo\.toml|--package ([a-z0-9_]+)_host\b")?;
    let mut goes_on = false;
    for line in page.lines() {
        let command = goes_on || line.starts_with("$ ");
        goes_on = command && line.ends_with('\\');
        for found in named.captures_iter(line).filter(|_| command) {
            let name = found.get(1).or(found.get(2)).context("a name")?.as_str();
            let host = Path::new("hosts").join(name);
            if !own.contains(&host) && !hosts.contains(&host) {
                hosts.push(host);
            }
        }
    }
    Ok(hosts)
}

/// Whether cargo can start a guest of `example`, so that it needs a `runner`: there is a program or
/// a test.
fn started_by_cargo(example: &str) -> Result<bool> {
    for guest in parts(example)?.iter().filter(|part| part.starts_with("guests")) {
        let sources = root().join(guest).join("src");
        if sources.join("main.rs").is_file() {
            return Ok(true);
        }
        for file in WalkDir::new(sources) {
            let file = file.context("cannot list a guest")?;
            if file.file_type().is_file() && fs::read_to_string(file.path())?.contains("#[test]") {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Copies a part of this workspace to the same path in another one, or to the one that `rename` gives
/// it.
fn place(part: &Path, dir: &Path, rename: Option<&Rename>) -> Result<()> {
    let shown = part.display();
    let Some(rename) = rename.filter(|rename| rename.from != rename.to) else {
        return copy(&root().join(part), &dir.join(part))
            .with_context(|| format!("cannot copy {shown}"));
    };
    let place = |path: &Path| dir.join(rename.text(&path.to_string_lossy()));
    ensure!(!place(part).exists(), "{} is there already", place(part).display());
    let entries = WalkDir::new(root().join(part)).into_iter();
    for entry in entries.filter_entry(|entry| {
        !["target", "node_modules"].iter().any(|made| entry.file_name() == *made)
    }) {
        let entry = entry.with_context(|| format!("cannot copy {shown}"))?;
        if entry.file_type().is_file() {
            let path = entry.path().strip_prefix(root()).context("a path below the root")?;
            copy(entry.path(), &place(path)).with_context(|| format!("cannot copy {shown}"))?;
            edit(&place(path), |text| Ok(rename.text(text)))?;
        }
    }
    Ok(())
}

/// Writes a file anew if `change` changes it; its time stays, so that cargo can tell what is new.
fn edit(file: &Path, change: impl FnOnce(&str) -> Result<String>) -> Result<()> {
    let context = || format!("cannot write {}", file.display());
    let text = fs::read_to_string(file).with_context(context)?;
    let new = change(&text)?;
    if new != text {
        let time = file.metadata()?.modified()?;
        fs::write(file, new).with_context(context)?;
        fs::File::options().write(true).open(file)?.set_modified(time).with_context(context)?;
    }
    Ok(())
}

/// Changes the name of an example wherever it is more than a word.
struct Rename {
    from: String,
    to: String,
    patterns: Vec<Regex>,
}

impl Rename {
    /// `beside` are the parts of other examples that go along.
    fn new(from: &str, to: &str, beside: &[PathBuf]) -> Result<Self> {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        ensure!(
            to.starts_with(|c: char| c.is_ascii_lowercase()) && to.chars().all(plain),
            "`{to}` is not a name for an example: take lower case letters, digits and underscores"
        );
        let taken = ["debug", "release", "small", "full", "doc", "tests"].contains(&to)
            || beside.iter().any(|part| part.ends_with(to));
        ensure!(!taken || to == from, "`{to}` has another meaning here: choose another name");
        // `target/debug` is cargo's folder, whatever an example is called.
        let folders = match from {
            "debug" => "guests|hosts|wit|examples|tests",
            _ => "guests|hosts|wit|examples|target|tests",
        };
        let patterns = [
            // Packages and artefacts: reactor_guest, reactor_plain_guest, reactor_host.
            r"\b()NAME((?:_[a-z0-9_]+)?_(?:guest|host))\b",
            // Folders and files: guests/reactor, ../../wit/reactor, tests/tests/reactor.rs.
            r"\b((?:FOLDERS)/)NAME((?:_[a-z0-9_]+)?)\b",
            // Arguments: just run reactor, --test reactor.
            r"\b((?:just (?:run|test|new|example)|--test|--exact) )NAME()\b",
            // The title of the page, and what the tests say of it.
            r"(?m)^(# )NAME(: )",
            r"(the `)NAME(` example)",
        ];
        let named = |pattern: &&str| pattern.replace("FOLDERS", folders).replace("NAME", from);
        let patterns = patterns.iter().map(|pattern| Regex::new(&named(pattern)));
        let patterns = patterns.collect::<Result<_, _>>().context("a pattern")?;
        Ok(Self { from: from.to_owned(), to: to.to_owned(), patterns })
    }

    fn text(&self, text: &str) -> String {
        let with = format!("${{1}}{}${{2}}", self.to);
        self.patterns
            .iter()
            .fold(text.to_owned(), |text, pattern| pattern.replace_all(&text, &with).into_owned())
    }
}

/// The absolute path of `dir`, which need not be there, without `..`.
fn resolve(dir: &Path) -> Result<PathBuf> {
    let context = || format!("{} is not a path", dir.display());
    let dir = absolute(dir).with_context(context)?;
    let there = dir.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, resolved) = there.with_context(context)?;
    let rest = dir.strip_prefix(above).context("an ancestor is a prefix")?;
    Ok(resolved.join(rest).components().collect()) // without a slash at the end
}

/// Refuses a folder in which the project would overwrite something, or be part of something else.
fn check_folder(dir: &Path) -> Result<()> {
    if dir.exists() {
        let mut entries =
            fs::read_dir(dir).with_context(|| format!("{} is not a folder", dir.display()))?;
        ensure!(entries.next().is_none(), "{} is not empty: name a new folder", dir.display());
    }
    for above in dir.ancestors().skip(1) {
        if above.join("Cargo.toml").exists() {
            bail!(
                "{} lies inside the cargo workspace {}: name a folder outside of it",
                dir.display(),
                above.display()
            );
        }
    }
    Ok(())
}

/// The justfile without what is for the collection. Its `run` runs the example `name`, the only one there
/// is, unless told otherwise.
fn justfile(text: &str, name: &str) -> String {
    let kept = text.split("\n\n").filter(|recipe| !recipe.contains("[group('collection')"));
    let text = kept.collect::<Vec<_>>().join("\n\n");
    let (head, rest) = text.split_once("\n\n").unwrap_or((&text, ""));
    let first = head.lines().next().unwrap_or_default();
    let list = "# List the recipes\n[private]\ndefault:\n    @{{ just }} --list";
    let rest = rest.replacen("\n\n", &format!("\n\n{list}\n\n"), 1);
    let changes = [
        (" --test copies", ""),
        (", and a project made of it", ""),
        // Of few names there is no need to look for the nearest.
        (
            r#"cargo run --quiet --package tests --bin nearest -- -- "$1""#,
            r#"{ echo "error: no example \`$1\`: there is" $(ls examples) >&2; exit 1; }"#,
        ),
        (
            "    # The hosts and the tests without the guests, whose features other crates would be checked for \
             again.\n    \
             cargo clippy --all-targets -- -D warnings\n    \
             cargo clippy --workspace --exclude '*_host' --exclude tests --all-targets -- -D warnings\n",
            "    # clippy in place of the compiler, for `cargo clippy` would check wasmtime anew\n    \
             RUSTC_WORKSPACE_WRAPPER=clippy-driver \\\n        \
             CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__ cargo build --all-targets\n",
        ),
    ];
    let rest = changes.iter().fold(rest, |rest, (from, to)| rest.replace(from, to));
    let rest = rest.replace("\nrun example=\"\" ", &format!("\nrun example=\"{name}\" "));
    format!("{first}\n\n{rest}")
}

/// The root's Cargo.toml, in which only those crates are excluded that are in `dir`.
fn workspace(text: &str, dir: &Path, rename: &Rename) -> String {
    let text = rename.text(text);
    let kept = text.split_inclusive('\n').filter(|line| {
        let folder = line.strip_prefix("    \"hosts/").and_then(|rest| rest.strip_suffix("\",\n"));
        folder.is_none_or(|folder| dir.join("hosts").join(folder).is_dir())
    });
    let text: String = kept.collect();
    let text = match text.split_once("exclude = [\n]\n") {
        Some((before, after)) => {
            let (before, _comment) = before.rsplit_once("# Workspaces of").unwrap_or((before, ""));
            format!("{before}{after}")
        }
        None => text,
    };
    // cargo warns of profiles for crates that are not there.
    let manifests = WalkDir::new(dir.join("hosts")).max_depth(2).into_iter().flatten();
    let mut manifests = manifests.filter(|entry| entry.file_name() == "Cargo.toml");
    let with_wasmtime = manifests.any(|entry| {
        fs::read_to_string(entry.path()).is_ok_and(|text| text.contains("\nwasmtime = "))
    });
    let kept = text.split("\n\n");
    let kept = kept.filter(|part| with_wasmtime || !part.contains("[profile.dev.package]"));
    kept.collect::<Vec<_>>().join("\n\n")
}

/// tests/Cargo.toml without what only programs and tests need that are not in `folder`.
fn manifest(text: &str, folder: &Path) -> Result<String> {
    let mut sources = String::new();
    for file in WalkDir::new(folder) {
        let file = file.context("cannot list tests/")?;
        if file.path().extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(file.path())?;
            // A module may be a file of a host's.
            let here = file.path().parent().unwrap_or(folder);
            for rest in source.split("#[path = \"").skip(1) {
                let path = rest.split('"').next().unwrap_or_default();
                sources += &fs::read_to_string(here.join(path))?;
            }
            sources += &source;
        }
    }
    let used = |line: &&str| {
        let name = line.split_once(" = ").map(|(name, _)| name.replace('-', "_"));
        name.is_none_or(|name| {
            [format!("{name}::"), format!("use {name};"), format!("use {name} as ")]
                .iter()
                .any(|used| sources.contains(used))
        })
    };
    let there = |name: &str| folder.join("tests").join(name).with_extension("rs").is_file();
    let mut kept = Vec::new();
    for paragraph in text.trim_end().split("\n\n") {
        if paragraph.contains("dependencies]\n") {
            kept.push(paragraph.lines().filter(used).collect::<Vec<_>>().join("\n"));
        } else if !paragraph.starts_with("[[bench]]")
            && (!paragraph.starts_with("[[test]]")
                || paragraph.split('"').nth(1).is_some_and(there))
        {
            kept.push(paragraph.to_owned());
        }
    }
    Ok(kept.join("\n\n") + "\n")
}

/// A first README: what is what, what may be deleted, and how to go on.
fn readme(name: &str, wit: bool, runner: Option<&str>, beside: &[PathBuf]) -> String {
    let wit = match wit {
        true => format!("| `wit/{name}/` | the interface that both sides are generated from |\n"),
        false => String::new(),
    };
    let (mut row, mut step) = match runner {
        Some(host) => (
            format!(
                "| `{host}/` | the host in which `cargo run` and `cargo test` start a guest |\n"
            ),
            format!(
                "3. `{host}`, `.cargo/run-guest` and the last paragraph of `.cargo/config.toml`, if you \
                 never let cargo itself start a guest.\n"
            ),
        ),
        None => Default::default(),
    };
    for host in beside.iter().map(|host| host.display()) {
        row +=
            &format!("| `{host}/` | the host of another example, which the page compares with |\n");
        let number = 3 + step.matches('\n').count();
        step += &format!("{number}. `{host}`, with what the page and the tests do in it.\n");
    }
    format!(
        "\
# {name}

A guest, compiled to WebAssembly, and the host that runs it. Both are yours now.

| here | is |
|---|---|
| `guests/` | what runs inside: one crate for each guest |
| `hosts/{name}/` | the program that loads and runs it |
{wit}{row}| `examples/{name}/` | the page that explains the pair, and `run.just` with the commands of `just run {name}` |
| `tests/tests/{name}.rs` | what the pair promises, tested from outside |
| `tests/tests/walkthroughs.rs` | runs the page and compares what it prints |
| `Cargo.toml`, `Cargo.lock` | the workspace, with the versions that were tested together |

## Use

`just run {name}` builds and runs, `just test` runs the tests, `just lint` is for before a commit. Each
is plain cargo, spelled out in `justfile` and on the page.

## After a change

1. Say in `tests/tests/{name}.rs` what shall be true now.
2. The page fails where it says something else. `SNAPSHOTS=overwrite just test` writes what is printed
   into it; read the difference, and run `just test` again.

## What may go, in this order

1. The page: `examples/`, `tests/tests/walkthroughs.rs`, `tests/src/page.rs` with `pub mod page;` in
   `tests/src/lib.rs`, and the paragraph `[[test]]` of `tests/Cargo.toml`. `just run` goes with it.
2. All tests: `tests/`, and its name in the two lists of `Cargo.toml`. `just test` goes with them.
{step}
The licence is MIT or Apache-2.0; keep the two files with what you keep of the code.
"
    )
}
