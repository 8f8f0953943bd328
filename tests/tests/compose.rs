//! What the `compose` example promises, seen from outside.
//! Run: just test compose

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::{Assert, OutputAssertExt};
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with, starts_with};
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

/// The till with `office` plugged in, in a folder of its own.
fn shop_with(office: &Path) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let shop = dir.path().join("shop.wasm");
    plug(&till(), &[office], &shop).success().stdout("plugged in: shop:till/tax@1.0.0\n");
    (dir, shop)
}

/// The shop, made of both guests.
fn shop() -> (TempDir, PathBuf) {
    shop_with(&office())
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

/// A component that lacks its last two bytes.
fn damaged(bad: &BadInput) -> PathBuf {
    let path = bad.module("damaged.wasm", "(component (core module))");
    let wasm = fs::read(&path).unwrap();
    fs::write(&path, &wasm[..wasm.len() - 2]).unwrap();
    path
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

/// A tax office. `code` is a core module's: its function `rate`, which takes the goods and returns
/// the address of an option, and what else is in it.
fn other_office(bad: &BadInput, code: &str) -> PathBuf {
    let wat = r#"(component
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            CODE)
        (core instance $code (instantiate $code))
        (func $rate (param "goods" string) (result (option u32))
            (canon lift (core func $code "rate")
                (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
        (instance $office (export "rate" (func $rate)))
        (export "shop:till/tax@1.0.0" (instance $office)))"#;
    bad.module("other_office.wasm", &wat.replace("CODE", code))
}

/// The head of a function that takes goods.
const RATE: &str = r#"(func (export "rate") (param i32 i32) (result i32)"#;

/// A `rate` of so many percent on everything.
fn percent(percent: u32) -> String {
    let some = "i32.const 0 i32.const 1 i32.store8 i32.const 4 i32.const PERCENT i32.store";
    format!("{RATE} {} i32.const 0)", some.replace("PERCENT", &percent.to_string()))
}

#[test]
fn the_tax_comes_from_the_other_component() {
    let (_dir, shop) = shop();
    let said = "host: book at 1000 costs 1070\nhost: mug at 1250 costs 1488\n";
    buy(&shop, &["book=1000", "mug=1250"]).success().stdout(said);
    buy(&shop, &[]).success().stdout("");
}

#[test]
fn the_tax_is_rounded_half_up_or_the_total_is_an_error() {
    let bad = BadInput::new();
    let totals = [
        (19, "1250", "1488"), // 237.5
        (19, "1213", "1443"), // 230.47
        (7, "1", "1"),        // 0.07
        (7, "50", "54"),      // 3.5
        (0, "4294967295", "4294967295"),
        (u32::MAX, "1", "42949674"), // 42949672.95
        (100, "2147483647", "4294967294"),
    ];
    let too_large =
        [(100, "2147483648"), (1, "4294967295"), (u32::MAX, "4294967295"), (u32::MAX, "100")];
    for (rate, cents, total) in totals {
        let (_dir, shop) = shop_with(&other_office(&bad, &percent(rate)));
        let output = buy(&shop, &[&format!("mug={cents}")]).success();
        output.stdout(format!("host: mug at {cents} costs {total}\n"));
    }
    for (rate, cents) in too_large {
        let (_dir, shop) = shop_with(&other_office(&bad, &percent(rate)));
        let output = buy(&shop, &[&format!("mug={cents}")]).code(1).stdout("");
        let reason = format!("with {rate} % tax it takes more than 32 bits");
        output.stderr(format!(
            "host: mug at {cents} has no total: {reason}\nError: no total for 1 of 1 items\n"
        ));
    }
}

#[test]
fn an_error_of_the_guest_is_an_answer_and_the_next_item_is_asked_for() {
    let (_dir, shop) = shop();
    let output = buy(&shop, &["sofa=9000", "book=1000", "mug=4000000000"]).code(1);
    output.stdout("host: book at 1000 costs 1070\n").stderr(
        "host: sofa at 9000 has no total: nobody knows the tax on sofa
host: mug at 4000000000 has no total: with 19 % tax it takes more than 32 bits
Error: no total for 2 of 3 items\n",
    );
}

#[test]
fn a_trap_in_the_plug_ends_one_instance_and_no_other() {
    let (_dir, shop) = shop_with(&guest("compose_broken_guest", "wasm32-wasip2"));
    let output = buy(&shop, &["mug=1250", "sofa=9000", "book=1000"]).code(1);
    let failed =
        format!("\nhost: sofa at 9000 has no total: {} failed while it ran\n", shop.display());
    output.stdout("host: mug at 1250 costs 1488\nhost: book at 1000 costs 1070\n").stderr(
        contains("\nall goods are on the list\n")
            .and(contains(failed))
            .and(contains("wasm trap: wasm `unreachable` instruction executed\n"))
            .and(ends_with("Error: no total for 1 of 3 items\n")),
    );
}

#[test]
fn a_plug_that_misbehaves_is_an_error_in_the_host() {
    let bad = BadInput::new();
    let seven = percent(7);
    let codes = [
        (format!("{RATE} unreachable)"), "wasm trap: wasm `unreachable` instruction executed"),
        // When the component is instantiated, before `total` is called.
        (
            format!("{seven} (func $start unreachable) (start $start)"),
            "wasm trap: wasm `unreachable` instruction executed",
        ),
        // 2 is neither `none` nor `some`, and 70000 lies outside of the plug's memory.
        (
            format!("{RATE} i32.const 0 i32.const 2 i32.store8 i32.const 0)"),
            "invalid variant discriminant",
        ),
        (format!("{RATE} i32.const 70000)"), "out of bounds"),
    ];
    for (code, cause) in codes {
        let (_dir, shop) = shop_with(&other_office(&bad, &code));
        let output = buy(&shop, &["mug=1250", "book=1000"]).code(1).stdout("");
        let first =
            format!("host: mug at 1250 has no total: {} failed while it ran\n", shop.display());
        let second = format!("\nhost: book at 1000 has no total: {} failed", shop.display());
        output.stderr(
            starts_with(first)
                .and(contains(cause))
                .and(contains(second))
                .and(ends_with("Error: no total for 2 of 2 items\n")),
        );
    }
}

#[test]
fn without_the_plug_the_till_does_not_start() {
    let first = "{} does not fit the world in wit/compose: plug in what it imports, or build the guest from that WIT\n";
    let cause = "component imports instance `shop:till/tax@1.0.0`, but a matching implementation was not found in the linker";
    refused(buy(&till(), &["mug=1250"]).stdout(""), &till(), first, cause);
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
    let reject = |input: &Path, first: &str, cause: &str| {
        refused(plug(input, &[&office()], &output).stdout(""), input, first, cause);
        refused(plug(&till(), &[input], &output).stdout(""), input, first, cause);
        assert!(!output.exists());
    };
    let first = "cannot read {}: check the path, or build the component first\n";
    reject(&bad.missing(), first, "os error 2");
    for input in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build it with --target wasm32-wasip2\n";
        reject(&input, first, "--target wasm32-wasip2");
    }
    let first = "cannot read what {} imports and exports: it is damaged\n";
    reject(&damaged(&bad), first, "unexpected end-of-file");
    let nowhere = bad.missing().join("shop.wasm");
    let first = format!("Error: cannot write {}: name a file in a folder", nowhere.display());
    plug(&till(), &[&office()], &nowhere).code(1).stderr(starts_with(first));
    plug(&till(), &[], &output).code(2).stderr(contains("--plug <PLUG.wasm>"));
}

#[test]
fn the_composer_runs_inside_wasi_and_reads_what_it_is_granted() {
    let (till, office) = (till(), office());
    let output = target().join("compose/granted.wasm");
    fs::create_dir_all(output.parent().unwrap()).unwrap();
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
        refused(buy(path, &["mug=1250"]).stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2\n";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let first = "cannot compile {}: it is damaged, or needs a feature that this host leaves out\n";
    reject(&damaged(&bad), first, "is out of bounds");
    let path = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    reject(&path, first, "threads must be enabled for shared memories");
    let first = "{} does not fit the world in wit/compose: plug in what it imports";
    reject(&bad.module("other.wasm", "(component)"), first, "no export `total` found");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let (_dir, shop) = shop();
    buy(&shop, &["mug"]).code(2).stderr(contains("write GOODS=CENTS, for example mug=1250"));
    buy(&shop, &["mug=much"]).code(2).stderr(contains("`much` is not a price in cents"));
    buy(&shop, &["mug=-1"]).code(2).stderr(contains("`-1` is not a price in cents"));
    buy(&shop, &["mug=4294967296"]).code(2).stderr(contains("is not a price in cents"));
    buy(&shop, &["--tax", "7"]).code(2).stderr(contains("--tax"));
}
