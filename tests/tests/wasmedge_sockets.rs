//! What the `wasmedge_sockets` example promises, seen from outside.
//! Run: just test wasmedge_sockets

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::{contains, starts_with};
use tests::{BadInput, artifacts, command, guest, guest_with, host, refused, root};

const SERVER: &str = "wasmedge_sockets_guest";
const CLIENT: &str = "wasmedge_sockets_client_guest";
const MESSAGES: u32 = 1000;

/// The host, allowed the loopback address, as a process that can be talked to while it runs.
fn started(guest: &Path, args: &[&str]) -> Child {
    let build = ["build", "--package", "wasmedge_sockets_host"];
    let files = artifacts(command("cargo", &root()).args(build));
    let program = files.into_iter().find(|file| file.ends_with("wasmedge_sockets_host"));
    let mut host = Command::new(program.unwrap());
    host.env("RUST_BACKTRACE", "0").args(["--allow", "127.0.0.1"]).arg(guest).args(args);
    host.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A guest server and the port it learned.
fn server(kind: &str, args: &[&str]) -> (Child, u16) {
    let mut server = started(&guest_with(SERVER, "wasm32-wasip1", args), &[kind]);
    let mut line = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (server, line.trim().parse().unwrap())
}

/// What a process wrote to standard error, after it has ended well.
fn ended(process: Child) -> String {
    let output = process.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn client(kind: &str, address: &str, messages: u32, port: u16) -> assert_cmd::assert::Assert {
    let mut host = host("wasmedge_sockets_host");
    host.args(["--allow", "127.0.0.1"]).arg(guest(CLIENT, "wasm32-wasip1"));
    host.args([kind, address, &messages.to_string()]).write_stdin(format!("{port}\n")).assert()
}

/// The bytes of all messages of the guest client.
fn total() -> usize {
    (1..=MESSAGES).map(|number| format!("message {number}, \n").len() + number as usize % 100).sum()
}

#[test]
fn a_guest_server_and_a_guest_client_lose_nothing() {
    let (process, port) = server("tcp", &[]);
    let output = client("tcp", "127.0.0.1", MESSAGES, port).success();
    output.stdout(format!("client: {MESSAGES} messages came back over TCP\n"));
    let said = ended(process);
    assert!(said.contains(&format!("server: {} bytes came and went", total())), "{said}");

    let (process, port) = server("udp", &[]);
    let output = client("udp", "127.0.0.1", MESSAGES, port).success();
    output.stdout(format!("client: {MESSAGES} messages came back over UDP\n"));
    assert_eq!(ended(process), format!("server: {MESSAGES} datagrams came and went\n"));
}

#[test]
fn a_guest_server_and_a_native_client_lose_nothing() {
    let (process, port) = server("tcp", &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    for number in 0..MESSAGES {
        let message = number.to_le_bytes().repeat(number as usize % 900 + 1);
        stream.write_all(&message).unwrap();
        let mut echo = vec![0; message.len()];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, message);
    }
    let here = stream.local_addr().unwrap();
    drop(stream);
    assert!(ended(process).contains(&format!("server: a client at {here}\n")));

    let (process, port) = server("udp", &[]);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    socket.connect(("127.0.0.1", port)).unwrap();
    for number in 0..MESSAGES {
        socket.send(&number.to_le_bytes()).unwrap();
        let mut echo = [0; 16];
        assert_eq!(socket.recv(&mut echo).unwrap(), 4);
        assert_eq!(echo[..4], number.to_le_bytes());
    }
    socket.send(&[]).unwrap();
    assert_eq!(ended(process), format!("server: {MESSAGES} datagrams came and went\n"));
}

#[test]
fn a_native_server_and_a_guest_client_lose_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let native = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut writer = stream.try_clone().unwrap();
        std::io::copy(&mut stream, &mut writer).unwrap()
    });
    let output = client("tcp", "127.0.0.1", MESSAGES, port).success();
    output.stdout(format!("client: {MESSAGES} messages came back over TCP\n"));
    assert_eq!(native.join().unwrap(), total() as u64);
}

