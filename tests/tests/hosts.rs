//! What all hosts that run programs have in common, tried with one guest that looks around: it gets
//! nothing of its host's, and a host whose output is closed ends quietly.
//! Notice that no host is named here. One that runs programs is told by the status it passes on.
//! Run: cargo test -p tests --test hosts

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use tests::{examples, host, program, root};

/// Prints the arguments and variables it has, and which of some files and folders it can open.
const PROBE: &str = r#"
fn main() {
    let arguments: Vec<_> = std::env::args().collect();
    let variables: Vec<_> = std::env::vars().collect();
    let paths = ["/", ".", "..", "Cargo.toml", "/etc/passwd", "/proc/self/environ", "/tmp"];
    let open = |path: &&&str| std::fs::File::open(path).is_ok() || std::fs::read_dir(path).is_ok();
    let opened: Vec<_> = paths.iter().filter(open).collect();
    println!("probe: {arguments:?} {variables:?} {opened:?}");
}
"#;

/// Prints more than a pipe holds, and does not mind if nobody takes it.
const TALKER: &str = r#"
fn main() {
    use std::io::Write;
    let _ = std::io::stdout().write_all(&[b'x'; 4_000_000]);
}
"#;

/// The hosts that run programs: they pass on the status a guest gave to `exit`.
fn program_hosts() -> Vec<String> {
    let passes_on = |example: &String| {
        let sources = fs::read_dir(root().join(format!("hosts/{example}/src"))).unwrap();
        let sources = sources.map(|entry| entry.unwrap().path());
        let mut sources = sources.filter(|path| path.extension().is_some_and(|end| end == "rs"));
        sources.any(|path| fs::read_to_string(path).unwrap().contains("I32Exit("))
    };
    examples().into_iter().filter(passes_on).collect()
}

#[test]
fn a_guest_gets_no_variable_argument_or_file_of_its_host() {
    let dir = tempfile::tempdir().unwrap();
    let probes =
        ["wasm32-wasip1", "wasm32-wasip2"].map(|target| program(dir.path(), PROBE, target));
    for example in program_hosts() {
        let mut ran = 0;
        for probe in &probes {
            let mut host = host(&format!("{example}_host"));
            let output = host.env("SECRET", "of the host").arg(probe).output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            let Some(line) = text.lines().find(|line| line.starts_with("probe: ")) else {
                let errors = String::from_utf8_lossy(&output.stderr);
                assert!(errors.starts_with("Error: "), "{example}: {text}{errors}");
                continue; // it takes the other kind
            };
            ran += 1;
            // The file's name alone, or no arguments at all.
            let name = probe.file_name().unwrap().to_str().unwrap();
            let nothing = [format!("probe: [{name:?}] [] []"), "probe: [] [] []".to_owned()];
            assert!(nothing.iter().any(|nothing| line == nothing), "{example}_host: {line}");
        }
        assert!(ran > 0, "{example}_host ran no program");
    }
}

#[test]
#[cfg(unix)]
fn a_host_whose_output_is_closed_ends_quietly() {
    use std::os::unix::process::ExitStatusExt;
    // More than a pipe holds, from a program of either kind.
    let dir = tempfile::tempdir().unwrap();
    let talkers =
        ["wasm32-wasip1", "wasm32-wasip2"].map(|target| program(dir.path(), TALKER, target));
    for example in program_hosts() {
        let mut ran = 0;
        for talker in &talkers {
            let host = PathBuf::from(host(&format!("{example}_host")).get_program());
            let mut child = Command::new(host)
                .arg(talker)
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            drop(child.stdout.take()); // as `| head` does
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            let status = child.wait().unwrap();
            if errors.contains(" is not a co") {
                continue; // it takes the other kind
            }
            ran += 1;
            assert_eq!(errors, "", "{example}_host");
            let quiet = status.success() || status.signal() == Some(13); // SIGPIPE
            assert!(quiet, "{example}_host: {status:?}");
        }
        assert!(ran > 0, "{example}_host ran no program");
    }
}
