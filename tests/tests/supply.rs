//! That what this workspace takes from others is what deny.toml allows: the licences, the versions, and
//! no fault that RustSec knew of when `tests/advisories.toml` was written.
//! Notice that `cargo deny check` says the same by today's database, where it is installed and online.
//! Run: cargo test -p tests --test supply

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use semver::{BuildMetadata, Version, VersionReq};
use serde_json::Value;
use spdx::{Expression, ParseMode};
use tests::{apart, command, root};
use toml::Table;
use walkdir::WalkDir;

const ADVISORIES: &str = "tests/advisories.toml";

/// An advisory on a crate that is locked here.
struct Advisory {
    id: String,
    package: String,
    /// Ranges of versions that do not have the fault any more, or did not have it yet.
    patched: Vec<VersionReq>,
    unaffected: Vec<VersionReq>,
}

impl Advisory {
    fn affects(&self, version: &Version) -> bool {
        !self.patched.iter().chain(&self.unaffected).any(|range| range.matches(version))
    }
}

/// The folders with a Cargo.lock of their own, relative to the root.
fn workspaces() -> Vec<PathBuf> {
    [vec![PathBuf::new()], apart()].concat()
}

/// What is locked in the workspace at `folder`: versions by names.
fn locked(folder: &Path) -> BTreeMap<String, BTreeSet<Version>> {
    let lock = fs::read_to_string(root().join(folder).join("Cargo.lock")).unwrap();
    let lock: Table = lock.parse().unwrap();
    let mut locked: BTreeMap<String, BTreeSet<Version>> = BTreeMap::new();
    for package in lock["package"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap().to_owned();
        let version = package["version"].as_str().unwrap().parse().unwrap();
        locked.entry(name).or_default().insert(version);
    }
    locked
}

/// The values of `key` in a list of tables each of which says a reason.
fn reasoned(list: &toml::Value, key: &str) -> BTreeSet<String> {
    let entries = list.as_array().unwrap().iter();
    entries
        .map(|entry| {
            let reason = entry["reason"].as_str().unwrap_or_default();
            assert!(!reason.is_empty(), "{entry} has no reason");
            entry[key].as_str().unwrap().to_owned()
        })
        .collect()
}

fn deny() -> Table {
    fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap()
}

