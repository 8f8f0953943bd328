//! What the `sockets` example promises, seen from outside.
//! Run: just test sockets

use std::io::Write;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use assert_cmd::assert::Assert;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, is_empty, starts_with};
use tests::{BadInput, guest, host, program, refused};

/// Runs the guest's `part` with `flags` for the host.
fn run(flags: &[&str], part: &str) -> Assert {
    let guest = guest("sockets_guest", "wasm32-wasip2");
    host("sockets_host").args(flags).arg(guest).arg(part).assert()
}

/// The loopback addresses of this machine: of IPv4, and of IPv6 where there is one.
fn loopbacks() -> Vec<&'static str> {
    let there = |ip: &&str| {
        let there = UdpSocket::bind((*ip, 0)).is_ok();
        if !there {
            // Not eprintln!, which is kept back from the output of a test that passes.
            let skipped = format!("sockets: skipped, this machine has no {ip}\n");
            std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        }
        there
    };
    let loopbacks: Vec<_> = ["127.0.0.1", "::1"].into_iter().filter(there).collect();
    assert!(loopbacks.contains(&"127.0.0.1"), "there is no loopback interface");
    loopbacks
}

#[test]
fn what_is_allowed_works_at_each_loopback_address() {
    for ip in loopbacks() {
        let tcp = run(&["-S", "tcp", "--connect", ip, "--at", ip], "connect");
        tcp.success().stdout("guest: hello by TCP\n").stderr("");
        let udp = run(&["-S", "udp", "--connect", ip, "--at", ip], "udp");
        udp.success().stdout("guest: hello by UDP\n").stderr("");
        let serve = run(&["-S", "tcp", "--listen", ip, "--at", ip], "serve").success();
        serve.stdout(contains("host: the guest sent back \"hello from the host\"\n"));
    }
}

#[test]
fn a_kind_a_use_or_an_address_that_is_missing_is_denied() {
    for ip in loopbacks() {
        let other = if ip == "::1" { "127.0.0.1" } else { "::1" };
        let port = if ip == "::1" { "[::1]:1" } else { "127.0.0.1:1" };
        let cases: [(&str, &[&str], &str); 11] = [
            ("connect", &[], "cannot connect"),
            ("connect", &["-S", "tcp"], "cannot connect"),
            ("connect", &["-S", "udp", "--connect", ip], "cannot connect"),
            ("connect", &["-S", "tcp", "--listen", ip], "cannot connect"),
            ("connect", &["-S", "tcp", "--connect", other], "cannot connect"),
            ("connect", &["-S", "tcp", "--connect", port], "cannot connect"),
            ("serve", &["-S", "tcp"], "cannot listen"),
            ("serve", &["-S", "tcp", "--connect", ip], "cannot listen"),
            ("udp", &["-S", "tcp", "--connect", ip], "cannot bind"),
            ("udp", &["-S", "udp"], "cannot send"),
            ("udp", &["-S", "udp", "--connect", other], "cannot send"),
        ];
        for (part, flags, first) in cases {
            let output = run(&[flags, &["--at", ip]].concat(), part).code(1).stdout("");
            output.stderr(starts_with(format!("Error: {first}")).and(contains("os error 2)")));
        }
    }
}

#[test]
fn a_client_may_be_bound_to_any_address_and_not_listen_there() {
    let dir = tempfile::tempdir().unwrap();
    let source = r#"fn main() {
        for any in ["0.0.0.0:0", "[::]:0"] {
            let error = std::net::TcpListener::bind(any).unwrap_err();
            println!("{any} {:?}", error.kind());
        }
    }"#;
    let file = program(dir.path(), source, "wasm32-wasip2");
    let mut host = host("sockets_host");
    host.args(["-S", "tcp", "--listen", "127.0.0.1"]).arg(file).arg("connect");
    let output = host.assert().success();
    output.stdout("0.0.0.0:0 PermissionDenied\n[::]:0 PermissionDenied\n");
}

