//! What the `compose` example promises, seen from outside.
//! Run: just test compose

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::{Assert, OutputAssertExt};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tempfile::TempDir;
use tests::{BadInput, command, guest, host, refused, root, target};

/// Plugs `plugs` into `socket`; the new component goes to `output`.
fn plug(socket: &Path, plugs: &[&Path], output: &Path) -> Assert {
    let mut composer = host("compose_wac_guest"); // a program for this machine as well
    for plug in plugs {
        composer.arg("--plug").arg(plug);
    }
    composer.arg("--output").arg(output).arg(socket).assert()
}

fn till() -> PathBuf {
    guest("compose_guest", "wasm32-wasip2")
}

fn office() -> PathBuf {
    guest("compose_tax_guest", "wasm32-wasip2")
}

/// The shop, made of both guests, in a folder of its own.
fn shop() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let shop = dir.path().join("shop.wasm");
    plug(&till(), &[&office()], &shop).success().stdout("plugged in: shop:till/tax@1.0.0\n");
    (dir, shop)
}

fn buy(guest: &Path, items: &[&str]) -> Assert {
    host("compose_host").arg(guest).args(items).assert()
}

/// A component that imports the interface `name` with a function `rate`, of text format `ty`.
fn socket(bad: &BadInput, name: &str, ty: &str) -> PathBuf {
    bad.module(
        "socket.wasm",
        &format!(r#"(component (import "{name}" (instance (export "rate" {ty}))))"#),
    )
}

/// A component that exports the interface `name` with a function `rate` that returns a u32.
fn rate(bad: &BadInput, name: &str) -> PathBuf {
    let wat = r#"(component
        (core module $code (func (export "rate") (result i32) i32.const 7))
        (core instance $code (instantiate $code))
        (func $rate (result u32) (canon lift (core func $code "rate")))
        (instance $office (export "rate" (func $rate)))
        (export "NAME" (instance $office)))"#;
    bad.module("plug.wasm", &wat.replace("NAME", name))
}

#[test]
fn the_tax_comes_from_the_other_component() {
    let (_dir, shop) = shop();
    let said = "host: book at 1000 costs 1070\nhost: mug at 1250 costs 1487\n";
    buy(&shop, &["book=1000", "mug=1250"]).success().stdout(said);
    buy(&shop, &[]).success().stdout("");
}

#[test]
fn an_error_of_the_guest_is_an_answer_and_a_panic_is_a_trap() {
    let (_dir, shop) = shop();
    let output = buy(&shop, &["sofa=9000", "book=1000"]).code(1).stdout("");
    output.stderr("host: sofa at 9000 has no total: nobody knows the tax on sofa\n");
    let output = buy(&shop, &["mug=4000000000"]).code(134);
    output.stderr(
        contains("a total fits into 32 bits of cents").and(contains("failed while it ran")),
    );
}

#[test]
fn without_the_plug_the_till_does_not_start() {
    let output = buy(&till(), &["mug=1250"]).code(1);
    let first = format!(
        "Error: {} does not fit the world shop:till/checkout: plug in what it imports\n",
        till().display()
    );
    let cause = "component imports instance `shop:till/tax@1.0.0`, but a matching implementation was not found in the linker";
    output.stderr(starts_with(first).and(contains(cause)));
}

#[test]
fn a_plug_fits_by_name_and_type_and_a_compatible_version() {
    let bad = BadInput::new();
    let output = bad.missing();
    let fits = |name: &str, ty: &str| {
        let socket = socket(&bad, "shop:till/tax@1.0.0", ty);
        let plugged = plug(&socket, &[&rate(&bad, name)], &output);
        if plugged.get_output().status.success() {
            fs::remove_file(&output).unwrap();
            return true;
        }
        let first = format!("Error: nothing fits into {}: plug in what exports", socket.display());
        let cause = "the socket component had no matching imports for the plugs that were provided";
        plugged.code(1).stderr(starts_with(first).and(contains(cause)));
        assert!(!output.exists(), "a composition that failed wrote a file");
        false
    };
    assert!(fits("shop:till/tax@1.0.0", "(func (result u32))"));
    assert!(fits("shop:till/tax@1.1.0", "(func (result u32))"), "a later version");
    assert!(!fits("shop:till/tax@2.0.0", "(func (result u32))"), "the next major version");
    assert!(!fits("shop:till/fee@1.0.0", "(func (result u32))"), "another name");
    assert!(!fits("shop:till/tax@1.0.0", "(func (result string))"), "another type");
}

#[test]
fn the_composer_refuses_what_is_no_component() {
    let bad = BadInput::new();
    let output = bad.missing();
    let reject = |input: &Path, first: &str| {
        let first = format!("Error: {}", first.replace("{}", &input.display().to_string()));
        plug(input, &[&office()], &output).code(1).stderr(starts_with(first.clone()));
        plug(&till(), &[input], &output).code(1).stderr(starts_with(first));
        assert!(!output.exists());
    };
    reject(&bad.missing(), "cannot read {}: check the path, or build the component first\n");
    let first = "{} is not a component: build it with --target wasm32-wasip2\n";
    for input in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        reject(&input, first);
    }
    let nowhere = bad.missing().join("shop.wasm");
    let first = format!("Error: cannot write {}: name a file in a folder", nowhere.display());
    plug(&till(), &[&office()], &nowhere).code(1).stderr(starts_with(first));
    plug(&till(), &[], &output).code(2).stderr(contains("--plug <PLUG.wasm>"));
}

#[test]
fn the_composer_runs_inside_wasi_and_reads_what_it_is_granted() {
    let (till, office) = (till(), office());
    let output = target().join("compose_granted.wasm");
    let run = |dir: &str| {
        let mut cargo = command("cargo", &root());
        cargo.env("CARGO_TARGET_WASM32_WASIP1_RUNNER", format!(".cargo/run-guest{dir}"));
        cargo.args(["run", "--quiet", "--target", "wasm32-wasip1"]);
        cargo.args(["--package", "compose_wac_guest", "--"]).arg(&till);
        cargo.arg("--plug").arg(&office).arg("--output").arg(&output).assert()
    };
    let refused = run("").code(1);
    refused
        .stderr(contains("cannot read").and(contains("No such file or directory (os error 44)")));
    run(&format!(" --dir {}", target().display())).success();
    buy(&output, &["book=1000"]).success().stdout("host: book at 1000 costs 1070\n");
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(buy(path, &["mug=1250"]), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        reject(&path, "{} is not a component (but a core module, or no WebAssembly): build", "");
    }
    let other = bad.module("other.wasm", "(component)");
    reject(&other, "{} does not fit the world shop:till/checkout", "no export `total` found");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let (_dir, shop) = shop();
    buy(&shop, &["mug"]).code(2).stderr(contains("write GOODS=CENTS, for example mug=1250"));
    buy(&shop, &["mug=much"]).code(2).stderr(contains("`much` is not a price in cents"));
    buy(&shop, &["--tax", "7"]).code(2).stderr(contains("--tax"));
}
