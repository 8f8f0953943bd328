//! Measures how many requests per second http_host answers, and how long each of them takes, beside
//! `wasmtime serve` on the same component and a native server. Writes the figures, the plot, and the table
//! of the page.
//! Notice that all take turns, so that an hour in which the machine is busy is the same for all.
//! Run: just bench-http

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tests::{artifacts, command, root};

const FIGURES: &str = "examples/http/figures.md";
const PLOT: &str = "examples/http/figures.svg";
const PAGE: &str = "examples/http/README.md";

/// What the table begins with, here and on the page.
const HEAD: &str = "| server | requests per second, 1 connection | p50 | p99 | requests per second, 32 connections | p50 | p99 |
|---|---|---|---|---|---|---|
";

/// A plot has room for short names beside its bars. This is as wide again as these here are longer.
const NARROW: &str = r#"width="800" height="500" viewBox="0 0 800 500""#;
const WIDE: &str = r#"width="1040" height="500" viewBox="-240 0 1040 500""#;

/// How often each is measured, and for how many seconds.
const ROUNDS: usize = 3;
const SECONDS: &str = "5";

/// Connections, each of which sends the next request when it has the answer to the last one.
const CONNECTIONS: [&str; 2] = ["1", "32"];

/// A server, and what it says when it is asked.
struct Served {
    name: &'static str,
    program: PathBuf,
    args: Vec<String>,
}

/// What was measured in one go.
#[derive(Clone, Copy)]
struct Figures {
    per_second: f64,
    /// Milliseconds that half of the requests took at most, and that all but one in a hundred took.
    p50: f64,
    p99: f64,
}

