//! What the `plugins` example promises, seen from outside.
//! Run: just test plugins

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tempfile::TempDir;
use tests::{Running, command, guest, guest_with, host, installed, root};
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};
use wasmtime_wasi as _; // as in the host, or cargo would build another wasmtime for this test

/// How long anything may take here before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

const TARGET: &str = "wasm32-wasip2";

/// Two names, and who may read them.
const PEOPLE: &str = r#"
    [tables.people]
    "Ada Lovelace" = "the analyst"
    "Grace Hopper" = "the admiral"

    [plugins.mask]
    read = ["people"]
"#;

/// A folder with plug-ins.
struct Folder(TempDir);

impl Folder {
    /// With these guests, under these names, and a manifest.
    fn new(guests: &[(&str, &str)], manifest: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, package) in guests {
            folder.put(name, &guest(package, TARGET));
        }
        folder.write("plugins.toml", manifest.as_bytes());
        folder
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    /// Puts a file in place of another at once, as `mv` does.
    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path("new"), bytes).unwrap();
        fs::rename(self.path("new"), self.path(file)).unwrap();
    }

    fn put(&self, name: &str, from: &Path) {
        self.write(&format!("{name}.wasm"), &fs::read(from).unwrap());
    }

    /// Runs the host on `input` to its end.
    fn run(&self, filters: &[&str], input: impl Into<Vec<u8>>) -> Assert {
        let mut host = host("plugins_host");
        host.arg(self.0.path()).args(filters).write_stdin(input).timeout(LIMIT).assert()
    }

    fn running(&self, filters: &[&str]) -> Running {
        let mut args = vec!["--", self.0.path().to_str().unwrap()];
        args.extend(&filters[..filters.len() - 1]);
        Running::start("plugins_host", &args, Path::new(filters[filters.len() - 1]))
    }
}

/// What a component in text format does: three of its strings, and code before it answers.
struct Tiny<'a> {
    interface: &'a str,
    name: &'a str,
    filter: &'a str,
    describe: &'a str,
    apply: &'a str,
    /// The pages of its memory, and how many it may have at most.
    memory: &'a str,
    /// Fields that the record `about` has more than it should.
    more: &'a str,
    /// What it exports besides.
    exports: &'a str,
}

impl Default for Tiny<'_> {
    fn default() -> Self {
        let interface = "text:plugins/filters@1.1.0";
        Self {
            interface,
            name: "tiny",
            filter: "tiny",
            describe: "",
            apply: "",
            memory: "2",
            more: "",
            exports: "",
        }
    }
}

impl Tiny<'_> {
    /// A plug-in whose filter answers with `tiny`.
    fn bytes(&self) -> Vec<u8> {
        let Self { interface, name, filter, describe, apply, memory, more, exports } = self;
        let (name_len, filter_len) = (hex(name.len()), hex(filter.len()));
        // Of a name only the bytes count, and they are spelled out: it may have any.
        let spelled =
            |text: &str| text.bytes().map(|byte| format!("\\{byte:02x}")).collect::<String>();
        let (name, filter) = (spelled(name), spelled(filter));
        let text = format!(
            r#"(component
                (core module $m
                    (memory (export "memory") {memory})
                    (data (i32.const 0) "\00\01\00\00{name_len}\40\00\00\00\05\00\00\00\50\00\00\00\01\00\00\00")
                    (data (i32.const 64) "1.0.0")
                    (data (i32.const 80) "\00\02\00\00{filter_len}\40\00\00\00\05\00\00\00")
                    (data (i32.const 128) "\00\00\00\00\01\00\00\00\a0\00\00\00\04\00\00\00")
                    (data (i32.const 160) "tiny")
                    (data (i32.const 256) "{name}")
                    (data (i32.const 512) "{filter}")
                    (func (export "realloc") (param i32 i32 i32 i32) (result i32) i32.const 4096)
                    (func (export "describe") (result i32) {describe} i32.const 0)
                    (func (export "apply") (param i32 i32 i32 i32) (result i32) {apply} i32.const 128))
                (core instance $i (instantiate $m))
                (type $filter (record (field "name" string) (field "help" string)))
                (type $about (record (field "name" string) (field "version" string)
                    (field "filters" (list $filter)) {more}))
                (func $describe (result $about)
                    (canon lift (core func $i "describe") (memory (core memory $i "memory"))))
                (func $apply (param "filter" string) (param "text" string)
                    (result (result (option string) (error string)))
                    (canon lift (core func $i "apply") (memory (core memory $i "memory"))
                        (realloc (core func $i "realloc"))))
                (component $named
                    (type $f (record (field "name" string) (field "help" string)))
                    (import "filter" (type $filter (eq $f)))
                    (type $a (record (field "name" string) (field "version" string)
                        (field "filters" (list $filter)) {more}))
                    (import "about" (type $about (eq $a)))
                    (import "describe" (func $describe (result $about)))
                    (import "apply" (func $apply (param "filter" string) (param "text" string)
                        (result (result (option string) (error string)))))
                    (export $filter2 "filter" (type $filter))
                    (type $a2 (record (field "name" string) (field "version" string)
                        (field "filters" (list $filter2)) {more}))
                    (export $about2 "about" (type $about) (type (eq $a2)))
                    (export "describe" (func $describe) (func (result $about2)))
                    (export "apply" (func $apply)))
                (instance $filters (instantiate $named
                    (with "filter" (type $filter)) (with "about" (type $about))
                    (with "describe" (func $describe)) (with "apply" (func $apply))))
                (export "{interface}" (instance $filters))
                {exports})"#
        );
        wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A number as it stands in memory, in text format.
