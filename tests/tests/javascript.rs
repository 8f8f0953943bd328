//! What the `javascript` example promises: guests of this workspace in node and in a browser.
//! Notice that the table of engines is made by running each guest in each of them.
//! Run: just test javascript

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tempfile::TempDir;
use tests::{BadInput, command, copy, guest, host, installed, program, refused, root};

const TABLE: &str = "examples/javascript/engines.md";
const RUN_COMMAND: &str = "hosts/javascript/node/command.mjs";
const RUN_COMPONENT: &str = "hosts/javascript/node/component.mjs";

/// Whether node is here, and has its packages.
fn node(what: &str) -> bool {
    static PACKAGES: OnceLock<()> = OnceLock::new();
    if !installed("node", what) || !installed("npm", what) {
        return false;
    }
    PACKAGES.get_or_init(|| {
        let mut npm = command("npm", &root());
        npm.args(["ci", "--silent", "--prefer-offline", "--prefix", "hosts/javascript"]);
        assert!(npm.status().unwrap().success(), "npm ci failed");
    });
    true
}

/// Whether there is a browser, and what its page needs.
fn browser(what: &str) -> bool {
    installed("chromium", what) && installed("chromedriver", what) && node(what)
}

/// node with `script`, which is `RUN_COMMAND` or `RUN_COMPONENT`.
fn run(script: &str) -> Command {
    let mut node = Command::from_std(command("node", &root()));
    node.args(["--no-warnings", script]);
    node
}

/// `component` as JavaScript, in a folder of its own.
fn transpiled(component: &Path) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    host("javascript_host")
        .args(["transpile", "--out"])
        .arg(dir.path())
        .arg(component)
        .assert()
        .success();
    let made = dir.path().join("guest.js");
    (dir, made)
}

/// A guest that is a program, and what it is given.
struct Case {
    guest: &'static str,
    target: &'static str,
    args: &'static [&'static str],
    stdin: &'static str,
    /// A folder of the workspace that is granted as `/data`.
    dir: Option<&'static str>,
}

const P1: &str = "wasm32-wasip1";
const P2: &str = "wasm32-wasip2";

const fn case(guest: &'static str, target: &'static str, args: &'static [&'static str]) -> Case {
    Case { guest, target, args, stdin: "", dir: None }
}

/// The programs of the workspace but those [`ELSEWHERE`]. Some print what differs at each run; of those
/// only the shape counts.
const CASES: [Case; 26] = [
    Case {
        stdin: "2 late\n",
        dir: Some("examples/javascript/till"),
        ..case("javascript_guest", P1, &["/data"])
    },
    Case {
        stdin: "2 late\n",
        dir: Some("examples/javascript/till"),
        ..case("javascript_guest", P2, &["/data"])
    },
    Case {
        stdin: "one two two\n",
        dir: Some("examples/javascript/till"),
        ..case("command_guest", P1, &["/data/words.txt"])
    },
    case("evolution_p0_guest", P1, &["Ada"]),
    case("evolution_p1_guest", P1, &["Ada"]),
    case("evolution_p2_guest", P2, &["Ada"]),
    case("evolution_p3_guest", P2, &["Ada"]),
    case("raw_guest", P1, &["a", "b"]),
    case("raw_wasi11_guest", P1, &["a", "b"]),
    case("raw_p2_guest", P2, &["a", "b"]),
    case("raw_wasi14_guest", P2, &["a", "b"]),
    case("raw_p3_guest", P2, &["a", "b"]),
    case("runner_guest", P1, &["9783161484100"]),
    case("adapter_guest", P1, &["Ada", "Grace"]),
    case("compose_wac_guest", P1, &[]),
    case("no_std_guest", P1, &[]),
    case("no_std_alloc_guest", P1, &["Ada"]),
    case("no_std_twin_guest", P1, &[]),
    case("optimize_guest", P1, &["2000"]),
    case("sandbox_guest", P1, &["greet"]),
    // It panics, on purpose.
    Case {
        dir: Some("examples/debug"),
        ..case("debug_guest", P1, &["invoice", "/data/orders.txt"])
    },
    case("sandbox_p3_guest", P2, &["greet"]),
    Case { stdin: "100\n", ..case("small_engine_guest", P1, &[]) },
    Case { stdin: "100\n", ..case("small_engine_std_guest", P1, &[]) },
    case("tokio_timers_guest", P1, &[]),
    case("tokio_wstd_guest", P2, &[]),
];

