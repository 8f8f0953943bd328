//! Measures calls and instances with criterion, and writes the tables and plots of `startup`.
//! Notice that no figure is typed by hand here but those that the engine's own people published.
//! Run: just bench

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tests::{command, guest_with, root, target};

const FIGURES: &str = "examples/startup/figures.md";

/// A plot has room for short names beside its bars. This is as wide again as these here are longer.
const NARROW: &str = r#"width="800" height="500" viewBox="0 0 800 500""#;
const WIDE: &str = r#"width="1040" height="500" viewBox="-240 0 1040 500""#;

/// What was measured: where criterion puts it, what it is called in the table, how many calls one
/// measurement has, and what was published of it, in nanoseconds.
struct Row {
    id: &'static str,
    name: &'static str,
    calls: f64,
    published: Option<(f64, Source)>,
}

/// A pull request of wasmtime's, and the year in which it was measured.
#[derive(Clone, Copy)]
struct Source(u32, u32);

const fn row(id: &'static str, name: &'static str) -> Row {
    Row { id, name, calls: 1.0, published: None }
}

const fn near(id: &'static str, name: &'static str, calls: f64, ns: f64, source: Source) -> Row {
    Row { id, name, calls, published: Some((ns, source)) }
}

const CALLS: [Row; 9] = [
    row("native/add", "Rust to Rust"),
    near("core/add", "host to core module", 1.0, 30.8, Source(14280, 2026)),
    near("core/add in host", "core module to host", 1000.0, 7.5, Source(14280, 2026)),
    near("component/add", "host to component", 1.0, 76.5, Source(6981, 2023)),
    near("component/add in host", "component to host", 1000.0, 33.9, Source(6981, 2023)),
    row("component/add, no async", "host to component, without concurrency_support"),
    Row {
        calls: 1000.0,
        ..row("component/add in host, no async", "component to host, without it")
    },
    near("async/add", "host to component, async", 1.0, 1406.8, Source(14280, 2026)),
    near("async/add in host", "component to host, async", 1000.0, 280.4, Source(14280, 2026)),
];

const VALUES: [Row; 7] = [
    row("component/echo 16 B", "a text of 16 bytes, there and back"),
    row("component/echo 1 KiB", "a text of 1 KiB, there and back"),
    row("component/echo 64 KiB", "a text of 64 KiB, there and back"),
    row("component/100 records", "100 records of a text and a number"),
    row("component/method", "a method of a resource in the guest"),
    row("component/resource", "a resource in the guest: made and dropped"),
    row("async/stream", "16 MiB through a stream"),
];

const INSTANCES: [Row; 12] = [
    near("on demand/0.1, 1 thread", "preview 1, on demand", 1.0, 30_328.0, Source(2900, 2021)),
    near("pooled/0.1, 1 thread", "preview 1, pooled", 1.0, 26_868.0, Source(2900, 2021)),
    row("on demand/0.2, 1 thread", "WASI 0.2, on demand"),
    row("pooled/0.2, 1 thread", "WASI 0.2, pooled"),
    row("on demand/0.3, 1 thread", "WASI 0.3, on demand"),
    row("pooled/0.3, 1 thread", "WASI 0.3, pooled"),
    row("on demand/0.1, 2 threads", "preview 1, on demand, on each of 2 threads"),
    row("pooled/0.1, 2 threads", "preview 1, pooled, on each of 2 threads"),
    row("on demand/0.2, 2 threads", "WASI 0.2, on demand, on each of 2 threads"),
    row("pooled/0.2, 2 threads", "WASI 0.2, pooled, on each of 2 threads"),
    row("on demand/0.3, 2 threads", "WASI 0.3, on demand, on each of 2 threads"),
    row("pooled/0.3, 2 threads", "WASI 0.3, pooled, on each of 2 threads"),
];

const ENGINES: [Row; 5] = [
    row("native/moderate", "Rust without any guest"),
    row("core/moderate", "core module with addresses, in wasmtime"),
    row("component/moderate", "component, in wasmtime"),
    row("Extism/moderate", "plug-in of Extism's kind, in wasmtime 43"), // as benches/others locks it
    row("wasmi/moderate", "the same core module, in wasmi"),
];

