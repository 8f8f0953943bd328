//! What the tests of all examples share: build a guest, start a host, bring bad input.
//! Notice that nothing here knows an example; what an example promises stands in tests/tests.
//! Run: just test

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError, mpsc};
use std::time::Duration;
use std::{fs, io, thread};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use serde_json::Value;

pub mod page;

/// The root folder of the workspace, absolute. cargo says at run time where it is: what it built in
/// a shared target folder may have been compiled in another copy of the workspace.
///
/// # Panics
/// If the program was not started by cargo.
pub fn root() -> PathBuf {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo starts this program");
    Path::new(&manifest).parent().expect("tests/ has a parent").to_owned()
}

/// The folder that cargo builds into, absolute; it may lie outside of the workspace.
///
/// # Panics
/// If cargo cannot read the workspace.
pub fn target() -> PathBuf {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = command("cargo", &root()).args(arguments).output().expect("cargo starts");
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo speaks JSON");
    metadata["target_directory"].as_str().expect("a folder to build into").into()
}

/// The names of all examples: the folders in `examples/`, sorted.
///
/// # Panics
/// If the folder cannot be read.
pub fn examples() -> Vec<String> {
    let entries = fs::read_dir(root().join("examples")).expect("examples/ is a folder");
    let entries = entries.map(|entry| entry.expect("examples/ can be listed"));
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// The crates that are workspaces of their own, with a Cargo.lock: their folders relative to the root,
/// such as `hosts/NAME`, sorted. They need another wasmtime than all others, and share only the
/// folder that cargo builds into. Commands from the root name their manifest by `--manifest-path`.
///
/// # Panics
/// If a folder of crates cannot be read.
pub fn apart() -> Vec<PathBuf> {
    let crates = ["guests", "hosts"].into_iter().flat_map(|group| {
        let entries = fs::read_dir(root().join(group)).expect("a folder of crates");
        entries.map(move |e| Path::new(group).join(e.expect("it can be listed").file_name()))
    });
    let mut apart: Vec<_> =
        crates.filter(|folder| root().join(folder).join("Cargo.lock").is_file()).collect();
    apart.sort();
    apart
}

/// Builds `package` for the wasm target `target` and returns the path of its `.wasm` file.
///
/// # Panics
/// If the build fails (cargo's messages are in the panic) or makes no `.wasm` file.
pub fn guest(package: &str, target: &str) -> PathBuf {
    guest_with(package, target, &[])
}

/// As [`guest`], with further arguments for `cargo build`, such as `--profile small`.
pub fn guest_with(package: &str, target: &str, args: &[&str]) -> PathBuf {
    build(&[&["--package", package, "--target", target], args].concat(), |file| {
        file.extension().is_some_and(|extension| extension == "wasm")
    })
}

/// Compiles a program of std alone, `source`, for the wasm target `target`. Returns the path of the
/// file, `dir/TARGET.wasm`; another program for that target takes its place.
///
/// # Panics
/// If it does not compile (the compiler's messages are in the panic) or cannot be written.
pub fn program(dir: &Path, source: &str, target: &str) -> PathBuf {
    let (from, to) = (dir.join("program.rs"), dir.join(format!("{target}.wasm")));
    fs::write(&from, source).expect("a file in the folder");
    let mut rustc = command("rustc", dir);
    rustc.args(["--edition", "2024", "--target", target, "-o"]).args([&to, &from]);
    let output = rustc.output().expect("rustc starts");
    assert!(output.status.success(), "{source}\n{}", String::from_utf8_lossy(&output.stderr));
    to
}

/// The host `package`, built and ready to be given arguments. It runs in the root folder with
/// backtraces off, so that what it prints is the same everywhere.
///
/// # Panics
/// If the build fails; cargo's messages are in the panic.
pub fn host(package: &str) -> assert_cmd::Command {
    let program =
        build(&["--package", package], |file| file.file_stem().is_some_and(|stem| stem == package));
    let mut command = assert_cmd::Command::new(program);
    command.current_dir(root()).env("RUST_BACKTRACE", "0");
    command
}

/// A host while it runs, with the ends of its pipes; killed when it is dropped.
pub struct Running {
    pub host: Child,
    pub stdin: Option<ChildStdin>,
    pub stdout: Option<BufReader<ChildStdout>>,
}

/// How long anything may take in a [`Running`] host before it counts as stuck.
const STUCK: Duration = Duration::from_secs(60);

impl Running {
    /// Starts the host `package` with `args` and, last, the file `guest`.
    ///
    /// # Panics
    /// If the build fails, or the host does not start.
    pub fn start(package: &str, args: &[&str], guest: &Path) -> Self {
        Self::start_to(package, args, guest, Stdio::piped())
    }

    /// The same, with its standard output going to `stdout`.
    pub fn start_to(package: &str, args: &[&str], guest: &Path, stdout: Stdio) -> Self {
        let mut host = Command::new(host(package).get_program())
            .args(args)
            .arg(guest)
            .current_dir(root())
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let stdout = host.stdout.take().map(BufReader::new);
        Self { stdin: host.stdin.take(), stdout, host }
    }

    /// Writes to its standard input.
    ///
    /// # Panics
    /// If nobody reads there any more.
    pub fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().expect("it is open");
        stdin.write_all(text.as_bytes()).expect("the host reads");
    }

    /// The next line of its standard output, with its end; empty after the last one.
    ///
    /// # Panics
    /// If there is none in time.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut stdout = self.stdout.take().expect("it is open");
        let (line, stdout) = in_time(move || {
            let mut line = String::new();
            stdout.read_line(&mut line).expect("the host writes text");
            (line, stdout)
        });
        self.stdout = Some(stdout);
        line
    }

    /// Waits for the end, with standard input and output as they are; returns the errors as well.
    ///
    /// # Panics
    /// If it does not end in time.
    #[track_caller]
    pub fn ends(&mut self) -> (ExitStatus, String) {
        let mut stderr = self.host.stderr.take().expect("it was not taken");
        let errors = in_time(move || {
            let mut errors = String::new();
            stderr.read_to_string(&mut errors).expect("the host writes text");
            errors
        });
        (self.host.wait().expect("it was started"), errors)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.host.kill();
        let _ = self.host.wait();
    }
}