/// The programs that need what these engines do not have, and what that is.
const ELSEWHERE: [(&str, &str); 8] = [
    ("fastly", "Fastly's platform"),
    ("fastly_rude", "Fastly's platform"),
    ("imports", "functions of its host"),
    ("sockets", "a network"),
    ("tokio", "a network"),
    ("wasmedge_sockets", "WasmEdge's functions"),
    ("wasmedge_sockets_client", "WasmEdge's functions"),
    ("witx", "functions of its host"),
];

#[test]
fn every_program_has_a_row_or_a_reason() {
    let mut programs: Vec<_> = fs::read_dir(root().join("guests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|guest| guest.join("src/main.rs").is_file())
        .map(|guest| guest.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    programs.sort();
    let known = |name: &str| {
        CASES.iter().any(|case| case.name() == name)
            || ELSEWHERE.iter().any(|(elsewhere, _)| *elsewhere == name)
    };
    programs.retain(|name| !known(name));
    assert!(programs.is_empty(), "CASES and ELSEWHERE lack {programs:?}");
}

/// What can be seen of a guest from outside.
#[derive(PartialEq)]
struct Seen {
    status: Option<i32>,
    stdout: String,
    /// The files that it was granted, as it left them.
    files: String,
    stderr: String,
}

impl Case {
    fn is_there(&self) -> bool {
        root().join("guests").join(self.name()).is_dir()
    }

    /// What the guest's folder is called.
    fn name(&self) -> &str {
        self.guest.trim_end_matches("_guest")
    }

    fn wasm(&self) -> PathBuf {
        guest(self.guest, self.target)
    }

    /// Runs `engine`, which has its flags for the guest up to `--dir` and `--env`.
    fn run(&self, mut engine: Command, guest: &Path) -> Seen {
        let dir = tempfile::tempdir().unwrap();
        if let Some(folder) = self.dir {
            copy(&root().join(folder), dir.path()).unwrap();
            engine.arg("--dir").arg(format!("{}::/data", dir.path().display()));
        }
        engine.args(["--env", "WORD_LIMIT=50"]).arg(guest).args(self.args).write_stdin(self.stdin);
        let output = engine.timeout(Duration::from_secs(60)).output().unwrap();
        let mut files: Vec<_> =
            fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let files = files.iter().map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            format!("--- /data/{name}\n{}", fs::read_to_string(file).unwrap())
        });
        seen(&output, files.collect())
    }

    /// What the page shows in a browser.
    fn shown(&self, guest: &Path) -> Seen {
        let dir = tempfile::tempdir().unwrap();
        let stdin = dir.path().join("stdin");
        fs::write(&stdin, self.stdin).unwrap();
        let mut host = host("javascript_host");
        host.args(["serve", "--check", "--env", "WORD_LIMIT=50", "--stdin"]).arg(stdin);
        if let Some(folder) = self.dir {
            host.arg("--dir").arg(format!("{folder}::/data"));
        }
        let output = host.arg(guest).args(self.args).output().unwrap();
        let mut seen = seen(&output, String::new());
        if let Some(at) = seen.stdout.find("--- /data/") {
            seen.files = seen.stdout.split_off(at);
        }
        seen
    }
}

fn seen(output: &Output, files: String) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Seen {
        status: output.status.code(),
        stdout: text(&output.stdout),
        files,
        stderr: text(&output.stderr),
    }
}

/// Numbers of six digits and more are times and random numbers.
fn without_chance(text: &str) -> String {
    regex::Regex::new("[0-9]{6,}|0x[0-9a-f]+|\\[[0-9, ]+\\]")
        .unwrap()
        .replace_all(text, "N")
        .into_owned()
}

/// What a cell says of an engine in which a guest did `there` what it did in wasmtime `here`.
fn cell(here: &Seen, there: &Seen) -> String {
    if here.status == there.status
        && without_chance(&here.stdout) == without_chance(&there.stdout)
        && here.files == there.files
    {
        return "same".to_owned();
    }
    // Of an error the innermost cause says most.
    let lines = there
        .stderr
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("ended"));
    let line = lines.clone().find(|line| line.starts_with("Error:")).or(lines.clone().next_back());
    let status = there.status.map_or("a signal".to_owned(), |status| format!("status {status}"));
    let said = line.unwrap_or("another output").replace('|', "\\|");
    let said = said.trim_start_matches("Error: ");
    // Where the file is does not matter.
    format!("{status}: {}", regex::Regex::new(r"\S*/").unwrap().replace_all(said, ""))
}

