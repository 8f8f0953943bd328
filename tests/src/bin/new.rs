//! Makes a project of the reader's own: this workspace, pruned to one example.
//! Notice that no file is rewritten; paths and names stay, so the copied page runs as it stands.
//! Run: just new EXAMPLE DIR

use std::fs;
use std::path::{Path, PathBuf, absolute};

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use walkdir::WalkDir;

/// The examples whose hosts `.cargo/run-guest` starts, the first that is there. It goes along with
/// every copy.
const RUNNERS: [&str; 2] = ["runner", "command"];

/// What every copy has.
const COMMON: [&str; 11] = [
    ".cargo",
    ".gitignore",
    "rustfmt.toml",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "justfile",
    "rust-toolchain.toml",
    "tests/Cargo.toml",
    "tests/src",
];

/// Make a project of your own from an example.
#[derive(Parser)]
struct Cli {
    /// The example, a folder in `examples/`
    example: String,
    /// The folder of the new project
    dir: PathBuf,
}

fn main() -> Result<()> {
    let Cli { example, dir } = Cli::parse();
    ensure!(tests::examples().contains(&example), "no example `{example}`: `just` lists them");
    let dir = resolve(&dir)?;
    check(&dir)?;

    let root = tests::root();
    let mut parts: Vec<_> = COMMON.map(PathBuf::from).into();
    parts.push(format!("tests/tests/{example}.rs").into());
    parts.push("tests/tests/walkthroughs.rs".into());
    parts.extend(["examples", "hosts", "wit"].map(|group| Path::new(group).join(&example)));
    let runners = RUNNERS.map(|name| Path::new("hosts").join(name));
    parts.extend(runners.into_iter().find(|host| root.join(host).is_dir()));
    for guest in fs::read_dir(root.join("guests")).context("cannot list guests/")? {
        let name = guest?.file_name().to_string_lossy().into_owned();
        if name == example || name.starts_with(&format!("{example}_")) {
            parts.push(Path::new("guests").join(name));
        }
    }
    for part in parts {
        copy(&root.join(&part), &dir.join(&part))?;
    }
    fs::write(dir.join("README.md"), readme(&root, &example)?).context("cannot write README.md")?;
    println!("{} is yours: cd there, then `just run {example}` and `just test`", dir.display());
    Ok(())
}

/// The absolute path of `dir`, which need not be there, without `..`.
fn resolve(dir: &Path) -> Result<PathBuf> {
    let dir = absolute(dir).with_context(|| format!("{} is no path", dir.display()))?;
    let there = dir.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, resolved) = there.with_context(|| format!("{} is no path", dir.display()))?;
    let rest = dir.strip_prefix(above).context("an ancestor is a prefix")?;
    Ok(resolved.join(rest).components().collect()) // without a slash at the end
}

/// Refuses a folder in which the project would overwrite something, or be part of something else.
fn check(dir: &Path) -> Result<()> {
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

/// Copies a file or a folder, leaving out what cargo built. What is not there is not needed: few
/// examples have WIT.
fn copy(from: &Path, to: &Path) -> Result<()> {
    if !from.exists() {
        return Ok(());
    }
    let wanted = WalkDir::new(from).into_iter().filter_entry(|entry| entry.file_name() != "target");
    for entry in wanted {
        let entry = entry.with_context(|| format!("cannot read {}", from.display()))?;
        let relative = entry.path().strip_prefix(from).context("a path below its folder")?;
        let to = if relative.as_os_str().is_empty() { to.to_owned() } else { to.join(relative) };
        if entry.file_type().is_dir() {
            fs::create_dir_all(&to).with_context(|| format!("cannot make {}", to.display()))?;
        } else {
            fs::create_dir_all(to.parent().context("a file lies in a folder")?)?;
            fs::copy(entry.path(), &to)
                .with_context(|| format!("cannot write {}", to.display()))?;
        }
    }
    Ok(())
}

/// A first README, with the table row that `just` lists the example from.
fn readme(root: &Path, example: &str) -> Result<String> {
    let page = fs::read_to_string(root.join("README.md")).context("cannot read README.md")?;
    let row = page.lines().find(|line| line.starts_with(&format!("| [{example}](")));
    let row = row.with_context(|| format!("README.md has no row for {example}"))?;
    Ok(format!(
        "# My project\n\nStarted from an example: read [its page](examples/{example}/README.md), type \
         `just run {example}` and `just test`.\n\n| example | what it shows | target |\n|---|---|---|\n{row}\n"
    ))
}