#[test]
fn a_datagram_of_a_stranger_does_not_reach_the_guest() {
    let dir = tempfile::tempdir().unwrap();
    let [friend, stranger] = [(); 2].map(|()| UdpSocket::bind("127.0.0.1:0").unwrap());
    friend.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let address = friend.local_addr().unwrap().to_string();
    let source = format!(
        r#"fn main() {{
            let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.send_to(b"here", "{address}").unwrap();
            let mut buffer = [0; 100];
            let (length, _) = socket.recv_from(&mut buffer).unwrap();
            println!("{{}}", String::from_utf8_lossy(&buffer[..length]));
        }}"#
    );
    let file = program(dir.path(), &source, "wasm32-wasip2");
    let answers = std::thread::spawn(move || {
        let (_, guest) = friend.recv_from(&mut [0; 100]).unwrap();
        let guest = ("127.0.0.1", guest.port());
        stranger.send_to(b"from a stranger", guest).unwrap(); // it arrives first
        friend.send_to(b"from a friend", guest).unwrap();
    });
    let mut host = host("sockets_host");
    host.args(["-S", "udp", "--connect", &address]).arg(file).arg("lookup");
    host.assert().success().stdout("from a friend\n");
    answers.join().unwrap();
}

#[test]
fn names_are_looked_up_only_where_that_is_allowed() {
    run(&[], "lookup").code(1).stdout("").stderr(contains("cannot look up localhost"));
    run(&["-S", "tcp,udp"], "lookup").code(1).stderr(contains("cannot look up localhost"));
    let output = run(&["-S", "allow-ip-name-lookup"], "lookup").success();
    output.stdout(contains("localhost is 127.0.0.1").or(contains("localhost is ::1")));
}

#[test]
fn a_guest_that_waits_computes_or_lies_does_not_hold_up_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["-S", "tcp", "--listen", "127.0.0.1", "--timeout", "1"];
    let run = |source: &str| {
        let file = program(dir.path(), source, "wasm32-wasip2");
        let output = host("sockets_host").args(flags).arg(&file).arg("serve").assert();
        (output, file)
    };
    let late = "{} did not end within 1 s";
    let listen = r#"let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap();"#;
    for main in [
        "loop { std::hint::spin_loop() }".to_owned(),
        "std::thread::sleep(std::time::Duration::from_secs(1000))".to_owned(),
        format!("{listen} let _c = l.accept().unwrap(); l.accept().unwrap();"),
    ] {
        let (output, file) = run(&format!("fn main() {{ {main} }}"));
        refused(output, &file, late, " did not end within 1 s\n");
    }
    for (main, first) in [
        (String::new(), "the guest did not listen"),
        (format!("{listen} l.accept().unwrap();"), "the guest sent no echo"),
        (
            format!(
                "{listen} use std::io::*; let mut c = l.accept().unwrap().0; \
                let mut b = [0; 19]; c.read_exact(&mut b).unwrap(); c.write_all(&[7; 4000]).unwrap();"
            ),
            "the guest sent something else",
        ),
    ] {
        let (output, _) = run(&format!("fn main() {{ {main} }}"));
        output.code(1).stderr(starts_with(format!("Error: {first}")));
    }
}

#[test]
fn bad_input_is_explained() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let output = host("sockets_host").arg(path).arg("connect").assert().stdout(is_empty());
        refused(output, path, first, cause);
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
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let cases: [(&[&str], &str); 4] = [
        (&["-S", "http"], "allow-ip-name-lookup"),
        (&["--connect", "localhost:80"], "write 127.0.0.1, 127.0.0.1:80"),
        (&["--listen", "127.0.0.1:99999"], "write 127.0.0.1, 127.0.0.1:80"),
        (&["--at", "0.0.0.0"], "write 127.0.0.1 or ::1"),
    ];
    for (flags, says) in cases {
        run(flags, "connect").code(2).stderr(contains(says));
    }
    run(&[], "dance").code(2).stderr(contains("dance"));
}