#[test]
fn the_table_of_engines_is_true() {
    if !browser("the table of engines") {
        return;
    }
    let wasmi = root().join("hosts/small_engine").is_dir();
    let runner = if root().join("hosts/runner").is_dir() { "runner_host" } else { "command_host" };
    let row = |case: &Case| {
        let wasm = case.wasm();
        let here = case.run(host(runner), &wasm);
        let is_module = fs::read(&wasm).unwrap().starts_with(b"\0asm\x01\0\0\0");
        let none = || "-".to_owned();
        let (node, jco) = if is_module {
            (cell(&here, &case.run(run(RUN_COMMAND), &wasm)), none())
        } else {
            let (_dir, made) = transpiled(&wasm);
            let mut engine = run(RUN_COMPONENT);
            engine.args(["--name", &wasm.file_name().unwrap().to_string_lossy()]);
            (none(), cell(&here, &case.run(engine, &made)))
        };
        let wasmi = match (is_module, wasmi) {
            (true, true) => {
                let mut engine = host("small_engine_host");
                engine.args(["--max-memory-size", "100000000"]);
                cell(&here, &case.run(engine, &wasm))
            }
            _ => none(),
        };
        let browser = cell(&here, &case.shown(&wasm));
        let name = case.name();
        format!("| {name} | `{}` | {node} | {jco} | {wasmi} | {browser} |", case.target)
    };
    let cases: Vec<_> = CASES.iter().filter(|case| case.is_there()).collect();
    assert!(cases.len() > 1, "its own guests are there");
    // Most of the time a browser is waited for, so two at once.
    let rows: Vec<String> = thread::scope(|scope| {
        let halves = cases.chunks(cases.len().div_ceil(2));
        let halves = halves.map(|half| scope.spawn(|| half.iter().copied().map(row).collect()));
        let halves: Vec<thread::ScopedJoinHandle<Vec<String>>> = halves.collect();
        halves.into_iter().flat_map(|half| half.join().unwrap()).collect()
    });
    let page = fs::read_to_string(root().join(TABLE)).unwrap();
    // A project made of the example has this example's guests alone, and not wasmi.
    let whole = rows.len() == CASES.len();
    let head = page.split("|---").next().unwrap();
    let mut new = format!("{head}|---|---|---|---|---|---|\n");
    rows.iter().for_each(|row| writeln!(new, "{row}").unwrap());
    if whole && std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        fs::write(root().join(TABLE), new).unwrap();
    } else if whole {
        assert_eq!(
            page, new,
            "{TABLE} differs: SNAPSHOTS=overwrite just test javascript writes it"
        );
    } else {
        for row in rows {
            assert!(row.contains("| same |"), "{row}");
        }
    }
}

/// The component with an import of its own, as JavaScript.
fn exchange() -> (TempDir, PathBuf) {
    transpiled(&guest("javascript_rates_guest", P2))
}

const ORDERS: [(&[&str], &str); 4] = [
    (&["100", "EUR", "JPY"], "100 EUR are 15760.00 JPY, after a fee of 1.50 EUR\n"),
    (&["80", "USD", "EUR"], "80 USD are 62.50 EUR, after a fee of 1.88 USD\n"),
    (&["100", "EUR", "XYZ"], "no: unknown-currency XYZ\n"),
    (&["1", "EUR", "USD"], "no: too-little\n"),
];

#[test]
fn a_component_calls_a_function_of_javascript_in_node() {
    if !node("a component in node") {
        return;
    }
    let (_dir, made) = exchange();
    for (args, said) in ORDERS {
        let mut node = run(RUN_COMPONENT);
        node.args(["--script", "hosts/javascript/exchange.js"]).arg(&made).args(args);
        node.assert().success().stdout(said).stderr("");
    }
}

#[test]
fn a_component_calls_a_function_of_javascript_in_a_browser() {
    if !browser("a component in a browser") {
        return;
    }
    let component = guest("javascript_rates_guest", P2);
    for (args, said) in &ORDERS[..2] {
        let mut host = host("javascript_host");
        host.args(["serve", "--check", "--script", "hosts/javascript/exchange.js"]).arg(&component);
        host.args(*args).assert().success().stdout(*said).stderr("");
    }
    // A library with nobody to call it.
    let mut alone = host("javascript_host");
    alone
        .args(["serve", "--check"])
        .arg(&component)
        .assert()
        .code(1)
        .stderr(contains("cannot link it"));
}

