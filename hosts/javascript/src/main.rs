//! Makes JavaScript of a component, or shows a guest in a web page.
//! Notice that no engine is in here: the guest runs in node, or in the browser that asks for the page.
//! Run: just run javascript

mod browser;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use clap::{Args, Parser};
use js_component_bindgen::{InstantiationMode, TranspileOpts, transpile};
use serde::Serialize;
use tower_http::services::ServeDir;
use walkdir::WalkDir;

/// Make JavaScript of a component, or show a guest in a web page.
#[derive(Parser)]
enum Cli {
    /// Make JavaScript of a component, for node or a browser
    Transpile {
        /// The folder to write to
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
        /// The component
        #[arg(value_name = "GUEST.wasm")]
        guest: PathBuf,
    },
    /// Show a guest in a web page, with a button to run it, and print the address of the page
    Serve(Serve),
}

#[derive(Args)]
struct Serve {
    /// Run the guest in a headless Chromium and print what the page shows
    #[arg(long)]
    check: bool,
    /// Put the text files of a directory into the page; the directory itself stays as it is
    #[arg(long = "dir", value_name = "HOST[::GUEST]")]
    dirs: Vec<String>,
    /// Set an environment variable of the guest
    #[arg(long = "env", value_name = "NAME=VALUE", value_parser = variable)]
    vars: Vec<(String, String)>,
    /// How long the guest may run
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    timeout: u16,
    /// A file of text for the guest's standard input
    #[arg(long, value_name = "FILE")]
    stdin: Option<PathBuf>,
    /// The other half of a component that is no program: a file of JavaScript with `imports` and `run`
    #[arg(long, value_name = "FILE.js")]
    script: Option<PathBuf>,
    /// Where `npm ci` put the packages of package.json
    #[arg(long, value_name = "DIR", default_value = "hosts/javascript/node_modules")]
    node_modules: PathBuf,
    /// The guest, a module or a component, and its arguments
    #[arg(required = true, trailing_var_arg = true, value_names = ["GUEST.wasm", "ARGS"])]
    guest_and_args: Vec<String>,
}

fn variable(value: &str) -> Result<(String, String), String> {
    let (name, value) = value.split_once('=').ok_or("write NAME=VALUE")?;
    Ok((name.into(), value.into()))
}

/// What a page can hold of a folder: so many files, and so many bytes in all. `src/web/worker.js` has the
/// same numbers for what a guest leaves there.
const MOST_FILES: usize = 1_000;
const MOST_BYTES: usize = 4 << 20;

/// What the page asks for beside its own files, by name.
type Files = BTreeMap<String, Vec<u8>>;

/// The guest and what it is given, as `src/web/box.js` reads it.
#[derive(Serialize)]
struct Guest {
    guest: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    stdin: String,
    files: BTreeMap<String, BTreeMap<String, String>>,
    script: Option<String>,
    seconds: u16,
}

fn main() -> Result<ExitCode> {
    match Cli::parse() {
        Cli::Transpile { out, guest } => {
            let files = javascript(&read(&guest)?, &guest)?;
            write(&files, &out)?;
            writeln!(io::stdout(), "{}", out.join("guest.js").display())?;
            Ok(ExitCode::SUCCESS)
        }
        Cli::Serve(cli) => {
            let files = page(&cli)?;
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(serve(files, &cli))
        }
    }
}

fn read(guest: &Path) -> Result<Vec<u8>> {
    let shown = guest.display();
    fs::read(guest)
        .with_context(|| format!("cannot read {shown}: check the path, or build the guest first"))
}

/// A component as JavaScript: `guest.js`, which has a function `instantiate`, and the modules inside.
fn javascript(component: &[u8], guest: &Path) -> Result<Files> {
    let shown = guest.display();
    ensure!(
        component.starts_with(b"\0asm\x0d\0\x01\0"), // the magic number, then the version; a module has 1
        "{shown} is not a component (it is a core module, or not WebAssembly): build the guest with --target wasm32-wasip2"
    );
    let options = TranspileOpts::builder()
        .name("guest".to_owned())
        .no_typescript(true)
        // The other way is imports that JavaScript looks up by name. This one is told what to use.
        .instantiation_mode(InstantiationMode::Async)
        .build();
    let made = transpile(component, options).with_context(|| {
        format!("cannot make JavaScript of {shown}: it is damaged, or needs what jco leaves out")
    })?;
    Ok(made.files.into_iter().collect())
}

