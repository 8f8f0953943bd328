//! Which host of the collection of examples runs what; this knowledge stays true in a copy.
//! Notice that any program runs in one and the same host, and that a library needs its own.
//! Run: just run inspect

use crate::kind::Kind;
use crate::report::{Contents, Host, Item, Role};
use crate::text::Text;
use crate::words::{self, Purpose};

/// A host that was written for one world: it offers what that imports, and calls what it exports.
struct Known {
    package: &'static str,
    component: bool,
    /// What it calls, as a report prints it. After a `*` may be anything: a newer version, say.
    calls: &'static [&'static str],
    /// How the names begin of what it offers beside WASI.
    offers: &'static [&'static str],
    command: &'static str,
}

const KNOWN: [Known; 18] = [
    Known {
        package: "component_host",
        component: true,
        calls: &["price: func(order: order) -> result<quote, problem>"],
        offers: &["unit-price"],
        command: "cargo run --package component_host -- FILE mug=2 lamp=1",
    },
    Known {
        package: "resources_host",
        component: true,
        calls: &["bank:desk/saving@1.0.0"],
        offers: &["bank:desk/ledger@1.0.0"],
        command: "cargo run --package resources_host -- FILE 40 run drop",
    },
    Known {
        package: "compose_host",
        component: true,
        calls: &["total: func(goods: string, cents: u32) -> result<u32, string>"],
        offers: &[],
        command: "cargo run --package compose_host -- FILE book=1000",
    },
    Known {
        package: "cargo_component_host",
        component: true,
        calls: &["slug: func(title: string) -> result<string, problem>"],
        offers: &["taken"],
        command: "cargo run --package cargo_component_host -- FILE About",
    },
    Known {
        package: "async_streams_host",
        component: true,
        calls: &[
            "telegram: async func(line: future<u32>, text: stream<u8>) -> result<u32, string>",
        ],
        offers: &["transmit"],
        command: "cargo run --package async_streams_host -- FILE 'come home'",
    },
    Known {
        package: "filter_host",
        component: true,
        calls: &[
            "filter: async func(input: stream<u8>) -> tuple<stream<u8>, future<result<_, string>>>",
        ],
        offers: &[],
        command: "cargo run --package filter_host -- FILE",
    },
    Known {
        package: "startup_host",
        component: true,
        calls: &["handle: func(request: string) -> result<string, string>"],
        offers: &[],
        command: "cargo run --package startup_host -- FILE examples/startup/parcels.json",
    },
    Known {
        package: "stream_host",
        component: true,
        calls: &[
            "process: func(key: string, value: string, state: option<string>) -> result<outcome, string>",
        ],
        offers: &[],
        command: "cargo run --package stream_host -- FILE",
    },
    Known {
        package: "plugins_host",
        component: true,
        calls: &["text:plugins/filters@1.*"],
        offers: &["text:plugins/"],
        command: "cp FILE FOLDER && cargo run --package plugins_host -- FOLDER",
    },
    Known {
        package: "extism_component_host",
        component: true,
        calls: &["moderate: func(message: string) -> string"],
        offers: &["banned"],
        command: "cargo run --package extism_component_host -- FILE hello",
    },
    Known {
        package: "extism_module_host",
        component: false,
        calls: &["buffer_alloc: func(i32) -> i32", "moderate: func(i32, i32) -> i64"],
        offers: &["chat::banned"],
        command: "cargo run --package extism_module_host -- FILE hello",
    },
    Known {
        package: "extism_host",
        component: false,
        calls: &["moderate: func() -> i32"],
        offers: &["extism:host/env::", "extism:host/user::banned"],
        command: "cargo run --manifest-path hosts/extism/Cargo.toml -- FILE hello",
    },
    Known {
        package: "adapter_host", // it makes a component of the module, and calls that
        component: false,
        calls: &["draw: func(name: string) -> result<u32, string>"],
        offers: &[],
        command: "cargo run --package adapter_host -- FILE Ada",
    },
    Known {
        package: "reactor_host",
        component: false,
        calls: &["buffer_alloc: func(i32) -> i32", "sign: func(i32, i32) -> i64"],
        offers: &[],
        command: "cargo run --package reactor_host -- FILE Ada",
    },
    Known {
        package: "imports_host",
        component: false,
        calls: &["_start: func()"],
        offers: &["shop::exchange", "shop::translate"],
        command: "cargo run --package imports_host -- FILE lamp=4900",
    },
    Known {
        package: "witx_host",
        component: false,
        calls: &["_start: func()"],
        offers: &["journal::append"],
        command: "cargo run --package witx_host -- FILE info=started",
    },
    Known {
        package: "fastly_host",
        component: false,
        calls: &["_start: func()"],
        offers: &["fastly_"],
        command: "cargo run --manifest-path hosts/fastly/Cargo.toml -- FILE",
    },
    Known {
        package: "wasmedge_sockets_host",
        component: false,
        calls: &["_start: func()"],
        offers: &["wasi_snapshot_preview1::sock_"],
        command: "cargo run --package wasmedge_sockets_host -- --allow 127.0.0.1 FILE",
    },
];

