//! The conventions of the workspace, so that a new example cannot slip in half done.
//! Notice that each failure says which file and what to do.
//! Run: cargo test -p tests --test layout

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use tests::{apart, examples, root};
use toml::{Table, Value};
use walkdir::WalkDir;

/// The headings of a page, in order; those with `false` only where there is something to say.
const HEADINGS: [(&str, bool); 11] = [
    ("When you need this", true),
    ("You will see", true),
    ("Idea", true),
    ("Run it", true),
    ("What happened", true),
    ("Break it", true),
    ("It didn't work", false),
    ("Then and now", false),
    ("Change it", true),
    ("Take it with you", true),
    ("Next", true),
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

/// What cargo and npm put into a folder; it is not ours.
fn is_made(entry: &walkdir::DirEntry) -> bool {
    entry.file_name() == "target" || entry.file_name() == "node_modules"
}

/// Every file with `extension` below `folder`, leaving out what cargo built and npm installed.
fn files(folder: impl AsRef<Path>, extension: &str) -> Vec<PathBuf> {
    let walk = WalkDir::new(root().join(folder)).into_iter().filter_entry(|e| !is_made(e));
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
            format!("examples/{example}/run.just"),
            format!("hosts/{example}/Cargo.toml"),
            format!("tests/tests/{example}.rs"),
        ] {
            assert!(root().join(&part).is_file(), "{example} lacks {part}");
        }
        let guest =
            |folder: &String| folder == example || folder.starts_with(&format!("{example}_"));
        assert!(folders("guests").iter().any(guest), "{example} lacks guests/{example}");
        let tests = read(format!("tests/tests/{example}.rs"));
        assert!(
            tests.contains("#[test]"),
            "tests/tests/{example}.rs has no test: write what must hold"
        );
        let longer =
            examples.iter().find(|other| *other != example && other.starts_with(example.as_str()));
        assert!(longer.is_none(), "{example} is the beginning of {longer:?}: rename one of them");
    }
    for group in ["guests", "hosts", "wit"] {
        for folder in folders(group) {
            assert!(
                owner(&folder).is_some(),
                "{group}/{folder} belongs to no example: rename it or add examples/{folder}"
            );
        }
    }
}

/// The example that a folder in `guests/`, `hosts/` or `wit/` belongs to.
fn owner(folder: &str) -> Option<String> {
    let owns = |example: &String| folder == example || folder.starts_with(&format!("{example}_"));
    examples().into_iter().find(owns)
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
        if group == "hosts" {
            for lint in ["expect_used", "panic", "unwrap_used"] {
                let level = manifest(&folder)
                    .get("lints")
                    .and_then(|lints| lints.get("clippy")?.get(lint)?.as_str().map(str::to_owned));
                assert_eq!(
                    level.as_deref(),
                    Some("deny"),
                    "{folder}/Cargo.toml: write `{lint} = \"deny\"` below [lints.clippy]"
                );
            }
        }
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
    let mut first: BTreeMap<(bool, String), (String, Value)> = BTreeMap::new();
    let version = |line: &Value| {
        let version = line.as_str().or_else(|| line.get("version")?.as_str());
        version.unwrap_or_default().to_owned()
    };
    for folder in crates().into_iter().chain(["tests".to_owned(), "tests/fuzz".to_owned()]) {
        let manifest = manifest(&folder);
        // Another wasmtime, or other features below it, is why such a crate stands apart.
        let apart = apart().contains(&PathBuf::from(&folder));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(section) else {
                continue;
            };
            for (name, line) in dependencies.as_table().unwrap() {
                let full = version(line).trim_start_matches('=').split('.').count() == 3;
                assert!(full, "{name} in {folder}: write the full version, such as 1.2.3");
                if apart && name.starts_with("wasmtime") {
                    continue;
                }
                // What a guest is about may take a feature more, and so may what stands apart. All other
                // hosts share one build.
                let guest = folder.starts_with("guests");
                for group in [true, false] {
                    let key = (group, name.clone());
                    if group == guest && !apart {
                        first.entry(key.clone()).or_insert_with(|| (folder.clone(), line.clone()));
                    }
                    let Some((other, expected)) = first.get(&key) else { continue };
                    let same = match guest || group || apart {
                        true => version(line) == version(expected),
                        false => line == expected,
                    };
                    assert!(same, "{name} in {folder} and in {other}: write the same line in both");
                }
            }
        }
    }
}

