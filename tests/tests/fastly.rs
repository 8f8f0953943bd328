//! What the `fastly` example promises, seen from outside.
//! Run: just test fastly

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest_with, host, in_time, refused, root};

const CONFIG: &str = "examples/fastly/fastly.toml";

/// How long a host may take here before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

fn program() -> PathBuf {
    small("fastly_guest", "wasm32-wasip1")
}

fn rude() -> PathBuf {
    small("fastly_rude_guest", "wasm32-wasip1")
}

fn component() -> PathBuf {
    small("fastly_http_guest", "wasm32-wasip2")
}

/// A guest built for size, as on the page: Viceroy compiles it anew at each start.
fn small(package: &str, target: &str) -> PathBuf {
    guest_with(package, target, &["--profile", "small"])
}

/// What a host prints of the answers to `requests`, with `flags` before them.
fn answers(package: &str, flags: &[&str], requests: &[&str], guest: &Path) -> String {
    let mut host = host(package);
    host.args(flags).args(requests.iter().flat_map(|request| ["--request", request])).arg(guest);
    let output = host.timeout(LIMIT).assert().success();
    String::from_utf8(output.get_output().stdout.clone()).unwrap()
}

/// The same in Viceroy, with all that the configuration has.
fn in_viceroy(requests: &[&str], guest: &Path) -> String {
    answers("fastly_host", &["-C", CONFIG, "--loopback", "warehouse"], requests, guest)
}

#[test]
fn both_shops_give_the_same_answers() {
    let long = format!("POST /total {{\"prices\": [{}1]}}", "4294967295,".repeat(10_000));
    let requests = [
        "GET /",
        "GET /?a=b",
        "GET /nowhere",
        "POST /",
        "HEAD /",
        "POST /total {\"prices\": []}",
        "POST /total {\"prices\": [-1]}",
        "POST /total",
        "GET /total",
        "GET /stock",
        "GET /shelf",
        &long,
    ];
    let ours = in_viceroy(&requests, &program());
    let flags = ["--env", "greeting=good day from the edge", "--allow", "127.0.0.1:*"];
    assert_eq!(ours, answers("http_host", &flags, &requests, &component()));
    for part in [
        "GET /: 200\ngood day from the edge\n",
        "GET /nowhere: 404\nthere is nothing here\n",
        "GET /total: 405\nthis takes POST\n",
        "{\"count\":0,\"total\":0}\n",
        ": 400\nnot a list of prices: ",
        "GET /stock: 200\nin stock: 3 lamps\n",
        "{\"count\":10001,\"total\":42949672950001}\n",
    ] {
        assert!(ours.contains(part), "{part} is not in {ours}");
    }
}

#[test]
fn what_both_shops_answer_is_the_same_file() {
    let of = |guest: &str| fs::read(root().join(guest)).unwrap();
    assert!(
        of("guests/fastly/src/shop.rs") == of("guests/fastly_http/src/shop.rs"),
        "make shop.rs the same in both guests"
    );
}

#[test]
fn what_the_platform_has_comes_from_the_configuration() {
    let requests = ["GET /", "GET /stock", "GET /place"];
    let there = in_viceroy(&requests, &program());
    assert!(
        there.contains("in stock: 3 lamps") && there.contains("we deliver to Bergen"),
        "{there}"
    );
    // Without it there are no stores and no backends. Viceroy has a place for its own machine.
    let bare = answers("fastly_host", &[], &requests, &program());
    assert!(bare.starts_with("GET /: 200\nhello\nGET /stock: 502\n"), "{bare}");
    assert!(bare.ends_with("GET /place: 200\nwe deliver to San Francisco\n"), "{bare}");
    // The component gets what its host grants, and no place.
    let bare = answers("http_host", &[], &requests, &component());
    assert!(bare.starts_with("GET /: 200\nhello\nGET /stock: 502\n"), "{bare}");
    assert!(bare.contains("HttpRequestDenied") && bare.contains("GET /place: 501\n"), "{bare}");
}

#[test]
fn a_configuration_that_is_none_is_refused() {
    let bad = BadInput::new();
    for (path, cause) in [(bad.missing(), "No such file"), (bad.text(), "TOML parse error")] {
        let run = host("fastly_host").arg("--config").arg(&path).arg(program()).assert();
        refused(run.stdout(""), &path, "cannot use {}", cause);
    }
}

/// A host while it serves; killed when it is dropped.
struct Server {
    process: Child,
    at: SocketAddr,
}

