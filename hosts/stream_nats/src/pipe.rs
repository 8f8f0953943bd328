//! A `stream_host` at the other end of two pipes, which runs the guest.
//! Notice that it answers in the order in which it was asked, whatever the guest does.
//! Run: bash examples/stream/nats.sh 3

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

/// A record for the guest.
pub struct Question {
    /// The line for the host, and how each line of a result will begin.
    line: String,
    start: String,
    answer: oneshot::Sender<Answer>,
}

/// What came of a record.
#[derive(Default, Deserialize)]
pub struct Answer {
    /// Values in JSON.
    #[serde(skip)]
    pub results: Vec<String>,
    /// The next state of its key.
    #[serde(default)]
    pub state: Option<String>,
    /// Why there is no result.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Answer {
    /// That of a record which does not get to the guest, or whose results do not get on.
    pub fn failed(reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::default() }
    }
}

/// What asks the host. When the last one is gone, the host ends.
#[derive(Clone)]
pub struct Step(mpsc::Sender<Question>);

impl Step {
    /// # Errors
    /// If the host has ended.
    pub async fn process(
        &self,
        id: u64,
        key: &str,
        value: &str,
        state: Option<&str>,
    ) -> Result<Answer> {
        let start = format!("{{\"id\":{id},\"key\":{},\"value\":", quoted(key));
        let value = one_line(value);
        let state = state.map_or("null".to_owned(), quoted);
        let line = format!("{start}{value},\"state\":{state}}}\n");
        let (answer, answered) = oneshot::channel();
        let ended = "the host has ended";
        self.0.send(Question { line, start, answer }).await.context(ended)?;
        answered.await.context(ended)
    }
}

/// The host while it runs.
pub struct Host {
    process: Child,
    questions: mpsc::Receiver<Question>,
}

/// Starts the host `program` with the guest and `options`.
pub fn start(program: &Path, guest: &Path, options: &[OsString]) -> Result<(Step, Host)> {
    let mut command = Command::new(program);
    #[cfg(unix)]
    command.process_group(0); // Ctrl-C is for this program, which lets the host finish
    let process = command
        .args(["--acks", "--no-states", "--dead-letters", "/dev/null"])
        .args(["--max-line-size", "16777216"]) // a record, and a state that is quoted
        .args(options)
        .arg("--")
        .arg(guest)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            let program = program.display();
            format!("cannot start {program}: cargo build --package stream_host, or --host PATH")
        })?;
    let (questions, asked) = mpsc::channel(1);
    Ok((Step(questions), Host { process, questions: asked }))
}

impl Host {
    /// Asks and listens until nobody asks any more.
    ///
    /// # Errors
    /// If the host ends before, or says something else than it should.
    pub async fn run(mut self) -> Result<()> {
        let stdin = self.process.stdin.take().context("it has a pipe")?;
        let stdout = self.process.stdout.take().context("it has a pipe")?;
        let (asked, waiting) = mpsc::unbounded_channel();
        let asking = ask(stdin, self.questions, asked);
        let listening = listen(BufReader::new(stdout).lines(), waiting);
        let spoken = tokio::select! {
            spoken = async { tokio::try_join!(asking, listening) } => spoken,
            _ = self.process.wait() => Ok(Default::default()),
        };
        // The pipes are closed now, so that it ends.
        let status = self.process.wait().await?;
        ensure!(status.success(), "the host has ended: {status}");
        spoken.map(|_| ())
    }
}

/// Writes questions as they come. Each goes on to the listener before it can be answered.
async fn ask(
    mut stdin: ChildStdin,
    mut questions: mpsc::Receiver<Question>,
    asked: mpsc::UnboundedSender<Question>,
) -> Result<()> {
    while let Some(mut question) = questions.recv().await {
        let line = std::mem::take(&mut question.line);
        let _ = asked.send(question); // unless the host has ended
        stdin.write_all(line.as_bytes()).await.context("the host does not read")?;
    }
    Ok(())
}

/// Reads what comes of each question, until the host ends.
async fn listen(
    mut lines: Lines<BufReader<ChildStdout>>,
    mut waiting: mpsc::UnboundedReceiver<Question>,
) -> Result<()> {
    while let Some(question) = waiting.recv().await {
        let mut results = Vec::new();
        let answer: Answer = loop {
            let Some(line) = lines.next_line().await? else { bail!("the host has ended") };
            if line.starts_with("{\"ack\":") {
                break serde_json::from_str(&line).context("the host said what it should not")?;
            }
            let result = line.strip_prefix(&question.start).and_then(|rest| rest.strip_suffix('}'));
            results.push(result.context("the host said what it should not")?.to_owned());
        };
        let _ = question.answer.send(Answer { results, ..answer }); // unless the worker stops
    }
    Ok(())
}

/// JSON in one line: the ends of lines in it stand between values only.
pub fn one_line(json: &str) -> String {
    json.replace(['\n', '\r'], " ")
}

/// A text as a JSON string.
pub fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
