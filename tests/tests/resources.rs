//! What the `resources` example promises, seen from outside.
//! Run: just test resources

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, ends_with, starts_with};
use tests::{BadInput, guest, host, refused};

/// Lets the host do `steps`, words apart, with an order of the guest.
fn order(steps: &str) -> Assert {
    let guest = guest("resources_guest", "wasm32-wasip2");
    host("resources_host").arg(guest).args(steps.split(' ')).assert()
}

#[test]
fn dropping_the_order_drops_the_account_it_owns() {
    let closed = "host: drop the order\nhost: close \"savings\" with 80 cents\n\
                  host: close \"Ada\" with 20 cents\nhost: accounts still open: 0\n";
    order("40 run run drop").success().stdout(ends_with(closed)).stderr("");
    let unused = "host: open \"savings\"\nhost: drop the order\n\
                  host: close \"savings\" with 0 cents\n";
    order("40 drop").success().stdout(starts_with(unused));
}

#[test]
fn an_order_that_is_not_dropped_leaves_its_account_open() {
    for steps in ["40", "40 run", "40 run run"] {
        let output = order(steps).success();
        let open = ends_with("host: accounts still open: 1\n");
        output.stdout(open.and(contains("close \"savings\"").not()));
    }
}

#[test]
fn a_dropped_handle_is_refused() {
    for steps in ["40 drop run", "40 run drop run", "40 drop drop"] {
        let output = order(steps).code(1).stderr(contains("\n    unknown handle index 1\n"));
        output.stdout(ends_with("host: accounts still open: 1\n"));
    }
}

#[test]
fn too_little_money_is_an_answer_and_moves_nothing() {
    let output = order("60 run run drop").code(1).stdout(contains("60 cents are saved"));
    let output = output.stderr("Error: no money saved: Ada has only 40 cents left\n");
    output.stdout(ends_with("host: accounts still open: 2\n"));
    order("100 run drop").success().stdout(contains("close \"Ada\" with 0 cents"));
    let output = order("4294967295 run").code(1);
    output.stderr("Error: no money saved: Ada has only 100 cents left\n");
}

#[test]
fn a_panic_in_the_guest_is_a_trap_and_ends_the_host_with_1() {
    let output = order("0 run drop").code(1).stdout("host: accounts still open: 1\n");
    let trap = contains("wasm trap: wasm `unreachable` instruction executed");
    output
        .stderr(contains("moves at least one cent").and(contains("failed while it ran")).and(trap));
}

#[test]
fn a_guest_cannot_open_accounts_without_end() {
    let guest = guest("resources_greedy_guest", "wasm32-wasip2");
    let order = |letters: &str| {
        host("resources_host").arg(&guest).args([letters, "run", "drop"]).assert().code(1)
    };
    let error = starts_with(format!("Error: {} failed while it ran\n", guest.display()));
    let cause = contains("only 20 things may be open").and(contains("table has no free keys"));
    let output = order("5").stderr(error.clone().and(cause));
    let opened = "host: open \"xxxxx\"\n".repeat(19); // Ada's is the twentieth
    output.stdout(format!("host: run the order\n{opened}host: accounts still open: 20\n"));

    // Nor can it have the host keep names of any length.
    let output = order("41").stderr(error.and(contains("name has at most 40 bytes")));
    output.stdout("host: run the order\nhost: accounts still open: 1\n");
    order("40").stdout(contains("host: open \"").count(19));
}

/// A component with the exports of this world. `code` is put into its core module.
fn desk(bad: &BadInput, code: &str) -> PathBuf {
    let wat = r#"(component
        (import "bank:desk/ledger@1.0.0" (instance $ledger
            (export "account" (type (sub resource)))))
        (alias export $ledger "account" (type $account))
        (type $order (resource (rep i32)))
        (core func $handle (canon resource.new $order))
        (core module $code
            (import "" "handle" (func $handle (param i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            (func (export "new") (param i32 i32 i32) (result i32) i32.const 7 call $handle)
            (func (export "run") (param i32 i32) (result i32) i32.const 0)
            CODE)
        (core instance $code (instantiate $code
            (with "" (instance (export "handle" (func $handle))))))
        (func $new (param "name" string) (param "cents" u32) (result (own $order))
            (canon lift (core func $code "new")
                (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
        (func $run (param "self" (borrow $order)) (param "source" (borrow $account))
            (result (result u32 (error u32)))
            (canon lift (core func $code "run") (memory (core memory $code "memory"))))
        (component $named
            (import "account" (type $account (sub resource)))
            (import "order" (type $order (sub resource)))
            (import "new" (func $new (param "name" string) (param "cents" u32)
                (result (own $order))))
            (import "run" (func $run (param "self" (borrow $order))
                (param "source" (borrow $account)) (result (result u32 (error u32)))))
            (export $named "standing-order" (type $order))
            (export "[constructor]standing-order" (func $new) (func (param "name" string)
                (param "cents" u32) (result (own $named))))
            (export "[method]standing-order.run" (func $run) (func
                (param "self" (borrow $named)) (param "source" (borrow $account))
                (result (result u32 (error u32))))))
        (instance $saving (instantiate $named (with "account" (type $account))
            (with "order" (type $order)) (with "new" (func $new)) (with "run" (func $run))))
        (export "bank:desk/saving@1.0.0" (instance $saving)))"#;
    bad.module("desk.wasm", &wat.replace("CODE", code))
}

#[test]
fn a_guest_can_trap_before_its_first_call() {
    let bad = BadInput::new();
    let order = |guest: &Path| host("resources_host").arg(guest).args(["40", "drop"]).assert();
    order(&desk(&bad, "")).success();
    let guest = desk(&bad, "(func $start unreachable) (start $start)");
    let cause = "wasm trap: wasm `unreachable` instruction executed";
    let output = order(&guest).stdout("host: accounts still open: 0\n");
    refused(output, &guest, "{} failed while it ran\n", cause);
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("resources_host").arg(path).arg("40").assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build";
        reject(&path, first, "build the guest with --target wasm32-wasip2\n");
    }
    let first = "cannot compile {}: it is damaged, or needs a feature that this host leaves out\n";
    let path = bad.module("damaged.wasm", "(component (core module))");
    let wasm = fs::read(&path).unwrap();
    fs::write(&path, &wasm[..wasm.len() - 2]).unwrap();
    reject(&path, first, "is out of bounds");
    let path = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    reject(&path, first, "threads must be enabled for shared memories");

    let first = "{} does not fit the world in wit/resources: build the guest from that WIT\n";
    let path = bad.module("empty_component.wasm", "(component)");
    reject(&path, first, "`bank:desk/saving@1.0.0`");
    let path = bad.module("imports.wasm", r#"(component (import "bank:vault/key" (func)))"#);
    reject(&path, first, "bank:vault/key");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    order("40 run burn").code(2).stderr(contains("[possible values: run, drop]"));
    order("much run").code(2).stderr(contains("'much'"));
    order("-1 run").code(2).stderr(contains("'-1'"));
    order("--nope 40").code(2).stderr(contains("--nope"));
    host("resources_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
