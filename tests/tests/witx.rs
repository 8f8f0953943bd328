//! What the `witx` example promises, seen from outside.
//! Run: just test witx

use std::error::Error;
use std::mem::{align_of, offset_of, size_of};
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use snapbox::data::DataFormat;
use snapbox::{Data, IntoData, assert_data_eq};
use tests::{BadInput, guest, host, refused, root};
use witx::{Document, Id, Layout, Type, WasmType};
use witx_codegen::{Config, OutputType};

#[path = "../../guests/witx/src/journal.rs"]
#[rustfmt::skip]
#[allow(dead_code, clippy::all)]
mod journal;

fn run(entries: &[&str]) -> Assert {
    host("witx_host").arg(guest("witx_guest", "wasm32-wasip1")).args(entries).assert()
}

/// A guest that calls `append` with these arguments, and then does `rest` with its result.
fn calling(arguments: &str, rest: &str) -> String {
    let arguments = arguments.split(' ').map(|number| format!("(i32.const {number})"));
    format!(
        r#"(module
        (import "journal" "append" (func $append (param i32 i32 i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (data (i32.const 16) "mug\ff\1b[2J\0a")
        (func (export "_start") (call $append {}) {rest}))"#,
        arguments.collect::<String>()
    )
}

/// Exits with the errno.
const ERRNO: &str = "call $exit";

fn page() -> String {
    fs::read_to_string(root().join("examples/witx/README.md")).unwrap()
}

/// Checks that a message is what the page says.
#[track_caller]
fn shown(message: &str, part: &str) {
    assert!(message.contains(part), "{message}");
    assert!(page().contains(part), "the page has another message than: {part}");
}

#[test]
fn an_entry_is_written_for_a_receipt() {
    let output = run(&["info=backup started", "warning=disk at 91 %", "error="]).success();
    output.stdout(
        "host: 1 Info \"backup started\"\nentry 1, 49 bytes left\n\
         host: 2 Warning \"disk at 91 %\"\nentry 2, 36 bytes left\n\
         host: 3 Error \"\"\nentry 3, 35 bytes left\n",
    );
    run(&[]).success().stdout("");
}

#[test]
fn the_journal_is_full_at_some_time() {
    let text = "0".repeat(64);
    run(&[&format!("info={}", &text[1..])]).success().stdout(contains("entry 1, 0 bytes left"));
    let output = run(&[&format!("info={text}")]).code(1).stdout("");
    output.stderr(format!("Error: the journal has no room for `{text}`\n"));
    // Entries without text take room as well.
    let output = run(&["info="; 65]).code(1).stderr("Error: the journal has no room for ``\n");
    output.stdout(contains("entry 64, 0 bytes left\n").and(contains("host: 65").not()));
    // What had no room took none.
    let output = run(&["info=0", &format!("info={text}")]).code(1);
    output.stdout("host: 1 Info \"0\"\nentry 1, 62 bytes left\n");
}

#[test]
fn the_guest_says_what_it_takes() {
    run(&["info"]).code(1).stderr("Error: write LEVEL=TEXT, such as info=started\n");
    let message = "Error: `loud` is not a level: write info, warning or error\n";
    run(&["loud=x"]).code(1).stderr(message);
}

#[test]
fn a_text_does_not_command_the_terminal() {
    let path = BadInput::new();
    let path = path.module("clear.wasm", &calling("0 20 5 64", "drop"));
    let output = host("witx_host").arg(path).assert().success();
    output.stdout("host: 1 Info \"\\u{1b}[2J\\n\"\n");
}

#[test]
fn what_a_program_may_live_with_is_an_errno() {
    let bad = BadInput::new();
    for (arguments, errno) in [
        ("2 16 3 64", 0),    // all is well
        ("2 16 0 64", 0),    // so it is without text
        ("2 65536 0 64", 0), // at the very end of the memory, too
        ("2 16 4 64", 1),    // no UTF-8
        ("2 16 64 64", 2),   // no room
        ("2 16 -1 64", 2),   // 4 GiB, and one more for the end of the line
        ("2 -16 -1 64", 2),  // the same where it does not even fit
    ] {
        let path = bad.module("errno.wasm", &calling(arguments, ERRNO));
        let output = host("witx_host").arg(path).assert().stderr("");
        let output = output.code(errno);
        let written = contains("host: 1 Error ");
        if errno == 0 {
            output.stdout(written)
        } else {
            output.stdout("")
        };
    }
}

const NO_MEMORY: &str = "missing required memory export";

#[test]
fn what_is_no_mistake_ends_the_guest() {
    let bad = BadInput::new();
    let lies = [
        ("3 16 3 64", "In func journal::append at convert Level: Invalid enum value Level"),
        ("-1 16 3 64", "In func journal::append at convert Level: Int conversion error"),
        ("256 16 3 64", "In func journal::append at convert Level: Int conversion error"),
        ("0 65537 0 64", "Pointer out of bounds: Region { start: 65537, len: 0 }"),
        ("0 65534 3 64", "Pointer out of bounds: Region { start: 65534, len: 3 }"),
        ("0 -1 3 64", "Pointer out of bounds: Region { start: 4294967295, len: 3 }"),
    ];
    for (arguments, message) in lies {
        let path = bad.module("liar.wasm", &calling(arguments, "drop"));
        let output = host("witx_host").arg(&path).assert().stdout("");
        refused(output, &path, "{} failed while it ran", message);
    }
    // The receipt comes last: the entry is written by then.
    let places = [
        ("0 16 3 65528", "Pointer out of bounds: Region { start: 65536, len: 8 }"),
        ("0 16 3 -8", "Pointer out of bounds: Region { start: 4294967288, len: 4 }"),
        ("0 16 3 68", "Pointer not aligned to 8: Region { start: 76, len: 8 }"),
        ("0 16 3 66", "Pointer not aligned to 4: Region { start: 66, len: 4 }"),
    ];
    for (arguments, message) in places {
        let path = bad.module("liar.wasm", &calling(arguments, "drop"));
        let output = host("witx_host").arg(&path).assert().stdout("host: 1 Info \"mug\"\n");
        let output = output.stderr(contains("In func journal::append at write receipt"));
        refused(output, &path, "{} failed while it ran", message);
    }
    // The rows of the page's table say what was tried here and in the test of the memory.
    let page = page();
    let rows = page.lines().filter(|line| line.starts_with('|') && line.contains(" is ended"));
    let rows: Vec<_> = rows.map(|row| row.trim_end_matches("` |").rsplit('`').next()).collect();
    assert_eq!(rows.len(), 4, "{rows:?}");
    let tried: Vec<_> = lies.iter().chain(&places).map(|(_, message)| *message).collect();
    for row in rows.into_iter().flatten() {
        let same = |message: &&str| message.ends_with(row);
        assert!(row == NO_MEMORY || tried.iter().any(same), "nothing here says: {row}");
    }
}

#[test]
fn a_receipt_may_lie_on_the_text() {
    // Exits with the number and the low byte of what is left, one above the other.
    let sum = "drop (call $exit (i32.add (i32.load (i32.const 16)) (i32.load (i32.const 24))))";
    let path = BadInput::new();
    let path = path.module("overlap.wasm", &calling("0 16 3 16", sum));
    let output = host("witx_host").arg(path).assert().code(1 + 60);
    output.stdout("host: 1 Info \"mug\"\n");
}

#[test]
fn a_guest_without_a_memory_to_read_is_ended() {
    let bad = BadInput::new();
    for memory in [
        "",
        "(memory 1)",
        r#"(memory (export "ram") 1)"#,
        r#"(global (export "memory") i32 (i32.const 0))"#,
    ] {
        let wat = calling("0 16 3 64", "drop");
        let (before, after) = wat.split_once(r#"(memory (export "memory") 1) (data"#).unwrap();
        let (_, after) = after.split_once("\n").unwrap();
        let path = bad.module("closed.wasm", &format!("{before}{memory}\n{after}"));
        let output = host("witx_host").arg(&path).assert().stdout("");
        refused(output, &path, "{} failed while it ran", NO_MEMORY);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_fault_of_the_host_ends_the_guest() {
    let path = guest("witx_guest", "wasm32-wasip1");
    let mut command = Command::new(host("witx_host").get_program());
    command.arg(&path).arg("info=started").env("RUST_BACKTRACE", "0");
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = Assert::new(command.stdout(full).output().unwrap());
    let output = output.stderr(contains("journal::append: cannot print the entry"));
    refused(output, &path, "{} failed while it ran", "No space left on device");
}

/// `file` as Rust, by witx-codegen. It panics where the file is not to its liking.
fn codegen(file: &Path) -> io::Result<String> {
    let dir = tempfile::tempdir()?;
    let made = dir.path().join("made.rs");
    let config = Config {
        output_file: Some(made.display().to_string()),
        witx_files: vec![file.display().to_string()],
        output_type: OutputType::Rust,
        ..Config::default()
    };
    witx_codegen::generate(&config).map_err(io::Error::other)?;
    fs::read_to_string(made)
}

fn guests() -> PathBuf {
    root().join("guests/witx/src/journal.witx")
}

fn hosts() -> PathBuf {
    root().join("hosts/witx/src/journal.witx")
}

/// The lines above what witx-codegen made, which say what is changed below.
const HEAD: &str = "\
// Generated by witx-codegen 0.11.5 from journal.witx, and then changed in two places: edition 2024
// wants `unsafe extern`, and a record is not `packed`, for a host may refuse an address that is not
// aligned.
";

#[test]
fn the_guests_bindings_are_what_the_tool_makes() {
    let made = codegen(&guests()).unwrap();
    let changed = made
        .replace("    extern \"C\" {", "    unsafe extern \"C\" {")
        .replace("#[repr(C, packed)]", "#[repr(C)]");
    // With SNAPSHOTS=overwrite in the environment this writes the file.
    let file = Data::read_from(&root().join("guests/witx/src/journal.rs"), Some(DataFormat::Text));
    assert_data_eq!((HEAD.to_owned() + &changed).into_data().raw(), file.raw());
}

#[test]
fn each_tool_refuses_the_dialect_of_the_other() {
    let panic = catch_unwind(|| codegen(&hosts())).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    shown(message, "extra tokens remaining after parse");
    let dir = tempfile::tempdir().unwrap();
    let diary = dir.path().join("diary.witx");
    fs::copy(guests(), &diary).unwrap();
    let panic = catch_unwind(|| codegen(&diary)).unwrap_err();
    shown(panic.downcast_ref::<String>().unwrap(), "ModuleNameMismatch");
    // The crate that wiggle uses.
    let error = witx::load(&[guests()]).unwrap_err();
    let message = error.source().unwrap().to_string();
    shown(&message, "unexpected token, expected `import` or `@interface`");
}

#[test]
fn a_change_of_the_interface_is_compiled() {
    let read = Path::new(host("witx_host").get_program()).with_extension("d");
    let read = fs::read_to_string(read).unwrap();
    assert!(read.contains("journal.witx"), "cargo does not know of the file: {read}");
}

/// The cases of the enum `name`, and how many bytes it has.
fn cases(document: &Document, name: &str) -> (Vec<String>, usize) {
    let named = document.typename(&Id::new(name)).unwrap();
    let Type::Variant(variant) = &**named.type_() else { panic!("{name} is an enum") };
    let names = variant.cases.iter().map(|case| case.name.as_str().to_owned());
    (names.collect(), variant.tag_repr.to_builtin().mem_size())
}

#[test]
fn both_sides_agree_on_the_numbers() {
    let document = witx::load(&[hosts()]).unwrap();
    let module = document.module(&Id::new("journal")).unwrap();
    let append = module.func(&Id::new("append")).unwrap();
    assert_eq!(append.wasm_signature(), (vec![WasmType::I32; 4], vec![WasmType::I32]));
    // The engine compares that with the guest's import. What is below, nobody compares.
    let (names, size) = cases(&document, "errno");
    assert_eq!(size, size_of::<journal::Errno>());
    assert_eq!(names[usize::from(journal::ERRNO::SUCCESS)], "success");
    assert_eq!(names[usize::from(journal::ERRNO::NOT_TEXT)], "not_text");
    assert_eq!(names[usize::from(journal::ERRNO::FULL)], "full");
    assert_eq!(names.len(), 3);
    let (names, size) = cases(&document, "level");
    assert_eq!(size, size_of::<journal::Level>());
    assert_eq!(names[usize::from(journal::LEVEL::INFO)], "info");
    assert_eq!(names[usize::from(journal::LEVEL::WARNING)], "warning");
    assert_eq!(names[usize::from(journal::LEVEL::ERROR)], "error");
    assert_eq!(names.len(), 3);
    let named = document.typename(&Id::new("receipt")).unwrap();
    let Type::Record(receipt) = &**named.type_() else { panic!("a receipt is a record") };
    let layout = receipt.mem_size_align();
    let guests = (size_of::<journal::Receipt>(), align_of::<journal::Receipt>());
    assert_eq!((layout.size, layout.align), guests);
    let members = receipt.member_layout();
    let members = members.iter().map(|at| (at.member.name.as_str(), at.offset));
    let guests = [
        ("number", offset_of!(journal::Receipt, number)),
        ("left", offset_of!(journal::Receipt, left)),
    ];
    assert_eq!(members.collect::<Vec<_>>(), guests);
}

#[test]
fn the_guest_learns_the_name_of_its_file_and_not_the_path() {
    // Prints its argument 0: nine bytes from 64 on, where args_get is told to write.
    let wat = r#"(module
        (import "wasi_snapshot_preview1" "args_get" (func $get (param i32 i32) (result i32)))
        (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1) (data (i32.const 16) "\40\00\00\00\09\00\00\00")
        (func (export "_start")
            (drop (call $get (i32.const 0) (i32.const 64)))
            (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))))"#;
    let path = BadInput::new();
    let path = path.module("args.wasm", wat);
    host("witx_host").arg(path).assert().success().stdout("args.wasm");
}

#[test]
fn the_host_refuses_what_is_not_a_guest_of_its_own() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("witx_host").arg(path).assert(), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        let first =
            "{} is not a core module (it is a component, or not WebAssembly): build the guest";
        reject(&path, first, "--target wasm32-wasip1");
    }
    let compile = "cannot compile {}: it is damaged, or needs a feature that this host leaves out";
    reject(&bad.damaged(), compile, "unexpected end-of-file");
    let path = bad.module("threads.wasm", "(module (memory 1 1 shared))");
    reject(&path, compile, "threads must be enabled for shared memories");
    let importing = |import: &str| {
        let wat = format!(r#"(module {import} (func (export "_start")))"#);
        bad.module("importing.wasm", &wat)
    };
    let path = importing(r#"(import "env" "append" (func))"#);
    reject(&path, "cannot link {}: link", "unknown import: `env::append`");
    let path = importing(r#"(import "journal" "append" (func (param i64)))"#);
    reject(&path, "cannot link {}: link", "incompatible import type for `journal::append`");
    let path = bad.module("library.wasm", "(module)");
    reject(&path, "{} is not a command, it exports no `_start`", "build a program");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    host("witx_host").arg("--nope").assert().code(2).stderr(contains("--nope"));
    host("witx_host").assert().code(2).stderr(contains("GUEST.wasm"));
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
        let output = host("witx_host").arg(path).assert().code(134);
        output.stderr(starts_with(first).and(contains("wasm trap: wasm `unreachable`")));
    }
}
