//! Makes a book of the pages as they are, with boxes in which a guest runs on the page itself.
//! Notice that nothing is written for the book: the order of chapters is the table of README.md.
//! Run: just book

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use regex::{Captures, Regex};
use serde_json::json;
use tests::page::{Shown, commands};
use tests::{command, copy, root, target};

/// The pages whose guests can run in a browser as they are. A guest that needs functions of its own host
/// cannot, and neither can one whose host is told what to do with it.
const BOXED: [&str; 9] = [
    "adapter",
    "command",
    "javascript",
    "no_std",
    "optimize",
    "raw",
    "runner",
    "small_engine",
    "tokio",
];

/// What is in a folder that a page grants, where that is not what lies on this machine.
const FOLDERS: [(&str, &str); 2] =
    [("target/command", ""), ("target/javascript/till", "examples/javascript/till")];

/// What is in commands whose guests do something else without their host: a server, a library, and, where
/// the command ends, a status that an adapter changes.
const OTHERWISE: [&str; 4] =
    ["tokio_guest", "tokio_wstd_guest", "adapter_library_guest", "adapter_guest.wasm$"];

/// Packages of npm that the boxes use, of hosts/javascript.
const PACKAGES: [&str; 3] = [
    "@bjorn3/browser_wasi_shim/dist",
    "@bytecodealliance/preview2-shim/dist/browser",
    "@bytecodealliance/preview3-shim/dist/browser/streams.js",
];

fn main() -> Result<()> {
    sigpipe::reset();
    let book = Book { dir: target().join("book"), sources: BTreeMap::new() };
    book.make()
}

struct Book {
    /// What mdbook reads, and what it makes.
    dir: PathBuf,
    /// Files that are no pages, and to which a page links: the first page that does, and its title there.
    sources: BTreeMap<PathBuf, (PathBuf, String)>,
}

