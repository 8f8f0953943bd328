//! What the `tokio` example promises, seen from outside.
//! Run: just test tokio

use std::env;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, starts_with};
use tests::{BadInput, command, guest, guest_with, host, program, refused, root};

const PREVIEW_1: &str = "wasm32-wasip1";
const WASI_0_2: &str = "wasm32-wasip2";

/// The two servers, on tokio and on wstd.
fn servers() -> [PathBuf; 2] {
    let config = ["--config", "guests/tokio/.cargo/config.toml"];
    [guest_with("tokio_guest", WASI_0_2, &config), guest("tokio_wstd_guest", WASI_0_2)]
}

/// Runs `guest` with a client for each of `requests`.
fn run(guest: &Path, requests: &[&str]) -> Assert {
    host("tokio_host").arg(guest).args(requests).assert()
}

/// Runs a guest for preview 1 as `cargo run` does.
fn run_guest(guest: &Path) -> Output {
    let guest = guest.to_str().unwrap();
    command("sh", &root()).args([".cargo/run-guest", guest]).output().unwrap()
}

#[test]
fn timers_and_channels_work_in_preview_1() {
    let output = run_guest(&guest("tokio_timers_guest", PREVIEW_1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}");
    let ready = "toast: ready\neggs: ready\ntea: ready\n";
    assert_eq!(text, format!("{ready}never: deadline has elapsed\ntick 1\ntick 2\ntick 3\n"));
}

#[test]
fn clients_are_served_at_the_same_time_and_each_gets_its_own() {
    for server in servers() {
        let requests: Vec<_> = (0..50).map(|number| format!("200 dish {number}")).collect();
        let requests: Vec<_> = requests.iter().map(String::as_str).collect();
        run(&server, &["1 warm"]).success(); // compiled and kept, the guest starts at once below
        let start = Instant::now();
        let output = run(&server, &requests).success();
        let took = start.elapsed();
        let text = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        let mut expected: Vec<_> =
            (0..50).map(|number| format!("host: the guest answered \"dish {number}\"")).collect();
        expected.sort();
        assert_eq!(lines, expected);
        assert!(took < Duration::from_secs(8), "one after the other takes 10 s: {took:?}");
    }
}

#[test]
fn answers_come_when_they_are_due() {
    for server in servers() {
        let output = run(&server, &["600 tea", "300 eggs", "1 toast\n1 more"]).success();
        output.stderr("").stdout(
            "host: the guest answered \"toast\\nmore\"\nhost: the guest answered \"eggs\"\n\
             host: the guest answered \"tea\"\n",
        );
    }
}

#[test]
fn a_client_that_sends_nonsense_disturbs_no_other() {
    let long = format!("1 {}", "x".repeat(1024));
    for server in servers() {
        for nonsense in ["", "tea", "soon tea", "-1 tea", &long] {
            let output = run(&server, &[nonsense, "300 eggs"]).code(1);
            let says = contains("guest: client ").and(contains("the guest did not answer"));
            output.stdout("host: the guest answered \"eggs\"\n").stderr(says);
        }
    }
}

#[test]
fn without_requests_a_guest_is_told_nothing() {
    for server in servers() {
        let says = contains("two arguments are needed: an address, and how many clients to serve");
        run(&server, &[]).code(1).stdout("").stderr(says);
    }
}

#[test]
fn accept_of_tokio_fails_after_it_took_the_client() {
    let config = ["--config", "guests/tokio/.cargo/config.toml", "--example", "accept"];
    let accept = guest_with("tokio_guest", WASI_0_2, &config);
    let says = "Error: cannot accept\n\nCaused by:\n    Invalid argument (os error 28)\n";
    run(&accept, &["1 tea"]).code(1).stdout("").stderr(says);
}

#[test]
fn nothing_but_loopback_can_be_reached() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"use std::net::{TcpListener, TcpStream, UdpSocket};
    fn main() {
        println!("{}", TcpStream::connect("192.0.2.1:80").unwrap_err().kind());
        println!("{}", TcpListener::bind("0.0.0.0:0").unwrap_err().kind());
        println!("{}", TcpListener::bind("192.0.2.1:0").unwrap_err().kind());
        println!("{}", UdpSocket::bind("127.0.0.1:0").unwrap_err().kind());
        println!("{}", std::env::vars().count());
        println!("{}", std::fs::read_dir(".").is_err());
    }"#;
    let file = program(dir.path(), source, WASI_0_2);
    let denied = "permission denied\n".repeat(4);
    run(&file, &[]).success().stdout(format!("{denied}0\ntrue\n"));
}