/// What `work` returns.
///
/// # Panics
/// If it takes longer than anything should here, or panics.
#[track_caller]
pub fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(STUCK).unwrap_or_else(|error| panic!("not within {STUCK:?}: {error}"))
}

/// Runs a `cargo build` at the root and returns the file that it made and `wanted` picks. What was
/// built is not built again by the same test program, for asking cargo takes longer than a test.
fn build(args: &[&str], wanted: impl Fn(&Path) -> bool) -> PathBuf {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(file) = built.get(&args.join(" ")) {
        return file.clone();
    }
    let mut cargo = command("cargo", &root());
    cargo.arg("build").args(args);
    let named = |folder: &PathBuf| {
        let package = format!("{}_host", folder.file_name().unwrap_or_default().display());
        folder.starts_with("hosts") && args.contains(&&*package)
    };
    if let Some(folder) = apart().iter().find(|folder| named(folder)) {
        cargo.arg("--manifest-path").arg(folder.join("Cargo.toml"));
    }
    let mut files = artifacts(&mut cargo);
    files.retain(|file| wanted(file));
    let file = files.into_iter().next().expect("the build made the file that was asked for");
    built.insert(args.join(" "), file.clone());
    file
}

/// Runs `cargo`, a build or check, and returns the paths of the files that it made or found fresh.
///
/// # Panics
/// If it fails; cargo's messages are in the panic.
pub fn artifacts(cargo: &mut Command) -> Vec<PathBuf> {
    let output = cargo.args(["--message-format", "json-render-diagnostics"]).output();
    let output = output.expect("cargo starts");
    assert!(output.status.success(), "{cargo:?}\n{}", String::from_utf8_lossy(&output.stderr));
    // One JSON object a line; those of the reason `compiler-artifact` have `filenames`.
    let messages = serde_json::Deserializer::from_slice(&output.stdout).into_iter::<Value>();
    let files = messages.flat_map(|message| {
        let message = message.expect("cargo speaks JSON");
        let files = message["filenames"].as_array().cloned().unwrap_or_default();
        files.into_iter().filter_map(|file| Some(PathBuf::from(file.as_str()?)))
    });
    files.collect()
}