#[test]
fn much_at_once_goes_in_pieces() {
    let (process, port) = server("tcp", &[]);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let much: Vec<u8> = (0..4_000_000_u32).map(|number| (number % 251) as u8).collect();
    let mut writer = stream.try_clone().unwrap();
    let sent = much.clone();
    let writing = thread::spawn(move || {
        writer.write_all(&sent).unwrap();
        writer.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut echo = Vec::new();
    stream.read_to_end(&mut echo).unwrap();
    writing.join().unwrap();
    assert!(echo == much);
    assert!(ended(process).contains("server: 4000000 bytes came and went"));
}

#[test]
fn the_crate_says_who_called_in_a_debug_build_only() {
    for (args, address) in [(&[][..], "127.0.0.1"), (&["--release"][..], "0.0.0.0")] {
        let (process, port) = server("tcp", args);
        client("tcp", "127.0.0.1", 1, port).success();
        let said = ended(process);
        assert!(said.starts_with(&format!("server: a client at {address}:")), "{said}");
    }
}

#[test]
fn nothing_is_allowed_unless_it_is_named() {
    let server = guest(SERVER, "wasm32-wasip1");
    for kind in ["tcp", "udp"] {
        for flags in [&[][..], &["--allow", "127.0.0.2"], &["--allow", "::1"]] {
            let output = host("wasmedge_sockets_host").args(flags).arg(&server).arg(kind).assert();
            output.code(1).stdout("").stderr("Error: Permission denied (os error 2)\n");
        }
    }
    // Somebody listens, and still it is not reached.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    for (kind, what) in [("tcp", "connect"), ("udp", "send")] {
        let output = client(kind, "127.0.0.2", 1, port).code(1).stdout("");
        let first = format!("Error: cannot {what} to 127.0.0.2\n");
        output.stderr(starts_with(first).and(contains("Permission denied (os error 2)")));
        let output = client(kind, "0.0.0.0", 1, port).code(1).stdout("");
        output.stderr(contains("Invalid argument (os error 28)"));
    }
}

#[test]
fn a_datagram_from_elsewhere_never_reaches_the_guest() {
    let (process, port) = server("udp", &[]);
    let stranger = UdpSocket::bind("127.0.0.2:0").unwrap();
    let friend = UdpSocket::bind("127.0.0.1:0").unwrap();
    stranger.send_to(b"let me in", ("127.0.0.1", port)).unwrap();
    friend.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    friend.send_to(b"hello", ("127.0.0.1", port)).unwrap();
    let mut echo = [0; 16];
    assert_eq!(friend.recv(&mut echo).unwrap(), 5);
    friend.send_to(&[], ("127.0.0.1", port)).unwrap();
    assert_eq!(ended(process), "server: 1 datagrams came and went\n");
}

#[test]
fn names_are_looked_up_only_if_that_is_allowed() {
    let client = guest(CLIENT, "wasm32-wasip1");
    let lookup = |flags: &[&str]| {
        host("wasmedge_sockets_host")
            .args(flags)
            .arg(&client)
            .args(["lookup", "localhost"])
            .assert()
    };
    let output = lookup(&["--allow", "127.0.0.1"]).code(1).stdout("");
    let first = "Error: cannot look up localhost\n";
    output.stderr(starts_with(first).and(contains("Permission denied (os error 2)")));
    let output = lookup(&["-S", "allow-ip-name-lookup"]).success();
    output.stdout("client: localhost is 127.0.0.1:80\n");
}

#[test]
fn no_call_waits_for_ever() {
    let run = |guest: PathBuf, args: &[&str], stdin: String| {
        let mut host = host("wasmedge_sockets_host");
        host.args(["--allow", "127.0.0.1", "--wait", "200"]).arg(guest).args(args);
        host.write_stdin(stdin).timeout(Duration::from_secs(60)).assert().code(1)
    };
    let timed_out = || contains("timed out (os error 73)");
    // Nobody connects; nobody sends.
    for kind in ["tcp", "udp"] {
        run(guest(SERVER, "wasm32-wasip1"), &[kind], String::new()).stderr(timed_out());
    }
    // The server takes the connection and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = guest(CLIENT, "wasm32-wasip1");
    run(client.clone(), &["tcp", "127.0.0.1", "1"], address.port().to_string()).stderr(timed_out());
    // The system takes no more connections for it.
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(500));
    let waiting: Vec<_> = std::iter::from_fn(|| connect().ok()).take(10_000).collect();
    assert!(waiting.len() < 10_000);
    let output = run(client, &["tcp", "127.0.0.1", "1"], address.port().to_string());
    output.stderr(starts_with("Error: cannot connect to 127.0.0.1\n").and(timed_out()));
}