fn hex(number: usize) -> String {
    (number as u32).to_le_bytes().map(|byte| format!("\\{byte:02x}")).concat()
}

/// The guest of the interface 1.2.0, and the same when it calls what this host does not have.
fn next() -> &'static (Vec<u8>, Vec<u8>) {
    static NEXT: OnceLock<(Vec<u8>, Vec<u8>)> = OnceLock::new();
    NEXT.get_or_init(|| {
        // Both are built into the same file.
        let build =
            |args: &[&str]| fs::read(guest_with("plugins_next_guest", TARGET, args)).unwrap();
        let removes = build(&["--features", "remove"]);
        (build(&[]), removes)
    })
}

#[test]
fn what_a_folder_offers_is_listed() {
    let guests =
        [("c", "plugins_old_guest"), ("a", "plugins_guest"), ("b", "plugins_unseen_guest")];
    let folder = Folder::new(&guests, "");
    folder.write("read.me", b"not a plug-in, and nobody says that it is");
    folder.run(&[], "").success().stderr("").stdout(concat!(
        "a.wasm: mask 1.0.0\n",
        "    mask           puts a role in place of a name\n",
        "b.wasm: unseen 1.0.0\n",
        "    unseen         drops what was there before, and counts it\n",
        "c.wasm: number 0.3.1\n",
        "    number         puts its number before a text\n",
    ));
    fs::remove_file(folder.path("plugins.toml")).unwrap();
    folder.run(&[], "").success().stderr("").stdout(contains("mask 1.0.0"));
    Folder::new(&[], "").run(&[], "").success().stderr("").stdout("");
}

#[test]
fn filters_are_passed_one_after_the_other() {
    let guests = [
        ("mask", "plugins_guest"),
        ("unseen", "plugins_unseen_guest"),
        ("number", "plugins_old_guest"),
    ];
    let folder = Folder::new(&guests, &format!("{PEOPLE}\n[plugins.unseen]\nprivate_kib = 1"));
    let text = "Ada Lovelace\r\nthe analyst\n\nGrace Hopper, Ada Lovelace";
    folder
        .run(&["mask", "unseen", "number"], text)
        .success()
        .stdout("1 the analyst\n2 \n3 the admiral, the analyst\n4 (1 more, seen before)\n")
        .stderr("mask: info: 2 names are masked\nnumber: info: counting from 1\n");
    // In another order they do another thing. One plug-in has one memory, also where it is there twice.
    folder
        .run(&["number", "unseen", "mask", "number"], text)
        .success()
        .stdout("2 1 the analyst\n4 3 the analyst\n6 5 \n8 7 the admiral, the analyst\n");
    folder.run(&["mask"], "").success().stdout("").stderr("");
}

#[test]
fn a_line_is_written_before_the_next_one_is_needed() {
    let folder = Folder::new(&[("number", "plugins_old_guest")], "");
    let mut running = folder.running(&["number"]);
    for number in 1..10 {
        running.write("line\n");
        assert_eq!(running.line(), format!("{number} line\n"));
    }
}

