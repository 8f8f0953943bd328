//! That no file, whatever its bytes, brings a host down: it is run, or it is refused in words.
//! Notice that nothing stands in for a host. Each file is given to `command_host`, `runner_host`,
//! `inspect_host` and `sandbox_host` as they are built, each time as a process of its own.
//! Run: cargo test -p tests --test any_bytes -- --nocapture
//!
//! The files are made of some of each kind that is built here. The random numbers for it begin with the
//! number of the file, so that the files are the same in each run while what they are made of is. Below
//! `tests/fuzz` the same code is under a fuzzer, which goes on for as long as you like.
//!
//! What is left of a damaged file may be a program still, and two of the hosts put no limits to one. So
//! what the files are made of imports something that no host has: it is compiled, and refused before
//! it runs. Two can run, for the sake of what is checked then; they have no loop and print nothing.

use std::ops::Range;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{available_parallelism, scope};
use std::time::{Duration, Instant};
use std::{env, fs, iter};

use fastrand::Rng;
use tests::{apart, examples, guest_with, host, root, target};
use wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER as ADAPTER;
use wasmtime::Engine;

/// How many files there are, each for four hosts. With the variable FILES there are more, or fewer.
const FILES: usize = 1_000;

/// How long a host may take with one of them. That is a thousand times what most take.
const LONGEST: Duration = Duration::from_secs(20);

const MODULE: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Bytes to begin with.
struct Base {
    name: String,
    bytes: Vec<u8>,
}

/// A file for the hosts, and how it was made.
struct File {
    made: String,
    bytes: Vec<u8>,
}

/// Guests of the workspace, with a target. What is built here of the kind, and small.
const GUESTS: [(&str, &str); 11] = [
    ("evolution_p0_guest", "wasm32-wasip1"),    // preview 0
    ("runner_guest", "wasm32-wasip1"),          // preview 1
    ("reactor_guest", "wasm32-wasip1"),         // a library for preview 1
    ("adapter_library_guest", "wasm32-wasip1"), // one that carries a world
    ("no_std_guest", "wasm32-wasip1"),
    ("no_std_alloc_guest", "wasm32-wasip1"),
    ("small_engine_guest", "wasm32-wasip1"),
    ("evolution_p2_guest", "wasm32-wasip2"), // 0.2
    ("evolution_p3_guest", "wasm32-wasip2"), // 0.3
    ("compose_tax_guest", "wasm32-wasip2"),  // a library for 0.2
    ("resources_guest", "wasm32-wasip2"),    // one with resources
];

/// What is imported is called this instead.
const RENAMED: [(&str, &str); 3] = [
    ("wasi_snapshot_preview1", "wasi_snapshot_any_byte"),
    ("wasi_unstable", "wasi_anybytes"),
    ("wasi:io/", "wasi:ho/"),
];