/// Copies a file, or a folder without what cargo and npm put there. The copies keep the times of their
/// originals. What is not there is not copied.
///
/// # Errors
/// If something cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            if !["target", "node_modules"].iter().any(|made| name == *made) {
                copy(&from.join(&name), &to.join(&name))?;
            }
        }
    } else if from.exists() {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        fs::copy(from, to)?;
        fs::File::options().write(true).open(to)?.set_modified(from.metadata()?.modified()?)?;
    }
    Ok(())
}

/// A `cargo` or `just` command at `dir` that prints the same everywhere: no colours, no progress
/// bar, no backtraces, no folder to build into but its own, and nothing that cargo told the test of
/// its own package.
pub fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(dir);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_BIN_", "CARGO_MANIFEST_", "CARGO_CRATE_"]
            .iter()
            .any(|p| text.starts_with(p))
        {
            command.env_remove(&name);
        }
    }
    command.env_remove("CARGO_TARGET_DIR").env_remove("CARGO_BUILD_TARGET_DIR");
    command.env("CARGO_TERM_COLOR", "never").env("CARGO_TERM_PROGRESS_WHEN", "never");
    command.env("NO_COLOR", "1").env("RUST_BACKTRACE", "0");
    command
}

/// Whether the program `tool` is installed. If it is not, says that `what` is skipped for want of it
/// and who knows how to install it.
///
/// # Panics
/// If it is not installed and the variable `CI` is set: there nothing may be skipped.
pub fn installed(tool: &str, what: impl Display) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let installed = std::env::split_paths(&path).any(|dir| dir.join(tool).is_file());
    if !installed {
        assert!(std::env::var_os("CI").is_none(), "{what}: `{tool}` is not installed");
        // Not eprintln!, which is kept back from the output of a test that passes.
        let skipped =
            format!("{what}: skipped, `{tool}` is not installed; just doctor says how to\n");
        std::io::stderr().write_all(skipped.as_bytes()).expect("stderr is open");
    }
    installed
}

/// Checks that a host refused the file at `path`: it ended with 1, and its errors begin with `first`,
/// in which `{}` stands for the path, and contain `cause`. `output` is what [`host`] ended with.
///
/// # Panics
/// If it did not; what the host printed is in the panic.
#[track_caller]
pub fn refused(output: Assert, path: &Path, first: &str, cause: &str) {
    let first = format!("Error: {}", first.replace("{}", &path.display().to_string()));
    output.code(1).stderr(starts_with(first).and(contains(cause)));
}

/// Files that are not what a host expects. They live as long as this value.
pub struct BadInput(tempfile::TempDir);

impl BadInput {
    /// # Panics
    /// If the files cannot be written.
    #[expect(clippy::new_without_default, reason = "it writes files")]
    pub fn new() -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("notes.txt"), "not wasm\n").expect("a text file");
        fs::write(dir.path().join("empty.wasm"), "").expect("an empty file");
        Self(dir)
    }

    /// A path at which there is nothing.
    pub fn missing(&self) -> PathBuf {
        self.0.path().join("missing.wasm")
    }

    /// A file that holds text.
    pub fn text(&self) -> PathBuf {
        self.0.path().join("notes.txt")
    }

    /// A file of no bytes.
    pub fn empty(&self) -> PathBuf {
        self.0.path().join("empty.wasm")
    }

    /// A module that lacks its last two bytes.
    pub fn damaged(&self) -> PathBuf {
        let path = self.module("damaged.wasm", r#"(module (func (export "_start")))"#);
        let wasm = fs::read(&path).expect("it was just written");
        fs::write(&path, &wasm[..wasm.len() - 2]).expect("a file");
        path
    }

    /// A module or component from text format, written beside the others.
    ///
    /// # Panics
    /// If the text is neither.
    pub fn module(&self, name: &str, wat: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, wat::parse_str(wat).expect("text format")).expect("a file");
        path
    }
}