#[test]
fn a_bad_file_costs_a_line_and_nothing_else() {
    let guests =
        [("mask", "plugins_guest"), ("again", "plugins_guest"), ("number", "plugins_old_guest")];
    let folder = Folder::new(&guests, "");
    folder.write("b-text.wasm", b"oops");
    folder.write("b-empty.wasm", b"");
    folder.write("b-module.wasm", &wat::parse_str("(module)").unwrap());
    folder.write("b-world.wasm", &wat::parse_str("(component)").unwrap());
    let import = r#"(component (import "other:things/there" (instance (export "f" (func)))))"#;
    folder.write("b-import.wasm", &wat::parse_str(import).unwrap());
    let damaged = Tiny::default().bytes();
    folder.write("b-damaged.wasm", &damaged[..damaged.len() - 5]);
    folder.write("b-newer.wasm", &next().1);
    let describing = |describe: &str| Tiny { describe, ..Default::default() }.bytes();
    folder.write("b-loop.wasm", &describing("(loop br 0)"));
    folder.write("b-trap.wasm", &describing("unreachable"));
    folder.write(
        "b-filter.wasm",
        &Tiny { filter: "number", name: "other", ..Default::default() }.bytes(),
    );
    let exports = r#"(core module $n (func (export "finish"))) (core instance $j (instantiate $n))
        (func $finish (canon lift (core func $j "finish")))
        (instance $ending (export "finish" (func $finish)))
        (export "text:plugins/ending@1.1.0" (instance $ending))"#;
    folder.write("b-ending.wasm", &Tiny { exports, ..Default::default() }.bytes());
    folder.write("good.wasm", &Tiny::default().bytes());
    fs::create_dir(folder.path("folder.wasm")).unwrap();
    let started = Instant::now();
    let run = folder.run(&[], "").success();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    let output = run.get_output();
    let listed = String::from_utf8_lossy(&output.stdout);
    let files: Vec<_> = listed.lines().filter(|line| line.contains(".wasm: ")).collect();
    // Of two with one name, and of two filters with one name, the first one has it.
    assert_eq!(
        files,
        ["again.wasm: mask 1.0.0", "b-filter.wasm: other 1.0.0", "good.wasm: tiny 1.0.0"]
    );
    let errors = String::from_utf8_lossy(&output.stderr);
    let expected = [
        ("b-damaged", "it is damaged, or needs a feature that this host leaves out: "),
        ("b-empty", "it is not a component (it is a core module, or not WebAssembly)"),
        (
            "b-ending",
            "it failed: it does not fit the world `plugin` of this host: failed to convert function to given type: type mismatch with parameters",
        ),
        (
            "b-import",
            "it does not fit the world `plugin` of this host: component imports instance `other:things/there`, but a matching implementation was not found in the linker",
        ),
        ("b-loop", "it failed: it took longer than 1s"),
        ("b-module", "it is not a component (it is a core module, or not WebAssembly)"),
        (
            "b-newer",
            "it does not fit the world `plugin` of this host: component imports instance `text:plugins/data@1.2.0`, but a matching implementation was not found in the linker: instance export `[method]table.remove` has the wrong type: function implementation is missing",
        ),
        ("b-text", "it is not a component (it is a core module, or not WebAssembly)"),
        ("b-trap", "it failed: wasm trap: wasm `unreachable` instruction executed"),
        (
            "b-world",
            "it does not fit the world `plugin` of this host: no exported instance named `text:plugins/filters@1.1.0`",
        ),
        ("folder", "it is not a file"),
        ("mask", "its name `mask` is that of again.wasm"),
        ("number", "its filter `number` is one of b-filter.wasm"),
    ];
    assert_eq!(errors.lines().count(), expected.len(), "{errors}");
    for (line, (file, reason)) in errors.lines().zip(expected) {
        let whole = format!("host: {file}.wasm is left out: {reason}");
        assert!(line.starts_with(&whole), "{line}\nis not\n{whole}");
    }
    // And what is good works.
    folder.run(&["tiny"], "a\nb\n").success().stdout("tiny\ntiny\n");
}

#[test]
fn names_are_small_letters_and_nothing_else() {
    let long = "x".repeat(31);
    for bad in ["", "Tiny", "a b", "a/b", "a\n", "\u{1b}[31m", "tïny", &long] {
        for tiny in
            [Tiny { name: bad, ..Default::default() }, Tiny { filter: bad, ..Default::default() }]
        {
            let folder = Folder::new(&[], "");
            folder.write("bad.wasm", &tiny.bytes());
            let run = folder.run(&[], "").success().stdout("");
            let errors = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
            let start = "host: bad.wasm is left out: its name `";
            assert!(errors.starts_with(start) && errors.lines().count() == 1, "{errors}");
            assert!(!errors.contains('\u{1b}'), "{errors:?}");
        }
    }
}

