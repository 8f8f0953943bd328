//! A headless Chromium, which does with the page what a reader would: it runs the guest, and looks.
//! Notice that it reads what the page shows, and not what the guest printed.
//! Run: just run javascript

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// What the page shows of a guest that ended.
pub struct Shown {
    stdout: String,
    stderr: String,
    /// The files that the guest was granted, as they are now.
    files: Vec<(String, String)>,
    status: u8,
    /// What the page says of its end.
    ended: String,
}

impl Shown {
    /// Prints it, and returns the guest's own status.
    pub fn print(&self) -> Result<ExitCode> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(self.stdout.as_bytes())?;
        for (path, text) in &self.files {
            write!(stdout, "--- {path}\n{text}")?;
        }
        stdout.flush()?;
        let mut stderr = std::io::stderr().lock();
        stderr.write_all(self.stderr.as_bytes())?;
        if self.status != 0 {
            writeln!(stderr, "{}", self.ended)?;
        }
        Ok(ExitCode::from(self.status))
    }
}

/// Opens the page at `address`, presses its button, and waits for the end of the guest.
pub async fn check(address: &str, longest: Duration) -> Result<Shown> {
    let (_driver, port) = driver().await?;
    let mut arguments = vec!["--headless", "--disable-gpu", "--no-first-run"];
    if rustix::process::geteuid().is_root() {
        arguments.push("--no-sandbox"); // as which Chromium refuses to start otherwise
    }
    let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
    let serde_json::Value::Object(capabilities) = capabilities else { bail!("no object") };
    let client = ClientBuilder::new(HttpConnector::new()) // without TLS: the driver is on this machine
        .capabilities(capabilities)
        .connect(&format!("http://127.0.0.1:{port}"))
        .await
        .context("cannot start Chromium: install it beside chromedriver")?;
    // The guest's own time ends before; this is for a page that is busy with what the guest left.
    let shown = timeout(2 * longest, look(&client, address, longest)).await;
    // Before the driver, which would leave the browser alone.
    let closed = timeout(Duration::from_secs(10), client.close()).await;
    let shown = shown.context("the page does not answer any more")??;
    closed.context("the browser does not end")??;
    Ok(shown)
}

async fn look(client: &Client, address: &str, longest: Duration) -> Result<Shown> {
    client.goto(address).await?;
    let wait = || client.wait().at_most(longest);
    wait()
        .for_element(Locator::Css("wasi-box[data-ready] button[data-role=run]"))
        .await
        .context("the page does not show the guest")?
        .click()
        .await?;
    let ended = wait().for_element(Locator::Css("wasi-box[data-status]")).await;
    let ended = ended.context("the guest does not end")?;
    let status = ended.attr("data-status").await?.context("a status")?;
    let mut files = Vec::new();
    for folder in client.find_all(Locator::Css("wasi-box fieldset")).await? {
        let path = folder.attr("data-path").await?.unwrap_or_default();
        for file in folder.find_all(Locator::Css("textarea")).await? {
            let name = file.attr("data-name").await?.unwrap_or_default();
            files.push((format!("{path}/{name}"), property(&file, "value").await?));
        }
    }
    files.sort();
    let text = async |selector| {
        let element = client.find(Locator::Css(selector)).await?;
        property(&element, "textContent").await
    };
    Ok(Shown {
        stdout: text("wasi-box pre.stdout").await?,
        stderr: text("wasi-box pre.stderr").await?,
        files,
        ended: text("wasi-box output").await?,
        // The page shows none above 255; whatever else it shows, the guest failed.
        status: status.parse().unwrap_or(1),
    })
}

async fn property(element: &Element, name: &str) -> Result<String> {
    Ok(element.prop(name).await?.unwrap_or_default())
}

/// Starts chromedriver on a port that is free, which it names on its standard output.
async fn driver() -> Result<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("cannot start chromedriver: apt-get install chromium chromium-driver")?;
    let stdout = driver.stdout.take().context("a pipe")?;
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await? {
        // "ChromeDriver was started successfully on port 41765."
        if let Some(port) = line.split("successfully on port ").nth(1) {
            let port = port.trim_end_matches('.').parse().context("the port of chromedriver")?;
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return Ok((driver, port));
        }
    }
    bail!("chromedriver ended before it was ready")
}
