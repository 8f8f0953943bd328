//! What the `http` example promises, seen from outside: through sockets, byte for byte.
//! Run: just test http

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;
use tests::{BadInput, guest, host, in_time, refused, root};

/// How long anything may take here before it counts as stuck.
const LIMIT: Duration = Duration::from_secs(60);

const TARGET: &str = "wasm32-wasip2";

/// The host while it serves; killed when it is dropped.
struct Server {
    process: Child,
    at: SocketAddr,
    log: Receiver<String>,
}

impl Server {
    /// Starts it with `args` and, where it is not empty, the guest `package`.
    #[track_caller]
    fn start(args: &[&str], package: &str) -> Self {
        let mut command = Command::new(host("http_host").get_program());
        command.args(args).current_dir(root()).env("RUST_BACKTRACE", "0");
        if !package.is_empty() {
            command.arg(guest(package, TARGET));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let errors = BufReader::new(process.stderr.take().unwrap());
        let (sender, log) = channel();
        thread::spawn(move || {
            for line in errors.lines() {
                let _ = sender.send(line.unwrap());
            }
        });
        let first = log.recv_timeout(LIMIT).unwrap();
        let at = first.strip_prefix("listening on http://").and_then(|rest| rest.strip_suffix('/'));
        let at = at.unwrap_or_else(|| panic!("{first}")).parse().unwrap();
        Self { process, at, log }
    }

    fn connect(&self) -> Client {
        Client::connect(self.at)
    }

    /// The answer to one request on a connection of its own.
    #[track_caller]
    fn ask(&self, request: &str) -> Answer {
        self.connect().ask(request).unwrap()
    }

    #[track_caller]
    fn get(&self, path: &str) -> Answer {
        self.ask(&get(path))
    }

    /// The next line of the log with `part` in it.
    #[track_caller]
    fn line(&self, part: &str) -> String {
        let end = Instant::now() + LIMIT;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.log.recv_timeout(left).unwrap_or_else(|_| panic!("no line has {part}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        let kill = Command::new("kill").args([&signal, &self.process.id().to_string()]).status();
        assert!(kill.unwrap().success());
    }

    /// Waits for its end.
    #[track_caller]
    fn ends(&mut self) -> ExitStatus {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < end, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

fn post(path: &str, body: &str) -> String {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A connection to a server.
struct Client(BufReader<TcpStream>);

/// An answer, with the end that its own framing gives it.
#[derive(Debug, PartialEq)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Client {
    fn connect(at: SocketAddr) -> Self {
        let stream = TcpStream::connect(at).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        Self(BufReader::new(stream))
    }

    fn send(&mut self, text: &str) {
        let _ = self.0.get_mut().write_all(text.as_bytes()); // it may be closed already
    }

    fn ask(&mut self, request: &str) -> io::Result<Answer> {
        self.send(request);
        self.answer_to(request.split(' ').next().unwrap())
    }

    fn answer(&mut self) -> io::Result<Answer> {
        self.answer_to("GET")
    }

    /// Reads an answer. It is an error if it ends before its end.
    fn answer_to(&mut self, method: &str) -> io::Result<Answer> {
        let cut = || io::Error::new(io::ErrorKind::UnexpectedEof, "cut off");
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut head)? == 0 {
                return Err(cut());
            }
        }
        let head = head.to_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let field =
            |name: &str| head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        let mut body = Vec::new();
        if method == "HEAD" {
            // has no body
        } else if let Some(length) = field("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body)?;
        } else if field("transfer-encoding") == Some("chunked") {
            loop {
                let mut size = String::new();
                self.0.read_line(&mut size)?;
                let size = usize::from_str_radix(size.trim(), 16).map_err(|_| cut())?;
                let mut chunk = vec![0; size + 2];
                self.0.read_exact(&mut chunk)?;
                if size == 0 {
                    break;
                }
                body.extend(&chunk[..size]);
            }
        } else {
            self.0.read_to_end(&mut body)?;
        }
        Ok(Answer { status, head: head.clone(), body: String::from_utf8(body).unwrap() })
    }

    /// Waits until the server closes the connection.
    fn is_closed(&mut self) {
        let mut rest = Vec::new();
        let _ = self.0.read_to_end(&mut rest); // or resets it
        assert!(rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    }
}

/// A server that accepts and never answers; each of its clients is passed on.
fn silent() -> (SocketAddr, Receiver<TcpStream>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let (sender, clients) = channel();
    thread::spawn(move || listener.incoming().try_for_each(|client| sender.send(client.unwrap())));
    (at, clients)
}

const BOTH: [(&str, &str); 2] = [("http_guest", "0.3"), ("http_p2_guest", "0.2")];

#[test]
fn every_route_answers_in_both_generations() {
    for (package, generation) in BOTH {
        let server = Server::start(&["--allow", "127.0.0.1:*"], package);
        let at = server.at;
        let hello = format!("hello from WASI {generation}\n");
        let own = format!("GET /fetch HTTP/1.1\r\nhost: {at}\r\n\r\n");
        for (request, status, body) in [
            (get("/"), 200, &*hello),
            (get("/?query"), 200, &*hello),
            (get("/count"), 200, "1\n"),
            (get("/stream"), 200, "line 1\nline 2\nline 3\n"),
            (own, 200, &*hello),
            (get(&format!("/fetch?from={at}/count")), 200, "1\n"),
            (get(&format!("/fetch?from={at}/nowhere")), 404, "there is nothing here\n"),
            (post("/total", r#"{"prices": [3, 4]}"#), 200, "{\"count\":2,\"total\":7}\n"),
            (
                post("/total", r#"{"prices": [4294967295, 1]}"#),
                200,
                "{\"count\":2,\"total\":4294967296}\n",
            ),
            (get("/nowhere"), 404, "there is nothing here\n"),
            (get("//"), 404, "there is nothing here\n"),
            (get("/total"), 405, "this takes POST\n"),
            (post("/", ""), 405, "this takes GET\n"),
        ] {
            let answer = server.ask(&request);
            assert_eq!((answer.status, &*answer.body), (status, body), "{generation}: {request}");
        }
        assert!(server.get("/total").head.contains("\r\nallow: post\r\n"));
        let answer = server.ask(&post("/total", "{}"));
        assert_eq!(answer.status, 400);
        assert!(answer.body.starts_with("not a list of prices: missing field"), "{answer:?}");
        let answer = server.ask("HEAD / HTTP/1.1\r\nhost: test\r\n\r\n");
        assert_eq!((answer.status, &*answer.body), (200, ""));
        let chunked = "POST /total HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n\
            b\r\n{\"prices\": \r\n4\r\n[7]}\r\n0\r\n\r\n";
        assert_eq!(server.ask(chunked).body, "{\"count\":1,\"total\":7}\n");
        let line = server.line("POST /total");
        assert!(
            line.starts_with("host: POST /total 200, 22 bytes, ") && line.ends_with(" ms"),
            "{line}"
        );
    }
}

#[test]
fn the_longest_prefix_decides_and_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    fs::copy(guest("http_p2_guest", TARGET), folder.path().join("old.wasm")).unwrap();
    fs::write(folder.path().join("notes.txt"), "no component").unwrap();
    let new = format!("/new={}", guest("http_guest", TARGET).display());
    let below = format!("/new/rude/={}", guest("http_rude_guest", TARGET).display());
    let folder = folder.path().to_str().unwrap();
    let server = Server::start(&["--route", &new, "--route", &below, "--routes", folder], "");
    for (path, status, body) in [
        ("/new", 200, "hello from WASI 0.3\n"),
        ("/new/", 200, "hello from WASI 0.3\n"),
        ("/new?query", 200, "hello from WASI 0.3\n"),
        ("/new/count", 200, "1\n"),
        ("/new/rude/count", 200, "so far so good\n"),
        ("/old/stream", 200, "line 1\nline 2\nline 3\n"),
        ("/newer", 404, "404 Not Found\n"),
        ("/", 404, "404 Not Found\n"),
        ("/notes", 404, "404 Not Found\n"),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, &*answer.body), (status, body), "{path}");
    }
    assert!(server.line("GET /newer").ends_with(": no route leads there"));
    // With a component for what is left, nothing is.
    let server = Server::start(&["--route", &new], "http_p2_guest");
    assert_eq!(server.get("/").body, "hello from WASI 0.2\n");
    assert_eq!(server.get("/newer").body, "there is nothing here\n");
}

#[test]
fn requests_that_are_none_are_refused() {
    let server = Server::start(&[], "http_guest");
    for (request, status) in [
        ("nonsense\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: one\r\nhost: two\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: no host\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nhost: test\r\nwrong\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n", 400),
        ("POST / HTTP/1.1\r\nhost: test\r\ncontent-length: -1\r\n\r\n", 400),
        ("GET * HTTP/1.1\r\nhost: test\r\n\r\n", 404),
        ("CONNECT test:80 HTTP/1.1\r\nhost: test\r\n\r\n", 405),
        ("GET http://test/ HTTP/1.1\r\nhost: test\r\n\r\n", 200),
        ("GET / HTTP/1.0\r\nhost: test\r\n\r\n", 200),
    ] {
        assert_eq!(server.ask(request).status, status, "{request}");
    }
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn no_bytes_of_a_client_end_the_host() {
    let rude = format!("/rude={}", guest("http_rude_guest", TARGET).display());
    let flags = ["--timeout", "2", "--head-timeout", "1", "--route", &rude];
    let server = Server::start(&flags, "http_guest");
    let whole = [
        get("/stream"),
        post("/total", r#"{"prices": [3]}"#),
        "POST /total HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n".into(),
        get("/rude/break"),
        get("/rude/error"),
    ];
    let mut random = fastrand::Rng::with_seed(1);
    for _ in 0..300 {
        let mut bytes = random.choice(&whole).unwrap().repeat(random.usize(1..3)).into_bytes();
        for _ in 0..random.usize(0..4) {
            let at = random.usize(..bytes.len());
            match random.u8(..3) {
                0 => bytes[at] = random.u8(..),
                1 => bytes.truncate(at + 1),
                _ => bytes.insert(at, random.u8(..)),
            }
        }
        let mut client = server.connect();
        let _ = client.0.get_mut().write_all(&bytes);
        // Some clients wait for a part of an answer, and some are gone at once.
        if random.bool() {
            let _ = client.0.get_mut().set_read_timeout(Some(Duration::from_millis(20)));
            let _ = client.0.fill_buf();
        }
    }
    assert_eq!(server.get("/").body, "hello from WASI 0.3\n");
}

#[test]
fn a_head_has_limits() {
    let server = Server::start(&["--max-head-size", "10000"], "http_guest");
    let many = |count: usize| {
        let fields: String = (0..count).fold(String::new(), |mut fields, at| {
            let _ = write!(fields, "x-{at}: a\r\n");
            fields
        });
        format!("GET / HTTP/1.1\r\nhost: test\r\n{fields}\r\n")
    };
    let long =
        |size: usize| format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}\r\n\r\n", "a".repeat(size));
    for (request, status) in [
        (many(90), 200),
        (many(110), 431),
        (long(8000), 200),
        (long(20_000), 431),
        (get(&format!("/?{}", "a".repeat(20_000))), 431),
    ] {
        assert_eq!(server.ask(&request).status, status, "{}", &request[..40]);
    }
    // One that never ends is not waited for.
    let mut client = server.connect();
    client.send("GET / HTTP/1.1\r\n");
    while client.0.get_mut().write_all(b"x: a\r\n").is_ok() {}
    assert_eq!(server.get("/").status, 200);
    server.line("host: refused: ");
}

#[test]
fn a_client_that_is_slow_holds_nothing_up() {
    let server = Server::start(&["--head-timeout", "1", "--timeout", "2"], "http_guest");
    let mut slow: Vec<_> = (0..20).map(|_| server.connect()).collect();
    for client in &mut slow[1..] {
        client.send("GET / HTTP/1.1\r\nho"); // and the first one sends nothing
    }
    assert_eq!(server.get("/").status, 200);
    slow.iter_mut().for_each(Client::is_closed);
    // An idle connection is closed, too.
    let mut idle = server.connect();
    assert_eq!(idle.ask(&get("/")).unwrap().status, 200);
    idle.is_closed();
    // A body has the time of the request, as the guest waits for it.
    let mut client = server.connect();
    client.send("POST /total HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\n{\"pr");
    let answer = client.answer().unwrap();
    assert_eq!((answer.status, &*answer.body), (408, "408 Request Timeout\n"));
    assert!(server.line("POST /total").ends_with(": its body took too long"));
}

#[test]
fn a_client_that_does_not_read_is_cut_off() {
    let flags = ["--timeout", "1", "--max-response-size", "1000000000"];
    let server = Server::start(&flags, "http_rude_guest");
    let mut client = server.connect();
    client.send(&get("/flood"));
    let line = server.line("GET /flood");
    assert!(line.ends_with(": cut off, it took too long"), "{line}");
    assert!(client.answer().is_err());
}

#[test]
fn a_client_that_asks_and_never_reads_is_cut_off() {
    let server = Server::start(&["--timeout", "1", "--max-connections", "1"], "http_guest");
    let request = post("/total", &format!("{{\"prices\": \"{}\"}}", "long ".repeat(2400)));
    let mut deaf = TcpStream::connect(server.at).unwrap();
    // Each of these is answered, as the log says, and the last answer is one of which hyper has the last piece
    // and for which the connection has no room.
    let mut answered = 0;
    loop {
        deaf.write_all(request.as_bytes()).unwrap();
        let Ok(line) = server.log.recv_timeout(Duration::from_secs(3)) else { break };
        assert!(line.contains("POST /total 400") && line.ends_with(" ms"), "{line}");
        answered += 1;
    }
    assert!(answered > 10, "{answered} fit into a connection");
    assert_eq!(server.get("/").status, 200);
}

/// Reads the head of a request. An answer that comes before it is not one.
fn read_head(client: &TcpStream) {
    let mut head = BufReader::new(client).lines();
    while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
}

/// A server that gives each of its clients `answer`, and closes the connection.
fn answering(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            read_head(&client);
            let _ = client.write_all(answer.as_bytes());
        }
    });
    at
}

#[test]
fn an_answer_that_is_whole_is_logged_as_such() {
    for (package, generation) in BOTH {
        let server = Server::start(&["--allow", "127.0.0.1:*"], package);
        for (answer, status) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", 200),
            ("HTTP/1.1 204 No Content\r\n\r\n", 204),
            ("HTTP/1.1 304 Not Modified\r\n\r\n", 304),
        ] {
            let mut client = server.connect();
            client.send(&get(&format!("/fetch?from={}/", answering(answer))));
            let line = server.line("GET /fetch");
            let whole = line.contains(&format!(" {status}, ")) && line.ends_with(" ms");
            assert!(whole, "{generation}: {line}");
        }
    }
}

#[test]
fn the_body_of_a_request_has_a_limit() {
    for (package, _) in BOTH {
        let server = Server::start(&["--max-body-size", "1000"], package);
        let fits = format!("{{\"prices\": [1{}]}}", " ".repeat(1000 - 15));
        assert_eq!(fits.len(), 1000);
        assert_eq!(server.ask(&post("/total", &fits)).status, 200);
        let answer = server.ask(&post("/total", &format!("{fits} ")));
        assert_eq!((answer.status, &*answer.body), (413, "413 Payload Too Large\n"));
        assert!(server.line(" 413, ").ends_with(": its body is longer than 1000 bytes"));
        // Where it is not said in advance how long it will be, it is noticed on the way.
        let chunked = format!(
            "POST /total HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n\
                3e8\r\n{fits}\r\n1\r\n \r\n0\r\n\r\n"
        );
        assert_eq!(server.ask(&chunked).status, 413);
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn the_body_of_a_response_has_a_limit() {
    let server = Server::start(&["--max-response-size", "100000"], "http_rude_guest");
    assert!(server.connect().ask(&get("/flood")).is_err());
    assert!(server.line("GET /flood").ends_with(": its response is longer than 100000 bytes"));
    let at = server.at;
    let flags = ["--allow", &at.to_string(), "--max-response-size", "5"];
    let server = Server::start(&flags, "http_guest");
    assert!(server.connect().ask(&get(&format!("/fetch?from={at}/"))).is_err());
}

#[test]
fn a_guest_that_fails_fails_one_request() {
    let flags = ["--max-memory-size", "20000000"];
    let server = Server::start(&flags, "http_rude_guest");
    let failed = "500 Internal Server Error\n";
    for (path, reason) in [
        ("/panic", "wasm trap: wasm `unreachable` instruction executed"),
        ("/memory", "it wants more than 20000000 bytes of memory"),
        ("/error", r#"ErrorCode::InternalError(Some("\u{1b}[2Jno\nluck"))"#),
    ] {
        let answer = server.get(path);
        assert_eq!((answer.status, &*answer.body), (500, failed), "{path}");
        let line = server.line(&format!("GET {path}"));
        assert!(line.ends_with(&format!(" ms: {reason}")), "{line}");
        assert_eq!(server.get("/").body, "so far so good\n");
    }
    // An error that a guest returns is no trap: where instances are shared, this one goes on.
    for reuse in ["serial", "concurrent"] {
        let server = Server::start(&["--reuse", reuse], "http_rude_guest");
        for _ in 0..3 {
            assert_eq!(server.get("/error").status, 500);
            assert!(server.line("GET /error").contains("InternalError"));
        }
    }
    // What a guest had sent already is no complete answer.
    assert!(server.connect().ask(&get("/break")).is_err());
    assert!(server.line("GET /break").contains("unreachable"));
    assert_eq!(server.get("/").body, "so far so good\n");
    // A head is bounded by the memory that its fields take.
    let answer = server.get("/headers");
    assert!(answer.status == 200 && answer.head.len() < 64 << 10, "{}", answer.head.len());
    // In WASI 0.2, by a body that is larger than the memory.
    let flags = ["--max-memory-size", "3000000", "--max-body-size", "9000000"];
    let server = Server::start(&flags, "http_p2_guest");
    assert_eq!(server.ask(&post("/total", &" ".repeat(5_000_000))).status, 500);
    assert!(server.line("POST /total").ends_with(": it wants more than 3000000 bytes of memory"));
    assert_eq!(server.get("/").body, "hello from WASI 0.2\n");
}

#[test]
fn a_request_has_a_deadline() {
    let server = Server::start(&["--timeout", "1"], "http_rude_guest");
    for path in ["/loop", "/sleep"] {
        let answer = server.get(path);
        assert_eq!((answer.status, &*answer.body), (504, "504 Gateway Timeout\n"), "{path}");
        assert!(server.line(&format!("GET {path}")).ends_with(": it took longer than 1s"));
        assert_eq!(server.get("/").status, 200);
    }
    assert!(server.connect().ask(&get("/hang")).is_err());
    assert!(server.line("GET /hang").ends_with(": cut off, it took too long"));
    // In WASI 0.2, by a server that does not answer.
    let (silent, _clients) = silent();
    let flags = ["--timeout", "1", "--allow", &silent.to_string()];
    let server = Server::start(&flags, "http_p2_guest");
    assert_eq!(server.get(&format!("/fetch?from={silent}/")).status, 504);
}

#[test]
fn guests_that_compute_leave_room_for_others() {
    let rude = format!("/rude={}", guest("http_rude_guest", TARGET).display());
    let server = Server::start(&["--timeout", "30", "--route", &rude], "http_guest");
    let mut busy: Vec<_> = (0..8).map(|_| server.connect()).collect();
    for client in &mut busy {
        client.send(&get("/rude/loop"));
    }
    for _ in 0..5 {
        assert_eq!(server.get("/").status, 200);
    }
    // Nobody waits for those any more: they are ended.
    drop(busy);
    for _ in 0..8 {
        assert!(server.line("GET /rude/loop").ends_with(": cut off, the client has gone"));
    }
}

#[test]
fn requests_of_guests_go_where_they_are_allowed_to() {
    for (package, _) in BOTH {
        let other = Server::start(&[], "http_rude_guest");
        let at = other.at;
        let from = |server: &Server, from: String| server.get(&format!("/fetch?from={from}"));
        let server = Server::start(&[], package);
        let answer = from(&server, format!("{at}/"));
        assert_eq!(answer.status, 502);
        assert!(answer.body.contains("HttpRequestDenied"), "{answer:?}");
        let server = Server::start(&["--allow", &at.to_string(), "--max-outbound", "2"], package);
        assert_eq!(from(&server, format!("{at}/")).body, "so far so good\n");
        let port = at.port();
        for denied in [
            format!("{}/", server.at),
            format!("localhost:{port}/"),
            format!("{at}@localhost:{port}/"),
            format!("user@{at}/"),
            "127.0.0.1/".to_owned(),
        ] {
            assert_eq!(from(&server, denied.clone()).status, 502, "{denied}");
        }
        other.line("GET / 200"); // and it was asked no more than once
        assert!(other.log.try_recv().is_err());
        // A number of them at once, of all guests together.
        let (silent, clients) = silent();
        let flags = ["--allow", &silent.to_string(), "--max-outbound", "2"];
        let server = Server::start(&flags, package);
        let mut waiting = [server.connect(), server.connect()];
        for client in &mut waiting {
            client.send(&get(&format!("/fetch?from={silent}/")));
        }
        let accepted = [clients.recv_timeout(LIMIT).unwrap(), clients.recv_timeout(LIMIT).unwrap()];
        let answer = from(&server, format!("{silent}/"));
        assert_eq!(answer.status, 502);
        assert!(answer.body.contains("ConnectionLimitReached"), "{answer:?}");
        for mut stream in accepted {
            let mut head = BufReader::new(&stream).lines();
            while head.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        }
        for client in &mut waiting {
            assert_eq!(client.answer().unwrap().body, "ok");
        }
        // A server that is not there.
        let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let server = Server::start(&["--allow", "127.0.0.1:*"], package);
        let answer = from(&server, format!("{gone}/"));
        assert!(answer.body.contains("ConnectionRefused"), "{answer:?}");
    }
}

#[test]
fn a_guest_may_set_a_time_between_two_pieces_of_a_body() {
    // What this server has begun it never ends.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let slow = thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        read_head(&client);
        client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").unwrap();
        client
    });
    let server = Server::start(&["--timeout", "30", "--allow", &at.to_string()], "http_p2_guest");
    let started = Instant::now();
    let answer = server.connect().ask(&get(&format!("/fetch?from={at}/")));
    assert!(answer.is_err(), "{answer:?}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    drop(slow.join().unwrap());
}

#[test]
fn a_connection_takes_many_requests_also_in_advance() {
    for (package, generation) in BOTH {
        let server = Server::start(&[], package);
        let hello = format!("hello from WASI {generation}\n");
        let mut client = server.connect();
        for _ in 0..20 {
            assert_eq!(client.ask(&get("/")).unwrap().body, hello);
        }
        let all = [get("/"), post("/total", r#"{"prices": [5]}"#), get("/stream"), get("/nowhere")];
        client.send(&all.concat());
        let bodies = [(); 4].map(|()| client.answer().unwrap().body);
        let sum = "{\"count\":1,\"total\":5}\n";
        assert_eq!(bodies, [&*hello, sum, "line 1\nline 2\nline 3\n", "there is nothing here\n"]);
        // A request that says so is the last one.
        client.send("GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        assert_eq!(client.answer().unwrap().body, hello);
        client.is_closed();
        // A client may close its half of a connection after the last request.
        let mut client = server.connect();
        client.send(&get("/"));
        client.0.get_mut().shutdown(Shutdown::Write).unwrap();
        let _ = client.answer(); // it may as well count as gone
        assert_eq!(server.get("/").body, hello);
    }
}

/// How many requests at once, where this process may open as many sockets.
fn many() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let open = limits.lines().find(|line| line.starts_with("Max open files"));
    let open = open.and_then(|line| line.split_whitespace().nth(3)?.parse::<usize>().ok());
    open.map_or(1000, |open| open.saturating_sub(200)).min(1000)
}

#[test]
fn none_of_a_thousand_requests_at_once_is_lost() {
    for reuse in ["fresh", "serial", "concurrent"] {
        let server = Server::start(
            &["--reuse", reuse, "--timeout", "50", "--head-timeout", "50"],
            "http_guest",
        );
        let mut clients: Vec<_> = (0..many()).map(|_| server.connect()).collect();
        for (price, client) in clients.iter_mut().enumerate() {
            client.send(&post("/total", &format!("{{\"prices\": [{price}]}}")));
        }
        for (price, client) in clients.iter_mut().enumerate() {
            let answer = client.answer().unwrap();
            let expected = format!("{{\"count\":1,\"total\":{price}}}\n");
            assert_eq!((answer.status, answer.body), (200, expected), "{reuse}");
        }
    }
}

/// A request that is in flight until its body is complete, and the rest of that.
fn held(server: &Server) -> (Client, &'static str) {
    let mut client = server.connect();
    client.send(
        "POST /total HTTP/1.1\r\nhost: test\r\ncontent-length: 15\r\nexpect: 100-continue\r\n\r\n",
    );
    // Comes as soon as the guest reads.
    let mut head = String::new();
    client.0.read_line(&mut head).unwrap();
    assert_eq!(head, "HTTP/1.1 100 Continue\r\n");
    client.0.read_line(&mut head).unwrap();
    (client, "{\"prices\": [6]}")
}

#[test]
fn requests_at_once_have_a_limit() {
    for (package, _) in BOTH {
        let server = Server::start(&["--max-requests", "2"], package);
        let mut first = held(&server);
        let second = held(&server);
        let answer = server.get("/");
        assert_eq!((answer.status, &*answer.body), (503, "503 Service Unavailable\n"));
        assert!(server.line("GET / 503").ends_with(": too many requests at once"));
        first.0.send(first.1);
        assert_eq!(first.0.answer().unwrap().status, 200);
        server.line("POST /total 200");
        assert_eq!(server.get("/").status, 200);
        drop(second);
    }
}

#[test]
fn instances_at_once_have_a_limit() {
    // Each of these has answered, and computes on until its time is up.
    let server = Server::start(&["--max-requests", "2", "--timeout", "4"], "http_rude_guest");
    for _ in 0..4 {
        assert_eq!(server.get("/linger").status, 200);
    }
    assert_eq!(server.get("/").status, 503);
    let end = Instant::now() + LIMIT;
    while server.get("/").status != 200 {
        assert!(Instant::now() < end, "they never end");
        thread::sleep(Duration::from_millis(50));
    }
}

/// What a guest asks for and its own memory may never be is no memory of all.
#[test]
fn growth_that_is_not_given_is_not_counted() {
    let text = r#"(component
        (core module $m
            (memory 1 1)
            (func (export "handle") (param i32 i32) (local $left i32)
                (local.set $left (i32.const 2000))
                (loop
                    (if (i32.ne (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))
                    (local.set $left (i32.sub (local.get $left) (i32.const 1)))
                    (br_if 0 (local.get $left)))))
        (core instance $i (instantiate $m))
        (import "wasi:http/types@0.2.0" (instance $types
            (export "incoming-request" (type (sub resource)))
            (export "response-outparam" (type (sub resource)))))
        (alias export $types "incoming-request" (type $request))
        (alias export $types "response-outparam" (type $out))
        (type $own-request (own $request))
        (type $own-out (own $out))
        (func $handle (param "request" $own-request) (param "response-out" $own-out)
            (canon lift (core func $i "handle")))
        (instance $handler (export "handle" (func $handle)))
        (export "wasi:http/incoming-handler@0.2.0" (instance $handler)))"#;
    let bad = BadInput::new();
    let grows = bad.module("grows.wasm", text);
    let route = format!("/grows={}", grows.display());
    let flags = ["--max-total-memory", "9000000", "--route", &route];
    let server = Server::start(&flags, "http_guest");
    // It sends no response, which is an error; but it runs to its end, and takes no memory of others.
    assert_eq!(server.get("/grows").status, 500);
    let line = server.line("GET /grows");
    assert!(!line.contains("memory") && !line.contains("trap"), "{line}");
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn the_memory_of_all_has_a_limit() {
    let server = Server::start(&["--max-total-memory", "5000000"], "http_guest");
    let mut first = held(&server);
    let _others: Vec<_> = (0..2).map(|_| held(&server)).collect();
    let mut answers = (0..3).map(|_| server.connect()).collect::<Vec<_>>();
    for client in &mut answers {
        client.send("POST /total HTTP/1.1\r\nhost: test\r\ncontent-length: 15\r\n\r\n");
    }
    let line = server.line("POST /total 503");
    assert!(
        line.ends_with(": there is no memory left for it, of all that guests may have together"),
        "{line}"
    );
    first.0.send(first.1);
    assert_eq!(first.0.answer().unwrap().status, 200);
}

#[test]
fn connections_have_a_limit_and_the_next_client_waits() {
    let server = Server::start(&["--max-connections", "2"], "http_guest");
    let mut clients = [server.connect(), server.connect()];
    for client in &mut clients {
        assert_eq!(client.ask(&get("/")).unwrap().status, 200);
    }
    let mut third = server.connect();
    third.send(&get("/count"));
    let stream = third.0.get_ref().try_clone().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert!(third.0.fill_buf().is_err(), "it is answered");
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    drop(clients);
    assert_eq!(third.answer().unwrap().body, "1\n");
}

#[test]
fn an_instance_is_shared_as_far_as_the_flag_says() {
    let counts = |flags: &[&str], package: &str| {
        let server = Server::start(flags, package);
        [(); 4].map(|()| server.get("/count").body.trim().parse::<u32>().unwrap())
    };
    for (package, generation) in BOTH {
        assert_eq!(counts(&[], package), [1, 1, 1, 1], "{generation}");
        assert_eq!(counts(&["--reuse", "serial"], package), [1, 2, 3, 4], "{generation}");
        let flags = ["--reuse", "serial", "--max-reuse", "3"];
        assert_eq!(counts(&flags, package), [1, 2, 3, 1], "{generation}");
    }
    assert_eq!(counts(&["--reuse", "concurrent"], "http_guest"), [1, 2, 3, 4]);
    // A request in flight has its instance to itself, or it has not.
    for (reuse, shared) in [("fresh", false), ("serial", false), ("concurrent", true)] {
        let server = Server::start(&["--reuse", reuse], "http_guest");
        let (mut client, rest) = held(&server);
        let seen = || server.get("/count").body;
        // The first may come before the one that is held has begun to wait.
        let met = if shared { (0..10).any(|_| seen() == "2\n") } else { seen() != "1\n" };
        assert_eq!(met, shared, "{reuse}");
        client.send(rest);
        assert_eq!(client.answer().unwrap().status, 200);
    }
}

#[test]
fn a_trap_takes_along_who_shares_the_instance() {
    for (reuse, status) in [("fresh", 504), ("serial", 504), ("concurrent", 500)] {
        let server = Server::start(&["--reuse", reuse, "--timeout", "3"], "http_rude_guest");
        let mut neighbour = server.connect();
        neighbour.send(&get("/sleep"));
        server.line("guest: good night");
        // The first may come before the one that sleeps has begun to wait, and have its own instance.
        for _ in 0..3 {
            assert_eq!(server.get("/panic").status, 500);
        }
        assert_eq!(neighbour.answer().unwrap().status, status, "{reuse}");
        assert_eq!(server.get("/").status, 200);
    }
}

#[test]
fn a_guest_finds_what_it_was_granted_and_nothing_else() {
    let server = Server::start(&[], "http_rude_guest");
    assert_eq!(server.get("/look").status, 200);
    assert_eq!(server.line("guest: "), "guest: variables [], in /data None");
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("one"), "").unwrap();
    let dir = format!("{}::/data", folder.path().display());
    let flags = ["--env", "SHOP=a b=c", "--dir", &dir];
    let server = Server::start(&flags, "http_rude_guest");
    assert_eq!(server.get("/look").status, 200);
    let seen = r#"guest: variables [("SHOP", "a b=c")], in /data Some(1)"#;
    assert_eq!(server.line("guest: "), seen);
}

#[test]
fn what_is_printed_commands_no_terminal() {
    let server = Server::start(&[], "http_rude_guest");
    assert_eq!(server.get("/print").status, 200);
    let line = server.line("as long as it likes");
    assert!(line.starts_with("guest: ") && line.len() < 5000, "{line}");
    server.line("host: the rest of what this guest prints is dropped");
    let _ = server.ask("GET /\u{9b}2J HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(server.get("/error").status, 500);
    assert!(server.line("GET /error").ends_with(r#"(Some("\u{1b}[2Jno\nluck"))"#));
    let run = host("http_host")
        .args(["--request", "GET /error", "--request", "GET /print"])
        .arg(guest("http_rude_guest", TARGET))
        .timeout(LIMIT)
        .assert()
        .success();
    let output = run.get_output();
    let text = [&output.stdout[..], &output.stderr].concat();
    assert!(!text.contains(&0x1b));
}

#[test]
fn what_one_request_prints_takes_no_room_from_the_next() {
    for reuse in ["serial", "concurrent"] {
        let server = Server::start(&["--reuse", reuse], "http_rude_guest");
        assert_eq!(server.get("/print").status, 200);
        server.line("host: the rest of what this guest prints is dropped");
        assert_eq!(server.get("/panic").status, 500);
        server.line("guest: this request is too much");
    }
}

#[test]
fn a_signal_loses_no_request_in_flight() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&["--timeout", "50", "--grace", "50"], "http_guest");
        let mut flying: Vec<_> = (0..50).map(|_| held(&server)).collect();
        let mut idle = server.connect();
        assert_eq!(idle.ask(&get("/")).unwrap().status, 200);
        server.signal(signal);
        idle.is_closed(); // so the signal has come
        assert!(
            TcpStream::connect(server.at).is_err() || {
                // Nobody accepts; the socket is closed in a moment.
                in_time({
                    let at = server.at;
                    move || while TcpStream::connect(at).is_ok() {}
                });
                true
            }
        );
        for (client, rest) in &mut flying {
            client.send(rest);
        }
        for (client, _) in &mut flying {
            let answer = client.answer().unwrap();
            assert_eq!((answer.status, &*answer.body), (200, "{\"count\":1,\"total\":6}\n"));
            assert!(answer.head.contains("\r\nconnection: close\r\n"), "{answer:?}");
            client.is_closed();
        }
        assert!(server.ends().success());
    }
}

#[test]
fn a_signal_under_load_loses_none_that_was_accepted() {
    let mut server = Server::start(&["--timeout", "50", "--grace", "50"], "http_guest");
    let at = server.at;
    let (sender, answered) = channel();
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let sender = sender.clone();
            thread::spawn(move || {
                // Until there is nobody to connect to any more.
                while let Ok(stream) = TcpStream::connect(at) {
                    stream.set_read_timeout(Some(LIMIT)).unwrap();
                    let mut client = Client(BufReader::new(stream));
                    let answer = client.ask(&get("/stream"));
                    let _ = sender.send(answer.map(|answer| answer.body));
                }
            })
        })
        .collect();
    drop(sender);
    for _ in 0..50 {
        assert_eq!(answered.recv_timeout(LIMIT).unwrap().unwrap(), "line 1\nline 2\nline 3\n");
    }
    server.signal("TERM");
    // A connection may still be refused by a reset, if it came when the socket was being closed. It
    // has had no answer at all then; what is sent is complete.
    let mut reset = 0;
    for answer in answered {
        match answer {
            Ok(body) => assert_eq!(body, "line 1\nline 2\nline 3\n"),
            Err(error) => {
                assert_ne!(error.kind(), io::ErrorKind::UnexpectedEof, "{error}");
                reset += 1;
            }
        }
    }
    assert!(reset <= 8, "{reset}");
    assert!(server.ends().success());
    for client in clients {
        client.join().unwrap();
    }
}

#[test]
fn the_end_is_bounded_and_can_be_hastened() {
    let mut server = Server::start(&["--timeout", "50", "--grace", "0.3"], "http_guest");
    let _flying = held(&server);
    server.signal("TERM");
    server.line("host: gives up on requests that are still in flight");
    assert!(server.ends().success());
    let mut server = Server::start(&["--timeout", "50", "--grace", "50"], "http_guest");
    let _flying = held(&server);
    let mut idle = server.connect();
    assert_eq!(idle.ask(&get("/")).unwrap().status, 200);
    server.signal("TERM");
    idle.is_closed();
    server.signal("INT");
    server.line("host: ends at once");
    assert!(server.ends().success());
}

#[test]
fn an_address_in_use_is_an_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = taken.local_addr().unwrap().to_string();
    let run = host("http_host").args(["--addr", &at]).arg(guest("http_guest", TARGET)).assert();
    let first =
        format!("Error: cannot listen at {at}: give another --addr, or port 0 for a free one\n");
    run.code(1).stdout("").stderr(contains(first).and(contains("Address already in use")));
}

#[test]
fn the_host_refuses_what_does_not_serve_http() {
    let bad = BadInput::new();
    let reject = |path: &Path, first: &str, cause: &str| {
        let run = host("http_host").arg(path).timeout(LIMIT).assert().stdout("");
        refused(run, path, first, cause);
    };
    reject(&bad.missing(), "cannot read {}: check the path", "os error 2");
    for path in [bad.text(), bad.empty(), bad.damaged(), bad.module("module.wasm", "(module)")] {
        let first = "{} is not a component (it is a core module, or not WebAssembly): build";
        reject(&path, first, "--target wasm32-wasip2");
    }
    let whole = fs::read(guest("http_guest", TARGET)).unwrap();
    let half = bad.missing().with_file_name("half.wasm");
    fs::write(&half, &whole[..whole.len() / 2]).unwrap();
    reject(&half, "cannot compile {}: it is damaged, or needs a feature", "out of bounds");
    let serves = "{} does not serve http: give a component of the world wasi:http/service";
    reject(
        &bad.module("empty_world.wasm", "(component)"),
        serves,
        "(0.3) or wasi:http/proxy (0.2)",
    );
    let other = r#"(component (import "log:sink/line" (func))
        (instance $i) (export "wasi:http/handler@0.3.0" (instance $i)))"#;
    let linked = "{} cannot be linked: it may import WASI and wasi:http, and nothing else";
    reject(&bad.module("other.wasm", other), linked, "log:sink/line");
    let name = "(component (instance $i) (export \"wasi:http/handler@0.3.0\" (instance $i)))";
    reject(&bad.module("hollow.wasm", name), linked, "handle");
    let mut run = host("http_host");
    run.args(["--reuse", "concurrent"]).arg(guest("http_p2_guest", TARGET));
    run.assert().code(1).stderr(contains("--reuse concurrent is for 0.3"));
}

#[test]
fn routes_that_make_no_sense_are_refused() {
    let run =
        |args: &[&str]| host("http_host").args(args).timeout(LIMIT).assert().code(1).stdout("");
    run(&[]).stderr("Error: there is nothing to serve: give a component, --route or --routes\n");
    let bad = BadInput::new();
    let folder = bad.missing().with_file_name("empty");
    fs::create_dir(&folder).unwrap();
    let folder = folder.to_str().unwrap();
    run(&["--routes", folder]).stderr(contains("there is nothing to serve"));
    run(&["--routes", "nowhere"]).stderr(contains("cannot read the directory nowhere"));
    run(&["--route", "/a=one.wasm", "--route", "/a/=two.wasm"])
        .stderr("Error: /a/ has two components, one.wasm and two.wasm\n");
    let guest = guest("http_guest", TARGET);
    let guest = guest.to_str().unwrap();
    run(&["--dir", "nowhere", guest]).stderr(contains("cannot grant nowhere: it is no directory"));
    run(&["--max-memory-size", "1", guest]).stderr(contains(guest));
}

#[test]
fn a_mistake_on_the_command_line_ends_with_2() {
    for (flag, value) in [
        ("--addr", "8080"),
        ("--reuse", "always"),
        ("--route", "a=b.wasm"),
        ("--route", "/a"),
        ("--allow", "127.0.0.1"),
        ("--allow", "http://127.0.0.1:80"),
        ("--allow", "127.0.0.1:99999"),
        ("--env", "NAME"),
        ("--request", "GET"),
        ("--request", "GET nowhere"),
        ("--timeout", "soon"),
        ("--timeout", "-1"),
        ("--timeout", "inf"),
        ("--head-timeout", "1e19"),
        ("--grace", "31536001"),
        ("--max-requests", "0"),
        ("--max-head-size", "100"),
        ("--max-body-size", "1M"),
    ] {
        let run = host("http_host").arg(format!("{flag}={value}")).arg("guest.wasm").assert();
        run.code(2).stdout("").stderr(contains(flag).and(contains("invalid value")));
    }
}

#[test]
fn a_flag_without_the_one_it_is_for_is_a_mistake() {
    let run = host("http_host").args(["--together", "guest.wasm"]).timeout(LIMIT).assert();
    run.code(2).stdout("").stderr(contains("--request"));
}

#[test]
fn a_year_is_not_too_long() {
    let flags = ["--head-timeout", "31536000", "--timeout", "31536000"];
    assert_eq!(Server::start(&flags, "http_guest").get("/").status, 200);
}

#[test]
fn when_nobody_reads_the_answers_it_ends_quietly() {
    let mut command = Command::new(host("http_host").get_program());
    command.args(["--request", "GET /", "--request", "GET /"]).arg(guest("http_guest", TARGET));
    let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(process.stdout.take());
    let output = process.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !errors.contains("Error"), "{errors}");
}