#[test]
fn no_crate_is_tied_to_its_place() {
    for folder in crates() {
        let text = read(format!("{folder}/Cargo.toml"));
        // The one path that may be named is the WIT's, beside the crate as it is here.
        let mut text = text.replace("path = \"../../wit/", "");
        if apart().contains(&PathBuf::from(&folder)) {
            text = text.replacen("[workspace]\n", "", 1);
        }
        let code: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let text = code.join("\n");
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
        let example = owner(folder.split_once('/').unwrap().1).unwrap();
        let manifest = root().join(&folder).join("Cargo.toml");
        for file in files(&folder, "rs").into_iter().chain([manifest]) {
            for rest in read(&file).split("../../wit/").skip(1) {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let wit = &rest[..end.unwrap_or(rest.len())];
                assert_eq!(
                    owner(wit).as_ref(),
                    Some(&example),
                    "{} reads wit/{wit}: name wit/{example}",
                    file.display()
                );
            }
        }
        let entries = WalkDir::new(root().join(&folder)).into_iter();
        let mut entries = entries.filter_entry(|e| !is_made(e)).map(Result::unwrap);
        let link = entries.find(|entry| entry.path_is_symlink());
        assert!(link.is_none(), "{link:?} is a symlink: it could not be copied out");
    }
}

#[test]
fn every_source_says_what_it_shows_and_how_to_run_it() {
    for folder in crates() {
        let example = owner(folder.split_once('/').unwrap().1).unwrap();
        for file in files(&folder, "rs") {
            let text = read(&file);
            if text.starts_with("// Generated by") {
                continue; // made by a tool that the example is about, and not to be read
            }
            let header: Vec<_> = text.lines().take_while(|line| line.starts_with("//!")).collect();
            let shown = file.display();
            assert!(!header.is_empty(), "{shown}: start with `//!` and what it shows");
            assert!(
                header.iter().any(|l| l.starts_with("//! Notice")),
                "{shown}: say what to notice, in a line that starts with `//! Notice`"
            );
            let run = format!("//! Run: just run {example}");
            let script = format!("//! Run: bash examples/{example}/");
            let benches = ["//! Run: just bench", "//! Run: just bench-http"];
            let runs = header
                .iter()
                .any(|line| *line == run || benches.contains(line) || line.starts_with(&script));
            assert!(runs, "{shown}: the header needs `{run}`, a script, or a bench");
        }
    }
    for file in files("examples", "rs") {
        let says = read(&file).starts_with("//! ");
        assert!(says, "{}: start with `//!` and what it is", file.display());
    }
}

#[test]
fn hosts_have_five_steps() {
    const STEPS: [&str; 5] = ["1. Engine", "2. Code", "3. Linker", "4. Store", "5. Instantiate"];
    let drives_another = "stream_nats"; // and has no guest in it
    for host in folders("hosts").into_iter().filter(|host| host != drives_another) {
        let text: String = match &*host {
            // Its guests run in node, where a script is the host.
            "javascript" => read("hosts/javascript/node/command.mjs"),
            _ => files(format!("hosts/{host}/src"), "rs").iter().map(read).collect(),
        };
        let mut rest = &text[..];
        for step in STEPS {
            let at = rest.find(&format!("// {step}"));
            rest = &rest[at.unwrap_or_else(|| {
                panic!("hosts/{host}: the comment `// {step}` is missing or out of order")
            })..];
        }
    }
}

/// The rows of the tables of examples in README.md, in the order of reading: name and targets.
fn rows() -> Vec<(String, Vec<String>)> {
    let readme = read("README.md");
    let rows =
        readme.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("](examples/"));
    let rows = rows.map(|(name, rest)| {
        let (link, cells) = rest.split_once(") |").expect("a cell with a link");
        assert_eq!(link, format!("{name}/README.md"), "the row of {name} links elsewhere");
        let targets = cells.rsplit('|').nth(1).expect("three cells").split(", ");
        let targets = targets.map(|target| target.trim().trim_matches('`').to_owned());
        (name.to_owned(), targets.collect())
    });
    rows.collect()
}

#[test]
fn the_table_of_examples_is_the_folder() {
    let rows = rows();
    let mut named: Vec<_> = rows.iter().map(|(name, _)| name.clone()).collect();
    named.sort();
    assert_eq!(
        named,
        examples(),
        "README.md has no row for each folder in examples/, or one twice"
    );
    for (name, mut targets) in rows {
        // What its recipe and its guests are built for.
        let recipe = read(format!("examples/{name}/run.just"));
        let in_recipe =
            recipe.split("--target ").skip(1).filter_map(|rest| rest.split_whitespace().next());
        let mut built: Vec<_> = in_recipe.map(str::to_owned).collect();
        for guest in folders("guests").iter().filter(|guest| owner(guest).as_ref() == Some(&name)) {
            let config: Table = read(format!("guests/{guest}/.cargo/config.toml")).parse().unwrap();
            built.push(config["build"]["target"].as_str().unwrap().to_owned());
        }
        built.sort();
        built.dedup();
        targets.sort();
        assert_eq!(targets, built, "README.md: the targets in the row of {name}");
    }
}