/// A folder with the rude guest, and one that is not.
fn rude(manifest: &str) -> Folder {
    Folder::new(&[("number", "plugins_old_guest"), ("rude", "plugins_rude_guest")], manifest)
}

#[test]
fn a_failure_costs_one_text_and_nothing_else() {
    let failures = [
        ("error", "refuses it: not this one "),
        ("panic", "failed: wasm trap: wasm `unreachable` instruction executed; it printed: "),
        ("loop", "failed: it took longer than 2s"),
        ("sleep", "failed: a plug-in may not wait"),
        ("exit", "failed: Exited with i32 exit status 0"),
        ("memory", "failed: it wants more than 64 MiB of memory"),
        ("recursion", "failed: wasm trap: call stack exhausted"),
        ("handles", "failed: it has more than 100 things open"),
        ("large", "failed: too much data is being copied between the host and the guest: "),
        ("talk", "failed: it logs more than 10 times for one text"),
        ("print", "failed: it took longer than 2s; it printed: nobody reads this nobody"),
        ("fill", "refuses it: the table is full, it may have 102400 bytes"),
    ];
    let folder = rude("[plugins.rude]\nprivate_kib = 100\nseconds = 2\n");
    for (filter, reason) in failures {
        let run = folder.run(&[filter, "number"], "1\nbe nice\n1\nbe nice\n");
        let run = run.code(1).stdout("1 be nice\n2 be nice\n");
        let errors = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        let left: Vec<_> = errors.lines().filter(|line| line.starts_with("host: line ")).collect();
        assert_eq!(left.len(), 2, "{errors}");
        let whole = format!("host: line 1 is left out: rude {reason}");
        assert!(left[0].starts_with(&whole), "{errors}");
        assert!(errors.ends_with(" texts are left out, see above\n"), "{errors}");
        assert!(errors.lines().all(|line| line.len() < 1000), "{errors}");
    }
    let ends = "host: the end of `end` is left out: rude failed: wasm trap: ";
    folder.run(&["end"], "1\n").code(1).stdout("").stderr(starts_with(ends));
}

#[test]
fn what_is_not_granted_is_an_error_and_each_has_its_own_table() {
    let guests = [
        ("mask", "plugins_guest"),
        ("rude", "plugins_rude_guest"),
        ("unseen", "plugins_unseen_guest"),
    ];
    // By default there is nothing, not even a table of its own.
    let folder = Folder::new(&guests, "[tables.people]\nAda = 'the analyst'");
    let run = folder.run(&["mask"], "Ada\n").code(1).stdout("");
    run.stderr(starts_with(
        "host: line 1 is left out: mask refuses it: the table `people` is not granted to mask\n",
    ));
    folder.run(&["unseen"], "Ada\n").code(1).stdout("").stderr(starts_with(
        "host: line 1 is left out: unseen refuses it: no table of its own is granted to unseen\n",
    ));
    let none =
        "the table `people` is not granted to rude; no table of its own is granted to rude\n";
    folder.run(&["peek"], "people\n").success().stdout(none);
    folder.run(&["files"], "/\n").success().stdout("false 0\n");
    let denied = "Err(PermissionDenied) Ok(\"\")\n";
    folder
        .run(&["listen"], "127.0.0.1\nand this is not for it\n")
        .success()
        .stdout(denied.repeat(2));
    // What one has, another one has not: neither the program's table nor a plug-in's own.
    let manifest =
        format!("{PEOPLE}\n[plugins.unseen]\nprivate_kib = 1\n[plugins.rude]\nprivate_kib = 1\n");
    folder.write("plugins.toml", manifest.as_bytes());
    let run = folder.run(&["unseen", "peek"], "people\nunseen\npeople\n").success();
    run.stdout(concat!(
        "the table `people` is not granted to rude; [] Ok(())\n",
        "the table `unseen` is not granted to rude; [\"rude\"] Ok(())\n",
        "the table `(1 more, seen before)` is not granted to rude; [\"rude\"] Ok(())\n",
    ));
    // What is granted is only to read.
    let manifest = PEOPLE.replace("plugins.mask", "plugins.rude");
    folder.write("plugins.toml", manifest.as_bytes());
    folder.run(&["peek"], "people\n").success().stdout(concat!(
        "[\"Ada Lovelace\", \"Grace Hopper\"] Err(\"the table `people` is only to read\"); ",
        "no table of its own is granted to rude\n"
    ));
}