/// The host for the file at `path`, if it can be told, and otherwise what to do.
pub fn find(kind: &Kind<'_>, text: Option<&Text>, contents: &Contents, path: &str) -> Host {
    match (kind, text) {
        (Kind::Precompiled { component: false, .. }, _) => Host {
            package: Some("small_engine_precompiled_host"),
            commands: vec![format!(
                "cargo run --manifest-path hosts/small_engine_precompiled/Cargo.toml -- {}",
                quoted(path)
            )],
            note: "a host with the version and the settings of wasmtime that it was made by, and no other; \
                   in the collection of examples, if small_engine_compile_host made it:"
                .to_owned(),
        },
        (Kind::Precompiled { component: true, .. }, _) => none(
            "a host with the version and the settings of wasmtime that it was made by, and no other",
        ),
        (_, Some(Text::Script { .. })) => none(
            "none, a script tests an engine: `wasmtime wast FILE`, or a test of yours with the crate wast",
        ),
        (_, Some(Text::Binary(_))) => {
            let binary = std::path::Path::new(path).with_extension("wasm").display().to_string();
            let mut host = of_binary(contents, &binary);
            let (from, to) = (quoted(path), quoted(&binary));
            let translate =
                format!("cargo run --package inspect_host -- --to-binary --output {to} {from}");
            if host.package.is_some() {
                host.commands.insert(0, translate);
            }
            host
        }
        _ => of_binary(contents, path),
    }
}

