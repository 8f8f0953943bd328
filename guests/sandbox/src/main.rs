//! A program of many faults: its first argument says which of them it tries.
//! Notice that each is ordinary Rust; none needs `unsafe`.
//! Run: just run sandbox

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::time::Duration;
use std::{env, hint, process, thread};

fn main() {
    let args: Vec<String> = env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["greet"] => println!("hello"),
        ["loop"] => loop {
            hint::spin_loop();
        },
        ["sleep", seconds] => {
            thread::sleep(Duration::from_secs(number(seconds)));
            println!("awake");
        }
        ["read-input"] => {
            let mut input = Vec::new();
            println!("{:?} {}", io::stdin().read_to_end(&mut input), input.len());
        }
        ["memory", mib] => {
            let hoard: Vec<_> = (0..number(mib)).map(|_| vec![1_u8; 1 << 20]).collect();
            println!("{} MiB", hint::black_box(hoard).len());
        }
        ["recursion", levels] => println!("{} levels", deeper(number(levels))),
        ["flood", bytes] => flood(io::stdout(), number(bytes)),
        ["flood-errors", bytes] => flood(io::stderr(), number(bytes)),
        ["tell"] => {
            println!("{:?} {:?}", env::args().next(), env::vars().collect::<Vec<_>>());
            println!("{:?}", env::current_dir());
        }
        ["terminal"] => println!("\x1b[2J\x1b]0;title\x07\x1b[31mred"),
        ["panic"] => panic!("at the disco"),
        ["exit", status] => process::exit(status.parse().expect("a status")),
        ["read", ref paths @ ..] => {
            for path in paths {
                println!("{path} {:?}", fs::read_to_string(path).map_err(|error| error.kind()));
            }
        }
        ["write", path] => {
            println!("{:?}", fs::write(path, "x").map_err(|e| e.kind()));
            let truncated = OpenOptions::new().read(true).write(true).truncate(true).open(path);
            println!("{:?}", truncated.map(|_| ()).map_err(|e| e.kind()));
            println!(
                "{:?}",
                OpenOptions::new().append(true).open(path).map(|_| ()).map_err(|e| e.kind())
            );
            println!("{:?}", fs::remove_file(path).map_err(|e| e.kind()));
            println!("{:?}", fs::rename(path, format!("{path}.2")).map_err(|e| e.kind()));
            println!("{:?}", fs::hard_link(path, format!("{path}.3")).map_err(|e| e.kind()));
            println!("{:?}", fs::create_dir(format!("{path}.4")).map_err(|e| e.kind()));
        }
        ["again", path, count] => {
            let read = |_| fs::read_to_string(path).map_err(|error| error.kind());
            let mut answers: Vec<_> =
                (0..number(count)).map(read).map(|read| format!("{read:?}")).collect();
            answers.sort();
            answers.dedup();
            println!("{answers:?}");
        }
        ["move", from, to] => {
            println!("{:?}", fs::rename(from, to).map_err(|error| error.kind()));
            println!("{:?}", fs::hard_link(from, to).map_err(|error| error.kind()));
            println!("{:?}", fs::copy(from, to).map_err(|error| error.kind()));
        }
        ["long-path", bytes] => {
            let path = "/data/".to_owned() + &"x".repeat(number(bytes) as usize);
            println!("{:?}", fs::metadata(path).map(|_| ()).map_err(|error| error.kind()));
        }
        ["open", path, count] => {
            let files: io::Result<Vec<_>> = (0..number(count)).map(|_| File::open(path)).collect();
            println!("{:?}", files.map(|files| files.len()));
        }
        ["connect", address] => {
            let mut answer = [0; 5];
            let read = TcpStream::connect(address).and_then(|mut stream| stream.read(&mut answer));
            println!("{:?}", read.map_err(|error| error.kind()));
        }
        ["listen"] => {
            println!("{:?}", TcpListener::bind("127.0.0.1:0").map(|_| ()).map_err(|e| e.kind()));
            println!("{:?}", UdpSocket::bind("127.0.0.1:0").map(|_| ()).map_err(|e| e.kind()));
        }
        _ => panic!("which fault?"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

fn deeper(levels: u64) -> u64 {
    if levels == 0 { 0 } else { 1 + deeper(hint::black_box(levels - 1)) }
}

fn flood(mut output: impl Write, bytes: u64) {
    let text = [b'x'; 1000];
    for _ in 0..bytes / 1000 {
        output.write_all(&text).expect("the host takes it");
    }
}
