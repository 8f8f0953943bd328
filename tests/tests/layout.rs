//! The conventions of the workspace, so that a new example cannot slip in half done.
//! Notice that each failure says which file and what to do.
//! Run: cargo test -p tests --test layout

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{examples, root};
use toml::{Table, Value};
use walkdir::WalkDir;

const HEADINGS: [&str; 9] = [
    "You will see",
    "Idea",
    "Run it",
    "What happened",
    "Break it",
    "It didn't work",
    "Then and now",
    "Take it with you",
    "Next",
];

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The folders in `group`, sorted.
fn folders(group: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(group)).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut names: Vec<_> = folders.map(|e| e.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// `guests/NAME` and `hosts/NAME` of all crates, without `tests`.
fn crates() -> Vec<String> {
    let of = |group: &str| {
        folders(group).into_iter().map(move |name| format!("{group}/{name}")).collect::<Vec<_>>()
    };
    [of("guests"), of("hosts")].concat()
}

fn manifest(folder: &str) -> Table {
    read(format!("{folder}/Cargo.toml")).parse().unwrap_or_else(|error| panic!("{folder}: {error}"))
}

/// Every file with `extension` below `folder`, leaving out what cargo built.
fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<PathBuf> {
    let walk =
        WalkDir::new(root().join(folder)).into_iter().filter_entry(|e| e.file_name() != "target");
    let files = walk.map(|entry| entry.unwrap().into_path());
    files.filter(|path| path.extension().is_some_and(|e| e == extension)).collect()
}

#[test]
fn every_example_has_its_five_parts() {
    let examples = examples();
    for example in &examples {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(example.chars().all(plain), "examples/{example}: lower case and underscores only");
        for part in [
            format!("examples/{example}/README.md"),
            format!("examples/{example}/justfile"),
            format!("hosts/{example}/Cargo.toml"),
            format!("tests/tests/{example}.rs"),
        ] {
            assert!(root().join(&part).is_file(), "{example} lacks {part}");
        }
        let guest =
            |folder: &String| folder == example || folder.starts_with(&format!("{example}_"));
        assert!(folders("guests").iter().any(guest), "{example} lacks guests/{example}");
        let longer =
            examples.iter().find(|other| *other != example && other.starts_with(example.as_str()));
        assert!(longer.is_none(), "{example} is the beginning of {longer:?}: rename one of them");
    }
    for group in ["guests", "hosts", "wit"] {
        for folder in folders(group) {
            let owner = examples
                .iter()
                .any(|example| folder == *example || folder.starts_with(&format!("{example}_")));
            assert!(
                owner,
                "{group}/{folder} belongs to no example: rename it or add examples/{folder}"
            );
        }
    }
}

#[test]
fn packages_are_named_after_their_folders() {
    for folder in crates() {
        let (group, name) = folder.split_once('/').unwrap();
        let package = &manifest(&folder)["package"];
        let expected = format!("{name}_{}", group.trim_end_matches('s'));
        assert_eq!(package["name"].as_str(), Some(&*expected), "{folder}/Cargo.toml");
        assert_eq!(package["edition"].as_str(), Some("2024"), "{folder}/Cargo.toml");
        assert_eq!(package["publish"].as_bool(), Some(false), "{folder}/Cargo.toml");
    }
}

#[test]
fn every_guest_carries_its_target() {
    for guest in folders("guests") {
        let config: Table = read(format!("guests/{guest}/.cargo/config.toml")).parse().unwrap();
        let target = config["build"]["target"].as_str().unwrap();
        assert!(target.starts_with("wasm32"), "guests/{guest}/.cargo/config.toml names {target}");
        let installed: Table = read("rust-toolchain.toml").parse().unwrap();
        let installed = installed["toolchain"]["targets"].as_array().unwrap();
        assert!(
            installed.iter().any(|t| t.as_str() == Some(target)),
            "{target} is not in rust-toolchain.toml"
        );
    }
}

#[test]
fn the_same_dependency_has_the_same_line_everywhere() {
    let mut first: BTreeMap<String, (String, Value)> = BTreeMap::new();
    for folder in crates().into_iter().chain(["tests".to_owned()]) {
        let manifest = manifest(&folder);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section) else {
                continue;
            };
            for (name, line) in dependencies.as_table().unwrap() {
                let (other, expected) =
                    first.entry(name.clone()).or_insert_with(|| (folder.clone(), line.clone()));
                assert_eq!(
                    line, expected,
                    "{name} in {folder} and in {other}: write the same line in both"
                );
                let version = line.as_str().or_else(|| line.get("version")?.as_str());
                let full =
                    version.is_some_and(|v| v.trim_start_matches('=').split('.').count() == 3);
                assert!(full, "{name} in {folder}: write the full version, such as 1.2.3");
            }
        }
    }
}