#[test]
fn a_guest_that_waits_computes_or_lies_does_not_hold_up_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let run = |main: &str, requests: &[&str]| {
        let source = format!("fn main() {{ {main} }}");
        let file = program(dir.path(), &source, WASI_0_2);
        let mut host = host("tokio_host");
        (host.args(["--timeout", "1"]).arg(&file).args(requests).assert(), file)
    };
    let listen = r#"use std::io::*; let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap();"#;
    for main in [
        "loop { std::hint::spin_loop() }".to_owned(),
        "std::thread::sleep(std::time::Duration::from_secs(1000))".to_owned(),
        format!("{listen} let _c = l.accept().unwrap(); l.accept().unwrap();"),
    ] {
        let (output, file) = run(&main, &["a request"]);
        refused(output, &file, "{} did not end within 1 s", " did not end within 1 s\n");
    }
    let cases = [
        (String::new(), "the guest did not listen"),
        (format!("{listen} l.accept().unwrap();"), "the guest did not answer \"a request\""),
        (
            format!(
                "{listen} let mut c = l.accept().unwrap().0; \
                 let mut b = [0; 10]; c.read_exact(&mut b).unwrap(); c.write_all(&[7; 4000]).unwrap();"
            ),
            "the guest did not answer \"a request\"",
        ),
    ];
    for (main, first) in cases {
        let (output, _) = run(&main, &["a request"]);
        output.code(1).stdout("").stderr(starts_with(format!("Error: {first}")));
    }
    let (output, _) = run(&format!("{listen} l.accept().unwrap(); panic!()"), &["a request"]);
    output.code(134).stderr(contains("failed while it ran"));
    let (output, _) = run("std::process::exit(7)", &["a request"]);
    output.code(1).stderr(""); // WASI 0.2 passes no more than that it failed
}

#[test]
fn bad_input_is_explained() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(run(path, &["1 tea"]).stdout(is_empty()), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let first = "{} is not a component (it is a core module, or not WebAssembly): build the guest";
    for path in [bad.text(), bad.empty(), bad.damaged(), bad.module("core.wasm", "(module)")] {
        reject(&path, first, " with --target wasm32-wasip2\n");
    }
    let library = bad.module("library.wasm", "(component)");
    reject(&library, "{} is not a command, it exports no `wasi:cli/run`", "not a library\n");
    let shared = bad.module("shared.wasm", "(component (core module (memory 1 1 shared)))");
    let cause = "threads must be enabled for shared memories";
    reject(&shared, "cannot compile {}: it is damaged, or needs a feature", cause);
    host("tokio_host").args(["--timeout", "soon", "x"]).assert().code(2).stderr(contains("soon"));
}

/// The features of tokio that it has on every wasm target, and those it has not.
const FEATURES: [(&str, bool); 10] = [
    ("sync", true),
    ("macros", true),
    ("io-util", true),
    ("rt", true),
    ("time", true),
    ("net", false),
    ("fs", false),
    ("signal", false),
    ("process", false),
    ("rt-multi-thread", false),
];