impl Server {
    fn start(guest: &Path) -> Self {
        let mut process = Command::new(host("fastly_host").get_program())
            .arg(guest)
            .current_dir(root())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = BufReader::new(process.stderr.take().unwrap());
        let first = in_time(move || {
            let mut first = String::new();
            errors.read_line(&mut first).unwrap();
            // Reads on, so that the host can write on.
            std::thread::spawn(move || std::io::copy(&mut errors, &mut std::io::sink()));
            first
        });
        let at = first.strip_prefix("listening on http://").and_then(|at| at.strip_suffix("/\n"));
        Self { process, at: at.unwrap_or_else(|| panic!("{first}")).parse().unwrap() }
    }

    fn send(&self, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.at).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        stream
    }

    fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.send(path).read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn it_serves_until_it_is_ended_and_each_request_has_an_instance() {
    let server = Server::start(&rude());
    for _ in 0..2 {
        assert!(server.get("/").ends_with("so far so good\n"));
        let broken = server.get("/panic");
        assert!(broken.starts_with("HTTP/1.1 500 "), "{broken}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn nobody_ends_a_program_that_computes_for_ever() {
    let server = Server::start(&rude());
    // Clock ticks that the process has computed, of which there are a hundred in a second.
    let computed = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", server.process.id())).unwrap();
        let fields: Vec<_> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let busy = server.send("/loop");
    assert!(server.get("/").ends_with("so far so good\n")); // others have their turn meanwhile
    drop(busy);
    let (start, before) = (Instant::now(), computed());
    while computed() < before + 200 {
        assert!(start.elapsed() < LIMIT, "it does not compute any more");
        std::thread::yield_now();
    }
}

#[test]
fn a_program_that_misbehaves_costs_a_request() {
    let mut run = host("fastly_host");
    for path in ["/loop", "/memory", "/panic", "/error", "/"] {
        run.args(["--request", &format!("GET {path}")]);
    }
    let start = Instant::now();
    let run = run.args(["--timeout", "1"]).arg(rude()).timeout(LIMIT).assert().code(1);
    assert!(start.elapsed() < LIMIT, "the host waits for what computes for ever");
    let run = run.stdout(
        contains("GET /loop: no answer within 1s\nGET /memory: 500\n")
            .and(contains("GET /panic: 500\n"))
            .and(contains("GET /error: 500\n"))
            .and(contains("GET /: 200\nso far so good\n")),
    );
    run.stderr(contains("Error: 1 of 5 requests got no answer\n"));
}

#[test]
fn memory_ends_at_128_mebibytes() {
    // How many pages of 64 KiB a program gets beside its first, it says in a status.
    let pages = |first: u32, more: u32| {
        let bad = BadInput::new();
        let path = bad.module(
            "memory.wasm",
            &format!(
                r#"(module
                (import "fastly_http_resp" "new" (func $new (param i32) (result i32)))
                (import "fastly_http_resp" "status_set" (func $status (param i32 i32) (result i32)))
                (import "fastly_http_resp" "send_downstream"
                    (func $send (param i32 i32 i32) (result i32)))
                (import "fastly_http_body" "new" (func $body (param i32) (result i32)))
                (memory (export "memory") {first})
                (func (export "_start") (local $got i32)
                    (local.set $got (i32.ne (memory.grow (i32.const {more})) (i32.const -1)))
                    (drop (call $new (i32.const 0)))
                    (drop (call $body (i32.const 4)))
                    (drop (call $status (i32.load (i32.const 0)) (i32.add (i32.const 200) (local.get $got))))
                    (drop (call $send (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 0)))))"#
            ),
        );
        answers("fastly_host", &[], &["GET /"], &path)
    };
    assert_eq!(pages(1, 2047), "GET /: 201\n");
    assert_eq!(pages(1, 2048), "GET /: 200\n");
}

#[test]
fn a_program_that_cannot_start_costs_a_connection() {
    let bad = BadInput::new();
    for (name, text, cause) in [
        ("library.wasm", "(module)", "`_start`"),
        ("start.wasm", r#"(module (func $f unreachable) (start $f) (func (export "_start")))"#, ""),
        ("memory.wasm", r#"(module (memory 3000) (func (export "_start")))"#, ""),
    ] {
        let path = bad.module(name, text);
        let mut run = host("fastly_host");
        let run = run.args(["--request", "GET /"]).arg(path).timeout(LIMIT).assert().code(1);
        let told = "host: Viceroy gave up on a request: failed to run guest: ";
        let last = "Error: 1 of 1 requests got no answer\n";
        run.stdout(contains("GET /: no answer: "))
            .stderr(contains(told).and(contains(cause)).and(contains(last)));
    }
}

#[test]
fn a_program_goes_where_it_likes() {
    let text = answers("fastly_host", &[], &["GET /roam"], &rude());
    assert_eq!(text, "GET /roam: 200\nso far so good\n");
}

#[test]
fn a_program_finds_variables_of_the_platform_and_no_files() {
    let mut run = host("fastly_host");
    run.env("SECRET", "of the host").args(["--request", "GET /look"]).arg(rude());
    let run = run.timeout(LIMIT).assert().success();
    let text = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    assert!(text.ends_with("\nfiles: [false, false, false]\n"), "{text}");
    let variables = text.lines().find_map(|line| line.strip_prefix("variables: ")).unwrap();
    assert!(variables.split(' ').all(|name| name.starts_with("FASTLY_")), "{text}");
    assert_eq!(variables.split(' ').count(), 9, "{text}");
}

#[test]
fn of_a_long_answer_the_beginning_is_printed_and_commands_no_terminal() {
    let text = answers("fastly_host", &[], &["GET /long"], &rude());
    assert!(text.starts_with("GET /long: 200\nso far so good\\u{1b}[2J\n"), "{text:?}");
    assert!(text.ends_with("\n(and so on, 1900000 bytes)\n"), "{text:?}");
    assert!(text.len() < 2000, "{text:?}");
}

#[test]
fn other_hosts_do_not_have_the_platform() {
    let run = host("runner_host").arg(program()).assert().code(1).stdout("");
    run.stderr(contains("unknown import: `fastly_"));
    let run = host("http_host").args(["--request", "GET /"]).arg(program()).assert().code(1);
    run.stdout("").stderr(contains("is not a component"));
}

#[test]
fn bad_input_gets_one_line_that_says_what_to_do() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        refused(host("fastly_host").arg(path).assert().stdout(""), path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path, or build", "No such file");
    for path in [bad.text(), bad.empty()] {
        reject(&path, "{} is not WebAssembly: build the guest", "--target wasm32-wasip1");
    }
    let load = "cannot load {}: it is damaged, or imports what Viceroy does not have";
    reject(&bad.damaged(), load, "unexpected end");
    reject(&component(), load, "component imports instance `wasi:http/types@0.3.");
    let foreign = r#"(module (import "env" "price" (func)) (func (export "_start")))"#;
    reject(&bad.module("foreign.wasm", foreign), load, "unknown import: `env::price`");
    for (flag, value) in [
        ("--addr", "8080"),
        ("--request", "GET"),
        ("--request", "GET nowhere"),
        ("--timeout", "soon"),
        ("--timeout", "-1"),
    ] {
        let run = host("fastly_host").arg(format!("{flag}={value}")).arg("guest.wasm").assert();
        run.code(2).stdout("").stderr(contains(flag).and(contains("invalid value")));
    }
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let run = host("fastly_host").args(["--addr", &at]).arg(program()).assert();
    let first =
        format!("Error: cannot listen at {at}: give another --addr, or port 0 for a free one\n");
    run.code(1).stdout("").stderr(contains(first).and(contains("Address already in use")));
}

#[test]
fn the_engine_inside_is_named_on_the_page_as_it_is_in_the_lock_file() {
    let lock = fs::read_to_string(root().join("hosts/fastly/Cargo.lock")).unwrap();
    let page = fs::read_to_string(root().join("examples/fastly/README.md")).unwrap();
    for (package, name) in [("viceroy-lib", "Viceroy"), ("wasmtime", "wasmtime")] {
        let version = lock.split(&format!("name = \"{package}\"\nversion = \"")).nth(1).unwrap();
        let version = version.split('"').next().unwrap();
        assert!(page.contains(&format!("{name} {version}")), "the page does not name {version}");
    }
}

#[test]
fn the_sizes_on_the_page_are_near() {
    let page = fs::read_to_string(root().join("examples/fastly/README.md")).unwrap();
    let row = page.lines().find(|line| line.starts_with("| the file, built for size |")).unwrap();
    let cells = row.split(" | ").skip(1).map(|cell| cell.split(' ').next().unwrap());
    let written: Vec<u64> = cells.map(|cell| cell.parse().unwrap()).collect();
    let measured = [program(), component()].map(|file| fs::metadata(file).unwrap().len() / 1000);
    assert_eq!(written.len(), 2);
    for (written, measured) in written.into_iter().zip(measured) {
        assert!(written.abs_diff(measured) * 20 <= written, "{written} KB on the page: {measured}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn many_that_compute_for_ever_leave_room_for_others() {
    let server = Server::start(&rude());
    let busy: Vec<_> = (0..30).map(|_| server.send("/loop")).collect();
    assert!(server.get("/").ends_with("so far so good\n"));
    drop(busy);
}