fn main() -> Result<()> {
    sigpipe::reset();
    let wasmtime = Command::new("wasmtime").arg("--version").output();
    let wasmtime = wasmtime
        .context("`wasmtime` is not installed: cargo install --locked wasmtime-cli@48.0.8")?;
    let wasmtime = String::from_utf8_lossy(&wasmtime.stdout).trim().to_owned();
    let lock = fs::read_to_string(root().join("hosts/http/Cargo.lock"))?;
    let engine = lock.split("name = \"wasmtime\"\nversion = \"").nth(1);
    let engine = engine.and_then(|rest| rest.split('"').next()).context("no wasmtime is locked")?;
    ensure!(
        wasmtime.split(' ').nth(1) == Some(engine),
        "`wasmtime` is {wasmtime}, the host is built from {engine}: cargo install --locked wasmtime-cli@{engine}"
    );

    let build = |args: &[&str], name: &str| {
        let files = artifacts(command("cargo", &root()).args(["build", "--release"]).args(args));
        let found = files.into_iter().find(|file| file.file_name().is_some_and(|f| f == name));
        found.with_context(|| format!("the build made no {name}"))
    };
    let manifest = ["--manifest-path", "hosts/http/Cargo.toml"];
    let host = build(&manifest, "http_host")?;
    let native = build(&[&manifest[..], &["--example", "native"]].concat(), "native")?;
    let guest = |package: &str| {
        let target = ["--target", "wasm32-wasip2", "--package", package];
        Ok::<_, anyhow::Error>(build(&target, &format!("{package}.wasm"))?.display().to_string())
    };
    let (p3, p2) = (guest("http_guest")?, guest("http_p2_guest")?);

    let ours = |name, args: &[&str], guest: &str| Served {
        name,
        program: host.clone(),
        args: args.iter().copied().chain([guest]).map(str::to_owned).collect(),
    };
    let serve = |name, args: &[&str], guest: &str| Served {
        name,
        program: "wasmtime".into(),
        args: ["serve", "-S", "cli", "-O", "pooling-allocator=y", "--addr", "127.0.0.1:0"]
            .iter()
            .chain(args)
            .copied()
            .chain([guest])
            .map(str::to_owned)
            .collect(),
    };
    let once = ["--max-instance-reuse-count", "1"];
    // What http_host says of its pool, in `fn pool`.
    let tuned = [
        &once[..],
        &["-O", "pooling-memory-keep-resident=262144", "-O", "pooling-table-keep-resident=4096"],
        &["-O", "pooling-pagemap-scan=y"],
    ]
    .concat();
    let served = [
        Served { name: "hyper, native", program: native, args: vec![] },
        ours("http_host, fresh", &[], &p3),
        serve("wasmtime serve, fresh", &once, &p3),
        serve("wasmtime serve, fresh, same pool", &tuned, &p3),
        ours("http_host, concurrent", &["--reuse", "concurrent"], &p3),
        serve("wasmtime serve, concurrent", &[], &p3),
        ours("http_host, fresh, WASI 0.2", &[], &p2),
        serve("wasmtime serve, fresh, WASI 0.2", &once, &p2),
        serve("wasmtime serve, fresh, same pool, WASI 0.2", &tuned, &p2),
    ];

    let mut measured = vec![[const { Vec::new() }; CONNECTIONS.len()]; served.len()];
    for round in 1..=ROUNDS {
        for (served, measured) in served.iter().zip(&mut measured) {
            eprintln!("round {round} of {ROUNDS}: {}", served.name);
            let running = Running::start(served)?;
            measure(&running.url, "1", "16")?; // compiled, and warm
            for (connections, measured) in CONNECTIONS.iter().zip(measured) {
                measured.push(measure(&running.url, SECONDS, connections)?);
            }
        }
    }

    let mut table = String::new();
    let mut bars = Vec::new();
    for (served, measured) in served.iter().zip(measured) {
        table += &format!("| {} |", served.name);
        for (connections, measured) in CONNECTIONS.iter().zip(measured) {
            let median = |of: fn(&Figures) -> f64| {
                let mut all: Vec<_> = measured.iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            let per_second = median(|figures| figures.per_second);
            let (p50, p99) = (median(|figures| figures.p50), median(|figures| figures.p99));
            table += &format!(" {per_second:.0} | {p50:.2} ms | {p99:.2} ms |");
            if *connections == "32" {
                bars.push((per_second, served.name.to_owned()));
            }
        }
        table += "\n";
    }
    let date = Command::new("date").arg("+%F").output().context("no date")?;
    let date = String::from_utf8_lossy(&date.stdout).trim().to_owned();
    let cores = thread::available_parallelism().context("nobody knows how many cores there are")?;
    let text = format!(
        "# Figures of http\n\n\
        `just bench-http` wrote this on {date}, on {cores} shared cores, with release builds of all and wasmtime \
        {engine}\nin both hosts, which take instances from a pool. Each request is `GET /`, sent by wrk on the \
        same machine.\nThe figures are medians of {ROUNDS} rounds of {SECONDS} s. http_host writes a line for \
        each request to a file.\n\n\
        {HEAD}{table}\n\
        ![Requests per second with 32 connections, as bars](figures.svg)\n"
    );
    fs::write(root().join(FIGURES), text).context("cannot write the figures")?;
    bars.reverse();
    let plot = poloto::build::bar::gen_simple("", bars, [0.0])
        .label(("32 connections", "requests per second", ""))
        .append_to(poloto::header().light_theme())
        .render_string()?
        .replacen(NARROW, WIDE, 1);
    fs::write(root().join(PLOT), plot + "\n").context("cannot write the plot")?;
    let page = fs::read_to_string(root().join(PAGE)).context("cannot read the page")?;
    let (before, rest) = page.split_once(HEAD).context("the page has no such table")?;
    let (_, after) = rest.split_once("\n\n").context("the table of the page has no end")?;
    let page = format!("{before}{HEAD}{table}\n{after}");
    fs::write(root().join(PAGE), page).context("cannot write the page")?;
    println!("{FIGURES}, {PLOT} and {PAGE} are written");
    Ok(())
}

/// A server while it serves; killed when it is dropped.
struct Running {
    process: Child,
    url: String,
    _log: tempfile::TempDir,
}

impl Running {
    fn start(served: &Served) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let log = dir.path().join("log");
        let mut command = Command::new(&served.program);
        command.args(&served.args).stdout(Stdio::null()).stderr(File::create(&log)?);
        let process = command.spawn().with_context(|| format!("{} does not start", served.name))?;
        let mut running = Self { process, url: String::new(), _log: dir };
        let start = Instant::now();
        while running.url.is_empty() {
            let text = fs::read_to_string(&log)?;
            if let Some((_, rest)) = text.split_once("http://")
                && let Some((at, _)) = rest.split_once("/\n")
            {
                running.url = format!("http://{at}/");
            } else if running.process.try_wait()?.is_some() || start.elapsed().as_secs() > 60 {
                bail!("{} does not serve: {text}", served.name);
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Has wrk send requests, and reads what it says.
fn measure(url: &str, seconds: &str, connections: &str) -> Result<Figures> {
    let wrk = Command::new("wrk")
        .args(["--threads", "1", "--latency", "--duration", seconds, "--connections", connections])
        .arg(url)
        .output()
        .context("`wrk` is not installed: apt-get install wrk, or brew install wrk")?;
    let text = String::from_utf8_lossy(&wrk.stdout);
    ensure!(wrk.status.success(), "wrk fails: {}", String::from_utf8_lossy(&wrk.stderr));
    ensure!(
        !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "not all is well: {text}"
    );
    let after = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name));
        line.map(str::trim).with_context(|| format!("wrk says nothing of {name}: {text}"))
    };
    Ok(Figures {
        per_second: after("Requests/sec:")?.parse()?,
        p50: milliseconds(after("50%")?)?,
        p99: milliseconds(after("99%")?)?,
    })
}

fn milliseconds(time: &str) -> Result<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = time.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    bail!("{time} is no time")
}