#[test]
fn no_crate_is_tied_to_its_place() {
    for folder in crates() {
        let text = read(format!("{folder}/Cargo.toml"));
        // The one path that may be named is the WIT's, beside the crate as it is here.
        let text = text.replace("path = \"../../wit/", "");
        for tie in ["workspace", "path ="] {
            assert!(
                !text.contains(tie),
                "{folder}/Cargo.toml has `{tie}`: it could not be copied out"
            );
        }
        for file in files(&folder, "rs") {
            let text = read(&file);
            let out =
                text.lines().find(|line| line.contains("../") && !line.contains("../../wit/"));
            assert!(out.is_none(), "{} leaves the crate: {out:?}", file.display());
        }
        let mut entries = WalkDir::new(root().join(&folder)).into_iter().map(Result::unwrap);
        let link = entries.find(|entry| entry.path_is_symlink());
        assert!(link.is_none(), "{link:?} is a symlink: it could not be copied out");
    }
}

#[test]
fn every_source_says_what_it_shows_and_how_to_run_it() {
    for folder in crates() {
        for file in files(&folder, "rs") {
            let text = read(&file);
            if text.starts_with("// Generated by") {
                continue; // made by a tool that the example is about, and not to be read
            }
            let header: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
            let shown = file.display();
            assert!((3..=8).contains(&header.len()), "{shown}: start with 3 to 8 lines of //!");
            assert!(
                header.iter().any(|l| l.starts_with("//! Notice")),
                "{shown}: say what to notice"
            );
            let most = match &*folder {
                "hosts/runner" | "hosts/evolution" => 160, // four kinds of guest in one host
                host if host.starts_with("hosts/") => 130,
                _ => 85,
            };
            let lines = text.lines().count();
            assert!(
                lines <= most,
                "{shown} has {lines} lines: at most {most} can be read in one sitting"
            );
            let run = header.iter().find_map(|line| line.strip_prefix("//! Run: just run "));
            let run = run
                .unwrap_or_else(|| panic!("{shown}: end the header with `Run: just run EXAMPLE`"));
            assert!(examples().contains(&run.to_owned()), "{shown}: no example `{run}`");
        }
    }
}

#[test]
fn hosts_have_five_steps_and_can_be_trusted() {
    const STEPS: [&str; 5] = ["1. Engine", "2. Code", "3. Linker", "4. Store", "5. Instantiate"];
    for host in folders("hosts") {
        let text = read(format!("hosts/{host}/src/main.rs"));
        let mut rest = &text[..];
        for step in STEPS {
            let at = rest.find(&format!("// {step}"));
            rest = &rest[at.unwrap_or_else(|| {
                panic!("hosts/{host}: the comment `// {step}` is missing or out of order")
            })..];
        }
        for careless in
            ["unwrap()", ".expect(", "panic!", "inherit_env", "inherit_network", "inherit_args"]
        {
            assert!(
                !text.contains(careless),
                "hosts/{host} has `{careless}`: return an error, grant by name"
            );
        }
    }
}

#[test]
fn the_table_of_examples_is_the_folder() {
    let readme = read("README.md");
    let rows =
        readme.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("](examples/"));
    let mut named: Vec<_> = rows
        .map(|(name, rest)| {
            assert!(
                rest.starts_with(&format!("{name}/README.md) |")),
                "the row of {name} links elsewhere"
            );
            name.to_owned()
        })
        .collect();
    named.sort();
    assert_eq!(named, examples(), "the rows of README.md and the folders in examples/");
}

#[test]
fn pages_have_the_headings_in_order() {
    for example in examples() {
        let page = read(format!("examples/{example}/README.md"));
        assert!(
            page.starts_with(&format!("# {example}: ")),
            "examples/{example}: title `# {example}: …`"
        );
        let headings: Vec<_> = page.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, HEADINGS, "examples/{example}/README.md");
        let lines = page.lines().count();
        assert!(
            (80..=150).contains(&lines),
            "examples/{example}/README.md has {lines} lines: 80 to 150 can be read in one sitting"
        );
        assert_eq!(page.matches("```mermaid").count(), 1, "examples/{example}: one diagram");
        assert!(
            page.contains(&format!("$ just run {example}\n")),
            "examples/{example}: show `just run {example}`"
        );
        assert!(
            page.contains(&format!("just new {example} ")),
            "examples/{example}: show `just new {example}`"
        );
    }
}

