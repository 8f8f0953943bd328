//! That examples can be taken away: as a project by `just new`, and crate by crate.
//! Notice that nothing here touches the network, and that projects are made at the same places in
//! each run, with one target folder: cargo builds again only what it has not seen there.
//! Run: cargo test -p tests --test copies

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::{env, fs, thread};

use predicates::str::contains;
use tests::{examples, root};

/// The folder that copies of a kind build into, so that what they share is built once for them.
fn target(kind: &str) -> PathBuf {
    let target = tests::target().join("copies").join(kind);
    fs::create_dir_all(&target).unwrap();
    target
}

/// A command in the copy at `dir`, offline.
fn command(program: &str, dir: &Path) -> Command {
    let mut command = tests::command(program, dir);
    command.env("CARGO_NET_OFFLINE", "true");
    command
}

/// An empty folder for copies, which lies outside of the workspace and is the same in each run of
/// its tests: what is built from WIT knows by its full path where that was. Another run waits.
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

/// A new project from `example` at `place`. Its `target` is a link, because pages name what cargo
/// built by its path.
fn project(example: &str, place: &str) -> PathBuf {
    let project = empty(place);
    new(example, &project).assert().success().stdout(contains("is yours"));
    keep_times(&root(), &project);
    std::os::unix::fs::symlink(target("projects"), project.join("target")).unwrap();
    project
}

fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?}\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

fn new(example: &str, dir: &Path) -> assert_cmd::Command {
    let mut command = assert_cmd::Command::new(env!("CARGO_BIN_EXE_new"));
    command.arg(example).arg(dir).env("RUST_BACKTRACE", "0");
    command
}

/// Gives each file of a copy the time of its original, so that cargo builds again only what differs
/// from what an earlier copy built in the shared folder.
fn keep_times(original: &Path, copy: &Path) {
    for entry in walkdir::WalkDir::new(copy).into_iter().map(Result::unwrap) {
        let Ok(from) = original.join(entry.path().strip_prefix(copy).unwrap()).metadata() else {
            continue;
        };
        if from.is_file() {
            let file = fs::File::options().write(true).open(entry.path()).unwrap();
            file.set_modified(from.modified().unwrap()).unwrap();
        }
    }
}

/// Copies a folder without what cargo built in it.
fn copy(from: &Path, to: &Path) {
    let walk = walkdir::WalkDir::new(from).into_iter().filter_entry(|e| e.file_name() != "target");
    for entry in walk.map(Result::unwrap) {
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

#[test]
fn each_example_is_a_project_that_runs_and_passes_its_tests() {
    // Two at a time, and each example at the same place whenever this runs.
    let examples = &examples();
    thread::scope(|scope| {
        for place in ["even", "odd"] {
            let mine = examples.iter().skip(usize::from(place == "odd")).step_by(2);
            scope.spawn(move || mine.for_each(|example| check(example, &project(example, place))));
        }
    });
}

/// What must hold of a new `project` from `example`.
fn check(example: &str, project: &Path) {
    let just = |arguments: &[&str]| {
        let output = succeed(command("just", project).args(arguments));
        String::from_utf8(output.stdout).unwrap()
    };
    // This runs the page, which begins with `just run`.
    let tested = just(&["test"]);
    assert!(tested.contains(&format!("test {example} ... ok")), "the page did not run: {tested}");
    assert!(just(&[]).contains(&format!("    {example} ")), "`just` lists the example");
    assert_eq!(fs::read_dir(project.join("examples")).unwrap().count(), 1);

    // `cargo test` for WASI works too: the host that cargo's config names came along. It offers WASI
    // and no world of the example's own.
    let config = fs::read_to_string(project.join(format!("guests/{example}/.cargo/config.toml")));
    let world = project.join("wit").exists();
    if config.is_ok_and(|config| config.contains("wasm32-wasip1")) && !world {
        let guest = format!("{example}_guest");
        let arguments = ["test", "--target", "wasm32-wasip1", "--package", &guest];
        succeed(command("cargo", project).args(arguments));
    }
}

#[test]
fn a_bare_copy_of_a_crate_builds_alone() {
    let dir = empty("crates");
    copy(&root().join("wit"), &dir.join("wit"));
    let crates = ["guests", "hosts"].into_iter().flat_map(|group| {
        let entries = fs::read_dir(root().join(group)).unwrap();
        entries.map(move |entry| Path::new(group).join(entry.unwrap().file_name()))
    });
    for folder in crates.collect::<Vec<PathBuf>>() {
        let copied = dir.join(&folder);
        copy(&root().join(&folder), &copied);
        keep_times(&root().join(&folder), &copied);
        // With the lock file of the workspace nothing is looked up.
        fs::copy(root().join("Cargo.lock"), copied.join("Cargo.lock")).unwrap();
        let mut cargo = command("cargo", &copied);
        // To cargo a guest here and the one in a project are the same, but each knows where it is.
        let (subcommand, target) = match folder.starts_with("hosts") {
            true => ("check", target("projects")),
            false => ("build", target("guests")),
        };
        cargo.env("CARGO_TARGET_DIR", &target).args([subcommand, "--message-format", "json"]);
        let messages = String::from_utf8(succeed(&mut cargo).stdout).unwrap();
        if folder.starts_with("guests") {
            // What this build made or found fresh, for the folder keeps what older ones made.
            let name = format!("{}_guest.wasm\"", folder.file_name().unwrap().to_string_lossy());
            assert!(messages.contains(&name), "a bare build in {} makes no wasm", folder.display());
        }
    }
}

#[test]
fn new_refuses_what_would_overwrite_or_get_lost() {
    let dir = tempfile::tempdir().unwrap();
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("notes.txt"), "keep me").unwrap();
    let example = &examples()[0];
    new(example, &full).assert().code(1).stderr(contains("full is not empty: name a new folder"));
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);

    let file = full.join("notes.txt");
    new(example, &file).assert().code(1).stderr(contains("notes.txt is not a folder"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");

    let inside = root().join("target/inside");
    new(example, &inside).assert().code(1).stderr(contains("lies inside the cargo workspace"));
    assert!(!inside.exists());

    let nope = dir.path().join("nope");
    new("nope", &nope).assert().code(1).stderr(contains("no example `nope`"));
    assert!(!nope.exists());
}

#[test]
fn new_takes_a_path_from_where_the_reader_is() {
    let dir = tempfile::tempdir().unwrap();
    let example = &examples()[0];
    for (from, name) in [(root(), "from-root"), (root().join("examples"), "from-examples")] {
        // As the pages say, `../NAME`, but a temporary folder takes more steps.
        let up = "../".repeat(from.components().count() - 1);
        let relative =
            format!("{up}{}", dir.path().join(name).strip_prefix("/").unwrap().display());
        succeed(command("just", &from).args(["new", example, &relative]));
        assert!(dir.path().join(name).join("justfile").is_file());
    }
}

#[test]
fn a_mistyped_name_gets_the_nearest_ones() {
    let example = &examples()[0];
    let typo = format!("{example}s");
    for arguments in [&["run", &typo][..], &["test", &typo], &["new", &typo, "/nowhere/at/all"]] {
        let output = tests::command("just", &root()).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(
            errors.starts_with(&format!("no example `{typo}`: did you mean {example}")),
            "{errors}"
        );
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
}