/// Modules and components with what the guests do not have.
const TEXTS: [(&str, &str); 8] = [
    (
        "a module with all sections",
        r#"(module $all
            (type $pair (func (param i32 i64) (result i32)))
            (import "any" "bytes" (func $import))
            (import "env" "table" (table 1 2 funcref))
            (import "env" "limit" (global $limit i32))
            (table $table 4 externref)
            (memory (export "memory") 1 2)
            (global $count (mut i32) (i32.const 0))
            (global $float f64 (f64.const nan))
            (export "_start" (func $start))
            (export "_initialize" (func $begin))
            (func $start (local i32 i64 f32 v128) (drop (call $count (i32.const 1) (i64.const 2))))
            (func $begin (global.set $count (global.get $limit)))
            (func $count (type $pair)
                (block $out (br_table $out $out (local.get 0)))
                (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1)) (else (global.get $count))))
            (func $vector (result v128) (i8x16.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))
            (start $begin)
            (elem (i32.const 0) func $start $count)
            (elem $passive funcref (ref.func $start) (ref.null func))
            (elem declare func $vector)
            (data (i32.const 8) "data\00\ff")
            (data $passive "more data")
            (func $init (memory.init $passive (i32.const 0) (i32.const 0) (i32.const 4)))
            (@custom "producers" "\01\08language\01\04Rust\041.95")
            (@custom "anything" (after last) "\00\01\02"))"#,
    ),
    (
        "a module that can run",
        r#"(module
            (table 2 4 funcref)
            (memory (export "memory") 1 1)
            (global $at i32 (i32.const 8))
            (func $set (i32.store (global.get $at) (i32.const 7)))
            (func $start (export "_start") (drop (i32.div_u (i32.load (i32.const 8)) (i32.const 7))))
            (start $set)
            (elem (i32.const 0) func $set $start)
            (data (global.get $at) "\01\02"))"#,
    ),
    (
        "a component with all sections",
        r#"(component
            (import "any:bytes/here@1.0.0" (instance $here
                (export "thing" (type $thing (sub resource)))
                (export "[method]thing.use" (func (param "self" (borrow $thing)) (result u32)))
                (export "take" (func (param "list" (list string)) (result (option (own $thing)))))))
            (alias export $here "thing" (type $thing))
            (type $record (record (field "a" u8) (field "b" (list (tuple f64 char)))))
            (type $choice (variant (case "none") (case "some" $record)))
            (type $flags (flags "read" "write"))
            (type $enum (enum "one" "two"))
            (export $exported "choice" (type $choice))
            (core module $memory (memory (export "memory") 1)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0)))
            (core instance $memory (instantiate $memory))
            (alias core export $memory "memory" (core memory $mem))
            (core func $take (canon lower (func $here "take") (memory $mem)
                (realloc (core func $memory "realloc"))))
            (core module $main
                (import "here" "take" (func (param i32 i32 i32)))
                (func (export "run") (result i32) (i32.const 0)))
            (core instance $main (instantiate $main
                (with "here" (instance (export "take" (func $take))))))
            (func $run (result (result)) (canon lift (core func $main "run")))
            (component $run (import "run" (func $f (result (result)))) (export "run" (func $f)))
            (instance $run (instantiate $run (with "run" (func $run))))
            (export "wasi:cli/run@0.2.0" (instance $run)))"#,
    ),
    (
        "a component that can run",
        r#"(component
            (core module $m (func (export "run") (result i32) (i32.const 0)))
            (core instance $i (instantiate $m))
            (func $run (result (result)) (canon lift (core func $i "run")))
            (instance (export "wasi:cli/run@0.2.0") (export "run" (func $run))))"#,
    ),
    (
        "components composed",
        r#"(component
            (import "any-bytes" (func))
            (component $inner
                (core module $m (func (export "f") (param i32) (result i32) (local.get 0)))
                (core instance $i (instantiate $m))
                (func (export "price") (param "cents" u32) (result u32) (canon lift (core func $i "f"))))
            (component $outer
                (import "price" (func $price (param "cents" u32) (result u32)))
                (core func $lowered (canon lower (func $price)))
                (core module $m
                    (import "" "price" (func $price (param i32) (result i32)))
                    (func (export "f") (result i32) (drop (call $price (i32.const 1))) (i32.const 0)))
                (core instance $i (instantiate $m (with "" (instance (export "price" (func $lowered))))))
                (func (export "run") (result (result)) (canon lift (core func $i "f"))))
            (instance $inner (instantiate $inner))
            (instance $outer (instantiate $outer (with "price" (func $inner "price"))))
            (instance $run (export "run" (func $outer "run")))
            (export "wasi:cli/run@0.2.3" (instance $run)))"#,
    ),
    (
        "a component with async",
        r#"(component
            (import "any-bytes" (func async (param "in" (stream u8)) (result (future string))))
            (type $stream (stream u8))
            (core func $new (canon stream.new $stream))
            (core func $drop (canon stream.drop-readable $stream))
            (core func $return (canon task.return (result (result))))
            (core module $m
                (import "" "return" (func $return (param i32)))
                (func (export "run") (result i32) (call $return (i32.const 0)) (i32.const 0))
                (func (export "again") (param i32 i32 i32) (result i32) (i32.const 0)))
            (core instance $i (instantiate $m (with "" (instance (export "return" (func $return))))))
            (func $run async (result (result))
                (canon lift (core func $i "run") async (callback (core func $i "again"))))
            (instance (export "wasi:cli/run@0.3.0") (export "run" (func $run))))"#,
    ),
    (
        "a module with names for a terminal",
        r#"(module
            (import "\1b[2J" "\c2\9b2J\07" (func (param i32)))
            (func (export "_start\1b]0;title\07") unreachable)
            (func $f (@name "\1b[31m") (export "a\0d\0bb"))
            (@custom "name \1b[2J" "\1b[2J"))"#,
    ),
    (
        "modules nested in a component",
        r#"(component
            (import "any-bytes" (func))
            (core module $a (memory (export "m") 1))
            (core module $b (import "a" "m" (memory 1)) (data (i32.const 0) "x"))
            (core instance $a (instantiate $a))
            (core instance $b (instantiate $b (with "a" (instance $a))))
            (component (component (component (core module (func (export "_start"))))))
            (export "m" (core module $a)))"#,
    ),
];

