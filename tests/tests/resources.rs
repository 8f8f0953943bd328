//! What the `resources` example promises, seen from outside.
//! Run: just test resources

use std::path::Path;

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
    let output = output.stderr(contains("\n    Ada has only 40 cents left\n"));
    output.stdout(ends_with("host: accounts still open: 2\n"));
    order("100 run drop").success().stdout(contains("close \"Ada\" with 0 cents"));
    order("4294967295 run").code(1).stderr(contains("Ada has only 100 cents left"));
}

#[test]
fn a_panic_in_the_guest_is_a_trap_in_the_host() {
    let output = order("0 run drop").code(134);
    let trap = contains("wasm trap: wasm `unreachable` instruction executed");
    output
        .stderr(contains("moves at least one cent").and(contains("failed while it ran")).and(trap));
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("resources_host").arg(path).arg("40").assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        reject(&path, "{} is not a component (but a core module, or no WebAssembly): build", "");
    }
    let path = bad.module("empty_component.wasm", "(component)");
    reject(&path, "{} does not fit the world bank:desk/desk: build", "`bank:desk/saving@1.0.0`");
    let path = bad.module("imports.wasm", r#"(component (import "bank:vault/key" (func)))"#);
    reject(&path, "{} does not fit the world", "bank:vault/key");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    order("40 run burn").code(2).stderr(contains("[possible values: run, drop]"));
    order("much run").code(2).stderr(contains("'much'"));
    order("--nope 40").code(2).stderr(contains("--nope"));
    host("resources_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