/// What came of the program for each feature, built for `target` with or without the flag. It prints
/// `runs` if all goes well. Anything else is given as one line of the compiler or the program.
fn outcomes(target: &str, flag: bool) -> Vec<String> {
    let rest: Vec<_> = FEATURES.iter().filter(|(_, always)| !always).map(|(f, _)| *f).collect();
    let build = |arguments: &[&str]| {
        let mut cargo = command("cargo", &root());
        cargo.args(["build", "--package", "tokio_timers_guest", "--target", target, "--examples"]);
        cargo.args(["--keep-going", "--message-format", "short"]).args(arguments);
        String::from_utf8(cargo.output().unwrap().stderr).unwrap()
    };
    for feature in &rest {
        // What an earlier build left must not be taken for this one's.
        let old = root().join(format!("target/{target}/debug/examples/{feature}.wasm"));
        let _ = fs::remove_file(old);
    }
    let with_rest = rest.join(",");
    let config = format!(r#"target.{target}.rustflags = ["--cfg", "tokio_unstable"]"#);
    let messages = match flag {
        true => build(&["--config", &config, "--features", &with_rest]),
        // Asked for together: with one of them tokio does not compile, and so no program does.
        false => build(&["--features", &with_rest]) + &build(&[]),
    };
    // `…/examples/net.rs:9:33: error[E0599]: no … in the current scope: …`, or with tokio's lib.rs
    let error = |file: &str| {
        let line = messages.lines().find(|line| line.contains(file) && line.contains(" error"))?;
        let error = &line[line.find(" error")? + 1..];
        let end = [" in the current scope", ": could not find"].iter().find_map(|e| error.find(e));
        Some(error[..end.unwrap_or(error.len())].to_owned())
    };
    let outcome = |(feature, always): (&str, bool)| {
        let of_tokio = (!flag && !always).then(|| error("/src/lib.rs"));
        if let Some(error) = of_tokio.unwrap_or_else(|| error(&format!("examples/{feature}.rs"))) {
            return error;
        }
        let file = root().join(format!("target/{target}/debug/examples/{feature}.wasm"));
        let output = match target {
            WASI_0_2 => host("tokio_host").arg(file).output().unwrap(),
            _ => run_guest(&file),
        };
        if output.status.success() {
            return String::from_utf8(output.stdout).unwrap().trim_end().to_owned();
        }
        // `thread 'main' panicked at PLACE:`, and in the next line why.
        let errors = String::from_utf8(output.stderr).unwrap();
        let mut lines = errors.lines().skip_while(|line| !line.contains("panicked at"));
        lines.nth(1).unwrap_or_else(|| panic!("{feature}, {target}: {messages}{errors}")).to_owned()
    };
    FEATURES.into_iter().map(outcome).collect()
}

#[test]
fn the_table_of_features_is_true() {
    let columns = [(PREVIEW_1, false), (WASI_0_2, false), (PREVIEW_1, true), (WASI_0_2, true)]
        .map(|(target, flag)| outcomes(target, flag));
    let mut texts: Vec<&str> = Vec::new();
    let mut table = String::from(
        "| feature | `wasm32-wasip1` | `wasm32-wasip2` | `wasm32-wasip1`, with the flag | `wasm32-wasip2`, with the flag |\n\
         |---|---|---|---|---|\n",
    );
    for (row, (feature, _)) in FEATURES.iter().enumerate() {
        write!(table, "| `{feature}` |").unwrap();
        for column in &columns {
            let outcome = &*column[row];
            if outcome == "runs" {
                table += " runs |";
                continue;
            }
            let at = texts.iter().position(|text| *text == outcome).unwrap_or_else(|| {
                texts.push(outcome);
                texts.len() - 1
            });
            let kind = if outcome.starts_with("error") { "does not compile" } else { "panics" };
            write!(table, " {kind} ({}) |", at + 1).unwrap();
        }
        table += "\n";
    }
    table += "\n| | what the compiler or the program says |\n|---|---|\n";
    for (number, text) in texts.iter().enumerate() {
        // A text with backquotes in it stands between two of them.
        writeln!(table, "| ({}) | `` {text} `` |", number + 1).unwrap();
    }

    let file = root().join("examples/tokio/README.md");
    let page = fs::read_to_string(&file).unwrap();
    let (before, rest) = page.split_once("<!-- features -->\n").unwrap();
    let (shown, after) = rest.split_once("<!-- end -->").unwrap();
    if shown != table && env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        let page = format!("{before}<!-- features -->\n{table}<!-- end -->{after}");
        fs::write(file, page).unwrap();
        panic!("the table was rewritten, run this again");
    }
    assert_eq!(shown, table, "SNAPSHOTS=overwrite just test tokio writes the table anew");
}