#[test]
fn grants_belong_to_the_file_and_not_to_the_name_that_a_plug_in_gives_itself() {
    let folder = Folder::new(&[("other", "plugins_guest")], PEOPLE); // which calls itself `mask`
    folder.run(&["mask"], "Ada Lovelace\n").code(1).stdout("").stderr(starts_with(
        "host: line 1 is left out: other refuses it: the table `people` is not granted to other\n",
    ));
}

#[test]
fn nothing_is_granted_to_a_plug_in_that_describes_itself() {
    let manifest = "[tables.people]\n[plugins.rude]\nread = ['people']\nprivate_kib = 1";
    let folder = rude(manifest);
    // It tries to open what is granted to it, and its help says how much of that it could.
    let run = folder.run(&[], "").success().stderr("");
    run.stdout(contains("has 0 tables, ").and(contains("has 1 ").or(contains("has 2 ")).not()));
    // For a text it could.
    let opened = "[] Err(\"the table `people` is only to read\"); [] Ok(())\n";
    folder.run(&["peek"], "people\n").success().stdout(opened);
}

#[test]
fn limits_are_those_of_the_manifest() {
    let limits = [
        ("loop", "seconds = 0.5", "failed: it took longer than 500ms\n"),
        ("memory", "memory_mib = 10", "failed: it wants more than 10 MiB of memory\n"),
        ("handles", "handles = 7\nprivate_kib = 1", "failed: it has more than 7 things open\n"),
        (
            "large",
            "output_kib = 10000",
            "failed: too much data is being copied between the host and the guest: ",
        ),
        ("fill", "private_kib = 2", "refuses it: the table is full, it may have 2048 bytes\n"),
    ];
    for (filter, limit, reason) in limits {
        let folder = rude(&format!("[plugins.rude]\n{limit}"));
        let start = format!("host: line 1 is left out: rude {reason}");
        folder.run(&[filter], "1\n").code(1).stdout("").stderr(starts_with(start));
    }
    let folder = rude("[plugins.rude]\nmemory_mib = 2000\noutput_kib = 20_000\nseconds = 30");
    folder.run(&["memory"], "1\n").success().stdout("").stderr("");
    let run = folder.run(&["large"], "1\n").success();
    assert_eq!(run.get_output().stdout.len(), (16 << 20) + 1);
    let folder = rude("[plugins.rude]\nhandles = 3_000\nprivate_kib = 1\nseconds = 30");
    folder.run(&["handles"], "1\n").success().stdout("2000 handles\n");
}