#[test]
fn pages_link_their_neighbours() {
    let rows = rows();
    for (index, (name, _)) in rows.iter().enumerate() {
        let page = read(format!("examples/{name}/README.md"));
        let next = page.split_once("\n## Next\n").map(|(_, next)| next).unwrap_or_default();
        let before = index.checked_sub(1).map(|index| &rows[index]);
        for (neighbour, _) in before.into_iter().chain(rows.get(index + 1)) {
            let link = format!("](../{neighbour}/README.md)");
            assert!(
                next.contains(&link),
                "examples/{name}/README.md: link its neighbour in the table, {neighbour}, below Next"
            );
        }
        assert!(
            next.replace('\n', " ").contains("Primary source"),
            "examples/{name}/README.md: name a primary source"
        );
    }
}

#[test]
fn pages_have_the_headings_in_order() {
    for example in examples() {
        let file = format!("examples/{example}/README.md");
        let page = read(&file);
        assert!(page.starts_with(&format!("# {example}: ")), "{file}: title it `# {example}: …`");
        let mut headings = page.lines().filter_map(|line| line.strip_prefix("## ")).peekable();
        for (heading, needed) in HEADINGS {
            let there = headings.next_if_eq(&heading).is_some();
            assert!(
                there || !needed,
                "{file}: the heading `## {heading}` is missing or out of order"
            );
        }
        assert_eq!(headings.next(), None, "{file}: a heading that pages do not have, or twice");
        for part in [format!("$ just run {example}\n"), format!("just new {example} ")] {
            assert!(page.contains(&part), "{file}: show `{}`", part.trim());
        }
        assert!(page.contains("```mermaid\n"), "{file}: draw who calls whom below Idea");
    }
}

#[test]
fn pages_link_what_they_are_about() {
    for example in examples() {
        let file = format!("examples/{example}/README.md");
        let page = read(&file);
        let line = page.lines().find(|line| line.starts_with("[Guest](")).unwrap_or_default();
        let mut links = vec![
            ("Guest", format!("../../guests/{example}")),
            ("Host", format!("../../hosts/{example}/src/main.rs")),
        ];
        if folders("wit").contains(&example) {
            links.push(("WIT", format!("../../wit/{example}/")));
        }
        links.push(("Tests", format!("../../tests/tests/{example}.rs")));
        let linked: Vec<_> = line.split(" · ").collect();
        let right = linked.len() == links.len()
            && linked
                .iter()
                .zip(&links)
                .all(|(link, (word, path))| link.starts_with(&format!("[{word}]({path}")));
        assert!(right, "{file}: below the title, a line of links as on the other pages: {links:?}");
    }
}

#[test]
fn pages_say_where_code_of_strangers_belongs() {
    // One is the page itself, and the host of the other runs nothing.
    for example in examples().into_iter().filter(|e| e != "sandbox" && e != "inspect") {
        let page = read(format!("examples/{example}/README.md"));
        let section = page.split_once("\n## Take it with you\n").map(|(_, rest)| rest);
        let section = section.unwrap_or_default().split("\n## ").next().unwrap_or_default();
        assert!(
            section.contains("(../sandbox/README.md)"),
            "examples/{example}: say below Take it with you that sandbox is for code of strangers"
        );
    }
}

#[test]
fn every_exercise_has_a_solution_that_is_run() {
    for example in examples() {
        let file = format!("examples/{example}/README.md");
        let page = read(&file);
        let section = page.split_once("\n## Change it\n").map(|(_, rest)| rest).unwrap_or_default();
        let section = section.split("\n## ").next().unwrap_or_default();
        let parts = ["<details>", "```diff\n", "```console", "\n$ ", "</details>"];
        let mut rest = section;
        for part in parts {
            let at = rest.find(part);
            rest = &rest[at.unwrap_or_else(|| {
                panic!(
                    "{file}: below Change it, fold a `diff` and a `console` block into <details>"
                )
            })..];
        }
    }
}

#[test]
fn commands_of_pages_fit_and_leave_other_pages_alone() {
    for example in examples() {
        let page = read(format!("examples/{example}/README.md"));
        for block in page.split("```console").skip(1) {
            let block = block.split("\n```").next().unwrap();
            let mut goes_on = false;
            for line in block.lines().skip(1) {
                let command = goes_on || line.starts_with("$ ");
                goes_on = command && line.ends_with('\\');
                if !command {
                    continue;
                }
                let columns = line.chars().count();
                assert!(columns <= 100, "examples/{example}: break this with a backslash: {line}");
                // Pages run at the same time. What cargo builds is the same for all of them.
                let words = line.split([' ', '=', ':', '\'']);
                for path in words.filter_map(|word| word.strip_prefix("target/")) {
                    let first = path.split('/').next().unwrap();
                    assert!(
                        first == example || first.starts_with("wasm32"),
                        "examples/{example}: write to target/{example}/, other pages run meanwhile: {line}"
                    );
                }
            }
        }
    }
}

