//! That examples can be taken away: as a project by `just new`, under another name, and crate by
//! crate; and that the solution of a page's exercise does what the page says, in such a project.
//! Notice that nothing here touches the network once everything in Cargo.lock is fetched, and that
//! projects are made at the same places in each run, and built into folders which begin as links to
//! what is built here already: cargo builds again only what belongs to an example.
//! Run: cargo test -p tests --test copies -- EXAMPLE
//!
//! An example whose files are as they were when it passed is not copied again, which is said; with
//! CI in the environment it always is.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{LazyLock, Mutex};
use std::time::SystemTime;
use std::{env, fs};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tests::page::{self, Which};
use tests::{apart, artifacts, copy, examples, root};
use walkdir::WalkDir;

/// What commands in copies get: no network, and, since most exercises change a host, what makes its second
/// build quick.
const VARS: [(&str, &str); 2] = [("CARGO_NET_OFFLINE", "true"), ("CARGO_INCREMENTAL", "1")];

fn main() {
    let trials = examples().into_iter().map(|example| {
        Trial::test(example.clone(), move || {
            let passed = tests::target().join("copies/passed").join(&example);
            let files = fingerprint(&example);
            let same = fs::read_to_string(&passed).is_ok_and(|earlier| earlier == files);
            if same && env::var_os("CI").is_none() {
                eprintln!("{example}: as it was when its copies passed, not copied again");
                return Ok(());
            }
            check(&example)?;
            fs::create_dir_all(passed.parent().ok_or("a folder")?)?;
            Ok(fs::write(passed, files)?)
        })
    });
    let conclusion = libtest_mimic::run(&Arguments::from_args(), trials.collect());
    // The test programs of the projects are large, and not needed again. They have the same names in
    // each, so that they are removed when no other copy is being tested.
    for project in TESTED.lock().unwrap().iter() {
        succeed(command("cargo", project).args(["clean", "--quiet", "--package", "tests"]));
    }
    conclusion.exit();
}

/// The projects that were tested.
static TESTED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn check(example: &str) -> Result<(), Failed> {
    // What is built and run is the renamed project, whose files are all of the plain one, rewritten. Of
    // the plain ones the first example's stands for all.
    let project = new(example, example, None);
    succeed(command("cargo", &project).args(["metadata", "--format-version", "1"]));
    if Some(example) == examples().first().map(String::as_str) {
        let output = succeed(command("just", &project).arg("lint"));
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("ing wasmtime v"), "just lint builds or checks wasmtime: {said}");
        tested(example, &project)?;
        spared(example, &project);
    }

    let name = format!("my_{example}");
    let renamed = new(example, &name, Some(&name));
    tested(&name, &renamed)?;
    let left = format!("{example}_");
    for entry in WalkDir::new(&renamed).into_iter().filter_entry(|e| e.file_name() != "target") {
        let part = entry?.file_name().to_string_lossy().into_owned();
        assert!(part != example && !part.starts_with(&left), "{part} was not renamed");
    }
    spared(&name, &renamed);
    alone(example);
    Ok(())
}

/// What must hold of a new project whose example is called `name`. Its sources are changed by it: the
/// solution of the page's exercise is applied last.
fn tested(name: &str, project: &Path) -> Result<(), Failed> {
    let just = |arguments: &[&str]| {
        let output = succeed(command("just", project).args(arguments));
        String::from_utf8(output.stdout).unwrap()
    };
    // This runs the page, which begins with `just run`.
    let tested = just(&["test"]);
    assert!(tested.contains(&format!("test {name} ... ok")), "the page did not run: {tested}");
    let recipes = just(&[]);
    assert!(
        recipes.contains(&format!("    run example=\"{name}\" ")),
        "not the recipes: {recipes}"
    );
    assert_eq!(fs::read_dir(project.join("examples")).unwrap().count(), 1);
    for recipe in ["run", "test"] {
        let output = command("just", project).args([recipe, "nothing"]).output()?;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors, format!("error: no example `nothing`: there is {name}\n"));
        assert_eq!(output.status.code(), Some(1));
    }

    // `cargo test` for WASI works where there is a runner: the host that it names came along.
    let config = fs::read_to_string(project.join(".cargo/config.toml")).unwrap();
    let guest = fs::read_to_string(project.join(format!("guests/{name}/.cargo/config.toml")));
    if config.contains("runner = ") && guest.is_ok_and(|guest| guest.contains("wasm32-wasip1")) {
        let guest = format!("{name}_guest");
        let arguments = ["test", "--target", "wasm32-wasip1", "--package", &guest];
        succeed(command("cargo", project).args(arguments));
    }
    let page = project.join("examples").join(name).join("README.md");
    Ok(page::check(&page, project, Which::Solution, &VARS)?)
}

/// Removes the host of a project that passed: a debug build is large, and not needed again while its
/// example stays as it is.
fn spared(name: &str, project: &Path) {
    let mut clean = command("cargo", project);
    clean.args(["clean", "--quiet", "--package", &format!("{name}_host")]);
    let host = project.join("hosts").join(name);
    if host.join("Cargo.lock").is_file() {
        clean.arg("--manifest-path").arg(host.join("Cargo.toml"));
    }
    succeed(&mut clean);
    TESTED.lock().unwrap().push(project.to_owned());
}

