//! What the `optimize` example promises: its sizes, its times, and that each step leaves the guest whole.
//! Notice that the tables are read from the page, and each row is built; the chart is drawn from them.
//! With SNAPSHOTS=overwrite they are written.
//! Run: just test optimize

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_match, starts_with};
use tests::{BadInput, command, guest, guest_with, host, installed, refused, root, target};

const PAGE: &str = "examples/optimize/README.md";
const CHART: &str = "examples/optimize/sizes.svg";

/// Files of one name are built here, and times are taken: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

/// What the guest prints of a thousand orders, the fastest way to see that it still does its work.
const PRINTED: &str = "customer-636 spent 313.38, most on article-31\n";

/// Runs `guest` with `flags` of the host in front of it and `args` behind.
fn run(flags: &[&str], guest: &Path, args: &[&str]) -> Assert {
    host("optimize_host").args(flags).arg(guest).args(args).assert()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// Whether to write what is true instead of complaining.
fn overwrite() -> bool {
    std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite")
}

/// The cells of each row of the table on the page whose first heading is `heading`.
fn table(heading: &str) -> Vec<Vec<String>> {
    let page = read(PAGE);
    let lines = page.lines().skip_while(|line| !line.starts_with(&format!("| {heading} |")));
    let rows = lines.skip(2).take_while(|line| line.starts_with('|'));
    let cells = |line: &str| {
        line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect()
    };
    rows.map(cells).collect()
}

/// Puts the row `new` in the place of `old`, or complains that they differ.
#[track_caller]
fn replace(old: &[String], new: &[String]) {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    if old != new {
        assert!(overwrite(), "{PAGE} says {}; it is {} here: just sizes", line(old), line(new));
        fs::write(root().join(PAGE), read(PAGE).replace(&line(old), &line(new))).unwrap();
    }
}

/// The number in a cell.
fn number(cell: &str) -> u64 {
    cell.parse().unwrap_or(0)
}

/// `actual` bytes, or what is `written` if that is off by so many percent at most.
fn near(percent: u64, written: &str, actual: u64) -> u64 {
    let written = number(written);
    if written.abs_diff(actual) * 100 <= written * percent { written } else { actual }
}

/// Runs a command to its end.
#[track_caller]
fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}\n{errors}");
    output
}

/// The words between the backquotes of a cell.
fn words(cell: &str) -> Vec<String> {
    cell.trim_matches('`').split(' ').map(str::to_owned).collect()
}

/// Runs wasm-opt with the flags that a stripped module of Rust needs.
fn wasm_opt(level: &str, from: &Path, to: &Path) {
    let mut optimizer = command("wasm-opt", &root());
    optimizer.args(FEATURES).arg(level).arg(from).arg("-o").arg(to);
    succeed(&mut optimizer);
}

const FEATURES: [&str; 4] = [
    "--enable-bulk-memory",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-sign-ext",
];

/// Makes the files of the first table, each run once, and hands each row with its file to `row`. Rows
/// of cargo have the settings of those above them; the others work on the file that cargo, or in the
/// last row wasm-opt, made last.
fn steps(dir: &Path, mut row: impl FnMut(&[String], &Path)) {
    let mut settings = Vec::new();
    let (mut built, mut made) = (PathBuf::new(), PathBuf::new());
    for (index, cells) in table("step").iter().enumerate() {
        let file = dir.join(format!("{index}.wasm"));
        let adds = words(&cells[1]);
        let flags: &[&str] = match &*adds[0] {
            "wasm-opt" => {
                if !installed("wasm-opt", &cells[0]) {
                    continue;
                }
                wasm_opt(&adds[1], &built, &file);
                &[]
            }
            "--precompile" => {
                if !installed("wasm-opt", &cells[0]) {
                    continue;
                }
                let output = ["--precompile", file.to_str().unwrap()];
                run(&output, &made, &[]).success().stdout(contains("bytes became"));
                &["--allow-precompiled"]
            }
            _ => {
                settings.push(adds.join(" "));
                let mut cargo = command("cargo", &root());
                // With it, the dev profile splits a crate in more pieces, and CI goes without it.
                cargo.env("CARGO_INCREMENTAL", "0");
                cargo.args(["build", "--target", "wasm32-wasip1", "--package", "optimize_guest"]);
                for setting in &settings[1..] {
                    match setting.starts_with("profile") {
                        true => cargo.args(["--config", setting]),
                        false => cargo.arg(setting),
                    };
                }
                succeed(&mut cargo);
                let profile = if settings.len() == 1 { "debug" } else { "release" };
                let name = Path::new("wasm32-wasip1").join(profile).join("optimize_guest");
                fs::copy(target().join(name).with_extension("wasm"), &file).unwrap();
                built.clone_from(&file);
                &[]
            }
        };
        run(flags, &file, &["1000"]).success().stdout(contains(PRINTED));
        made.clone_from(&file);
        row(cells, &file);
    }
}