fn main() -> Result<()> {
    sigpipe::reset();
    let results = target().join("criterion");
    if results.exists() {
        fs::remove_dir_all(&results).context("cannot remove what was measured before")?;
    }
    let module = guest_with("extism_module_guest", "wasm32-wasip1", &["--release"]);
    let plugin = guest_with("extism_guest", "wasm32-unknown-unknown", &["--release"]);
    let ours = [
        "--package",
        "tests",
        "--features",
        "criterion",
        "--bench",
        "calls",
        "--bench",
        "instances",
    ];
    let others = ["--manifest-path", "tests/benches/others/Cargo.toml", "--bench", "engines"];
    for arguments in [&ours[..], &others] {
        let mut bench = command("cargo", &root());
        bench.arg("bench").args(arguments);
        bench.envs([("MODULE", &module), ("PLUGIN", &plugin), ("CRITERION_HOME", &results)]);
        ensure!(bench.status()?.success(), "a bench failed");
    }

    let lock = fs::read_to_string(root().join("Cargo.lock"))?;
    let engine = lock.split("name = \"wasmtime\"\nversion = \"").nth(1);
    let engine = engine.and_then(|rest| rest.split('"').next()).context("no wasmtime is locked")?;
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let output = output.with_context(|| format!("cannot run {program}"))?;
        Ok::<_, anyhow::Error>(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let cores = thread::available_parallelism()?;
    let date = said("date", &["+%F"])?;
    let rust = said("rustc", &["--version"])?;
    let rust = rust.split(' ').nth(1).context("rustc says its version")?;
    let mut text = format!(
        "# Figures of startup\n\n\
        `just bench` wrote this on {date}, on {cores} cores, with Rust {rust} and wasmtime {engine}, all \
        built for\nrelease. Each figure is a median, and behind it stands the median of what single \
        measurements are\naway from it. What others measured stands beside it where there is \
        something: it was another machine,\nanother year and another guest, and tells no more than how \
        many digits to expect.\n"
    );
    text += &ladder()?;
    for (title, about, file, rows) in [
        ("A call", "Two numbers in, one out, and nothing to do.", "calls", &CALLS[..]),
        (
            "Values",
            "What a component's types cost. The guest reads them and does nothing else.",
            "",
            &VALUES,
        ),
        (
            "An instance",
            "From an empty store to the end of an instance, as it is for each request. The guests are \
             those of\n[evolution](../evolution/README.md), and were compiled and linked before.",
            "instances",
            &INSTANCES,
        ),
        (
            "One interface, several engines",
            "The moderator of [extism](../extism/README.md), with a message of seven words. It asks its \
             host about each.",
            "engines",
            &ENGINES,
        ),
    ] {
        text += &format!(
            "\n## {title}\n\n{about}\n\n| | median | spread | published |\n|---|---|---|---|\n"
        );
        let mut bars = Vec::new();
        for row in rows {
            let (median, spread) = measured(&results, row)?;
            let published = row.published.map(|(ns, Source(number, year))| {
                let link = format!("https://github.com/bytecodealliance/wasmtime/pull/{number}");
                format!("{}, [{year}]({link})", time(ns))
            });
            let published = published.unwrap_or_default();
            text += &format!(
                "| {} | {} | ± {} | {published} |\n",
                row.name,
                time(median),
                time(spread)
            );
            bars.push((median / 1000.0, row.name.to_owned()));
        }
        if !file.is_empty() {
            text += &format!(
                "\n![{title}: the medians as bars, in microseconds](figures_{file}.svg)\n"
            );
            bars.reverse();
            let plot = poloto::build::bar::gen_simple("", bars, [0.0])
                .label(("", "microseconds", ""))
                .append_to(poloto::header().light_theme())
                .render_string()?
                .replacen(NARROW, WIDE, 1);
            let path = format!("examples/startup/figures_{file}.svg");
            fs::write(root().join(path), plot + "\n").context("cannot write a plot")?;
        }
    }
    fs::write(root().join(FIGURES), text).context("cannot write the figures")?;
    println!("{FIGURES} and its plots are written");
    Ok(())
}

/// What `startup_host` says of itself, as a debug and as a release build.
fn ladder() -> Result<String> {
    let guest = guest_with("startup_guest", "wasm32-wasip2", &["--profile", "small"]);
    let mut said = Vec::new();
    for profile in ["dev", "release"] {
        let mut cargo = command("cargo", &root());
        cargo.args(["run", "--quiet", "--profile", profile, "--package", "startup_host", "--"]);
        let output = cargo.arg(&guest).arg("examples/startup/parcels.json").output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).context("text")?;
        let rows = text.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().skip(1).collect();
            let numbers: Vec<f64> = words.iter().skip(1).map_while(|w| w.parse().ok()).collect();
            (numbers.len() + 1 == words.len() && numbers.len() > 1)
                .then(|| (words[0].to_owned(), numbers))
        });
        said.push(rows.collect::<Vec<_>>());
    }
    let mut text = "\n## The ladder\n\nWhat `startup_host` prints. The first column is of a debug build of the host, \
         all others of a release\nbuild.\n\n\
         | rung | ready, debug build | ready | instance | call | bytes of code |\n|---|---|---|---|---|---|\n"
        .to_owned();
    let ms = |ms: f64| time(ms * 1e6);
    for ((rung, numbers), (_, debug)) in said[1].iter().zip(&said[0]) {
        if let ([ready, instance, call, code], [first, ..]) = (&numbers[..], &debug[..]) {
            let [first, ready, instance, call] = [first, ready, instance, call].map(|n| ms(*n));
            text += &format!("| `{rung}` | {first} | {ready} | {instance} | {call} | {code} |\n");
        }
    }
    text += "\n| 100 requests | by 1 thread | by 4 threads |\n|---|---|---|\n";
    for (rung, numbers) in &said[1] {
        if let [one, several] = numbers[..] {
            text += &format!("| `{rung}` | {} | {} |\n", ms(one), ms(several));
        }
    }
    Ok(text)
}

/// Median and median absolute deviation of one call, in nanoseconds, as criterion found them.
fn measured(results: &Path, row: &Row) -> Result<(f64, f64)> {
    let (group, name) = row.id.split_once('/').context("a group and a name")?;
    let path = results.join(group).join(name).join("new/estimates.json");
    let text =
        fs::read_to_string(&path).with_context(|| format!("nothing was measured as {}", row.id))?;
    let estimates: Value = serde_json::from_str(&text)?;
    let number = |what: &str| estimates[what]["point_estimate"].as_f64();
    match (number("median"), number("median_abs_dev")) {
        (Some(median), Some(spread)) => Ok((median / row.calls, spread / row.calls)),
        _ => bail!("{} was not written by criterion", path.display()),
    }
}

/// A time with two or three digits that say something, and its unit.
fn time(ns: f64) -> String {
    let (number, unit) = match ns {
        ns if ns < 1e3 => (ns, "ns"),
        ns if ns < 1e6 => (ns / 1e3, "µs"),
        ns => (ns / 1e6, "ms"),
    };
    let decimals = match number {
        n if n < 10.0 => 2,
        n if n < 100.0 => 1,
        _ => 0,
    };
    format!("{number:.decimals$} {unit}")
}
