//! What the `no_std` example promises: its sizes, and which recipes work without std.
//! Notice that both tables are read from the page; a row that is not true here fails.
//! Run: just test no_std

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Mutex;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, guest, guest_with, host, refused, root};

/// Two tests build the same guest with different flags into the same file: one at a time.
static BUILDS: Mutex<()> = Mutex::new(());

/// The cells of each row of the table on the page whose first heading is `heading`.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = fs::read_to_string(root().join("examples/no_std/README.md")).unwrap();
    let lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

#[test]
fn the_same_source_prints_on_both_targets() {
    let _alone = BUILDS.lock();
    for target in ["wasm32-wasip1", "wasm32v1-none"] {
        for profile in ["dev", "release", "small"] {
            let guest = guest_with("no_std_guest", target, &["--profile", profile]);
            let output = host("no_std_host").arg(&guest).assert().success();
            let size = fs::metadata(&guest).unwrap().len();
            output.stdout(format!("host: {size} bytes\nhost: imports wasi_snapshot_preview1::fd_write\nhello without std\n"));
        }
        let guest = guest("no_std_alloc_guest", target);
        let output = host("no_std_host").arg(guest).assert().success();
        output.stdout(contains("a Vec without std: [1, 4, 9, 16, 25]"));
    }
}

#[test]
fn the_sizes_on_the_page_are_true() {
    let _alone = BUILDS.lock();
    let rows = table("guest");
    assert_eq!(rows.len(), 6, "{rows:?}");
    let mut page = fs::read_to_string(root().join("examples/no_std/README.md")).unwrap();
    let mut wrong = Vec::new();
    for row in rows {
        let [_, arguments, bytes] = &row[..] else { panic!("three cells: {row:?}") };
        let arguments: Vec<_> = arguments.trim_matches('`').split(' ').collect();
        let output = tests::command("cargo", &root()).args(&arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let package =
            arguments[arguments.iter().position(|word| *word == "--package").unwrap() + 1];
        let profile = if arguments.contains(&"small") { "small" } else { "release" };
        let made = tests::target()
            .join("wasm32-wasip1")
            .join(profile)
            .join(package)
            .with_extension("wasm");
        let actual = fs::metadata(made).unwrap().len().to_string();
        if *bytes != actual {
            let line = format!("| `{}` | ", arguments.join(" "));
            page = page.replace(&format!("{line}{bytes} |"), &format!("{line}{actual} |"));
            wrong.push(format!("{arguments:?} makes {actual} bytes, the page says {bytes}"));
        }
    }
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        fs::write(root().join("examples/no_std/README.md"), page).unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_smallest_is_within_a_quarter_of_what_a_hand_writes() {
    let wat = fs::read_to_string(root().join("guests/no_std/hello.wat")).unwrap();
    let bad = BadInput::new();
    let by_hand = bad.module("hello.wasm", &wat);
    host("no_std_host").arg(&by_hand).assert().success().stdout(contains("hello without std"));
    let by_hand = fs::metadata(by_hand).unwrap().len();
    let rows = table("guest");
    let smallest: u64 = rows.last().unwrap()[2].parse().unwrap();
    assert!(smallest * 4 <= by_hand * 5, "{smallest} against {by_hand} bytes");
}

/// A crate that is made for one row of the second table.
struct Recipe {
    crate_type: &'static str,
    target: &'static str,
    different: &'static str,
    /// Lines after the attributes, in place of `START`.
    body: String,
    dependencies: &'static str,
    /// What follows `--` in `cargo rustc`.
    flags: &'static [&'static str],
}

const WRITE: &str = r#"
    #[repr(C)] struct Ciovec(*const u8, usize);
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" { fn fd_write(fd: u32, iovs: *const Ciovec, len: usize, written: *mut usize) -> u16; }
    fn hello() { unsafe { fd_write(1, &Ciovec(c"hello\n".as_ptr().cast(), 6), 1, &mut 0) }; }
"#;
const START: &str = r#"#[unsafe(no_mangle)] extern "C" fn _start() { hello() }"#;
const MAIN: &str = r#"#[unsafe(no_mangle)] extern "C" fn __main_void() -> i32 { hello(); 0 }"#;
const PANIC: &str = "#[panic_handler] fn panic(_: &core::panic::PanicInfo) -> ! { core::arch::wasm32::unreachable() }";
const ALLOC: &str = "extern crate alloc; #[unsafe(no_mangle)] pub extern \"C\" fn greet() -> usize { alloc::vec![1; 9].len() }";
const ALLOCATOR: &str =
    "#[global_allocator] static A: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;";
const BINDGEN: &str = r#"
    extern crate alloc;
    wit_bindgen::generate!({ inline: "package shop:greeter; world greeter { export greet: func(name: string) -> string; }" });
    struct Greeter;
    impl Guest for Greeter { fn greet(name: alloc::string::String) -> alloc::string::String { name } }
    export!(Greeter);
"#;
const WIT: &str = r#"
    wit-bindgen = { version = "0.63.0", default-features = false, features = ["macros", "realloc"] }
    dlmalloc = { version = "0.2.14", features = ["global"] }
"#;

fn recipes() -> Vec<Recipe> {
    let start = || [WRITE, START, PANIC].concat();
    let recipe = |crate_type, target, different, body| Recipe {
        crate_type,
        target,
        different,
        body,
        dependencies: "",
        flags: &[],
    };
    let bindgen = |target| Recipe {
        dependencies: WIT,
        ..recipe(
            "cdylib",
            target,
            "wit-bindgen, `alloc` and an allocator",
            [BINDGEN, ALLOCATOR, PANIC].concat(),
        )
    };
    vec![
        recipe("cdylib", "wasm32-wasip1", "nothing, it is this guest", start()),
        recipe("cdylib", "wasm32v1-none", "nothing, it is this guest", start()),
        recipe("bin", "wasm32v1-none", "`#![no_main]`", start()),
        recipe("bin", "wasm32-wasip1", "`#![no_main]`", start()),
        Recipe {
            flags: &["-C", "link-self-contained=no"],
            ..recipe("bin", "wasm32-wasip1", "`-C link-self-contained=no`", start())
        },
        Recipe {
            flags: &["-C", "link-arg=-nostartfiles"],
            ..recipe("bin", "wasm32-wasip1", "`-C link-arg=-nostartfiles`", start())
        },
        recipe(
            "bin",
            "wasm32-wasip1",
            "`__main_void` in place of `_start`",
            [WRITE, MAIN, PANIC].concat(),
        ),
        recipe(
            "bin",
            "wasm32-wasip1",
            "`__main_void`, and `#[link(name = \"c\")]`",
            [WRITE, MAIN, PANIC, "#[link(name = \"c\")] unsafe extern \"C\" {}"].concat(),
        ),
        recipe("cdylib", "wasm32-wasip1", "no `#[panic_handler]`", [WRITE, START].concat()),
        recipe("cdylib", "wasm32-wasip1", "`alloc` without an allocator", [ALLOC, PANIC].concat()),
        bindgen("wasm32v1-none"),
        bindgen("wasm32-wasip2"),
    ]
}

impl Recipe {
    /// Builds the crate in `dir`; returns cargo's output and where the module is if there is one.
    fn build(&self, dir: &Path) -> (Output, PathBuf) {
        let (section, file) = if self.crate_type == "bin" {
            ("[[bin]]\nname = \"fixture\"", "main")
        } else {
            ("[lib]", "lib")
        };
        let manifest = format!(
            "[package]\nname = \"fixture\"\nedition = \"2024\"\n[workspace]\n{section}\npath = \"{file}.rs\"\n{}\
             [dependencies]\n{}\n[profile.dev]\npanic = \"abort\"\n",
            if self.crate_type == "bin" { "" } else { "crate-type = [\"cdylib\"]\n" },
            self.dependencies,
        );
        let main = if self.crate_type == "bin" { "#![no_main]\n" } else { "" };
        fs::write(dir.join("Cargo.toml"), manifest).unwrap();
        fs::write(dir.join(file).with_extension("rs"), format!("#![no_std]\n{main}{}", self.body))
            .unwrap();
        fs::copy(root().join("Cargo.lock"), dir.join("Cargo.lock")).unwrap();
        let target = tests::target().join("fixtures");
        let mut cargo = tests::command("cargo", dir);
        cargo
            .args(["rustc", "--quiet", "--offline", "--target", self.target, "--target-dir"])
            .arg(&target);
        let output = cargo.arg("--").args(self.flags).output().unwrap();
        (output, target.join(self.target).join("debug/fixture.wasm"))
    }
}

#[test]
fn the_recipes_on_the_page_end_as_it_says() {
    let rows = table("crate");
    let recipes = recipes();
    assert_eq!(rows.len(), recipes.len());
    for (row, recipe) in rows.iter().zip(&recipes) {
        let dir = tempfile::tempdir().unwrap();
        let (output, module) = recipe.build(dir.path());
        let errors = String::from_utf8_lossy(&output.stderr);
        let expected = row[2].trim_matches('`').trim();
        assert_eq!(row[0], format!("`{}` for `{}`", recipe.crate_type, recipe.target));
        assert_eq!(row[1], recipe.different);
        match expected {
            "builds" => assert!(output.status.success(), "{row:?}: {errors}"),
            "runs" => {
                assert!(output.status.success(), "{row:?}: {errors}");
                host("no_std_host").arg(module).assert().success().stdout(contains("hello\n"));
            }
            link if link.starts_with("unknown import") => {
                assert!(output.status.success(), "{row:?}: {errors}");
                host("no_std_host").arg(module).assert().code(1).stderr(contains(link));
            }
            error => {
                assert!(!output.status.success(), "{row:?} was built");
                assert!(errors.contains(error), "{row:?}: {errors}");
            }
        }
    }
}

#[test]
fn a_trap_ends_with_134_in_a_start_function_too() {
    let bad = BadInput::new();
    for body in [
        r#"(func (export "_start") unreachable)"#,
        r#"(func $open unreachable) (start $open) (func (export "_start"))"#,
    ] {
        let path = bad.module("trap.wasm", &format!("(module {body})"));
        let first = format!("Error: {} failed while it ran", path.display());
        let output = host("no_std_host").arg(path).assert().code(134);
        output.stderr(starts_with(first).and(contains("wasm trap: wasm `unreachable`")));
    }
}

#[test]
fn the_guests_status_comes_back() {
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 7))))"#;
    let bad = BadInput::new();
    host("no_std_host").arg(bad.module("exit.wasm", wat)).assert().code(7).stderr("");
}

#[test]
fn the_host_refuses_what_is_not_a_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("no_std_host").arg(path).assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        let first =
            "{} is not a core module (it is a component, or not WebAssembly): build the guest";
        reject(&path, first, "--target wasm32v1-none or wasm32-wasip1");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature that this host leaves out";
    reject(&bad.damaged(), compile, "unexpected end-of-file");
    let path = bad.module("threads.wasm", "(module (memory 1 1 shared))");
    reject(&path, compile, "threads must be enabled for shared memories");
    let wat = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", wat);
    reject(&path, "cannot link {}: this host offers", "unknown import: `env::abort`");
    let path = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    reject(&path, "{} is not a command, it exports no `_start`", "build a program");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("no_std_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("no_std_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
}