#[test]
fn the_sizes_on_the_page_are_true() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let (mut debug, mut release) = (0, 0);
    steps(dir.path(), |cells, file| {
        let actual = fs::metadata(file).unwrap().len();
        // Machine code is that of this machine: another processor of its kind may get other code.
        let percent = if cells[1].contains("--precompile") { 10 } else { 2 };
        let bytes = near(percent, &cells[2], actual);
        debug = if debug == 0 { bytes } else { debug };
        release = if bytes == debug || release > 0 { release } else { bytes };
        let percent = |of: u64| match of {
            0 => String::new(),
            of => format!("{:.1}", bytes as f64 * 100.0 / of as f64),
        };
        let new = [
            cells[0].clone(),
            cells[1].clone(),
            bytes.to_string(),
            percent(debug),
            percent(release),
        ];
        replace(cells, &new);
    });
    drawn();
    // The row `panic` has all settings of the profile.
    let small = guest_with("optimize_guest", "wasm32-wasip1", &["--profile", "small"]);
    let small = fs::metadata(small).unwrap().len();
    let row = table("step").into_iter().find(|row| row[0] == "`panic`").unwrap();
    assert_eq!(near(2, &row[2], small), number(&row[2]), "{row:?}, and the profile small {small}");
}

#[test]
fn this_target_aborts_without_being_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hello.wasm");
    let build = |flags: &[&str]| {
        let mut rustc = command("rustc", &root());
        rustc.args(["--edition", "2024", "--target", "wasm32-wasip1"]).args(flags).arg("-o");
        succeed(rustc.arg(&file).arg("examples/optimize/hello.rs"));
        fs::read(&file).unwrap()
    };
    assert!(build(&[]) == build(&["-C", "panic=abort"]), "panic=abort makes another file");
}

#[test]
fn the_sizes_of_the_smallest_std_program_are_true() {
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("hello.wasm");
    for cells in table("hello") {
        let adds = words(&cells[1]);
        if adds[0] == "wasm-opt" {
            if !installed("wasm-opt", "the size of hello") {
                continue;
            }
            let from = file.with_file_name("before.wasm");
            fs::rename(&file, &from).unwrap();
            wasm_opt(&adds[1], &from, &file);
        } else {
            let mut rustc = command("rustc", &root());
            rustc.args(["--edition", "2024", "--target", "wasm32-wasip1"]).arg("-o").arg(&file);
            rustc.args(adds.iter().skip(1)).arg("examples/optimize/hello.rs");
            succeed(&mut rustc);
        }
        run(&[], &file, &[]).success().stdout(starts_with("hello\n"));
        let bytes = near(2, &cells[2], fs::metadata(&file).unwrap().len());
        replace(&cells, &[cells[0].clone(), cells[1].clone(), bytes.to_string()]);
    }
    let last = table("hello").pop().unwrap();
    assert!(number(&last[2]) <= 35_400, "{last:?}");
}

/// A chart of the first table: the steps from release on, without the file that is no WebAssembly.
fn chart() -> String {
    let rows = table("step").into_iter().skip(1).rev();
    let bars = rows.filter(|row| !row[1].contains("--precompile"));
    let bars = bars.map(|row| (number(&row[2]) as f64 / 1000.0, row[0].replace('`', "")));
    poloto::build::bar::gen_simple("", bars, [0.0])
        .label(("The guest, step by step", "KB", ""))
        .append_to(poloto::header().light_theme())
        .render_string()
        .unwrap()
        + "\n"
}

/// Checks that the chart beside the page is drawn from the table.
#[track_caller]
fn drawn() {
    if overwrite() {
        fs::write(root().join(CHART), chart()).unwrap();
    }
    assert!(read(CHART) == chart(), "{CHART} is not drawn from the table: just sizes");
    assert!(read(PAGE).contains("](sizes.svg)"), "{PAGE} does not show the chart");
}

/// How long the host needed to load `guest` and to run it, in milliseconds.
fn times(flags: &[&str], guest: &Path) -> [f64; 2] {
    let ended = run(flags, guest, &["100000"]).success();
    let text = String::from_utf8(ended.get_output().stdout.clone()).unwrap();
    let times = text.lines().last().unwrap().split("loaded in ").nth(1).unwrap();
    let (loaded, ran) = times.split_once(" ms, ran ").unwrap();
    [loaded, ran.split(" ms").next().unwrap()].map(|time| time.parse().unwrap())
}

