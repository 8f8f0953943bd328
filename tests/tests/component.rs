//! What the `component` example promises, seen from outside.
//! Run: just test component

use std::path::Path;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest, host, refused};

fn order(arguments: &[&str]) -> Assert {
    host("component_host").arg(guest("component_guest", "wasm32-wasip2")).args(arguments).assert()
}

#[test]
fn the_rules_are_the_guests_and_the_prices_the_hosts() {
    let quotes = [
        (&["mug=2"][..], "subtotal: 2500, discount: Discount::None, total: 2500"),
        (&["mug=2", "--gold"], "subtotal: 2500, discount: Discount::Percent(10), total: 2250"),
        (&["mug=2", "--coupon", "SPRING"], "discount: Discount::Cents(500), total: 2000"),
        (&["mug=2", "--gold", "--coupon", "SPRING"], "discount: Discount::Cents(500), total: 2000"),
        (&["mug=0", "--coupon", "SPRING"], "subtotal: 0, discount: Discount::Cents(500), total: 0"),
        (&["mug=1", "--express"], "total: 2150"),
        (&["mug=1", "lamp=1", "chair=1"], "total: 19050"),
    ];
    for (arguments, quote) in quotes {
        order(arguments).success().stdout(contains(quote));
    }
    let asked = contains("unit-price \"lamp\" is Some(4900)")
        .and(contains("unit-price \"mug\" is Some(1250)"));
    order(&["lamp=1", "mug=1"]).success().stdout(asked);
}

#[test]
fn a_problem_is_an_answer_and_no_trap() {
    order(&[]).code(1).stderr("host: no quote, Problem::EmptyOrder\n");
    order(&["mug=1", "sofa=1"]).code(1).stderr("host: no quote, Problem::UnknownSku(\"sofa\")\n");
    let coupon = order(&["mug=1", "--coupon", "AUTUMN"]);
    coupon.code(1).stderr("host: no quote, Problem::UnknownCoupon(\"AUTUMN\")\n");
}

#[test]
fn a_panic_in_the_guest_is_a_trap_in_the_host() {
    let output = order(&["chair=4000000"]).code(134);
    let said = contains("no order costs more than 32 bits of cents");
    output.stderr(
        said.and(contains("failed while it ran")).and(contains("wasm trap: wasm `unreachable`")),
    );
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("component_host").arg(path).arg("mug=1").assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        reject(&path, "{} is not a component (but a core module, or no WebAssembly): build", "");
    }
    let command = bad.module("command.wasm", "(component)");
    reject(
        &command,
        "{} does not fit the world shop:pricing/pricing: build",
        "no export `price` found",
    );
    let import = bad.module("imports.wasm", r#"(component (import "shop:stock/count" (func)))"#);
    reject(&import, "{} does not fit the world", "shop:stock/count");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    order(&["mug"]).code(2).stderr(contains("write SKU=QUANTITY"));
    order(&["mug=many"]).code(2).stderr(contains("`many` is not a quantity"));
    order(&["--silver"]).code(2).stderr(contains("--silver"));
}