#[cfg(target_os = "linux")] // elsewhere the shell may not have that limit
#[test]
fn too_little_room_for_addresses_says_what_to_do() {
    let program = host("http_host").get_program().to_owned();
    let run = |flags: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "ulimit -v 100000000 && exec \"$@\"", "sh"]).arg(&program).args(flags);
        shell.args(["--request", "GET /"]).arg(guest("http_guest", TARGET));
        let output = shell.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, errors) = run(&[]);
    let first = "Error: cannot set memory aside for all instances: give a lower --max-requests";
    assert!(status == Some(1) && errors.starts_with(first), "{errors}");
    let (status, errors) = run(&["--max-requests", "4"]);
    assert!(status == Some(0), "{errors}");
}

const PAGE: &str = "examples/http/README.md";

/// Compares what is measured to the table of the page. With `SNAPSHOTS=overwrite` it writes the table.
#[test]
fn the_speed_on_the_page_is_near() {
    let mut page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut far = Vec::new();
    for reuse in ["fresh", "serial", "concurrent"] {
        let server = Server::start(&["--reuse", reuse], "http_guest");
        let mut client = server.connect();
        let mut requests = |count| {
            let start = Instant::now();
            for _ in 0..count {
                assert_eq!(client.ask(&get("/count")).unwrap().status, 200);
            }
            f64::from(count) / start.elapsed().as_secs_f64()
        };
        requests(20); // the pool is warm now
        let measured = requests(500);
        let start = format!("\n| {reuse} | ");
        let from = page.find(&start).expect("a row of the table") + start.len();
        let to = from + page[from..].find(" |").unwrap();
        let written: f64 = page[from..to].parse().unwrap();
        if !(0.1..10.0).contains(&(measured / written)) {
            far.push(format!("{reuse}: {written} on the page, {measured:.0} here"));
        }
        let digits = 10_f64.powi(measured.log10() as i32 - 1); // all but the first two are noise
        page.replace_range(from..to, &format!("{:.0}", (measured / digits).round() * digits));
    }
    if std::env::var("SNAPSHOTS").as_deref() == Ok("overwrite") {
        fs::write(root().join(PAGE), page).unwrap();
    } else {
        assert!(far.is_empty(), "{PAGE}: {far:?}");
    }
}

/// What `just bench-http` measured is what the page shows.
#[test]
fn the_figures_on_the_page_are_those_that_were_measured() {
    let table = |file: &str| {
        let text = fs::read_to_string(root().join(format!("examples/http/{file}"))).unwrap();
        let rows = text.lines().skip_while(|line| !line.starts_with("| server |"));
        rows.take_while(|line| !line.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let measured = table("figures.md");
    assert_eq!(measured.len(), 11, "nine servers below a head");
    assert_eq!(
        table("README.md"),
        measured,
        "`just bench-http` writes both; copy that of figures.md"
    );
}

/// What many requests have open in one instance adds up, and is given back.
#[test]
fn instances_that_are_shared_have_handles_for_all() {
    for reuse in ["serial", "concurrent"] {
        let server = Server::start(&["--reuse", reuse], "http_guest");
        let at = server.at;
        thread::scope(|scope| {
            for _ in 0..32 {
                scope.spawn(move || {
                    let mut client = Client::connect(at);
                    for _ in 0..40 {
                        assert_eq!(client.ask(&get("/")).unwrap().status, 200, "{reuse}");
                    }
                });
            }
        });
    }
}
