//! What the `component` example promises, seen from outside.
//! Run: just test component

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest, guest_with, host, refused};

fn ask(guest: &Path, arguments: &[&str]) -> Assert {
    host("component_host").arg(guest).args(arguments).assert()
}

fn order(arguments: &[&str]) -> Assert {
    ask(&guest("component_guest", "wasm32-wasip2"), arguments)
}

/// A component with an export `price` of the right type. `code` is a core module's: its function
/// `price`, which takes the order and returns an address, and what else is in it.
fn rules(bad: &BadInput, code: &str) -> PathBuf {
    let wat = r#"(component
        (type $tier' (enum "standard" "gold"))
        (import "tier" (type $tier (eq $tier')))
        (type $extras' (flags "gift-wrap" "express"))
        (import "extras" (type $extras (eq $extras')))
        (type $item' (record (field "sku" string) (field "quantity" u32)))
        (import "item" (type $item (eq $item')))
        (type $order' (record (field "tier" $tier) (field "items" (list $item))
            (field "extras" $extras) (field "coupon" (option string))))
        (import "order" (type $order (eq $order')))
        (type $discount' (variant (case "none") (case "percent" u8) (case "cents" u32)))
        (import "discount" (type $discount (eq $discount')))
        (type $quote' (record (field "subtotal" u32) (field "discount" $discount)
            (field "total" u32)))
        (import "quote" (type $quote (eq $quote')))
        (type $problem' (variant (case "empty-order") (case "unknown-sku" string)
            (case "unknown-coupon" string) (case "too-large")))
        (import "problem" (type $problem (eq $problem')))
        (core module $code
            (memory (export "memory") 1)
            (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 64)
            CODE)
        (core instance $code (instantiate $code))
        (func $price (param "order" $order) (result (result $quote (error $problem)))
            (canon lift (core func $code "price")
                (memory (core memory $code "memory")) (realloc (core func $code "realloc"))))
        (export "price" (func $price)))"#;
    bad.module("rules.wasm", &wat.replace("CODE", code))
}

/// The head of a function that takes an order: tier, items, extras and coupon, flattened.
const PRICE: &str = r#"(func (export "price") (param i32 i32 i32 i32 i32 i32 i32) (result i32)"#;

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

/// In a build without checks of overflow as well, where a sum that was not checked would wrap.
#[test]
fn money_is_exact_or_there_is_no_quote() {
    for profile in ["dev", "small"] {
        let guest = guest_with("component_guest", "wasm32-wasip2", &["--profile", profile]);
        let quotes = [
            // 10 % of 14150 are 1415.
            (
                &["mug=1", "chair=1", "--gold"][..],
                "subtotal: 14150, discount: Discount::Percent(10), total: 12735 }",
            ),
            // The most that there can be a percentage of: 429496725 are 10 % of it, rounded down.
            (
                &["mug=3435915", "lamp=15", "--gold"],
                "subtotal: 4294967250, discount: Discount::Percent(10), total: 3865470525 }",
            ),
            (&["mug=3435915", "lamp=15"], "total: 4294967250 }"),
            // Extras that make it too much, unless something is taken off.
            (&["mug=3435915", "lamp=15", "--express", "--gold"], "total: 3865471425 }"),
        ];
        for (arguments, quote) in quotes {
            ask(&guest, arguments).success().stdout(contains(quote));
        }
        let too_large = [
            &["mug=3435915", "lamp=15", "--express"][..],
            &["chair=4000000"],
            &["mug=3435915", "lamp=16"],
            &["mug=4294967295"],
        ];
        for arguments in too_large {
            let output = ask(&guest, arguments).code(1);
            output.stderr("Error: no quote: Problem::TooLarge\n");
        }
    }
}

#[test]
fn a_problem_is_an_answer_and_not_a_trap() {
    let problem = |arguments: &[&str], problem: &str| {
        order(arguments).code(1).stderr(format!("Error: no quote: {problem}\n"));
    };
    problem(&[], "Problem::EmptyOrder");
    problem(&["mug=1", "sofa=1"], r#"Problem::UnknownSku("sofa")"#);
    problem(&["mug=1", "--coupon", "AUTUMN"], r#"Problem::UnknownCoupon("AUTUMN")"#);
}

#[test]
fn a_panic_in_the_guest_is_a_trap_and_ends_the_host_with_1() {
    let guest = guest("component_careless_guest", "wasm32-wasip2");
    let quote = "Quote { subtotal: 2500, discount: Discount::None, total: 2500 }";
    ask(&guest, &["mug=2"]).success().stdout(contains(quote)).stderr("");
    let output = ask(&guest, &["sofa=1"]).code(1);
    let said = contains("\nthe shop sells everything\n");
    let error = contains(format!("\nError: {} failed while it ran\n", guest.display()));
    output.stderr(said.and(error).and(contains("wasm trap: wasm `unreachable` instruction")));
}

#[test]
fn a_guest_can_trap_before_its_first_call() {
    let bad = BadInput::new();
    let fails = |guest: &Path, cause: &str| {
        refused(ask(guest, &["mug=1"]), guest, "{} failed while it ran\n", cause);
    };
    let trap = "wasm trap: wasm `unreachable` instruction executed";
    let guest = rules(&bad, &format!("{PRICE} unreachable)"));
    fails(&guest, trap);
    // The same, but for a function that runs when the component is instantiated.
    let zero = format!("{PRICE} i32.const 0)");
    let guest = rules(&bad, &zero);
    ask(&guest, &["mug=1"]).success();
    let guest = rules(&bad, &format!("{zero} (func $start unreachable) (start $start)"));
    fails(&guest, trap);
}

#[test]
fn what_a_guest_returns_is_checked_on_its_way() {
    let bad = BadInput::new();
    let answers = [
        ("i32.const 70000", "pointer out of bounds of memory"),
        // 2 is neither `ok` nor `error`.
        ("i32.const 0 i32.const 2 i32.store8 i32.const 0", "invalid expected discriminant"),
        // A problem whose text would lie outside of the memory.
        (
            "i32.const 0 i32.const 1 i32.store8 i32.const 4 i32.const 1 i32.store8
            i32.const 8 i32.const 65536 i32.store i32.const 12 i32.const 9 i32.store i32.const 0",
            "string pointer/length out of bounds of memory",
        ),
    ];
    for (code, cause) in answers {
        let guest = rules(&bad, &format!("{PRICE} {code})"));
        refused(ask(&guest, &["mug=1"]), &guest, "{} failed while it ran\n", cause);
    }
}

#[test]
fn the_host_refuses_what_is_no_component_of_this_world() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(ask(path, &["mug=1"]).stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2\n";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let first = "cannot compile {}: it is damaged, or needs a feature that this host leaves out\n";
    let path = bad.module("damaged.wasm", "(component (core module))");
    let wasm = fs::read(&path).unwrap();
    fs::write(&path, &wasm[..wasm.len() - 2]).unwrap();
    reject(&path, first, "is out of bounds");
    let path = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    reject(&path, first, "threads must be enabled for shared memories");

    let first = "{} does not fit the world in wit/component: build the guest from that WIT\n";
    let path = bad.module("command.wasm", "(component)");
    reject(&path, first, "no export `price` found");
    let path = bad.module("imports.wasm", r#"(component (import "shop:stock/count" (func)))"#);
    reject(&path, first, "shop:stock/count");
    let other_type = r#"(component
        (core module $code (func (export "price") (result i32) i32.const 7))
        (core instance $code (instantiate $code))
        (func $price (result u32) (canon lift (core func $code "price")))
        (export "price" (func $price)))"#;
    let path = bad.module("other_type.wasm", other_type);
    reject(&path, first, "type-checking export func `price`");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    order(&["mug"]).code(2).stderr(contains("write SKU=QUANTITY"));
    order(&["mug=many"]).code(2).stderr(contains("`many` is not a quantity"));
    order(&["mug=-1"]).code(2).stderr(contains("`-1` is not a quantity"));
    order(&["mug=4294967296"]).code(2).stderr(contains("`4294967296` is not a quantity"));
    order(&["--silver"]).code(2).stderr(contains("--silver"));
    host("component_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