fn of_binary(contents: &Contents, path: &str) -> Host {
    let Some(role) = contents.role else {
        return none("none, there is nothing to run");
    };
    if let Some(proposal) = &contents.proposal {
        return none(format!(
            "none of the collection of examples, which leave out what it needs: {proposal}"
        ));
    }
    // What it imports beside WASI. Preview 1's sockets are WASI, though none can be opened.
    let foreign = contents.imports.iter().filter(|(purpose, _)| {
        use Purpose::{C, Http, JavaScript, Other, Own};
        let http = matches!(purpose, Http) && role != Role::HttpHandler; // whose host sends, too
        http || matches!(purpose, C | JavaScript | Other | Own)
    });
    let foreign: Vec<(Purpose, &Item)> =
        foreign.flat_map(|(purpose, items)| items.iter().map(|item| (*purpose, item))).collect();

    let fits = |known: &&Known| {
        let same = |line: &str, call: &str| match call.strip_suffix('*') {
            Some(start) => line.starts_with(start),
            None => line == call,
        };
        let exported = |call: &&str| contents.exports.iter().any(|item| same(&item.line(), call));
        let offers =
            |item: &Item| known.offers.iter().any(|offered| item.name.starts_with(offered));
        known.component == contents.is_component
            && known.calls.iter().all(exported)
            && foreign.iter().all(|(_, item)| offers(item))
            && (role != Role::Command || !foreign.is_empty())
    };
    if let Some(known) = KNOWN.iter().find(fits) {
        return Host {
            package: Some(known.package),
            commands: vec![known.command.replace("FILE", &quoted(path))],
            note: format!("{}, in the collection of examples:", known.package),
        };
    }
    if let Some((purpose, item)) = foreign.first() {
        return none(format!(
            "none of the collection of examples: {}",
            why(*purpose, item, contents)
        ));
    }
    let mut names = contents.exports.iter().map(|item| &item.name);
    let draft = |name: &&String| words::wasi(name).is_some_and(|it| !words::released(it.2));
    if let Some(name) = names.find(draft) {
        return none(format!("none of the collection of examples: {}", unreleased(name)));
    }
    let called = |item: &Item| {
        item.ty.starts_with("func(")
            || item.ty.starts_with("async func(")
            || !item.functions.is_empty()
            || item.name.starts_with("wasi:")
    };
    if !contents.exports.iter().any(called) {
        return none("none, it exports nothing to be called");
    }
    match role {
        Role::Command => Host {
            package: Some("runner_host"),
            commands: vec![format!("cargo run --package runner_host -- {}", quoted(path))],
            note: "runner_host, in the collection of examples; flags before the file grant files, \
                   variables and the network:"
                .to_owned(),
        },
        Role::HttpHandler => Host {
            package: Some("http_host"),
            commands: vec![format!(
                "cargo run --manifest-path hosts/http/Cargo.toml -- {}",
                quoted(path)
            )],
            note: "http_host, in the collection of examples; or `wasmtime serve FILE`:".to_owned(),
        },
        Role::Reactor | Role::Library if contents.is_component => none(
            "none of the collection of examples: write one that calls its exports, as the example \
             component does; `--wit` prints what it is to be made from",
        ),
        Role::Reactor | Role::Library if contents.carries_world => none(
            "none of the collection of examples: make a component of it first, with --target \
             wasm32-wasip2 or as the example adapter does",
        ),
        Role::Reactor | Role::Library => none(
            "none of the collection of examples: write one that calls its exports, as the example \
             reactor does",
        ),
    }
}

/// Why no host here offers an import.
fn why(purpose: Purpose, item: &Item, contents: &Contents) -> String {
    let name = &item.name;
    match purpose {
        Purpose::JavaScript => {
            format!("`{name}` is JavaScript's, load it with the .js file that came with it")
        }
        Purpose::C => format!(
            "`{name}` is missing; if you built it, the linker did not find that function, and made an \
             import of it"
        ),
        Purpose::Http => "it sends HTTP requests: `wasmtime run -S http FILE`".to_owned(),
        Purpose::Other if words::wasi(name).is_some() => unreleased(name),
        Purpose::Other => format!("`{name}` is an extension of WASI, take the engine that has it"),
        _ if contents.is_component && name.contains('/') => format!(
            "it needs `{name}`, from another component, as in the example compose, or from a host of \
             its own"
        ),
        _ if contents.carries_world => {
            "make a component of it first, with --target wasm32-wasip2 or as \
                                        the example adapter does"
                .to_owned()
        }
        _ => {
            let example = if contents.is_component { "component" } else { "imports" };
            format!("`{name}` is of its own host; to write one, begin with the example {example}")
        }
    }
}

/// Why no host here has an interface of WASI which is not of a release.
fn unreleased(name: &str) -> String {
    format!(
        "`{name}` is of a draft, or of a version later than these hosts; they have WASI 0.2 and 0.3"
    )
}

fn none(note: impl Into<String>) -> Host {
    Host { package: None, commands: Vec::new(), note: note.into() }
}

/// A path as a shell takes it, and no flag.
fn quoted(path: &str) -> String {
    let path = if path.starts_with('-') { format!("./{path}") } else { path.to_owned() };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_=.,/:@%+-".contains(c);
    match !path.is_empty() && path.chars().all(plain) {
        true => path,
        false => format!("'{}'", path.replace('\'', r"'\''")),
    }
}