/// A program that does what its argument says.
const FAULTS: &str = r#"
    fn main() {
        match std::env::args().nth(1).as_deref() {
            Some("loop") => loop { std::hint::spin_loop() },
            Some("flood") => for _ in 0..100_000 { println!("{}", "x".repeat(100)) },
            Some("memory") => { let mut all = Vec::new(); loop { all.push(vec![1u8; 1 << 24]); } }
            Some("panic") => panic!("at the disco"),
            Some("part") => print!("no end of line"),
            Some("fill") => std::fs::write("/data/large", vec![b'x'; 200_000]).unwrap(),
            Some("leave") => println!("{}", std::fs::read_to_string("/data/../outside.txt").is_ok()),
            Some("link") => println!("{}", std::fs::read_to_string("/data/link.txt").is_ok()),
            Some("pieces") => { use std::io::Write; let mut out = std::io::stdout(); for _ in 0..1_000_000 { out.write(b".").unwrap(); out.flush().unwrap(); } }
            Some("files") => for n in 0..2_000 { std::fs::write(format!("/data/{n}"), "").unwrap() },
            Some("status") => { println!("said"); std::process::exit(256) }
            _ => std::process::exit(42),
        }
    }
"#;

/// A program that fills the engine's stack.
const DEEP: &str =
    r#"(module (memory (export "memory") 1) (func $deep (export "_start") (call $deep)))"#;

/// The program as a module, and as a component.
fn faults(dir: &Path) -> [PathBuf; 2] {
    [P1, P2].map(|target| program(dir, FAULTS, target))
}

#[test]
fn a_guest_that_misbehaves_ends_in_node() {
    if !node("faults in node") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let [module, component] = faults(dir.path());
    let (_made, javascript) = transpiled(&component);
    let data = dir.path().join("data");
    fs::create_dir(&data).unwrap();
    fs::write(dir.path().join("outside.txt"), "a secret").unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink("../outside.txt", data.join("link.txt")).unwrap();
    for (script, guest) in [(RUN_COMMAND, &module), (RUN_COMPONENT, &javascript)] {
        let ended = |args: &[&str]| {
            let mut node = run(script);
            node.arg("--dir").arg(format!("{}::/data", data.display()));
            node.arg(guest).args(args).timeout(Duration::from_secs(60)).assert()
        };
        ended(&["panic"]).code(134).stderr(contains("at the disco").and(contains("trapped")));
        ended(&["memory"]).code(134).stderr(contains("trapped"));
        ended(&["part"]).success().stdout("no end of line");
        ended(&["leave"]).success().stdout("false\n");
        ended(&["link"]).success().stdout("false\n");
        // An exit status is 0 or 1 in WASI 0.2.
        ended(&[]).code(if script == RUN_COMMAND { 42 } else { 1 });
        ended(&["status"]).code(1).stdout("said\n");
    }
    let bad = BadInput::new();
    let deep = bad.module("deep.wasm", DEEP);
    run(RUN_COMMAND).arg(deep).assert().code(134).stderr(contains("trapped: Maximum call stack"));
}

#[test]
fn a_component_is_not_told_where_node_was_started() {
    if !node("the folder of node") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    // An option of a string: a byte that says whether there is one, and at 4 and 8 where it is.
    let place = r#"
        #[link(wasm_import_module = "wasi:cli/environment@0.2.0")]
        unsafe extern "C" {
            #[link_name = "initial-cwd"]
            fn initial_cwd(place: *mut [usize; 3]);
        }
        fn main() {
            let mut place = [0; 3];
            unsafe { initial_cwd(&mut place) };
            println!("{}", place[0] & 0xff);
        }"#;
    let (_made, javascript) = transpiled(&program(dir.path(), place, P2));
    run(RUN_COMPONENT).arg(javascript).assert().success().stdout("0\n");
}