fn write(files: &Files, out: &Path) -> Result<()> {
    for (name, bytes) in files {
        let path = out.join(name);
        let context = || format!("cannot write {}", path.display());
        fs::create_dir_all(path.parent().unwrap_or(out)).with_context(context)?;
        fs::write(&path, bytes).with_context(context)?;
    }
    // For node, which takes a file .js for a module where this says so. One that is there already belongs
    // to somebody.
    let path = out.join("package.json");
    match fs::File::create_new(&path) {
        Ok(mut file) => file.write_all(b"{ \"type\": \"module\" }\n"),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .with_context(|| format!("cannot write {}", path.display()))
}

/// The files of the page: its own, the guest, and what the guest is given.
fn page(cli: &Serve) -> Result<Files> {
    let (path, args) = (Path::new(&cli.guest_and_args[0]), &cli.guest_and_args[1..]);
    let wasm = read(path)?;
    ensure!(
        wasm.starts_with(b"\0asm"),
        "{} is not WebAssembly: give it a module or a component",
        path.display()
    );
    let packages = cli.node_modules.join("@bjorn3/browser_wasi_shim/package.json");
    ensure!(
        packages.is_file(),
        "{} is not there: install the packages by `npm ci --prefix hosts/javascript`, or name their folder with --node-modules",
        packages.display()
    );
    let mut files = Files::new();
    let guest = if wasm.starts_with(b"\0asm\x01\0\0\0") {
        ensure!(
            cli.script.is_none(),
            "--script is for a component, and {} is a module: build it with --target wasm32-wasip2",
            path.display()
        );
        files.insert("guest.wasm".to_owned(), wasm);
        "guest.wasm"
    } else {
        files.extend(javascript(&wasm, path)?);
        "guest.js"
    };
    let program = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let text = |path: &PathBuf| {
        fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
    };
    let script = match &cli.script {
        None => None,
        Some(script) => {
            files.insert("script.js".to_owned(), text(script)?.into());
            Some("script.js".to_owned())
        }
    };
    let granted = cli.dirs.iter().map(|dir| {
        let (host, guest) = dir.split_once("::").unwrap_or((dir, dir));
        Ok((guest.to_owned(), folder(Path::new(host))?))
    });
    let given = Guest {
        guest: guest.to_owned(),
        args: [program].into_iter().chain(args.iter().cloned()).collect(),
        env: cli.vars.iter().cloned().collect(),
        stdin: cli.stdin.as_ref().map(text).transpose()?.unwrap_or_default(),
        files: granted.collect::<Result<_>>()?,
        script,
        seconds: cli.timeout,
    };
    files.insert("box.json".to_owned(), serde_json::to_vec(&given)?);
    for (name, text) in [
        ("", include_str!("web/index.html")),
        ("box.css", include_str!("web/box.css")),
        ("box.js", include_str!("web/box.js")),
        ("worker.js", include_str!("web/worker.js")),
    ] {
        files.insert(name.to_owned(), text.into());
    }
    Ok(files)
}

/// The files below `dir` that are text, by their path from there.
fn folder(dir: &Path) -> Result<BTreeMap<String, String>> {
    let shown = dir.display();
    ensure!(dir.is_dir(), "cannot grant {shown}: --dir takes a directory that exists");
    let mut files = BTreeMap::new();
    let mut bytes = 0;
    for entry in WalkDir::new(dir) {
        let entry = entry.with_context(|| format!("cannot read {shown}"))?;
        // A link is not followed: it could lead out of the directory.
        if !entry.file_type().is_file() {
            continue;
        }
        bytes += usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
        ensure!(
            files.len() < MOST_FILES && bytes <= MOST_BYTES,
            "{shown} is too large for a page: more than {MOST_FILES} files, or {MOST_BYTES} bytes"
        );
        let name = entry.path().strip_prefix(dir)?.to_string_lossy().replace('\\', "/");
        match fs::read_to_string(entry.path()) {
            Ok(text) => drop(files.insert(name, text)),
            Err(_) => eprintln!("{name} is left out: it is not text, or cannot be read"),
        }
    }
    Ok(files)
}

/// How long a browser may take to start, to load the guest and to show what came of it.
const BROWSER: Duration = Duration::from_secs(60);

async fn serve(files: Files, cli: &Serve) -> Result<ExitCode> {
    // A browser on this machine alone can ask; 0 stands for any port that is free.
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    let app = Router::new()
        .nest_service("/npm", ServeDir::new(&cli.node_modules))
        .fallback(file)
        .with_state(std::sync::Arc::new(files));
    let server = axum::serve(listener, app);
    if cli.check {
        let longest = BROWSER + Duration::from_secs(cli.timeout.into());
        tokio::select! {
            ended = server => bail!("the server ended: {ended:?}"),
            shown = browser::check(&address, longest) => shown?.print(),
        }
    } else {
        writeln!(io::stdout(), "{address}")?;
        server.await?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What a page of ours may do: nothing with any other site. WebAssembly counts as code made at run time.
const POLICY: &str =
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self' 'unsafe-inline'";

async fn file(State(files): State<std::sync::Arc<Files>>, uri: Uri) -> Response {
    let name = uri.path().trim_start_matches('/');
    let Some(bytes) = files.get(name) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    // A browser runs what it is told to be code, and nothing else.
    let kind = match Path::new(name).extension().and_then(|extension| extension.to_str()) {
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("wasm") => "application/wasm",
        Some("css") => "text/css",
        _ => "text/html; charset=utf-8",
    };
    let headers: [(HeaderName, &str); 3] = [
        (header::CONTENT_TYPE, kind),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, bytes.clone()).into_response()
}