fn strings(list: &toml::Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

fn ranges(list: Option<&toml::Value>) -> Vec<VersionReq> {
    list.map(strings).unwrap_or_default().into_iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn no_fault_is_known_but_those_that_have_a_reason() {
    if let Some(database) = std::env::var_os("ADVISORY_DB") {
        fs::write(root().join(ADVISORIES), excerpt(Path::new(&database))).unwrap();
    }
    let table: Table = fs::read_to_string(root().join(ADVISORIES)).unwrap().parse().unwrap();
    let advisories: Vec<_> = table["advisory"]
        .as_array()
        .unwrap()
        .iter()
        .map(|advisory| Advisory {
            id: advisory["id"].as_str().unwrap().to_owned(),
            package: advisory["package"].as_str().unwrap().to_owned(),
            patched: ranges(advisory.get("patched")),
            unaffected: ranges(advisory.get("unaffected")),
        })
        .collect();
    assert!(advisories.iter().any(|advisory| advisory.package == "wasmtime"));
    for folder in workspaces() {
        let locked = locked(&folder);
        let known: BTreeSet<_> = advisories
            .iter()
            .filter(|advisory| {
                let versions = locked.get(&advisory.package);
                versions.is_some_and(|versions| versions.iter().any(|v| advisory.affects(v)))
            })
            .map(|advisory| advisory.id.clone())
            .collect();
        let file = folder.join("deny.toml");
        let deny: Table =
            fs::read_to_string(root().join(&file)).unwrap_or_default().parse().unwrap();
        let ignored =
            deny.get("advisories").map(|advisories| reasoned(&advisories["ignore"], "id"));
        let ignored = ignored.unwrap_or_default();
        let new: Vec<_> = known.difference(&ignored).collect();
        let gone: Vec<_> = ignored.difference(&known).collect();
        assert!(new.is_empty(), "update the crates, or give a reason in {file:?}: {new:#?}");
        assert!(gone.is_empty(), "{file:?} has what is not here any more: {gone:#?}");
    }
}

/// What the database in the folder `database`, a clone, says of what is locked here, as TOML.
fn excerpt(database: &Path) -> String {
    let output = std::process::Command::new("git")
        .arg("-C")
        .arg(database)
        .args(["log", "-1", "--format=commit = \"%H\"%ndate = \"%cs\""])
        .output()
        .unwrap();
    let clone = output.status.success() && database.join("crates").is_dir();
    assert!(clone, "{database:?} is no clone of github.com/rustsec/advisory-db");
    let mut excerpt = "# What RustSec's database says of the crates that are locked here.\n\
        # `just advisories` writes it from a clone of github.com/rustsec/advisory-db.\n"
        .to_owned();
    excerpt += &String::from_utf8(output.stdout).unwrap();
    let names: BTreeSet<_> =
        workspaces().iter().flat_map(|folder| locked(folder).into_keys()).collect();
    for name in names {
        let known = WalkDir::new(database.join("crates").join(name)).sort_by_file_name();
        for entry in known.into_iter().flatten().filter(|entry| entry.file_type().is_file()) {
            let text = fs::read_to_string(entry.path()).unwrap();
            let front = text.strip_prefix("```toml\n").and_then(|text| text.split_once("```"));
            let front: Table = front.unwrap().0.parse().unwrap();
            let about = front["advisory"].as_table().unwrap();
            if about.contains_key("withdrawn") {
                continue;
            }
            let mut advisory = Table::new();
            advisory.extend(["id", "package"].map(|key| (key.to_owned(), about[key].clone())));
            let versions = front["versions"].as_table().unwrap().clone();
            advisory.extend(versions.into_iter().filter(|(key, _)| key != "functions"));
            excerpt += &format!("\n[[advisory]]\n{advisory}");
        }
    }
    excerpt
}

/// What is built for here: this machine, and the targets of rust-toolchain.toml.
fn targets() -> Vec<String> {
    let output = command("rustc", &root()).args(["--print", "host-tuple"]).output().unwrap();
    let here = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let toolchain = fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let toolchain: Table = toolchain.parse().unwrap();
    let wasm = strings(&toolchain["toolchain"]["targets"]).into_iter().map(str::to_owned);
    [here].into_iter().chain(wasm).collect()
}

#[test]
fn licences_are_allowed() {
    let deny = deny();
    let allowed = BTreeSet::from_iter(strings(&deny["licenses"]["allow"]));
    let mut cargo = command("cargo", &root());
    cargo.args(["metadata", "--format-version", "1", "--locked"]);
    // Of what is for other machines nothing is fetched, which a test without a network could not do.
    for target in targets() {
        cargo.args(["--filter-platform", &target]);
    }
    let output = cargo.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    assert!(packages.len() > 100);
    let mut used = BTreeSet::new();
    for package in packages {
        let name = &package["name"];
        let license = package["license"].as_str().unwrap_or_else(|| panic!("{name} has none"));
        let expression = Expression::parse_mode(license, ParseMode::LAX).unwrap();
        let allows = expression.evaluate(|requirement| {
            let license = allowed.get(&*requirement.to_string());
            used.extend(license);
            license.is_some()
        });
        assert!(allows, "{name} has the licence {license}, which deny.toml does not allow");
    }
    assert_eq!(used, allowed, "left: what is used; right: what deny.toml allows");
}

#[test]
fn a_second_version_of_a_crate_has_a_reason() {
    let skipped = reasoned(&deny()["bans"]["skip"], "crate");
    let mut older = BTreeSet::new();
    for (name, mut versions) in locked(Path::new("")) {
        versions.pop_last(); // the newest is the one to have
        older.extend(versions.into_iter().map(|mut version| {
            version.build = BuildMetadata::EMPTY;
            format!("{name}@{version}")
        }));
    }
    let new: Vec<_> = older.difference(&skipped).collect();
    let gone: Vec<_> = skipped.difference(&older).collect();
    assert!(new.is_empty(), "without a reason in deny.toml: {new:#?}");
    assert!(gone.is_empty(), "in deny.toml and not here any more: {gone:#?}");
}
