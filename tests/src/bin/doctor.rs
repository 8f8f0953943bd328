//! Says what is installed, what is missing, which example needs it and what installs it.
//! Notice that only the first group is needed to run the examples.
//! Run: just doctor

use std::process::Command;

use anyhow::{Context, Result};

/// A tool: the words it is called by, who needs it, and what installs it.
struct Tool {
    name: &'static str,
    needed_by: &'static str,
    install: &'static str,
    optional: bool,
}

const TOOLS: [Tool; 22] = [
    Tool {
        name: "just",
        needed_by: "all examples",
        install: "cargo install --locked --debug just",
        optional: false,
    },
    Tool {
        name: "cargo clippy",
        needed_by: "just lint",
        install: "rustup component add clippy",
        optional: true,
    },
    Tool {
        name: "cargo fmt",
        needed_by: "just fmt",
        install: "rustup component add rustfmt",
        optional: true,
    },
    Tool {
        name: "wasm-opt",
        needed_by: "no_std and optimize, the last sizes",
        install: "apt-get install binaryen, or brew install binaryen",
        optional: true,
    },
    Tool {
        name: "wat2wasm",
        needed_by: "no_std, the module by hand",
        install: "apt-get install wabt, or brew install wabt",
        optional: true,
    },
    Tool {
        name: "wasm-objdump",
        needed_by: "inspect, other tools on the same file",
        install: "apt-get install wabt, or brew install wabt",
        optional: true,
    },
    Tool {
        name: "wasm-strip",
        needed_by: "debug, a guest as it is shipped",
        install: "apt-get install wabt, or brew install wabt",
        optional: true,
    },
    Tool {
        name: "gdb",
        needed_by: "debug, stepping through a guest",
        install: "apt-get install gdb, or brew install gdb",
        optional: true,
    },
    Tool {
        name: "cmake",
        needed_by: "small_engine, the engine in C, with libclang",
        install: "apt-get install cmake libclang-dev, or brew install cmake llvm",
        optional: true,
    },
    Tool {
        name: "nats-server",
        needed_by: "stream, more than one machine",
        install: "apt-get install nats-server, or brew install nats-server",
        optional: true,
    },
    Tool {
        name: "node",
        needed_by: "javascript, and plugins by way of jco; 20 or later",
        install: "apt-get install nodejs, or brew install node",
        optional: true,
    },
    Tool {
        name: "npm",
        needed_by: "javascript, its packages",
        install: "apt-get install npm, or brew install node",
        optional: true,
    },
    Tool {
        name: "chromium",
        needed_by: "javascript, guests in a web page",
        install: "apt-get install chromium, or brew install chromium",
        optional: true,
    },
    Tool {
        name: "chromedriver",
        needed_by: "javascript, guests in a web page",
        install: "apt-get install chromium-driver, or brew install chromedriver",
        optional: true,
    },
    Tool {
        name: "mdbook",
        needed_by: "just book",
        install: "cargo install --locked mdbook@0.5.4",
        optional: true,
    },
    Tool {
        name: "mdbook-mermaid",
        needed_by: "just book, its drawings",
        install: "cargo install --locked mdbook-mermaid@0.17.1",
        optional: true,
    },
    Tool {
        name: "python3",
        needed_by: "just conformance, which wants 3.12 or later",
        install: "apt-get install python3-venv, or brew install python",
        optional: true,
    },
    Tool {
        name: "componentize-py",
        needed_by: "plugins, the plug-in in Python",
        install: "pip install componentize-py==0.25.1",
        optional: true,
    },
    Tool {
        name: "jco",
        needed_by: "plugins, the plug-in in JavaScript, with node",
        install: "npm install --global @bytecodealliance/jco@1.35.0",
        optional: true,
    },
    Tool {
        name: "cargo component",
        needed_by: "cargo_component",
        install: "cargo install --locked cargo-component@0.21.1",
        optional: true,
    },
    Tool {
        name: "wac",
        needed_by: "compose, the tool beside the library",
        install: "cargo install --locked wac-cli@0.12.0",
        optional: true,
    },
    Tool {
        name: "wasm-tools",
        needed_by: "compose and inspect, the worlds printed; optimize, a component",
        install: "cargo install --locked wasm-tools@1.263.0",
        optional: true,
    },
];

fn main() -> Result<()> {
    sigpipe::reset();
    let mut missing = 0;
    let rustc = output("rustc", &["--version"]).context("rustc does not start")?;
    println!("ok       {}", rustc.trim());

    let file = std::fs::read_to_string(tests::root().join("rust-toolchain.toml"))
        .context("cannot read rust-toolchain.toml")?;
    let sysroot = output("rustc", &["--print", "sysroot"]).context("rustc does not start")?;
    for target in file.split('"').filter(|word| word.starts_with("wasm32")) {
        if std::path::Path::new(sysroot.trim()).join("lib/rustlib").join(target).is_dir() {
            println!("ok       target {target}");
        } else {
            println!("missing  target {target}, for its guests: rustup target add {target}");
            missing += 1;
        }
    }
    for tool in TOOLS {
        let mut words = tool.name.split(' ').chain(["--version"]);
        let program = words.next().context("a tool has a name")?;
        match output(program, &words.collect::<Vec<_>>()) {
            Some(version) => {
                println!("ok       {}: {}", tool.name, version.lines().next().unwrap_or_default())
            }
            None => {
                let word = if tool.optional { "optional" } else { "missing " };
                println!("{word} {}, for {}: {}", tool.name, tool.needed_by, tool.install);
                missing += i32::from(!tool.optional);
            }
        }
    }
    std::process::exit(i32::from(missing > 0));
}

/// What a program prints, or none if it is not there or fails.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