#[test]
fn a_debug_guest_is_twice_the_machine_code_and_takes_twice_as_long_to_run() {
    let _alone = ALONE.lock();
    let debug = guest("optimize_guest", "wasm32-wasip1");
    let small = guest_with("optimize_guest", "wasm32-wasip1", &["--profile", "small"]);
    let dir = tempfile::tempdir().unwrap();
    let precompiled = |name: &str, guest: &Path| {
        let to = dir.path().join(name);
        run(&["--precompile", to.to_str().unwrap()], guest, &[])
            .success()
            .stdout(is_match(r"^host: \d+ bytes became \d+ in").unwrap());
        let bytes = fs::metadata(&to).unwrap().len();
        (to, bytes)
    };
    let (_, debug_bytes) = precompiled("debug.cwasm", &debug);
    let (compiled, small_bytes) = precompiled("small.cwasm", &small);
    assert!(debug_bytes > 2 * small_bytes, "{debug_bytes}, {small_bytes}");
    // The least of some runs, in turn: a machine that is busy for a while is so for all of them.
    let mut least = [[f64::INFINITY; 2]; 3];
    for _ in 0..5 {
        let runs =
            [times(&[], &debug), times(&[], &small), times(&["--allow-precompiled"], &compiled)];
        for (least, run) in least.as_flattened_mut().iter_mut().zip(runs.as_flattened()) {
            *least = least.min(*run);
        }
    }
    let [debug, small, precompiled] = least;
    assert!(debug[0] > small[0] && debug[1] > 2.0 * small[1], "{debug:?}, {small:?}");
    assert!(small[0] > 10.0 * precompiled[0], "{small:?}, precompiled {precompiled:?}");
}

#[test]
fn wasm_opt_refuses_stripped_modules_without_flags_and_components_always() {
    if !installed("wasm-opt", "what wasm-opt refuses") {
        return;
    }
    let _alone = ALONE.lock();
    let dir = tempfile::tempdir().unwrap();
    let build = |target: &str, strip: &str| {
        let file = dir.path().join(format!("{target}-{strip}.wasm"));
        let mut rustc = command("rustc", &root());
        rustc.args(["--edition", "2024", "--target", target, "-C"]).arg(format!("strip={strip}"));
        succeed(rustc.args(["-C", "opt-level=z", "examples/optimize/hello.rs", "-o"]).arg(&file));
        file
    };
    let optimize = |flags: &[&str], file: &Path| {
        let mut optimizer = command("wasm-opt", &root());
        optimizer.args(flags).arg("-Oz").arg(file).arg("-o").arg(dir.path().join("out.wasm"));
        assert_cmd::Command::from(optimizer).assert()
    };
    let stripped = build("wasm32-wasip1", "symbols");
    let refused = optimize(&[], &stripped).failure();
    refused.stderr(contains("bulk memory").and(contains("Fatal: error validating input")));
    optimize(&FEATURES, &stripped).success();
    for flag in ["--enable-bulk-memory", "--enable-sign-ext"] {
        let others: Vec<_> = FEATURES.into_iter().filter(|other| *other != flag).collect();
        optimize(&others, &stripped).failure();
    }
    // The section that names the features is there, and is all that the other flags stand for.
    let kept = build("wasm32-wasip1", "debuginfo");
    optimize(&[], &kept).success();
    let has = |file: &Path, name: &[u8]| {
        fs::read(file).unwrap().windows(name.len()).any(|bytes| bytes == name)
    };
    assert!(has(&kept, b"target_features") && !has(&stripped, b"target_features"));
    let component = build("wasm32-wasip2", "debuginfo");
    optimize(&FEATURES, &component).failure().stderr(contains("Fatal: error parsing wasm"));
}

#[test]
fn the_guest_takes_one_number() {
    let small = guest_with("optimize_guest", "wasm32-wasip1", &["--profile", "small"]);
    for args in [&[][..], &["many"], &["-1"], &["10", "10"]] {
        let ended = run(&[], &small, args).code(2);
        ended.stderr("give the number of orders, such as 20000\n");
    }
    run(&[], &small, &["0"]).success().stdout(starts_with("host: "));
}