#[test]
fn a_peer_that_leaves_is_an_error_of_the_guests_and_no_signal() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let native = thread::spawn(move || drop(listener.accept().unwrap()));
    let output = client("tcp", "127.0.0.1", MESSAGES, port).code(1).stdout("");
    output.stderr(starts_with("Error: ")); // which of three depends on who is faster
    native.join().unwrap();
}

/// The arguments of a function, in order: what each is, and what a right call passes.
type Arguments = &'static [(char, &'static str)];

/// What a guest does that uses each function as it is meant. `f` is a descriptor, `p` an address in
/// memory, `a` that of a `{ pointer, length }`, `v` that of an array of such, `n` how many it has, `t` a port,
/// `z` flags, and `-` another number.
const RIGHT: [(&str, Arguments); 19] = [
    ("sock_open", &[('-', "1"), ('-', "2"), ('p', "0x140")]),
    ("sock_setsockopt", &[('f', "0x140"), ('-', "0"), ('-', "0"), ('p', "0x160"), ('-', "4")]),
    ("sock_bind", &[('f', "0x140"), ('a', "0x100"), ('t', "0x17c")]),
    ("sock_listen", &[('f', "0x140"), ('-', "128")]),
    ("sock_getlocaladdr", &[('f', "0x140"), ('a', "0x110"), ('p', "0x150"), ('p', "0x154")]),
    ("sock_getsockopt", &[('f', "0x140"), ('-', "0"), ('-', "13"), ('p', "0x168"), ('p', "0x164")]),
    ("sock_open", &[('-', "1"), ('-', "2"), ('p', "0x144")]),
    ("sock_connect", &[('f', "0x144"), ('a', "0x100"), ('t', "0x154")]),
    ("sock_accept", &[('f', "0x140"), ('p', "0x148")]),
    ("sock_getpeeraddr", &[('f', "0x144"), ('a', "0x110"), ('p', "0x150"), ('p', "0x170")]),
    ("sock_send", &[('f', "0x144"), ('v', "0x120"), ('n', "1"), ('z', "0"), ('p', "0x158")]),
    (
        "sock_recv",
        &[('f', "0x148"), ('v', "0x120"), ('n', "1"), ('z', "0"), ('p', "0x158"), ('p', "0x15c")],
    ),
    ("sock_open", &[('-', "1"), ('-', "1"), ('p', "0x14c")]),
    ("sock_bind", &[('f', "0x14c"), ('a', "0x100"), ('t', "0x17c")]),
    ("sock_getlocaladdr", &[('f', "0x14c"), ('a', "0x110"), ('p', "0x150"), ('p', "0x154")]),
    (
        "sock_send_to",
        &[
            ('f', "0x14c"),
            ('v', "0x120"),
            ('n', "1"),
            ('a', "0x100"),
            ('t', "0x154"),
            ('z', "0"),
            ('p', "0x158"),
        ],
    ),
    (
        "sock_recv_from",
        &[
            ('f', "0x14c"),
            ('v', "0x120"),
            ('n', "1"),
            ('a', "0x110"),
            ('z', "0"),
            ('p', "0x174"),
            ('p', "0x158"),
            ('p', "0x15c"),
        ],
    ),
    (
        "sock_getaddrinfo",
        &[
            ('p', "0x400"),
            ('-', "10"),
            ('p', "0x410"),
            ('-', "5"),
            ('p', "0x420"),
            ('l', "0x440"),
            ('-', "1"),
            ('p', "0x4c0"),
        ],
    ),
    ("sock_shutdown", &[('f', "0x144"), ('-', "3")]),
];