impl Book {
    fn make(mut self) -> Result<()> {
        let tools = [("mdbook", "0.5.4"), ("mdbook-mermaid", "0.17.1")];
        for (tool, version) in tools {
            let found = Command::new(tool).arg("--version").output();
            ensure!(
                found.is_ok(),
                "{tool} is not installed: cargo install --locked {tool}@{version}"
            );
        }
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).context("cannot remove the book of before")?;
        }
        let boxes = self.boxes()?;
        let readme = fs::read_to_string(root().join("README.md"))?;
        let (first, chapters) = chapters(&readme);
        self.page(Path::new("README.md"), &first)?;
        let mut summary = "# Summary\n\n[WASI in Rust](index.md)\n".to_owned();
        for (title, file, text) in &chapters {
            self.page(file, text)?;
            writeln!(summary, "[{title}]({})", file.display())?;
        }
        for line in first.lines() {
            if let Some(group) = line.strip_prefix("### ") {
                writeln!(summary, "\n# {group}\n")?;
            } else if let Some(name) =
                line.strip_prefix("| [").and_then(|row| row.split(']').next())
            {
                let page = Path::new("examples").join(name).join("README.md");
                let mut text = fs::read_to_string(root().join(&page))?;
                if boxes && BOXED.contains(&name) {
                    text = self.with_boxes(name, &text)?;
                }
                self.page(&page, &text)?;
                writeln!(summary, "- [{name}](examples/{name}/index.md)")?;
                summary += &self.linked_from(|owner| owner == page);
            }
        }
        summary += "\n# To look things up\n\n";
        for (title, file) in [
            ("Index of errors", "examples/errors.md"),
            ("Sizes of all guests", "examples/sizes.md"),
            ("Security", "SECURITY.md"),
            ("Adding an example", "CONTRIBUTING.md"),
        ] {
            let text = fs::read_to_string(root().join(file))?;
            self.page(Path::new(file), &text)?;
            writeln!(summary, "- [{title}]({file})")?;
        }
        // What the pages link to that belong to no example.
        summary +=
            &self.linked_from(|owner| !owner.starts_with("examples") || owner.iter().count() < 3);
        self.write("src/SUMMARY.md", &summary)?;
        self.write("book.toml", include_str!("../../book/book.toml"))?;
        self.write("theme/head.hbs", include_str!("../../book/head.hbs"))?;
        self.write("book.css", include_str!("../../book/book.css"))?;
        // It writes the drawings' script and names it in book.toml.
        run(Command::new("mdbook-mermaid").arg("install").arg(&self.dir))?;
        run(Command::new("mdbook").arg("build").arg(&self.dir))?;
        println!("{}", self.dir.join("html/index.html").display());
        if boxes {
            println!("its boxes need a server: mdbook serve {}", self.dir.display());
        }
        Ok(())
    }

    /// The lines of the summary for the files that pages of `owners` were the first to link to.
    fn linked_from(&self, owners: impl Fn(&Path) -> bool) -> String {
        let mut lines = String::new();
        for (source, (owner, title)) in &self.sources {
            let end = source.extension().and_then(|end| end.to_str()).unwrap_or_default();
            if owners(owner) && !["svg", "png"].contains(&end) {
                let more = if end == "md" { "" } else { ".md" };
                lines += &format!("    - [{title}]({}{more})\n", source.display());
            }
        }
        lines
    }

    fn write(&self, file: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<()> {
        let path = self.dir.join(file);
        fs::create_dir_all(path.parent().context("a file in a folder")?)?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Writes a page, and the files to which it links.
    fn page(&mut self, file: &Path, text: &str) -> Result<()> {
        let folder = file.parent().unwrap_or(Path::new(""));
        let link = Regex::new(r"\[([^\]]*)\]\(([^)#:\s]+)(#[^)]*)?\)")?;
        let mut linked = Vec::new();
        let text = link.replace_all(text, |found: &Captures| {
            let (text, path) = (&found[1], &found[2]);
            let anchor = found.get(3).map_or("", |anchor| anchor.as_str());
            let to = resolve(&folder.join(path));
            if to.extension().is_some_and(|end| end == "md") {
                let name = to.file_name().unwrap_or_default();
                if to.starts_with("examples") && to.components().count() == 3 && name != "README.md"
                {
                    linked.push((to, text.to_owned()));
                }
                return format!("[{text}]({}{anchor})", path.replace("README.md", "index.md"));
            }
            match root().join(&to) {
                place if place.is_dir() => return text.to_owned(), // a book has no folders
                place if !place.is_file() => return found[0].to_owned(),
                _ => {}
            }
            linked.push((to, text.to_owned()));
            let picture = path.ends_with(".svg") || path.ends_with(".png");
            let end = if picture { "" } else { ".md" };
            format!("[{text}]({path}{end}{anchor})")
        });
        for (to, text) in linked {
            // "Guest", "Host" and so on, as the line of links has them.
            let known = ["Guest", "Host", "WIT", "Tests"].contains(&&*text);
            let title = if known { text } else { to.display().to_string() };
            if self.sources.contains_key(&to) {
                continue;
            }
            self.sources.insert(to.clone(), (file.to_owned(), title));
            let end = to.extension().and_then(|end| end.to_str());
            if matches!(end, Some("svg" | "png")) {
                copy(&root().join(&to), &self.dir.join("src").join(&to))?;
                continue;
            }
            let content = fs::read_to_string(root().join(&to))?;
            match end {
                Some("md") => self.page(&to, &content)?,
                language => {
                    let language = language.unwrap_or("sh");
                    let text = format!("# {}\n\n````{language}\n{content}````\n", to.display());
                    self.write(Path::new("src").join(format!("{}.md", to.display())), text)?;
                }
            }
        }
        let file = file.to_string_lossy().replace("README.md", "index.md");
        self.write(Path::new("src").join(file), fences(&text))
    }

    /// Puts the programs of the boxes into the book; says so where npm is missing, without which there are
    /// none.
    fn boxes(&self) -> Result<bool> {
        let installed = env::split_paths(&env::var_os("PATH").unwrap_or_default())
            .any(|folder| folder.join("npm").is_file());
        if !installed {
            eprintln!("npm is not installed: no guest will run in the book");
            return Ok(false);
        }
        let install = ["ci", "--silent", "--prefer-offline", "--prefix", "hosts/javascript"];
        run(command("npm", &root()).args(install))?;
        let place = self.dir.join("src/box");
        for package in PACKAGES {
            let from = root().join("hosts/javascript/node_modules").join(package);
            copy(&from, &place.join("npm").join(package))?;
        }
        for file in ["box.js", "box.css", "worker.js"] {
            copy(&root().join("hosts/javascript/src/web").join(file), &place.join(file))?;
        }
        Ok(true)
    }

    /// The page `name` with a box below each command that a browser can do as well.
    fn with_boxes(&self, name: &str, page: &str) -> Result<String> {
        let mut text = page.to_owned();
        let shown = commands(page);
        for (number, shown) in shown.iter().enumerate().rev() {
            let Some(given) = given(name, shown)? else { continue };
            let wasm = root().join(&given.guest);
            build(&given)?;
            let stem = wasm.file_stem().context("a name")?.to_string_lossy().into_owned();
            let place = format!("{}-{stem}", given.guest.replace('/', "-").replace(".wasm", ""));
            let guest = if fs::read(&wasm)?.starts_with(b"\0asm\x01\0\0\0") {
                copy(&wasm, &self.dir.join("src/box").join(&place).join("guest.wasm"))?;
                format!("{place}/guest.wasm")
            } else {
                let mut host = command("cargo", &root());
                host.args([
                    "run",
                    "--quiet",
                    "--manifest-path",
                    "hosts/javascript/Cargo.toml",
                    "--",
                ]);
                host.args(["transpile", "--out"])
                    .arg(self.dir.join("src/box").join(&place))
                    .arg(&wasm);
                run(host.stdout(std::process::Stdio::null()))?;
                format!("{place}/guest.js")
            };
            let file = format!("{name}-{number}.json");
            let program = wasm.file_name().context("a name")?.to_string_lossy().into_owned();
            let args: Vec<_> = [program].into_iter().chain(given.args).collect();
            // What the page says of it, for the test.
            let expected = json!({ "status": shown.status, "output": of_guest(&shown.output)? });
            let given = json!({
                "guest": guest, "args": args, "env": given.env, "stdin": given.stdin, "files": given.files,
                "seconds": 30, "expected": expected,
            });
            self.write(Path::new("src/box").join(&file), serde_json::to_vec_pretty(&given)?)?;
            let end = shown.block.end + text[shown.block.end..].find('\n').map_or(0, |at| at + 1);
            let end =
                if text[shown.block.end..].starts_with("```") { end } else { shown.block.end };
            text.insert_str(end, &format!(
                "\n<details class=\"run-here\"><summary>Run it here</summary>\n<wasi-box src=\"../../box/{file}\"></wasi-box>\n</details>\n"
            ));
        }
        Ok(text)
    }
}

/// README.md up to the last of its examples, and its later parts as chapters: title, file and text.
fn chapters(readme: &str) -> (String, Vec<(String, PathBuf, String)>) {
    let mut parts = readme.split("\n## ");
    let mut first = parts.next().unwrap_or_default().to_owned();
    let mut chapters: Vec<(String, PathBuf, String)> = Vec::new();
    for part in parts {
        let title = part.lines().next().unwrap_or_default();
        if ["Start", "Examples"].contains(&title) {
            first += &format!("\n## {part}");
        } else {
            let name = title.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-");
            chapters.push((title.to_owned(), format!("{name}.md").into(), format!("# {part}")));
        }
    }
    (first, chapters)
}

/// `path` without `..`.
fn resolve(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.iter() {
        if part == ".." {
            resolved.pop();
        } else if part != "." {
            resolved.push(part);
        }
    }
    resolved
}

/// The page with nothing behind a fence but its language, and the name of a quoted file above its block.
fn fences(page: &str) -> String {
    let fence =
        Regex::new(r"(?m)^( *)```(rust|js|wit|toml|console) (\S.*)$").expect("it is correct");
    let page = fence.replace_all(page, |found: &Captures| match &found[2] {
        "console" => format!("{}```console", &found[1]),
        language => {
            format!("{0}<span class=\"slice\">{1}</span>\n\n{0}```{language}", &found[1], &found[3])
        }
    });
    page.into_owned()
}

/// A command of a page as a browser can do it.
struct Given {
    guest: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: String,
    files: BTreeMap<String, BTreeMap<String, String>>,
    /// Of cargo.
    build: Vec<String>,
}

/// What `shown` gives to which guest; none if it does something else.
fn given(example: &str, shown: &Shown) -> Result<Option<Given>> {
    let line = shown.command.replace("\\\n", " ");
    let mut words = words(&line);
    // What the host says of a guest that it cannot run, or that trapped, is its own.
    let of_host = shown.output.contains("wasm backtrace")
        || shown.output.starts_with("Error: ")
            && shown.output.lines().next().is_some_and(|line| line.contains(".wasm"));
    let for_a_shell =
        words.iter().any(|word| [">", ">>", "2>&1", "||", "&&", ";"].contains(&&**word))
            || words.iter().filter(|word| *word == "|").count()
                > usize::from(line.starts_with("echo "));
    let otherwise = OTHERWISE.iter().any(|part| format!("{line}$").contains(part));
    if of_host || for_a_shell || otherwise || line.contains("CARGO_") {
        return Ok(None);
    }
    let mut stdin = String::new();
    if let Some(at) = words.iter().position(|word| word == "<") {
        stdin = fs::read_to_string(root().join(&words[at + 1])).unwrap_or_default();
        words.truncate(at);
    }
    if let Some(at) = words.iter().position(|word| word == "|") {
        stdin = words[1..at].join(" ") + "\n";
        words.drain(..=at);
    }
    // Variables for the command itself: the guest does not see them.
    while words.first().is_some_and(|word| word.contains('=')) {
        words.remove(0);
    }
    let Some(at) = words.iter().position(|word| word == "--" || word.ends_with(".mjs")) else {
        return Ok(None);
    };
    let (before, after) = (words[..at].to_vec(), &words[at + 1..]);
    let of_cargo = before.starts_with(&["cargo".to_owned(), "run".to_owned()]);
    if !of_cargo && before.first().is_none_or(|word| word != "node") {
        return Ok(None);
    }
    let value = |flag: &str| {
        before.iter().position(|word| word == flag).and_then(|at| before.get(at + 1)).cloned()
    };
    let mut given = Given {
        guest: String::new(),
        args: Vec::new(),
        env: BTreeMap::new(),
        stdin,
        files: BTreeMap::new(),
        build: Vec::new(),
    };
    let mut rest = after.iter();
    if let (Some(target), Some(package)) = (value("--target"), value("--package")) {
        // cargo starts the guest itself.
        given.guest = format!("target/{target}/debug/{package}.wasm");
        given.args = rest.cloned().collect();
        given.build = vec!["--package".into(), package, "--target".into(), target];
        return Ok(Some(given));
    }
    while let Some(word) = rest.next() {
        match &**word {
            "--dir" => {
                let dir = rest.next().context("a directory")?;
                let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
                given.files.insert(guest.to_owned(), folder(host)?);
            }
            "--env" => {
                let variable = rest.next().context("a variable")?;
                let (name, value) = variable.split_once('=').context("NAME=VALUE")?;
                given.env.insert(name.to_owned(), value.to_owned());
            }
            // A file that cargo made of a guest of this example.
            guest if guest.starts_with("target/wasm32") && guest.contains(example) => {
                given.guest = guest.to_owned();
                given.args = rest.cloned().collect();
                let parts: Vec<_> = guest.split('/').collect();
                let package = parts[3].trim_end_matches(".wasm").to_owned();
                given.build = vec!["--package".into(), package, "--target".into(), parts[1].into()];
                if parts[2] != "debug" {
                    given.build.extend(["--profile".to_owned(), parts[2].to_owned()]);
                }
                // Another directory's files look different in each system's errors.
                let leaves = given.args.iter().any(|arg| arg.contains("/../"));
                let several = given.args.iter().any(|arg| arg.ends_with(".wasm"));
                return Ok((!leaves && !several).then_some(given));
            }
            _ => return Ok(None),
        }
    }
    Ok(None)
}

/// What a page shows of an output without what the host prints, and what it makes the same for each run.
fn of_guest(output: &str) -> Result<String> {
    let lines =
        output.lines().filter(|line| !line.starts_with("host: ")).map(|line| format!("{line}\n"));
    let varies = Regex::new(r"clock \d+, random \[[0-9, ]+\]")?;
    Ok(varies.replace_all(&lines.collect::<String>(), "clock [..], random [..]").into_owned())
}

/// The words of a line as a shell sees them, where it has no more than quotes.
fn words(line: &str) -> Vec<String> {
    let word = Regex::new(r#""([^"]*)"|'([^']*)'|(\S+)"#).expect("it is correct");
    let found = word.captures_iter(line);
    found.map(|found| found.iter().skip(1).flatten().map(|part| part.as_str()).collect()).collect()
}

/// The files of a folder that a page grants, which are text here.
fn folder(path: &str) -> Result<BTreeMap<String, String>> {
    let place = FOLDERS.iter().find(|(folder, _)| *folder == path).map_or(path, |(_, place)| place);
    let mut files = BTreeMap::new();
    if !place.is_empty() {
        for entry in
            fs::read_dir(root().join(place)).with_context(|| format!("cannot list {place}"))?
        {
            let entry = entry?;
            files.insert(
                entry.file_name().to_string_lossy().into_owned(),
                fs::read_to_string(entry.path())?,
            );
        }
    }
    Ok(files)
}

fn build(given: &Given) -> Result<()> {
    run(command("cargo", &root()).args(["build", "--quiet"]).args(&given.build))
}

fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command.status().with_context(|| format!("cannot start {shown}"))?;
    ensure!(status.success(), "{shown} failed");
    Ok(())
}