impl Base {
    /// Whether a host needs tenths of a second for it.
    fn is_large(&self) -> bool {
        self.bytes.len() > 16 << 10
    }
}

fn bases() -> Vec<Base> {
    let mut bases = Vec::new();
    let mut base = |name: &str, bytes: Vec<u8>| bases.push(Base { name: name.to_owned(), bytes });
    for (guest, target) in GUESTS {
        let file = guest_with(guest, target, &["--profile", "small"]);
        let mut bytes = fs::read(file).unwrap();
        for (from, to) in RENAMED {
            replace(&mut bytes, from.as_bytes(), to.as_bytes());
        }
        base(guest, bytes);
    }
    base("the adapter", ADAPTER.to_owned());
    for (name, text) in TEXTS {
        base(name, wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}")));
        base(&format!("text of {name}"), text.into());
    }
    // Code for this machine, in which only `inspect_host` looks for more than its first bytes.
    let engine = Engine::default();
    base("precompiled", engine.precompile_module(&wat::parse_str("(module)").unwrap()).unwrap());
    // Little that stands for much, or is nested deep. Not all of it is valid.
    for depth in [50, 1_000, 20_000] {
        base(&format!("{depth} blocks"), module(&[blocks(depth)]));
        let nested = (0..depth.min(2_000))
            .fold(Vec::new(), |inner, _| section(4, &[COMPONENT, &inner].concat()));
        base(&format!("{depth} components"), [COMPONENT, &nested].concat());
        base(&format!("{depth} lists of lists"), [COMPONENT, &lists(depth)].concat());
        base(&format!("{depth} parentheses"), "(".repeat(depth).into());
        let text = format!("(module (func {}{}))", "(block ".repeat(depth), ")".repeat(depth));
        base(&format!("text of {depth} blocks"), text.into());
    }
    let long = "\u{1b}".repeat(100_000);
    let text = format!(r#"(module (import "any" "{long}" (func)) (func (export "_start")))"#);
    base("a long name", wat::parse_str(text.replace('\u{1b}', "\\1b")).unwrap());
    for (name, text) in [
        ("variables", "(func (export \"_start\") (local i32 i64 f32 f64))"),
        ("the largest memory", r#"(memory 65536) (func (export "_start"))"#),
        ("a large table", r#"(table 10000000 funcref) (func (export "_start"))"#),
    ] {
        base(
            name,
            wat::parse_str(format!(r#"(module (import "any" "bytes" (func)) {text})"#)).unwrap(),
        );
    }
    bases
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    assert_eq!(from.len(), to.len());
    for at in 0..bytes.len().saturating_sub(from.len()) {
        if bytes[at..].starts_with(from) {
            bytes[at..at + to.len()].copy_from_slice(to);
        }
    }
}

/// A number as the binary format writes it.
fn number(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

fn section(id: u8, bytes: &[u8]) -> Vec<u8> {
    [&[id][..], &number(bytes.len()), bytes].concat()
}

/// A module with functions of these bodies, which imports `any` `bytes` and exports `_start`.
fn module(bodies: &[Vec<u8>]) -> Vec<u8> {
    let functions = [number(bodies.len()), vec![0; bodies.len()]].concat();
    let code = bodies.iter().flat_map(|body| [number(body.len()), body.clone()].concat());
    let code: Vec<u8> = number(bodies.len()).into_iter().chain(code).collect();
    [
        MODULE,
        &section(1, b"\x01\x60\0\0"),
        &section(2, b"\x01\x03any\x05bytes\0\0"),
        &section(3, &functions),
        &section(7, b"\x01\x06_start\0\x01"),
        &section(10, &code),
    ]
    .concat()
}

/// The body of a function: as many blocks, one in the other.
fn blocks(depth: usize) -> Vec<u8> {
    [vec![0], [2, 0x40].repeat(depth), vec![0x0b; depth + 1]].concat()
}

/// Types of a component, each a list of the one before it.
fn lists(depth: usize) -> Vec<u8> {
    let types = (0..depth).flat_map(|index| match index.checked_sub(1) {
        None => vec![0x70, 0x7d],
        // The number of a type is signed: in three digits the sign is zero.
        Some(type_) => {
            vec![0x70, type_ as u8 | 0x80, (type_ >> 7) as u8 | 0x80, (type_ >> 14) as u8]
        }
    });
    section(7, &number(depth).into_iter().chain(types).collect::<Vec<_>>())
}

/// Where the sections are in a module or component, those inside of its components and modules too.
/// What does not look like one ends the list.
fn sections(bytes: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = vec![(8, bytes.len())]; // from, to
    while let Some((from, to)) = open.pop() {
        let mut start = from;
        while let Some((&id, rest)) = bytes.get(start..to).and_then(<[u8]>::split_first) {
            let digits = rest.iter().take(5).take_while(|byte| **byte >= 0x80).count() + 1;
            let Some(size) = rest.get(..digits) else { break };
            let size = size.iter().rev().fold(0, |size, byte| size << 7 | usize::from(byte & 0x7f));
            let (content, end) = (start + 1 + digits, start + 1 + digits + size);
            if end > to {
                break;
            }
            found.push(start..end);
            if bytes.starts_with(COMPONENT) && matches!(id, 1 | 4) && size >= 8 {
                open.push((content + 8, end));
            }
            start = end;
        }
    }
    found
}

/// All files: the bases, the bases cut off at each section, and what chance makes of them.
fn files(bases: &[Base]) -> Vec<File> {
    let whole =
        bases.iter().map(|base| File { made: base.name.clone(), bytes: base.bytes.clone() });
    let cut = bases.iter().flat_map(|base| {
        let ends = sections(&base.bytes).into_iter().map(|section| section.end);
        let ends: Vec<_> = ends.filter(|end| *end < base.bytes.len()).collect();
        // A component of std has hundreds, and takes longer with each.
        let step = if base.is_large() { ends.len().div_ceil(10) } else { 1 };
        let ends = ends.into_iter().step_by(step.max(1)).take(100);
        ends.map(|end| File {
            made: format!("{}, its first {end} bytes", base.name),
            bytes: base.bytes[..end].to_owned(),
        })
    });
    let mut files: Vec<_> = whole.chain(cut).collect();
    let count = env::var("FILES").map_or(FILES, |count| count.parse().expect("a number"));
    files.extend((files.len()..count).map(|number| mutated(bases, number as u64)));
    files
}

fn mutated(bases: &[Base], seed: u64) -> File {
    let mut rng = Rng::with_seed(seed);
    let small: Vec<_> = bases.iter().filter(|base| !base.is_large()).collect();
    let base = match rng.u8(..25) {
        0 => &bases[rng.usize(..bases.len())],
        _ => small[rng.usize(..small.len())],
    };
    let mut file = File { made: base.name.clone(), bytes: base.bytes.clone() };
    for _ in 0..rng.usize(1..=3) {
        let how = mutate(&mut file.bytes, &mut rng, bases);
        file.made += ", ";
        file.made += &how;
    }
    file
}

/// Does something to `bytes`, and says what.
fn mutate(bytes: &mut Vec<u8>, rng: &mut Rng, bases: &[Base]) -> String {
    let sections = sections(bytes);
    let at = place(bytes, &sections, rng);
    match rng.u8(..if sections.is_empty() { 7 } else { 12 }) {
        0 => {
            bytes.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let bit = 1 << rng.u8(..8);
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= bit;
            }
            format!("bit {bit:#04x} at {at}")
        }
        2 => {
            let value = rng.choice([0, 1, 0x3f, 0x40, 0x7f, 0x80, 0xfe, 0xff]).unwrap_or_default();
            let end = bytes.len().min(at + rng.usize(1..=4));
            bytes[at..end].fill(value);
            format!("{value:#04x} at {at}..{end}")
        }
        3 => {
            let huge = huge(rng);
            bytes.splice(at..bytes.len().min(at + 1), huge.clone());
            format!("{huge:02x?} at {at}")
        }
        4 => {
            let count = rng.usize(1..=64);
            bytes.splice(at..at, noise(count, rng));
            format!("{count} bytes more at {at}")
        }
        5 => {
            let end = bytes.len().min(at + rng.usize(1..=64));
            bytes.drain(at..end);
            format!("without {at}..{end}")
        }
        6 => {
            let start = rng.choice([MODULE, COMPONENT]).unwrap_or_default();
            let count = rng.usize(..2_000);
            *bytes = [start, &noise(count, rng)].concat();
            "nothing but noise".to_owned()
        }
        7 => {
            let section = sections[rng.usize(..sections.len())].clone();
            let size = section.start + 1;
            let huge = huge(rng);
            bytes.splice(size..size + 1, huge.clone());
            format!("size {huge:02x?} at {size}")
        }
        8 => {
            let section = sections[rng.usize(..sections.len())].clone();
            let copy = bytes[section.clone()].to_owned();
            bytes.splice(section.end..section.end, copy);
            format!("{section:?} twice")
        }
        9 => {
            let section = sections[rng.usize(..sections.len())].clone();
            bytes.drain(section.clone());
            format!("without section {section:?}")
        }
        10 => {
            let (one, other) = (rng.usize(..sections.len()), rng.usize(..sections.len()));
            let (one, other) = (sections[one].clone(), sections[other].clone());
            let moved = bytes[one.clone()].to_owned();
            if one.end <= other.start {
                bytes.splice(other.end..other.end, moved);
                bytes.drain(one.clone());
            } else if other.end <= one.start {
                bytes.drain(one.clone());
                bytes.splice(other.start..other.start, moved);
            }
            format!("{one:?} behind or before {other:?}")
        }
        _ => {
            let other = &bases[rng.usize(..bases.len())];
            let from = place(&other.bytes, &self::sections(&other.bytes), rng);
            bytes.truncate(at);
            bytes.extend(&other.bytes[from..]);
            format!("from {at} on {} from {from}", other.name)
        }
    }
}

/// A place in `bytes`: at the beginning or end of a section, near one, or anywhere.
fn place(bytes: &[u8], sections: &[Range<usize>], rng: &mut Rng) -> usize {
    let place = match sections {
        [] => rng.usize(..=bytes.len()),
        sections => {
            let section = &sections[rng.usize(..sections.len())];
            match rng.u8(..4) {
                0 => section.start,
                1 => section.end,
                2 => section.start + rng.usize(..24),
                _ => rng.usize(..=bytes.len()),
            }
        }
    };
    place.min(bytes.len())
}

fn noise(count: usize, rng: &mut Rng) -> Vec<u8> {
    iter::repeat_with(|| rng.u8(..)).take(count).collect()
}

/// A large number as the binary format writes it, or too long to be one.
fn huge(rng: &mut Rng) -> Vec<u8> {
    match rng.u8(..5) {
        0 => number(usize::try_from(u32::MAX).unwrap_or(usize::MAX)),
        1 => number(1 << 31),
        2 => number(1 << rng.u8(7..31)),
        3 => number(usize::MAX),
        _ => vec![0xff; 11],
    }
}

/// The hosts that are for anybody's files: no control character of a name gets to the terminal. Others
/// print names as the engine has them; what to do about it is the lesson of `sandbox`.
const CAREFUL: [&str; 3] = ["inspect_host", "runner_host", "sandbox_host"];

/// What is wrong with how `host` ended, if anything is.
fn fault(host: &str, output: &Output) -> Option<String> {
    let errors = String::from_utf8_lossy(&output.stderr);
    let raw = |text: &str| text.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    let fault = match output.status.code() {
        None => "it was ended by a signal, perhaps since it took too long",
        Some(0) => return None,
        Some(1 | 2 | 134) if errors.contains("panicked") => "it panicked",
        Some(1 | 2 | 134) if !errors.starts_with("Error: ") => "it says nothing of an error",
        Some(1 | 2 | 134) if CAREFUL.contains(&host) && raw(&errors) => "it commands the terminal",
        Some(1 | 2 | 134) => return None,
        Some(_) => "it ended with another status than 0, 1, 2 and 134",
    };
    Some(format!("{host}: {fault}: {:?}, {errors}", output.status))
}

/// Every so many files one is given to all hosts that compile a file by the same lines as these.
const OTHERS: usize = 50;

/// Those hosts, with the arguments behind the file that they insist on.
fn others() -> Vec<(String, &'static str)> {
    let apart = apart();
    let compiles = |example: &String| {
        let folder = Path::new("hosts").join(example);
        let source = fs::read_to_string(root().join(&folder).join("src/main.rs")).unwrap();
        let given_all = ["command", "runner"].contains(&&**example);
        source.contains("cannot compile {") && !apart.contains(&folder) && !given_all
    };
    let others = examples().into_iter().filter(compiles).map(|example| match &*example {
        "resources" => (example, "40"),
        "startup" => (example, "Cargo.toml"),
        _ => (example, ""),
    });
    let others: Vec<_> = others.map(|(name, more)| (format!("{name}_host"), more)).collect();
    assert!(others.len() > 10, "{others:?}");
    others
}

/// Gives a file to the hosts, and returns what is wrong with how they ended.
fn give(file: &File, number: usize, path: &Path, home: &Path) -> Vec<String> {
    fs::write(path, &file.bytes).unwrap();
    let mut faults = Vec::new();
    let mut run = |package: &str, flags: &str, more: &str| {
        let mut host = host(package);
        host.env("HOME", home).env("XDG_CACHE_HOME", home); // no place for a cache: there is none
        host.args(flags.split_whitespace()).arg(path).args(more.split_whitespace());
        let output = host.timeout(LONGEST).output().unwrap();
        faults.extend(fault(package, &output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let flags = ["", "", "--json", "--wit", "--to-text", "--to-binary", "--tree"];
    run("inspect_host", flags[number % flags.len()], "");
    // What has to be ended here would go on without end there.
    let ran = run("sandbox_host", "--timeout 2", "");
    if !ran.contains("it ran for longer than") {
        run("command_host", "", "");
        run("runner_host", "", "");
        if number.is_multiple_of(OTHERS) {
            for (package, more) in others() {
                run(&package, "", more);
            }
        }
    }
    faults
}

#[test]
fn no_bytes_bring_a_host_down() {
    let start = Instant::now();
    let files = files(&bases());
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join("home");
    fs::write(&home, "no folder").unwrap();
    let (next, faults) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let made = start.elapsed();
    scope(|scope| {
        for worker in 0..available_parallelism().map_or(1, usize::from) {
            let (files, home, next, faults) = (&files, &home, &next, &faults);
            let path = dir.path().join(format!("any{worker}.wasm"));
            scope.spawn(move || {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(file) = files.get(number)
                {
                    let found = give(file, number, &path, home);
                    if !found.is_empty() {
                        let kept = target().join("any_bytes").join(format!("{number}.wasm"));
                        fs::create_dir_all(kept.parent().unwrap()).unwrap();
                        fs::write(&kept, &file.bytes).unwrap();
                        let found = found.join("\n");
                        let text = format!("{} is {}\n{found}", kept.display(), file.made);
                        faults.lock().unwrap().push(text);
                    }
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    println!(
        "{} files for 4 hosts each, made in {made:?}, all in {:?}",
        files.len(),
        start.elapsed()
    );
    assert!(faults.is_empty(), "{} of them:\n{}", faults.len(), faults.join("\n\n"));
}

#[test]
#[cfg(unix)]
fn a_host_that_is_brought_down_would_be_noticed() {
    // What a shell is told to do, in place of a host.
    let fault = |host: &str, script: &str| {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        fault(host, &output).unwrap_or_default()
    };
    assert_eq!(fault("runner_host", "exit 0"), "");
    assert_eq!(fault("runner_host", "echo 'Error: it is damaged' >&2; exit 1"), "");
    assert!(fault("runner_host", "kill -SEGV $$").contains("signal"));
    assert!(
        fault("runner_host", "echo 'Error: it panicked at' >&2; exit 1").contains("it panicked")
    );
    assert!(fault("runner_host", "echo 'Error: no' >&2; exit 101").contains("another status"));
    assert!(fault("runner_host", "exit 1").contains("nothing of an error"));
    let raw = "printf 'Error: \\033[2J' >&2; exit 1";
    assert!(fault("runner_host", raw).contains("commands the terminal"));
    assert_eq!(fault("command_host", raw), "");
}
