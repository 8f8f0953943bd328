//! That the adapter for WebAssembly/wasi-testsuite starts a test as the suite asks for, and that
//! `just conformance` says where to get the suite. The suite itself is not needed.
//! Run: cargo test -p tests --test conformance

use std::path::Path;
use std::process::Command;

use predicates::str::contains;
use serde_json::{Value, json};
use tests::{command, host, installed, program, root};

/// The words of the command by which the adapter starts the test at `path`, as the runner of the suite
/// asks for them.
fn argv(path: &Path, [args, env, dir]: [&Value; 3], proposals: &Value, world: &str) -> Vec<String> {
    let code = "import adapter, json, sys; \
        print(json.dumps(adapter.compute_argv(*json.loads(sys.argv[1]))))";
    let path = path.display().to_string();
    let call = json!([path, [args, env, dir], proposals, world, "wasm32-wasip3"]);
    let mut python = command("python3", &root().join("tests/conformance"));
    python.env("RUNNER_HOST", host("runner_host").get_program()).env("HTTP_HOST", "http_host");
    python.arg("-B");
    let output = python.args(["-c", code, &call.to_string()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_adapter_starts_a_test_with_what_it_asks_for_and_nothing_else() {
    if !installed("python3", "the adapter for the official suite") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() {
        println!("{:?}", std::env::args().skip(1).collect::<Vec<_>>());
        println!("{:?}", std::env::vars().collect::<Vec<_>>());
        println!("{:?}", std::fs::read_dir("/").map(|entries| entries.count()).ok());
        println!("{:?}", std::net::UdpSocket::bind("127.0.0.1:0").is_ok());
        std::process::exit(1)
    }"#;
    let test = program(dir.path(), source, "wasm32-wasip2");
    // What an earlier test left is gone before the next one is run.
    let fixture = dir.path().join("fixture");
    std::fs::create_dir(&fixture).unwrap();
    std::fs::write(fixture.join("a.txt"), "").unwrap();
    std::os::unix::fs::symlink("..", fixture.join("link.cleanup")).unwrap();
    let run = |asked: [&Value; 3], proposals: &Value, expected: &str| {
        let words = argv(&test, asked, proposals, "wasi:cli/command");
        let output = Command::new(&words[0]).args(&words[1..]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{words:?}");
        assert_eq!(output.status.code(), Some(1), "{words:?}");
    };
    let none = json!([]);
    run([&none, &json!({}), &Value::Null], &none, "[]\n[]\nNone\nfalse\n");
    let (args, env) = (json!(["--dir", "a b", ""]), json!({"A": "b=c d", "E": ""}));
    let expected = r#"["--dir", "a b", ""]
[("A", "b=c d"), ("E", "")]
Some(1)
false
"#;
    run([&args, &env, &json!(fixture)], &none, expected);
    run([&none, &json!({}), &Value::Null], &json!(["sockets"]), "[]\n[]\nNone\ntrue\n");
}

#[test]
fn a_service_may_talk_to_the_servers_of_its_test() {
    if !installed("python3", "the adapter for the official suite") {
        return;
    }
    let env = json!({"A": "127.0.0.1:1", "HTTP_SERVER_MAIN": "127.0.0.1:2"});
    let asked = [&json!([]), &env, &Value::Null];
    let words = argv(Path::new("a.wasm"), asked, &json!(["http"]), "wasi:http/service");
    let expected = "http_host --addr 127.0.0.1:0 --env A=127.0.0.1:1 \
        --env HTTP_SERVER_MAIN=127.0.0.1:2 --allow 127.0.0.1:2 a.wasm";
    assert_eq!(words.join(" "), expected);
}

#[test]
fn without_the_suite_one_line_says_where_it_is() {
    if !installed("python3", "just conformance") {
        return;
    }
    for arguments in
        [&["conformance"][..], &["conformance", "examples"], &["conformance", "no/such"]]
    {
        let output =
            assert_cmd::Command::from_std(command("just", &root())).args(arguments).assert();
        let errors = String::from_utf8_lossy(&output.get_output().stderr).into_owned();
        assert_eq!(errors.lines().count(), 1, "{errors}");
        output.code(1).stdout("").stderr(contains(
            "git clone --depth 1 --branch prod/testsuite-base https://github.com/WebAssembly/wasi-testsuite",
        ));
    }
}