/// A bare copy of each crate of `example`, with the WIT beside it as here, builds by itself.
fn alone(example: &str) {
    let dir = empty(&format!("{example}-crates"));
    for part in parts(example) {
        copy(&root().join(&part), &dir.join(&part)).unwrap();
    }
    for part in parts(example) {
        let copied = dir.join(&part);
        let Ok(manifest) = fs::read_to_string(copied.join("Cargo.toml")) else {
            continue; // the page, the WIT or the tests
        };
        if manifest.contains("needs cmake") && !tests::installed("cmake", part.display()) {
            continue;
        }
        let mut cargo = command("cargo", &copied);
        if copied.join("Cargo.lock").is_file() {
            // A workspace of its own, which is built by itself here too.
            artifacts(cargo.env("CARGO_TARGET_DIR", target()).arg("build"));
            continue;
        }
        // With the lock file of the workspace nothing is looked up. With its profiles, what is below the
        // crate is what is built or checked here already.
        copy(&root().join("Cargo.lock"), &copied.join("Cargo.lock")).unwrap();
        fs::write(copied.join("Cargo.toml"), as_here(&manifest)).unwrap();
        cargo.env("CARGO_TARGET_DIR", target());
        if part.starts_with("hosts") {
            artifacts(cargo.arg("check"));
        } else {
            let name = format!("{}_guest.wasm", part.file_name().unwrap().to_string_lossy());
            let made = artifacts(cargo.arg("build"));
            assert!(made.iter().any(|file| file.ends_with(&name)), "no {name} among {made:?}");
        }
    }
}

/// The manifest of a crate, with the profiles and the resolver of this workspace.
fn as_here(manifest: &str) -> String {
    let table = |text: &str| text.parse::<toml::Table>().unwrap();
    let mut manifest = table(manifest);
    let mut workspace = table(&fs::read_to_string(root().join("Cargo.toml")).unwrap());
    let resolver = workspace["workspace"]["resolver"].clone();
    manifest["package"].as_table_mut().unwrap().insert("resolver".to_owned(), resolver);
    manifest.insert("profile".to_owned(), workspace.remove("profile").unwrap());
    manifest.to_string()
}

/// What belongs to `example`, relative to the root.
fn parts(example: &str) -> BTreeSet<PathBuf> {
    let mut parts = BTreeSet::from([PathBuf::from(format!("tests/tests/{example}.rs"))]);
    for group in ["examples", "guests", "hosts", "wit"] {
        for entry in fs::read_dir(root().join(group)).unwrap() {
            let name = entry.unwrap().file_name().to_string_lossy().into_owned();
            if name == example || name.starts_with(&format!("{example}_")) {
                parts.insert(Path::new(group).join(name));
            }
        }
    }
    parts
}

/// A text that changes with every file that `example` is copied from, made or tested by.
fn fingerprint(example: &str) -> String {
    let mut parts = parts(example);
    let common =
        [".cargo", "Cargo.lock", "Cargo.toml", "hosts/clippy.toml", "justfile", "hosts/runner"];
    let tests = ["rust-toolchain.toml", "tests/Cargo.toml", "tests/src", "tests/tests/copies.rs"];
    parts.extend(common.into_iter().chain(tests).map(PathBuf::from));
    parts.insert("tests/tests/walkthroughs.rs".into());
    // The hosts of other examples that its page runs come along.
    let page = fs::read_to_string(root().join("examples").join(example).join("README.md")).unwrap();
    for entry in fs::read_dir(root().join("hosts")).unwrap() {
        let host = entry.unwrap().file_name().to_string_lossy().into_owned();
        let named = [format!("hosts/{host}/Cargo.toml"), format!("--package {host}_host")];
        if named.iter().any(|named| page.contains(named)) {
            parts.insert(Path::new("hosts").join(host));
        }
    }
    let mut hasher = DefaultHasher::new();
    for part in parts {
        let walk = WalkDir::new(root().join(part)).sort_by_file_name().into_iter();
        for entry in walk.filter_entry(|entry| entry.file_name() != "target").flatten() {
            if entry.file_type().is_file() {
                (entry.path(), fs::read(entry.path()).unwrap()).hash(&mut hasher);
            }
        }
    }
    format!("{:016x}\n", hasher.finish())
}

/// A new project from `example` at `place`, by `just new`. Its `target` is a link, because pages name
/// what cargo built by its path.
fn new(example: &str, place: &str, name: Option<&str>) -> PathBuf {
    let project = empty(place);
    let mut new = command("just", &root());
    new.args(["new", example]).arg(&project).args(name);
    let said = String::from_utf8(succeed(&mut new).stdout).unwrap();
    assert!(said.contains("is yours"), "{said}");
    #[cfg(unix)]
    std::os::unix::fs::symlink(target(), project.join("target")).unwrap();
    // What an earlier run built at this place may be newer than the copies, which keep the times of
    // their originals, and is not what is here now. The tests and the runner are the same in each.
    let wanted = |path: &Path| !path.starts_with(project.join("hosts/runner"));
    for group in ["guests", "hosts", "wit"] {
        for entry in WalkDir::new(project.join(group)).into_iter().flatten() {
            if entry.file_type().is_file() && wanted(entry.path()) {
                let file = fs::File::options().append(true).open(entry.path()).unwrap();
                file.set_modified(SystemTime::now()).unwrap();
            }
        }
    }
    project
}