#[test]
fn a_guest_that_misbehaves_ends_in_a_browser() {
    if !browser("faults in a browser") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    fs::create_dir(&folder).unwrap();
    for guest in faults(dir.path()) {
        let ended = |fault: &str| {
            let mut host = host("javascript_host");
            host.args(["serve", "--check", "--timeout", if fault == "loop" { "2" } else { "30" }]);
            host.arg("--dir")
                .arg(format!("{}::/data", folder.display()))
                .arg(&guest)
                .arg(fault)
                .assert()
        };
        ended("loop").code(1).stderr("ended: it ran for longer than 2 s\n");
        ended("flood").code(1).stderr(contains("it printed more than 1048576 characters"));
        ended("panic").code(134).stderr(contains("at the disco").and(contains("Error: trap: ")));
        ended("pieces").code(1).stderr(contains("or more than 65536 pieces"));
        ended("files").code(1).stderr(contains("it left more than 1000 files"));
        ended("status").code(1).stdout("said\n");
        ended("part").success().stdout("no end of line").stderr("");
        ended("leave").success().stdout("false\n");
        ended("fill").success().stdout(contains("--- /data/large\nxxx"));
        assert!(!folder.join("large").exists(), "the page has files of its own");
    }
    let bad = BadInput::new();
    let mut deep = host("javascript_host");
    deep.args(["serve", "--check"]).arg(bad.module("deep.wasm", DEEP));
    deep.assert().code(134).stderr(contains("Error: trap: Maximum call stack"));
}

#[test]
fn without_the_lines_about_the_shim_no_file_can_be_written() {
    if !node("the shim as it is") {
        return;
    }
    // When this fails the shim was mended: delete the lines.
    let script = fs::read_to_string(root().join(RUN_COMPONENT)).unwrap();
    let (before, rest) = script.split_once("// Rust's std opens").unwrap();
    let (_, after) = rest.split_once("\n};\n").unwrap();
    let as_it_is = root().join("hosts/javascript/node/as_it_is.mjs");
    fs::write(&as_it_is, format!("{before}{after}")).unwrap();
    let (_made, javascript) = transpiled(&guest("javascript_guest", P2));
    let data = tempfile::tempdir().unwrap();
    copy(&root().join("examples/javascript/till"), data.path()).unwrap();
    let mut node = run("hosts/javascript/node/as_it_is.mjs");
    node.arg("--dir").arg(format!("{}::/data", data.path().display())).arg(javascript).arg("/data");
    let ended = node.assert();
    fs::remove_file(as_it_is).unwrap();
    ended.code(1).stderr(
        contains("cannot write /data/balance.txt").and(contains("Not supported (os error 58)")),
    );
}

/// The host while it serves `guest`; ended when it is dropped.
struct Server {
    host: Child,
    address: String,
}

