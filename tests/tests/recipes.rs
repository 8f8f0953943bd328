//! What the recipes in the justfile promise: `run` passes arguments on as typed, from every folder
//! and whatever the environment says; `new` refuses what would get lost; and a name that no example
//! has gets the nearest ones.
//! Run: cargo test -p tests --test recipes

use std::fs;
use std::path::Path;
use std::process::Output;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{command, examples, root};

fn new(arguments: &[&str], dir: &Path) -> assert_cmd::assert::Assert {
    let mut new = assert_cmd::Command::new(env!("CARGO_BIN_EXE_new"));
    new.arg("project").arg(&examples()[0]).arg(dir).args(arguments).env("RUST_BACKTRACE", "0");
    new.assert()
}

/// `just` with `arguments`, typed in `dir`.
fn just(arguments: &[&str], dir: &Path) -> Output {
    command("just", dir).args(arguments).output().unwrap()
}

#[test]
fn what_would_overwrite_or_get_lost_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("notes.txt"), "keep me").unwrap();
    new(&[], &full).code(1).stderr(contains("full is not empty: name a new folder"));
    assert_eq!(fs::read_dir(&full).unwrap().count(), 1);

    let file = full.join("notes.txt");
    new(&[], &file).code(1).stderr(contains("notes.txt is not a folder"));
    assert_eq!(fs::read_to_string(&file).unwrap(), "keep me");

    let inside = root().join("target/inside");
    new(&[], &inside).code(1).stderr(contains("lies inside the cargo workspace"));
    assert!(!inside.exists());

    let bad = dir.path().join("bad");
    for name in ["My", "my-own", "2nd", "", "debug"] {
        new(&[name], &bad).code(1).stderr(contains(format!("`{name}` ")).and(contains("name")));
        assert!(!bad.exists(), "{name}");
    }
}

#[test]
fn a_path_counts_from_where_the_reader_is() {
    let dir = tempfile::tempdir().unwrap();
    let example = &examples()[0];
    for (from, name) in [(root(), "from root"), (root().join("examples"), "from examples")] {
        // As the pages say, `../NAME`, but a temporary folder takes more steps.
        let up = "../".repeat(from.components().count() - 1);
        let relative =
            format!("{up}{}", dir.path().join(name).strip_prefix("/").unwrap().display());
        let output = just(&["new", example, &relative], &from);
        assert!(output.status.success(), "{output:?}");
        assert!(dir.path().join(name).join("justfile").is_file());
    }
}

#[test]
fn a_mistyped_name_gets_the_nearest_ones() {
    let example = &examples()[0];
    let typo = format!("{example}s");
    let dir = tempfile::tempdir().unwrap();
    let nowhere = dir.path().join("nowhere").display().to_string();
    for arguments in [
        &["run", &typo][..],
        &["test", &typo],
        &["new", &typo, &nowhere],
        &["example", "fresh", &typo],
    ] {
        let output = just(arguments, &root());
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        let first = format!("error: no example `{typo}`: did you mean {example}");
        assert!(errors.starts_with(&first), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
    }
    let longest = examples().into_iter().max_by_key(String::len).unwrap();
    let half = &longest[..longest.len() / 2];
    let output = just(&["run", half], &root());
    let errors = String::from_utf8_lossy(&output.stderr);
    let first = format!("error: no example `{half}`: did you mean {longest}");
    assert!(errors.starts_with(&first), "{errors}");
}

#[test]
fn run_without_a_name_says_how_to_use_it() {
    for arguments in [&["run"][..], &["run", ""], &["run", "--help"]] {
        let output = just(arguments, &root());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{errors}");
        assert!(errors.starts_with("usage: just run EXAMPLE [ARGUMENT]..."), "{errors}");
        assert!(errors.contains(&examples()[0]), "{errors}");
    }
}

/// A workspace with two examples that print what reaches them, one word a line in brackets.
fn printing() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["justfile", "rust-toolchain.toml", "README.md"] {
        tests::copy(&root().join(file), &dir.path().join(file)).unwrap();
    }
    for (name, recipe) in [
        ("some", "run *words='Ada Bob':\n    @printf '<%s>\\n' {{ words }}\n"),
        ("none", "run:\n    @echo nothing\n"),
    ] {
        let folder = dir.path().join("examples").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("run.just"), recipe).unwrap();
    }
    dir
}

#[test]
fn arguments_reach_the_guest_as_typed_or_are_refused() {
    let workspace = printing();
    let words = [
        "plain",
        "two  words",
        "it's",
        "'",
        "\"",
        ";",
        "$HOME",
        "`id`",
        "a&&b",
        "*",
        "",
        "--gold",
        "-h",
        "{{ words }}",
        "back\\slash",
        "two\nlines",
        "end\n",
        "ż=1,5",
    ];
    let expected = words.map(|word| format!("<{word}>\n")).concat();
    for folder in ["", "examples", "examples/some"] {
        let folder = workspace.path().join(folder);
        let output = just(&[&["run", "some"], &words[..]].concat(), &folder);
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{output:?}");
        let output = just(&["run", "some"], &folder);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "<Ada>\n<Bob>\n", "{output:?}");
    }
    assert_eq!(just(&["run", "none"], workspace.path()).stdout, b"nothing\n");
    let output = just(&["run", "none", "--too", "much"], workspace.path());
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "error: none takes no arguments\n");
    assert_eq!(output.stdout, b"");
}

#[test]
fn the_environment_of_the_reader_changes_nothing() {
    let example = &examples()[0];
    let elsewhere = tempfile::tempdir().unwrap();
    let plain = just(&["run", example], &root());
    let mut told = command("just", &root().join("examples").join(example));
    told.args(["run", example]).env("RUST_BACKTRACE", "1");
    told.env("CARGO_TARGET_DIR", elsewhere.path()).env("CARGO_BUILD_TARGET_DIR", elsewhere.path());
    let told = told.output().unwrap();
    assert_eq!(told.status, plain.status);
    assert_eq!(String::from_utf8_lossy(&told.stdout), String::from_utf8_lossy(&plain.stdout));
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0, "cargo built elsewhere");
}