#[test]
fn each_kind_of_file_is_taken_only_where_it_is_asked_for() {
    let bad = BadInput::new();
    let reject = |flags: &[&str], path: &Path, first: &str, cause: &str| {
        refused(run(flags, path, &[]).stdout(""), path, first, cause);
    };
    let wasm = bad.module("command.wasm", r#"(module (func (export "_start")))"#);
    let compiled = bad.missing().with_extension("cwasm");
    let output = ["--precompile", compiled.to_str().unwrap()];
    let precompiled = ["--allow-precompiled"];
    run(&output, &wasm, &[]).success();
    run(&precompiled, &compiled, &[]).success().stdout(starts_with("host: ").and(contains("ran")));

    let component = bad.module("component.wasm", "(component)");
    let first = "{} is not a core module (it is a component, or not WebAssembly): build the guest";
    for path in [&bad.text(), &bad.empty(), &component] {
        reject(&[], path, first, " with --target wasm32-wasip1\n");
        reject(&output, path, first, " with --target wasm32-wasip1\n");
    }
    for flags in [&[][..], &output] {
        reject(flags, &compiled, "{} is precompiled: give --allow-precompiled", "comes from you\n");
    }
    let first = "{} is not a precompiled core module: leave --allow-precompiled out";
    for path in [&bad.text(), &bad.empty(), &component, &wasm] {
        reject(&precompiled, path, first, ", or precompile it first\n");
    }
    for flags in [&[][..], &output, &precompiled] {
        reject(flags, &bad.missing(), "cannot read {}: check the path", "os error 2");
    }
    // What wasmtime does look at. Its version stands near the beginning, after its length.
    let mut code = fs::read(&compiled).unwrap();
    let version = code.windows(3).position(|bytes| bytes == b"\x0248").unwrap();
    code[version + 2] = b'7';
    fs::write(&compiled, &code).unwrap();
    let first = "cannot load {}: it was compiled by another wasmtime";
    reject(&precompiled, &compiled, first, "compiled with incompatible version '47'");
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let output = bad.missing().with_extension("cwasm");
    let output = ["--precompile", output.to_str().unwrap()];
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(run(&[], path, &[]).stdout(""), path, first, cause);
    };
    let import = r#"(module (import "env" "abort" (func)) (func (export "_start")))"#;
    let path = bad.module("imports.wasm", import);
    reject(&path, "cannot link {}", "unknown import: `env::abort` has not been defined");
    let path = bad.module("library.wasm", r#"(module (func (export "greet")))"#);
    let library = "{} is not a command, it exports no `_start`: build a program";
    reject(&path, library, ", not a library\n");
    refused(run(&output, &path, &[]), &path, library, ", not a library\n");
    let damaged = "cannot compile {}: it is damaged, or needs a feature";
    reject(&bad.damaged(), damaged, "unexpected end");
    let shared = bad.module("shared.wasm", r#"(module (memory 1 1 shared))"#);
    reject(&shared, damaged, "threads must be enabled for shared memories");
    assert!(!Path::new(output[1]).exists());
}

#[test]
fn a_trap_ends_with_134_and_a_status_passes() {
    let bad = BadInput::new();
    for (name, wat) in [
        ("trap.wasm", r#"(module (func (export "_start") unreachable))"#),
        ("start.wasm", r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#),
    ] {
        let path = bad.module(name, wat);
        let first = format!("Error: {} failed while it ran", path.display());
        let trap = contains("wasm trap: wasm `unreachable` instruction executed");
        run(&[], &path, &[]).code(134).stderr(starts_with(first).and(trap));
    }
    let exit = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 7))))"#;
    run(&[], &bad.module("exit.wasm", exit), &[]).code(7).stderr("");
}

#[test]
fn a_mistake_on_the_command_line_is_named() {
    let bad = BadInput::new();
    let guest = bad.module("command.wasm", r#"(module (func (export "_start")))"#);
    host("optimize_host").assert().code(2).stderr(contains("<GUEST.wasm>"));
    run(&["--nope"], &guest, &[]).code(2).stderr(contains("--nope"));
    let both = ["--precompile", "unused.cwasm", "--allow-precompiled"];
    run(&both, &guest, &[]).code(2).stderr(contains("cannot be used with"));
    let ended = run(&["--precompile", "no/such/folder/guest.cwasm"], &guest, &[]).code(1);
    ended.stderr(starts_with("Error: cannot write no/such/folder/guest.cwasm: check the path"));
    let ended = run(&["--precompile", "unused.cwasm"], &guest, &["10"]).code(1);
    ended.stderr("Error: --precompile runs nothing: give the arguments when you run it\n");
    assert!(!root().join("unused.cwasm").exists());
}

#[test]
fn the_profiles_of_a_member_are_ignored_and_cargo_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let member = dir.path().join("member");
    fs::create_dir_all(member.join("src")).unwrap();
    fs::write(member.join("src/main.rs"), "fn main() {}").unwrap();
    fs::write(dir.path().join("Cargo.toml"), "[workspace]\nmembers = [\"member\"]\n").unwrap();
    let manifest = "[package]\nname = \"member\"\n[profile.release]\nlto = true\n";
    fs::write(member.join("Cargo.toml"), manifest).unwrap();
    let output = succeed(command("cargo", dir.path()).args(["build", "--offline"]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("warning: profiles for the non root package will be ignored"), "{said}");
}