impl Server {
    fn start(guest: &Path) -> Self {
        let mut host = std::process::Command::new(host("javascript_host").get_program());
        host.arg("serve").arg(guest).current_dir(root()).stdout(Stdio::piped());
        let mut host = host.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(host.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("http://").unwrap().to_owned();
        Self { host, address }
    }

    /// The answer to a request for `path`, head and body.
    fn get(&self, path: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            self.address
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.host.kill().unwrap();
        self.host.wait().unwrap();
    }
}

#[test]
fn the_server_has_the_page_and_nothing_else() {
    if !node("the server") {
        return;
    }
    let server = Server::start(&guest("javascript_guest", P1));
    assert!(server.address.starts_with("127.0.0.1:"), "{}", server.address);
    let page = server.get("/");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("<wasi-box"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'self'"), "{page}");
    assert!(server.get("/worker.js").contains("content-type: text/javascript"));
    assert!(server.get("/guest.wasm").contains("content-type: application/wasm"));
    assert!(server.get("/npm/@bjorn3/browser_wasi_shim/dist/index.js").starts_with("HTTP/1.1 200"));
    for path in [
        "/nowhere",
        "/npm/../Cargo.toml",
        "/npm/..%2fCargo.toml",
        "/npm/%2e%2e/package.json",
        "//etc/passwd",
    ] {
        let answer = server.get(path);
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer}");
    }
}

#[test]
fn bad_input_gets_one_line() {
    let bad = BadInput::new();
    let transpile = |path: &Path| {
        host("javascript_host")
            .args(["transpile", "--out", "target/javascript/none"])
            .arg(path)
            .assert()
    };
    let no_component = "{} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2";
    refused(
        transpile(&bad.missing()),
        &bad.missing(),
        "cannot read {}: check the path, or build the guest first",
        "No such file",
    );
    refused(transpile(&bad.text()), &bad.text(), no_component, "");
    refused(transpile(&bad.empty()), &bad.empty(), no_component, "");
    refused(
        transpile(&bad.module("module.wasm", "(module)")),
        &bad.missing().with_file_name("module.wasm"),
        no_component,
        "",
    );
    let cut = bad.missing().with_file_name("cut.wasm");
    fs::write(&cut, b"\0asm\x0d\0\x01\0\x07").unwrap();
    refused(
        transpile(&cut),
        &cut,
        "cannot make JavaScript of {}: it is damaged, or needs what jco leaves out",
        "unexpected end",
    );
    assert!(!root().join("target/javascript/none").exists());

    // The settings of a package that is there already stay as they are.
    let package = tempfile::tempdir().unwrap();
    let settings = package.path().join("package.json");
    fs::write(&settings, "{ \"name\": \"till\" }").unwrap();
    let component = guest("javascript_rates_guest", P2);
    let mut transpile = host("javascript_host");
    transpile.args(["transpile", "--out"]).arg(package.path()).arg(component).assert().success();
    assert_eq!(fs::read_to_string(settings).unwrap(), "{ \"name\": \"till\" }");

    let module = bad.module("module.wasm", "(module)");
    let serve = |flags: &[&str], path: &Path| {
        host("javascript_host").arg("serve").args(flags).arg(path).assert()
    };
    serve(&["--node-modules", "nowhere"], &module)
        .code(1)
        .stderr(contains("npm ci --prefix hosts/javascript"));
    serve(&["--timeout", "0"], &module).code(2);
    serve(&["--env", "NAME"], &module).code(2).stderr(contains("write NAME=VALUE"));
    refused(
        serve(&[], &bad.text()),
        &bad.text(),
        "{} is not WebAssembly: give it a module or a component",
        "",
    );
    if node("what needs its packages") {
        serve(&["--dir", "nowhere"], &module)
            .code(1)
            .stderr("Error: cannot grant nowhere: --dir takes a directory that exists\n");
        let many = tempfile::tempdir().unwrap();
        (0..1001).for_each(|number| fs::write(many.path().join(number.to_string()), "").unwrap());
        let many = many.path().to_str().unwrap();
        serve(&["--dir", many], &module).code(1).stderr(contains("is too large for a page"));
        serve(&["--script", "nowhere.js"], &guest("javascript_rates_guest", P2))
            .code(1)
            .stderr(starts_with("Error: cannot read nowhere.js"));
        serve(&["--script", "hosts/javascript/exchange.js"], &module)
            .code(1)
            .stderr(starts_with("Error: --script is for a component"));

        let command = |path: &Path| run(RUN_COMMAND).arg(path).assert().code(1);
        let first = |text: &str| starts_with(format!("Error: {text}"));
        command(&bad.missing()).stderr(first("cannot read"));
        command(&bad.text()).stderr(contains("is not a core module"));
        command(&bad.damaged()).stderr(first("cannot compile"));
        command(&module).stderr(contains("is not a command, it exports no `_start`"));
        let unknown = bad.module(
            "unknown.wasm",
            r#"(module (import "shop" "ring" (func)) (func (export "_start")))"#,
        );
        command(&unknown).stderr(first("cannot link"));
        let no_memory = bad.module("start.wasm", r#"(module (func (export "_start")))"#);
        command(&no_memory).stderr(contains("start.wasm cannot run: ").and(contains("memory")));
        let (_dir, made) = exchange();
        for (script, guest) in [(RUN_COMMAND, &module), (RUN_COMPONENT, &made)] {
            let given =
                |flag: &str, value: &str| run(script).args([flag, value]).arg(guest).assert();
            given("--env", "NAME").code(2).stderr(contains("--env NAME: write NAME=VALUE"));
            given("--dir", "nowhere::/till")
                .code(1)
                .stderr("Error: cannot grant nowhere: --dir takes a directory that exists\n");
        }
        run(RUN_COMPONENT)
            .args(["--script", "nowhere.js"])
            .arg(&made)
            .assert()
            .code(1)
            .stderr(first("cannot read nowhere.js"));
        run(RUN_COMMAND).assert().code(2).stderr(contains("Usage: "));
        run(RUN_COMMAND).args(["--nope", "x", "y"]).assert().code(2).stderr(contains("Usage: "));
        run(RUN_COMPONENT).arg(bad.missing()).assert().code(1).stderr(first("cannot read"));
        run(RUN_COMPONENT).assert().code(2).stderr(contains("Usage: "));
    }
}