/// Numbers with a unit that stand in the text of a page rather than in a block or a table.
fn quantities(page: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block = false;
    for line in page.lines() {
        if line.trim_start().starts_with("```") {
            block = !block;
        } else if !block && !line.starts_with('|') {
            let words: Vec<_> = line.split(' ').collect();
            for pair in words.windows(2) {
                let number = pair[0].trim_matches(|c: char| !c.is_ascii_digit());
                let unit = pair[1].trim_matches(|c: char| !c.is_alphanumeric());
                let units =
                    ["byte", "bytes", "KB", "KiB", "MB", "MiB", "GB", "GiB", "ms", "ns", "µs"];
                if number.parse::<f64>().is_ok() && units.contains(&unit) {
                    found.push(number.to_owned());
                }
            }
        }
    }
    found
}

#[test]
fn quantities_in_the_text_stand_in_an_output_or_table() {
    let shown = |example: &str| {
        let page = read(format!("examples/{example}/README.md"));
        let blocks = page.split("```").skip(1).step_by(2);
        let rows = page.lines().filter(|line| line.starts_with('|'));
        blocks.chain(rows).collect::<Vec<_>>().join("\n")
    };
    for example in examples() {
        let shown = shown(&example);
        for number in quantities(&read(format!("examples/{example}/README.md"))) {
            let words = shown.split(|c: char| !c.is_ascii_digit() && c != '.');
            assert!(
                words.into_iter().any(|word| word == number),
                "examples/{example}: {number} stands in no output or table of the page: show it there"
            );
        }
    }
    for number in quantities(&read("README.md")) {
        assert!(
            examples().iter().any(|example| shown(example).contains(&number)),
            "README.md: {number} stands in no output or table of a page: show it there"
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
    // A command may be broken with backslashes, and a recipe is indented.
    let joined = |text: &str| {
        let lines = text.lines().map(str::trim).collect::<Vec<_>>().join("\n");
        lines.replace("\\\n", "")
    };
    for example in examples() {
        let page = joined(&read(format!("examples/{example}/README.md")));
        let file = format!("examples/{example}/run.just");
        let text = read(&file);
        let recipe = text.lines().find(|line| line.starts_with("run")).unwrap_or_default();
        assert!(recipe.ends_with(':'), "{file}: a recipe `run:`, or `run *words='default':`");
        let body = joined(text.split_once(recipe).map(|(_, body)| body).unwrap_or_default());
        // A parameter has the page's words as its default.
        let parameter = recipe.trim_end_matches(':').split_once(' ').map(|(_, parameter)| {
            let (name, default) = parameter.split_once('=').unwrap_or((parameter, ""));
            let quoted = ["'", "\""]
                .into_iter()
                .find_map(|quote| default.strip_prefix(quote)?.strip_suffix(quote));
            (name.trim_start_matches('*').to_owned(), quoted.unwrap_or(default).to_owned())
        });
        let lines: Vec<_> = body.lines().filter(|line| !line.is_empty()).collect();
        assert!(!lines.is_empty(), "{file}: the recipe is empty");
        for line in lines {
            let line = match &parameter {
                Some((name, default)) => line.replace(&format!("{{{{ {name} }}}}"), default),
                None => line.to_owned(),
            };
            assert!(page.contains(&format!("$ {line}\n")), "{example}'s page lacks: $ {line}");
        }
    }
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
                || page.parent().unwrap().join(target).exists();
            assert!(found, "{}: mend the link, there is no {target}", page.display());
        }
    }
}

#[test]
fn every_indexed_error_is_shown_on_its_page() {
    let index = read("examples/errors.md");
    let rows: Vec<_> = index.lines().filter(|line| line.starts_with("| `")).collect();
    assert!(!rows.is_empty(), "examples/errors.md has no rows");
    for row in rows {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [see, because, cure, shown] = cells[..] else {
            panic!("examples/errors.md: four cells, what, why, cure and page: {row}")
        };
        assert!(!because.is_empty() && !cure.is_empty(), "examples/errors.md: fill in: {row}");
        let page = shown.split_once("](").map(|(_, page)| page.trim_end_matches(')'));
        let page = page.unwrap_or_else(|| panic!("examples/errors.md: link the page: {row}"));
        if page.ends_with("tests/errors.rs") {
            continue; // that test looks at its rows itself
        }
        // What is output on the page was printed there, so a text that it holds is a real one. A
        // table of messages that a test reproduces counts as well.
        let page = read(Path::new("examples").join(page));
        let blocks = page.split("```console").skip(1).filter_map(|block| block.split_once("\n```"));
        let rows = page.lines().filter(|line| line.starts_with('|'));
        let output: String = blocks.map(|(block, _)| block).chain(rows).collect();
        for text in see.split("` and ") {
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