#[test]
fn growth_that_is_not_given_is_not_counted() {
    // It asks for a page beyond its own maximum, 2,000 times for each text.
    let apply = "(local $left i32) (local.set $left (i32.const 2000))
        (loop
            (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
            (local.set $left (i32.sub (local.get $left) (i32.const 1)))
            (br_if 0 (local.get $left)))";
    let folder = Folder::new(&[], "");
    folder.write("tiny.wasm", &Tiny { apply, memory: "2 2", ..Default::default() }.bytes());
    folder.run(&["tiny"], "a\nb\n").success().stdout("tiny\ntiny\n").stderr("");
}

#[test]
fn a_trap_takes_the_memory_and_leaves_the_table() {
    let folder = rude("[plugins.rude]\nprivate_kib = 1");
    let run = folder.run(&["remember", "number"], "a\npanic\nb\n").code(1);
    run.stdout("1 a\n2 a b panic\n");
}

#[test]
fn a_new_file_takes_over_and_a_bad_one_does_not() {
    let guests = [("number", "plugins_old_guest"), ("unseen", "plugins_unseen_guest")];
    let folder = Folder::new(&guests, "[plugins.unseen]\nprivate_kib = 1");
    let mut running = folder.running(&["unseen", "number"]);
    let mut says = |line: &str, then: &str| {
        running.write(&format!("{line}\n"));
        assert_eq!(running.line(), format!("{then}\n"));
    };
    says("a", "1 a");
    says("b", "2 b");
    // The same with another length: it counts from one again.
    let mut bytes = fs::read(folder.path("number.wasm")).unwrap();
    let original = bytes.clone();
    bytes.extend(b"\0\x03\x02hi"); // a section with a name, which means nothing
    folder.write("number.wasm", &bytes);
    says("c", "1 c");
    // It remembers what its forerunner has seen.
    let mut bytes = fs::read(folder.path("unseen.wasm")).unwrap();
    bytes.extend(b"\0\x03\x02hi");
    folder.write("unseen.wasm", &bytes);
    says("a\nd", "2 d");
    folder.write("number.wasm", b"oops");
    says("e", "3 e");
    folder.write("number.wasm", &Tiny::default().bytes());
    says("f", "4 f");
    fs::remove_file(folder.path("number.wasm")).unwrap();
    says("g", "5 g");
    folder.write("number.wasm", &original);
    says("h", "1 h");
    running.stdin = None;
    assert_eq!(running.line(), "2 (1 more, seen before)\n");
    let (status, errors) = running.ends();
    assert!(status.success());
    let lines: Vec<_> = errors.lines().filter(|line| line.starts_with("host: ")).collect();
    assert_eq!(
        lines,
        [
            "host: number.wasm has changed and takes over",
            "host: unseen.wasm has changed and takes over",
            "host: number.wasm stays as it was: it is not a component (it is a core module, or not WebAssembly)",
            "host: number.wasm stays as it was: it no longer has the filter `number`",
            "host: number.wasm stays as it was: it is not a file",
            "host: number.wasm has changed and takes over",
        ]
    );
}

#[test]
fn a_new_manifest_takes_over_and_a_bad_one_does_not() {
    let guests = [("mask", "plugins_guest"), ("unseen", "plugins_unseen_guest")];
    let private = "\n[plugins.unseen]\nprivate_kib = 1\n";
    let folder = Folder::new(&guests, &format!("{PEOPLE}{private}"));
    let mut running = folder.running(&["mask", "unseen"]);
    let mut says = |line: &str, then: &str| {
        running.write(&format!("{line}\n"));
        assert_eq!(running.line(), format!("{then}\n"));
    };
    says("Ada Lovelace 1", "the analyst 1");
    let other = PEOPLE.replace("the analyst", "the countess") + private;
    folder.write("plugins.toml", other.as_bytes());
    says("Ada Lovelace 2", "the countess 2");
    folder.write("plugins.toml", b"[plugins.mask]\nread = ['nothing']");
    says("Ada Lovelace 3", "the countess 3");
    fs::write(folder.path("plugins.toml"), "").unwrap(); // as it is when somebody begins to write it
    says("Ada Lovelace 4", "the countess 4");
    fs::remove_file(folder.path("plugins.toml")).unwrap();
    says("Ada Lovelace 5", "the countess 5");
    folder.write("plugins.toml", private.as_bytes()); // without the table, and without the grant
    running.write("Ada Lovelace 6\n");
    running.stdin = None;
    assert_eq!(running.line(), "");
    let (status, errors) = running.ends();
    assert_eq!(status.code(), Some(1), "{errors}");
    let lines: Vec<_> = errors.lines().filter(|line| line.starts_with("host: ")).collect();
    let toml = folder.path("plugins.toml");
    assert_eq!(
        lines,
        [
            "host: plugins.toml has changed and takes over",
            &format!(
                "host: plugins.toml stays in force as it was: {} grants mask the table `nothing`, and there is none: write [tables.nothing]",
                toml.display()
            ),
            "host: plugins.toml stays in force as it was: it is empty",
            "host: plugins.toml is gone; what it said still holds",
            "host: plugins.toml has changed and takes over",
            "host: line 6 is left out: mask refuses it: the table `people` is not granted to mask",
        ]
    );
}

#[test]
fn what_a_plug_in_chose_commands_no_terminal() {
    let folder = rude("");
    let spelled = "\\u{1b}[31mred\\u{1b}]0;title\\u{7}";
    folder.run(&[], "").success().stdout(
        contains(format!("rude.wasm: rude {spelled}\n"))
            .and(contains(format!(
                "    loop           has 0 tables, commands a terminal {spelled}\n"
            )))
            .and(contains('\u{1b}').not()),
    );
    for (filter, said) in [
        ("commands", format!("rude: info: {spelled}\n")),
        ("error", format!("host: line 1 is left out: rude refuses it: not this one {spelled}\n")),
        ("panic", format!("this text is too much {spelled} note: run with")),
    ] {
        let run = folder.run(&[filter], "1\n").stderr(contains(said));
        run.stderr(contains('\u{1b}').not().and(contains('\u{7}').not()));
    }
    // What is no terminal gets the text as it is.
    let red = "\u{1b}[31mred\u{1b}]0;title\u{7}\n";
    folder.run(&["commands"], "1\n").success().stdout(red);
    // And the name of a file, which may be any.
    folder.write("\u{1b}[31m.wasm", b"oops");
    folder.run(&[], "").success().stderr(starts_with("host: ?[31m.wasm is left out: it is "));
}

#[test]
fn what_is_not_a_line_of_text_is_left_out() {
    let folder = Folder::new(&[("number", "plugins_old_guest")], "");
    let long = "x".repeat(256 << 10);
    let input = [b"a\n\xff\n", long.as_bytes(), b"\n", long.as_bytes(), b"y\nb"].concat();
    let run = folder.run(&["number"], input).code(1).stderr(
        contains("host: line 2 is left out: it is not text in UTF-8\n")
            .and(contains("host: line 4 is left out: it has more than 262144 bytes\n"))
            .and(contains("Error: 2 texts are left out, see above\n")),
    );
    run.stdout(format!("1 a\n2 {long}\n3 b\n"));
    let few = ["--max-line-size", "3", "--", "number"];
    folder.run(&few, "abc\nabcd\nab\n").code(1).stdout("1 abc\n2 ab\n");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = Folder::new(&[("number", "plugins_old_guest")], "");
    let mut running = folder.running(&["number"]);
    running.write("a\n");
    assert_eq!(running.line(), "1 a\n");
    running.stdout = None;
    // A program that another test starts may hold the end of the pipe for a moment.
    let mut stdin = running.stdin.take().unwrap();
    while stdin.write_all(b"b\n").is_ok() {}
    let (_, errors) = running.ends();
    assert_eq!(errors, "number: info: counting from 1\n");
}

#[test]
fn versions_of_the_interface_are_compatible_as_semver_says() {
    // What real plug-ins do: one from 1.0.0, which lacks `ending`, and one from 1.2.0.
    let folder = Folder::new(&[("number", "plugins_old_guest")], "[plugins.last]\nprivate_kib = 1");
    folder.write("last.wasm", &next().0);
    let run = folder.run(&["number", "with-last"], "a\nb\n").success();
    run.stdout("1 a\n2 b, after 1 a\n");
    // And what tiny ones do, of any version.
    let fits = |interface: &str, more: &str| {
        let folder = Folder::new(&[], "");
        folder.write("tiny.wasm", &Tiny { interface, more, ..Default::default() }.bytes());
        let run = folder.run(&["tiny"], "a\n");
        String::from_utf8_lossy(&run.get_output().stderr).into_owned()
    };
    for version in ["1.0.0", "1.1.0", "1.1.7", "1.2.0", "1.99.0"] {
        assert_eq!(fits(&format!("text:plugins/filters@{version}"), ""), "", "{version}");
    }
    let unfit = "host: tiny.wasm is left out: it does not fit the world `plugin` of this host: ";
    for version in ["@0.9.0", "@2.0.0", "@1.1.0-rc.1", ""] {
        let errors = fits(&format!("text:plugins/filters{version}"), "");
        let none = "no exported instance named `text:plugins/filters@1.1.0`\n";
        assert!(errors.starts_with(&format!("{unfit}{none}")), "{version}: {errors}");
    }
    // A field more is another type, in whichever version.
    for version in ["1.1.0", "1.2.0"] {
        let interface = format!("text:plugins/filters@{version}");
        let errors = fits(&interface, r#"(field "author" string)"#);
        let reason = "failed to convert function to given type: type mismatch with results: \
            expected record of 3 fields, found 4 fields\n";
        let whole = unfit.replace("left out: ", "left out: it failed: ") + reason;
        assert!(errors.starts_with(&whole), "{errors}");
    }
}

/// Whether the engine gives what a host has as `offered` to a guest that imports it as `wanted`.
fn resolves(offered: &str, wanted: &str) -> bool {
    let engine = Engine::default();
    let mut linker: Linker<()> = Linker::new(&engine);
    let mut instance = linker.instance(offered).unwrap();
    instance.func_wrap("f", |_, (): ()| Ok(())).unwrap();
    let text = format!(r#"(component (import "{wanted}" (instance (export "f" (func)))))"#);
    let component = Component::new(&engine, wat::parse_str(text).unwrap()).unwrap();
    linker.instantiate_pre(&component).is_ok()
}

#[test]
fn a_version_is_found_by_its_first_number_that_is_not_zero() {
    let compatible = [
        ("1.1.0", "1.0.0", true),
        ("1.1.0", "1.1.5", true),
        ("1.1.0", "1.2.0", true),
        ("1.1.0", "2.0.0", false),
        ("1.1.0", "0.1.0", false),
        ("0.2.0", "0.2.3", true),
        ("0.2.3", "0.2.0", true),
        ("0.2.0", "0.3.0", false),
        ("0.0.1", "0.0.2", false),
        ("1.1.0-rc.1", "1.1.0", false),
        ("1.1.0-rc.1", "1.1.0-rc.1", true),
    ];
    for (offered, wanted, expected) in compatible {
        let resolved = resolves(&format!("a:b/c@{offered}"), &format!("a:b/c@{wanted}"));
        assert_eq!(resolved, expected, "{wanted} from a host that has {offered}");
    }
}

#[test]
fn bad_manifests_say_where() {
    let bad = [
        ("[plugin.mask]", "unknown field `plugin`, expected `tables` or `plugins`"),
        ("[plugins.mask]\nsecond = 1", "unknown field `second`, expected one of `seconds`"),
        ("[plugins.mask]\nseconds = -1", "value is negative"),
        ("[plugins.mask]\nseconds = nan", "cannot convert float seconds to Duration"),
        ("[plugins.mask]\nhandles = -1", "invalid value: integer `-1`"),
        ("[plugins.mask]\nread = 'people'", "expected a sequence"),
        ("[tables.people]\nAda = 1", "expected a string"),
        ("[plugins", "TOML parse error at line 1"),
        ("[plugins.mask]\nread = ['x']", "grants mask the table `x`, and there is none"),
    ];
    for (manifest, reason) in bad {
        let folder = Folder::new(&[], manifest);
        let start = format!("Error: {}", folder.path("plugins.toml").display());
        folder.run(&[], "").code(1).stdout("").stderr(starts_with(start).and(contains(reason)));
    }
    let folder = Folder::new(&[], "");
    folder.write("plugins.toml", b"\xff");
    folder.run(&[], "").code(1).stderr(starts_with("Error: cannot read "));
}

#[test]
fn bad_arguments_say_what_to_do() {
    let folder = Folder::new(&[("number", "plugins_old_guest")], "");
    let none =
        "Error: no plug-in has the filter `nix`: leave all filters away to see which there are\n";
    folder.run(&["number", "nix"], "a\n").code(1).stdout("").stderr(none);
    for path in [folder.path("missing"), folder.path("number.wasm")] {
        let start = format!("Error: cannot list {}: give a folder with plug-ins\n", path.display());
        host("plugins_host").arg(path).assert().code(1).stderr(starts_with(start));
    }
    host("plugins_host")
        .assert()
        .code(2)
        .stderr(contains("Usage: plugins_host <FOLDER> [FILTER]..."));
    folder.run(&["--max-line-size", "-1"], "").code(2);
}

/// A filter in JavaScript that fails in three ways.
const RUDE: &str = "
    export const filters = {
        describe() {
            const filter = (name) => ({ name, help: '' });
            return { name: 'rude', version: '1', filters: ['loop', 'memory', 'error'].map(filter) };
        },
        apply(filter, text) {
            if (text === 'be nice') return text;
            if (filter === 'loop') for (;;);
            const all = [];
            if (filter === 'memory') for (;;) all.push('x'.repeat(1e6) + all.length);
            return text.no.such.thing;
        },
    };
";

#[test]
fn a_plug_in_in_javascript_has_the_same_limits() {
    if !installed("jco", "a plug-in in JavaScript") {
        return;
    }
    let folder = Folder::new(&[], "[plugins.rude]\nseconds = 5");
    fs::write(folder.path("rude.js"), RUDE).unwrap();
    let mut jco = command("jco", &root());
    jco.arg("componentize")
        .arg(folder.path("rude.js"))
        .arg("--wit")
        .arg(root().join("wit/plugins"));
    jco.args(["--world-name", "plugin", "--backend", "qjs", "-o"]).arg(folder.path("rude.wasm"));
    let output = jco.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (filter, reason) in [
        ("loop", "failed: it took longer than 5s\n"),
        ("memory", "failed: it wants more than 64 MiB of memory\n"),
        ("error", "refuses it: cannot read property 'such' of undefined\n"),
    ] {
        let start = format!("host: line 1 is left out: rude {reason}");
        let run = folder.run(&[filter], "1\nbe nice\n").code(1).stdout("be nice\n");
        run.stderr(starts_with(start));
    }
}