/// A page of memory for those calls, and for lies: 0x500 to 0x53f are structures whose pointers lead
/// outside of it or whose lengths do.
const MEMORY: &str = r#"(memory (export "memory") 1)
    (data (i32.const 0x100) "\80\01\00\00\04\00\00\00") (data (i32.const 0x180) "\7f\00\00\01")
    (data (i32.const 0x110) "\00\02\00\00\80\00\00\00")
    (data (i32.const 0x120) "\00\03\00\00\10\00\00\00")
    (data (i32.const 0x160) "\01\00\00\00\04\00\00\00")
    (data (i32.const 0x300) "sixteen letters.")
    (data (i32.const 0x400) "localhost\00") (data (i32.const 0x410) "http\00")
    (data (i32.const 0x440) "\50\04\00\00")
    (data (i32.const 0x45c) "\80\04\00\00") (data (i32.const 0x484) "\0e\00\00\00\a0\04\00\00")
    (data (i32.const 0x500) "\ff\ff\ff\ff\04\00\00\00\00\03\00\00\ff\ff\ff\ff\f0\ff\00\00\80\00\00\00")
    (data (i32.const 0x520) "\ff\ff\ff\ff") (data (i32.const 0x528) "\40\05\00\00")
    (data (i32.const 0x54c) "\ff\ff\ff\ff")
    (data (i32.const 0x580) "\c0\01\00\00\03\00\00\00")
    (data (i32.const 0x590) "\ff\ff\ff\ff\80\00\00\00")"#;

/// A guest that makes calls and compares what each returns. It says `line` and `got` in 8 bytes when
/// they differ, and "fine" at the end.
#[derive(Default)]
struct Script {
    body: String,
    calls: Vec<String>,
}

impl Script {
    fn call(&mut self, name: &str, arguments: &[String], want: u32) {
        let arguments = arguments.join(" ");
        let line = self.calls.len();
        let call = format!("(call ${name} {arguments})");
        writeln!(self.body, "(call $check (i32.const {line}) {call} (i32.const {want}))").unwrap();
        self.calls.push(format!("{call} is not {want}"));
    }