#[test]
fn tools_of_pages_are_known_to_doctor_and_ci() {
    for example in examples() {
        let page = read(format!("examples/{example}/README.md"));
        let infos = page.lines().filter_map(|line| line.strip_prefix("```console "));
        for tool in infos.flat_map(str::split_whitespace) {
            let called = tool.replace("cargo-", "cargo ");
            let entry = format!("name: \"{called}\"");
            assert!(read("tests/src/bin/doctor.rs").contains(&entry), "doctor.rs lacks {called}");
            assert!(read(".ci/run").contains(tool), ".ci/run does not install {tool}");
        }
    }
}

#[test]
fn recipes_are_lines_of_their_pages() {
    for example in examples() {
        let page = read(format!("examples/{example}/README.md"));
        let justfile = read(format!("examples/{example}/justfile"));
        let recipe = justfile.lines().skip_while(|line| !line.starts_with("run")).skip(1);
        let lines: Vec<_> =
            recipe.take_while(|line| line.starts_with("    ")).map(str::trim).collect();
        assert!((2..=6).contains(&lines.len()), "examples/{example}/justfile: two to six lines");
        // The parameter has the page's value as its default: `run *names='Ada Bob':`.
        let parameter =
            justfile.lines().find_map(|line| line.strip_prefix("run ")?.strip_suffix("':"));
        for line in lines {
            let line = match parameter.and_then(|parameter| parameter.split_once("='")) {
                Some((name, value)) => {
                    line.replace(&format!("{{{{ {} }}}}", name.trim_start_matches('*')), value)
                }
                None => line.to_owned(),
            };
            assert!(
                page.contains(&format!("$ {line}\n")),
                "examples/{example}/README.md lacks: $ {line}"
            );
        }
    }
}

/// Whether a link leads to the page of an example that somebody took out, rather than to one whose
/// name was mistyped: an example can be deleted without touching its neighbours.
fn was_deleted(link: &str) -> bool {
    let folder = link.trim_start_matches("../").trim_start_matches("examples/");
    let name = folder.strip_suffix("/README.md").unwrap_or("/");
    let near = |example: &String| strsim::damerau_levenshtein(example, name) < 3;
    !name.contains('/') && !examples().iter().any(near)
}

#[test]
fn links_lead_somewhere() {
    let pages = files("", "md");
    assert!(pages.len() > examples().len(), "{pages:?}");
    for page in pages {
        let text = read(&page);
        for target in text
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'))
            .map(|(target, _)| target)
        {
            let target = target.split('#').next().unwrap();
            let found = target.is_empty()
                || target.contains("://")
                || page.parent().unwrap().join(target).exists()
                || was_deleted(target);
            assert!(found, "{}: no {target}", page.display());
        }
    }
}

#[test]
fn every_indexed_error_is_shown_on_its_page() {
    let index = read("examples/README.md");
    let rows: Vec<_> = index.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(!rows.is_empty(), "examples/README.md has no rows");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [see, because, cure, shown] = cells[..] else { panic!("four cells: {row}") };
        assert!(!because.is_empty() && !cure.is_empty(), "{row}");
        let page = shown.split_once("](").unwrap().1.trim_end_matches(')');
        if was_deleted(page) {
            continue;
        }
        // What is output on the page was printed there, so a text that it holds is a real one. A
        // table of messages that a test reproduces counts as well.
        let page = read(Path::new("examples").join(page));
        let blocks = page.split("```console").skip(1).filter_map(|block| block.split_once("\n```"));
        let rows = page.lines().filter(|line| line.starts_with('|'));
        let output: String = blocks.map(|(block, _)| block).chain(rows).collect();
        for text in see.split(" and ") {
            let text = text.trim_matches('`').trim();
            assert!(output.contains(text), "{shown} does not show: {text}");
        }
    }
}

#[test]
fn the_lock_file_holds_one_wasmtime_and_no_unicode_tables() {
    let lock: Table = read("Cargo.lock").parse().unwrap();
    let names: Vec<_> =
        lock["package"].as_array().unwrap().iter().map(|p| p["name"].as_str().unwrap()).collect();
    let count = |name: &str| names.iter().filter(|other| **other == name).count();
    assert_eq!(count("wasmtime"), 1, "a second wasmtime would double the first build");
    assert_eq!(count("icu_properties"), 0, "cargo update -p idna_adapter --precise 1.1.0");
}