/// A command in the copy at `dir`, offline.
fn command(program: &str, dir: &Path) -> Command {
    static FETCHED: LazyLock<()> = LazyLock::new(|| {
        let host =
            tests::command("rustc", &root()).args(["--print", "host-tuple"]).output().unwrap();
        let mut fetch = tests::command("cargo", &root());
        fetch.args(["fetch", "--locked", "--target", String::from_utf8_lossy(&host.stdout).trim()]);
        for target in ["wasm32-unknown-unknown", "wasm32-wasip1", "wasm32-wasip2", "wasm32v1-none"]
        {
            fetch.args(["--target", target]);
        }
        succeed(&mut fetch);
        for folder in apart() {
            let mut fetch = tests::command("cargo", &root().join(folder));
            succeed(fetch.args(["fetch", "--locked"]));
        }
    });
    LazyLock::force(&FETCHED);
    let mut command = tests::command(program, dir);
    command.envs(VARS);
    command
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{text}{errors}");
    output
}

/// An empty folder for a copy, which lies outside of the workspace and is the same in each run of
/// these tests: what is built from WIT knows by its full path where that was. Another run waits.
fn empty(name: &str) -> PathBuf {
    static DIR: LazyLock<(PathBuf, fs::File)> = LazyLock::new(|| {
        let workspace = root().to_string_lossy().replace(['/', '\\', ':'], "-");
        let dir = env::temp_dir().join(format!("copies{workspace}"));
        fs::create_dir_all(&dir).unwrap();
        let lock = fs::File::create(dir.join("lock")).unwrap();
        lock.lock().unwrap();
        (dir, lock)
    });
    let dir = DIR.0.join(name);
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    fs::create_dir_all(&dir).unwrap();
    dir
}

/// The folder that the copies of this thread build into. In one for all, each thread would wait while
/// cargo builds for another.
fn target() -> PathBuf {
    static COUNT: Mutex<usize> = Mutex::new(0);
    thread_local!(static TARGET: PathBuf = {
        let mut count = COUNT.lock().unwrap();
        let to = tests::target().join("copies").join(count.to_string());
        *count += 1;
        link(&tests::target(), &to);
        to
    });
    TARGET.with(PathBuf::clone)
}

/// Puts links into `to` to what this workspace has built in `from`, leaving out what is built from its
/// own crates, so that nothing of a copy can come from here.
fn link(from: &Path, to: &Path) {
    let (packages, programs) = members();
    // A test is called as a crate may be, such as tokio, but it is no library.
    let own = |kind: &str, name: &str| {
        let library = name.strip_prefix("lib");
        let program = kind == "deps" && library.is_none();
        let name = library.unwrap_or(name);
        let crate_name = name.rsplit_once('-').map_or(name, |(name, _)| name);
        let crate_name = crate_name.replace('-', "_");
        packages.contains(&crate_name)
            || (program && programs.contains(&crate_name))
            || crate_name.ends_with("_host")
    };
    let walk = WalkDir::new(from).min_depth(1).into_iter();
    let wanted = walk.filter_entry(|entry| {
        let path = entry.path().strip_prefix(from).unwrap();
        let parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
        let kind =
            parts.iter().position(|part| ["deps", "build", ".fingerprint"].contains(&&**part));
        match kind {
            // PROFILE, TARGET or TARGET/PROFILE
            None => parts.len() <= 2 && !["copies", "cargo-timings"].contains(&&*parts[0]),
            Some(kind) => parts.get(kind + 1).is_none_or(|name| !own(&parts[kind], name)),
        }
    });
    for entry in wanted.map(Result::unwrap) {
        let path = entry.path().strip_prefix(from).unwrap();
        let inside =
            path.iter().any(|part| part == "deps" || part == "build" || part == ".fingerprint");
        if entry.file_type().is_file() && inside && !to.join(path).exists() {
            fs::create_dir_all(to.join(path).parent().unwrap()).unwrap();
            fs::hard_link(entry.path(), to.join(path)).unwrap();
        }
    }
    fs::create_dir_all(to).unwrap();
}

/// What cargo calls this workspace's own packages, and their libraries, programs and tests.
fn members() -> (BTreeSet<String>, BTreeSet<String>) {
    let arguments = ["metadata", "--format-version", "1", "--no-deps", "--offline"];
    let output = succeed(tests::command("cargo", &root()).args(arguments));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let packages = list(&metadata["packages"]);
    let targets = packages.iter().flat_map(|package| list(&package["targets"])).collect();
    let names = |named: Vec<Value>| {
        named.iter().filter_map(|named| Some(named["name"].as_str()?.replace('-', "_"))).collect()
    };
    (names(packages), names(targets))
}