    /// Runs it with the loopback address, name lookup and a directory, which is descriptor 3.
    fn run(self) {
        let mut imports = String::new();
        let mut declared = Vec::new();
        let more: [(&str, usize); 10] = [
            ("fd_write", 4),
            ("fd_read", 4),
            ("fd_close", 1),
            ("fd_fdstat_get", 2),
            ("fd_fdstat_set_flags", 2),
            ("fd_filestat_get", 2),
            ("fd_prestat_get", 2),
            ("fd_renumber", 2),
            ("fd_sync", 1),
            ("poll_oneoff", 4),
        ];
        let socks = RIGHT.iter().map(|(name, arguments)| (*name, arguments.len()));
        for (name, count) in socks.chain(more) {
            if !declared.contains(&name) {
                declared.push(name);
                let params = "i32 ".repeat(count);
                writeln!(imports, r#"(import "wasi_snapshot_preview1" "{name}" (func ${name} (param {params}) (result i32)))"#).unwrap();
            }
        }
        let wat = format!(
            r#"(module {imports}
            (import "wasi_snapshot_preview1" "path_open"
                (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
            (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
            {MEMORY}
            (data (i32.const 0x600) "\10\06\00\00\08\00\00\00") (data (i32.const 0x620) "fine")
            (func $check (param $line i32) (param $got i32) (param $want i32)
                (if (i32.ne (local.get $got) (local.get $want)) (then
                    (i32.store (i32.const 0x610) (local.get $line))
                    (i32.store (i32.const 0x614) (local.get $got))
                    (drop (call $fd_write (i32.const 1) (i32.const 0x600) (i32.const 1) (i32.const 0x630)))
                    (call $proc_exit (i32.const 9)))))
            (func (export "_start") {body}
                (i32.store (i32.const 0x600) (i32.const 0x620))
                (i32.store (i32.const 0x604) (i32.const 4))
                (drop (call $fd_write (i32.const 1) (i32.const 0x600) (i32.const 1) (i32.const 0x630)))))"#,
            body = self.body
        );
        let bad = BadInput::new();
        let path = bad.module("hostile.wasm", &wat);
        let dir = path.parent().unwrap();
        let mut host = host("wasmedge_sockets_host");
        host.args(["--allow", "127.0.0.1", "-S", "allow-ip-name-lookup", "--dir"]).arg(dir);
        host.timeout(Duration::from_secs(300));
        let output = host.arg(&path).output().unwrap();
        if output.status.code() == Some(9) {
            let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
            let (line, got) = (number(&output.stdout[..4]), number(&output.stdout[4..8]));
            panic!("{}, but {got}", self.calls[line as usize]);
        }
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.stdout, b"fine", "{:?}", output.status);
        assert_eq!(output.status.code(), Some(0));
    }
}

fn number(number: impl std::fmt::Display) -> String {
    format!("(i32.const {number})")
}

fn at(address: &str) -> String {
    format!("(i32.load (i32.const {address}))")
}

/// The arguments of a right call, as expressions.
fn right(arguments: Arguments) -> Vec<String> {
    let right = arguments.iter().map(|&(kind, value)| match kind {
        'f' | 't' => at(value),
        _ => number(value),
    });
    right.collect()
}

#[test]
fn every_function_answers_lies_with_an_errno() {
    const BADF: u32 = 8;
    const FAULT: u32 = 21;
    const INVAL: u32 = 28;
    const NOTSUP: u32 = 58;
    let mut script = Script::default();
    for (name, arguments) in RIGHT {
        for (index, &(kind, _)) in arguments.iter().enumerate() {
            let mut lie = |value: String, want: u32| {
                let mut arguments = right(arguments);
                arguments[index] = value;
                script.call(name, &arguments, want);
            };
            match kind {
                // Standard input and output, the directory, just below and just above the sockets'
                // numbers, one that is not open, and the largest.
                'f' => {
                    for fd in [0, 1, 2, 3, 0x3fff_ffff, 0x4000_0032, 0x7fff_ffff, -1] {
                        lie(number(fd), BADF);
                    }
                }
                'p' | 'a' | 'v' | 'l' => {
                    for address in [65535, 65536, 0x7fff_ffff, -1] {
                        lie(number(address), FAULT);
                    }
                }
                't' => {
                    for port in [65536, 0x7fff_ffff, -1] {
                        lie(number(port), INVAL);
                    }
                }
                'n' => {
                    for count in [1025, 0x2000_0000, -1] {
                        lie(number(count), INVAL);
                    }
                    lie(number(1024), FAULT); // what follows in memory are no buffers of its own
                }
                'z' => {
                    for flags in [1, 2, 4, -1] {
                        lie(number(flags), NOTSUP);
                    }
                }
                _ => {}
            }
            match kind {
                'a' => {
                    // A pointer outside, with room for an address; what is received takes more room.
                    lie(number("0x500"), if name == "sock_recv_from" { INVAL } else { FAULT });
                    if name == "sock_recv_from" {
                        lie(number("0x590"), FAULT);
                    }
                    lie(number("0x580"), INVAL); // three octets are no address
                }
                'v' => {
                    lie(number("0x500"), FAULT); // the pointer is outside
                    lie(number("0x508"), FAULT); // the length is 4 GiB
                    lie(number("0x510"), FAULT); // the end is outside
                }
                'l' => {
                    lie(number("0x520"), FAULT); // an entry that is outside
                    lie(number("0x528"), FAULT); // an entry whose address is outside
                }
                _ => {}
            }
        }
        script.call(name, &right(arguments), 0);
    }
    // Kinds, lengths and ways that there are not.
    for (family, kind, want) in
        [(0, 2, 5), (3, 2, 5), (-1, 1, 5), (1, 0, 58), (1, 3, 58), (2, -1, 58)]
    {
        script.call("sock_open", &[number(family), number(kind), number("0x178")], want);
    }
    for how in [0, 4, -1] {
        script.call("sock_shutdown", &[at("0x148"), number(how)], INVAL);
    }
    for (level, name) in [(1, 0), (0, 5), (0, 14), (0, -1), (-1, 0)] {
        let arguments =
            [at("0x140"), number(level), number(name), number("0x168"), number("0x164")];
        script.call("sock_getsockopt", &arguments, 50);
        let arguments = [at("0x140"), number(level), number(name), number("0x168"), number(4)];
        script.call("sock_setsockopt", &arguments, 50);
    }
    for (node, length, want) in [(0x400, -1, FAULT), (0x400, 5000, INVAL), (0x500, 4, INVAL)] {
        let mut arguments = right(RIGHT[17].1);
        (arguments[0], arguments[1]) = (number(node), number(length));
        script.call("sock_getaddrinfo", &arguments, want);
    }
    // A listener and a datagram socket are not connected; nothing is listening but the listener.
    let receive =
        [at("0x140"), number("0x120"), number(1), number(0), number("0x158"), number("0x15c")];
    script.call("sock_recv", &receive, 53);
    script.call("sock_accept", &[at("0x14c"), number("0x148")], INVAL);
    script.run();
}

#[test]
fn no_descriptor_can_be_made_into_another() {
    const BADF: u32 = 8;
    let mut script = Script::default();
    for (name, arguments) in RIGHT {
        script.call(name, &right(arguments), 0);
    }
    // A socket is nothing to the functions of preview 1 that this host left as they are.
    let socket = || at("0x148");
    let buffers = || [number("0x120"), number(1), number("0x158")];
    script.call("fd_write", &[&[socket()][..], &buffers()].concat(), BADF);
    script.call("fd_read", &[&[socket()][..], &buffers()].concat(), BADF);
    script.call("fd_filestat_get", &[socket(), number("0x700")], BADF);
    script.call("fd_prestat_get", &[socket(), number("0x700")], BADF);
    script.call("fd_sync", &[socket()], BADF);
    script.call("fd_renumber", &[socket(), number(1)], BADF);
    script.call("fd_renumber", &[number(1), socket()], BADF);
    let wide = || "(i64.const 0)".to_owned();
    let open = |fd: String| {
        [
            fd,
            number(0),
            number("0x300"),
            number(3),
            number(0),
            wide(),
            wide(),
            number(0),
            number("0x158"),
        ]
    };
    script.call("path_open", &open(socket()), BADF);
    // A subscription (0x700) to what can be read from it: tag 1, then the descriptor.
    writeln!(script.body, "(i32.store (i32.const 0x708) (i32.const 1))").unwrap();
    writeln!(script.body, "(i32.store (i32.const 0x710) {})", socket()).unwrap();
    let poll = [number("0x700"), number("0x780"), number(1), number("0x7c0")];
    script.call("poll_oneoff", &poll, BADF);
    // The three that this host replaced know which is which: 6 and 5 are sockets, 3 is a directory.
    for (fd, kind) in [(at("0x148"), 6), (at("0x14c"), 5), (number(3), 3)] {
        script.call("fd_fdstat_get", &[fd, number("0x700")], 0);
        let line = script.calls.len();
        let kind_of = "(i32.load8_u (i32.const 0x700))";
        writeln!(script.body, "(call $check (i32.const {line}) {kind_of} (i32.const {kind}))")
            .unwrap();
        script.calls.push(format!("{kind_of} is not {kind}"));
    }
    for address in [65535, 65536, -1] {
        script.call("fd_fdstat_get", &[socket(), number(address)], 21);
    }
    script.call("fd_fdstat_set_flags", &[socket(), number(4)], 0);
    script.call("fd_fdstat_set_flags", &[socket(), number(1)], 28);
    // It asked not to wait, and the other end has been shut down.
    let receive =
        [socket(), number("0x120"), number(1), number(0), number("0x158"), number("0x15c")];
    script.call("sock_recv", &receive, 0);
    script.call("fd_fdstat_set_flags", &[at("0x14c"), number(4)], 0);
    let mut receive_from = right(RIGHT[16].1);
    script.call("sock_recv_from", &receive_from, 6);
    receive_from[2] = number(0);
    script.call("sock_recv_from", &receive_from, 6);
    // Closed is closed, and its number is not given again.
    script.call("fd_close", &[socket()], 0);
    script.call("fd_close", &[socket()], BADF);
    script.call("sock_recv", &receive, BADF);
    script.call("sock_open", &[number(1), number(1), number("0x178")], 0);
    script.call("sock_recv", &receive, BADF);
    script.call("fd_close", &[number(3)], 0); // the directory's own
    script.call("fd_close", &[number(3)], BADF);
    script.call("fd_close", &[number(0x3fff_ffff)], BADF);
    script.run();
}

#[test]
fn a_guest_has_so_many_sockets_and_no_way_round_the_list() {
    let mut script = Script::default();
    let stream = |out: &str| [number(1), number(2), number(out)];
    script.call("sock_open", &stream("0x140"), 0);
    // Unbound, the system would listen on every address.
    script.call("sock_listen", &[at("0x140"), number(1)], 28);
    // 0.0.0.0, where nothing is written; 127.0.0.1 as IPv6 has it.
    writeln!(script.body, "(i64.store (i32.const 0x800) (i64.const 0x400000810))").unwrap();
    script.call("sock_bind", &[at("0x140"), number("0x800"), number(0)], 2);
    script.call("sock_open", &[number(2), number(2), number("0x144")], 0);
    writeln!(script.body, "(i64.store (i32.const 0x800) (i64.const 0x1000000810))").unwrap();
    writeln!(script.body, "(i64.store (i32.const 0x818) (i64.const 0x0100007fffff0000))").unwrap();
    script.call("sock_bind", &[at("0x144"), number("0x800"), number(0)], 2);
    script.call("sock_connect", &[at("0x144"), number("0x800"), number(1)], 2);
    for _ in 2..64 {
        script.call("sock_open", &stream("0x148"), 0);
    }
    script.call("sock_open", &stream("0x148"), 33);
    script.call("sock_open", &[number(1), number(1), number("0x148")], 33);
    script.call("fd_close", &[at("0x148")], 0);
    script.call("sock_open", &stream("0x148"), 0);
    script.call("sock_open", &stream("0x148"), 33);
    script.run();
}

#[test]
fn a_guest_without_memory_is_ended() {
    let bad = BadInput::new();
    let wat = r#"(module (import "wasi_snapshot_preview1" "sock_listen" (func $listen (param i32 i32) (result i32)))
        (func (export "_start") (drop (call $listen (i32.const 0) (i32.const 0)))))"#;
    let path = bad.module("closed.wasm", wat);
    let output = host("wasmedge_sockets_host").arg(&path).assert();
    refused(output, &path, "{} failed while it ran", "the guest exports no `memory`");
}

#[test]
fn the_host_refuses_what_is_no_command() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let output = host("wasmedge_sockets_host").arg(path).assert().stdout("");
        refused(output, path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    let first = "{} is not a core module (it is a component, or not WebAssembly): build the guest";
    for path in [bad.text(), bad.empty(), bad.module("component.wasm", "(component)")] {
        reject(&path, first, " with --target wasm32-wasip1\n");
    }
    let import = |import: &str| {
        let wat = format!(r#"(module (import {import}) (func (export "_start")))"#);
        bad.module("imports.wasm", &wat)
    };
    let path = import(r#""env" "abort" (func)"#);
    reject(&path, "cannot link {}", "unknown import: `env::abort` has not been defined");
    // What preview 1 calls sock_accept.
    let standard =
        r#""wasi_snapshot_preview1" "sock_accept" (func (param i32 i32 i32) (result i32))"#;
    let clash = "incompatible import type for `wasi_snapshot_preview1::sock_accept`";
    reject(&import(standard), "cannot link {}", clash);
    let path = bad.module("library.wasm", r#"(module (func (export "serve")))"#);
    reject(&path, "{} is not a command, it exports no `_start`: build", ", not a library\n");
    let compile = "cannot compile {}: it is damaged, or needs a feature";
    reject(&bad.damaged(), compile, "unexpected end");
    let path = bad.module("shared.wasm", "(module (memory 1 1 shared))");
    reject(&path, compile, "threads must be enabled for shared memories");
}

#[test]
fn a_trap_ends_with_134_and_a_status_comes_back() {
    let bad = BadInput::new();
    for body in [
        r#"(func (export "_start") unreachable)"#,
        r#"(func $f unreachable) (start $f) (func (export "_start"))"#,
    ] {
        let path = bad.module("trap.wasm", &format!("(module {body})"));
        let first = format!("Error: {} failed while it ran", path.display());
        let output = host("wasmedge_sockets_host").arg(path).assert().code(134).stdout("");
        output.stderr(starts_with(first).and(contains("wasm trap: wasm `unreachable`")));
    }
    let wat = r#"(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
        (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const 7))))"#;
    let path = bad.module("exit.wasm", wat);
    host("wasmedge_sockets_host").arg(path).assert().code(7).stderr("");
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    let run = |args: &[&str]| host("wasmedge_sockets_host").args(args).assert().code(2);
    run(&[]).stderr(contains("<GUEST.wasm>"));
    run(&["--alow", "127.0.0.1"]).stderr(contains("--alow"));
    run(&["--allow", "localhost", "x.wasm"]).stderr(contains("invalid IP address syntax"));
    run(&["--allow", "127.0.0.1:80", "x.wasm"]).stderr(contains("invalid IP address syntax"));
    run(&["-S", "inherit-network", "x.wasm"]).stderr(contains("inherit-network"));
    run(&["--wait", "-1", "x.wasm"]).stderr(contains("--wait").or(contains("-1")));
    let guest = guest(SERVER, "wasm32-wasip1");
    let output =
        host("wasmedge_sockets_host").args(["--dir", "no/such/folder"]).arg(guest).assert();
    output.code(1).stderr(starts_with("Error: cannot grant no/such/folder: --dir takes"));
}
