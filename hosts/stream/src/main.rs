//! Passes the records of a stream through a step that a user supplied: lines of JSON in, and out.
//! Notice that the bookkeeping is the host's: order, state, limits, retries, and what went wrong.
//! Run: just run stream

mod step;

use std::collections::HashMap;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, BufRead, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::{Duration, SystemTime};

use clap::Parser;
use clap::builder::RangedI64ValueParser;
use serde::Deserialize;
use serde::de::IgnoredAny;
use wasmtime::error::Context;
use wasmtime::{Result, bail};

use step::{Failure, Limits, Loader, Outcome, Step};

/// Pass records through a component, from standard input to standard output: a line of JSON each,
/// such as {"key": "kitchen", "value": {"celsius": 21.5}}.
#[derive(Parser)]
#[command(args_override_self = true)] // a driver gives some options, and then those of its user
struct Cli {
    /// Threads that work; the records of one key are all worked on by the same one
    #[arg(long, value_name = "COUNT", default_value_t = 2, value_parser = up_to(256))]
    workers: u32,
    /// Records that may have been read and not yet written
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = up_to(100_000))]
    in_flight: u32,
    /// Take the sandboxes from a pool that is set aside in advance; what does not fit into it is refused
    #[arg(long)]
    pool: bool,
    /// How often a record that took too long is tried again
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    retries: u32,
    /// How long a step may take
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    timeout: Duration,
    /// Bytes of memory that a step may have
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_memory_size: usize,
    /// Bytes of the states of all keys of a worker together
    #[arg(long, value_name = "BYTES", default_value_t = 64 << 20)]
    max_state_size: usize,
    /// Bytes of a line
    #[arg(long, value_name = "BYTES", default_value_t = 1 << 20)]
    max_line_size: u64,
    /// Keep no states: a driver has them, and sends each record with its own
    #[arg(long, requires = "acks", conflicts_with = "max_state_size")]
    no_states: bool,
    /// Append the records that failed to a file, rather than print them as errors
    #[arg(long, value_name = "FILE")]
    dead_letters: Option<PathBuf>,
    /// Write a line with `ack` after all that came of a record
    #[arg(long)]
    acks: bool,
    /// The guest, a component; a new file in its place takes over
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
}

fn up_to(most: i64) -> RangedI64ValueParser<u32> {
    RangedI64ValueParser::new().range(1..=most)
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse().map_err(|_| "write a number, such as 2 or 0.5")?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

/// A record, and the pieces of JSON as they came in: no number is read and written again.
struct Record {
    id: Option<String>,
    key: String,
    value: String,
    state: Option<String>,
}

/// What there was in a line, and what became of it.
struct Done {
    line: u64,
    /// The record, or the text that is none.
    input: Result<Record, String>,
    /// The outcome, or why there is none.
    ended: Result<Outcome, String>,
}

/// A record on its way to a worker, with the step that was in force when it was read.
struct Job {
    line: u64,
    record: Record,
    step: Step,
    done: SyncSender<Done>,
}

fn main() -> ExitCode {
    sigpipe::reset(); // when nobody reads the output any more, end quietly, as `cat` does
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without what commands a terminal: the engine puts names into it that a guest chose.
            let command = |c: char| c.is_control() && c != '\n';
            eprintln!("Error: {}", format!("{error:?}").replace(command, " "));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    let pool = cli.pool.then_some(cli.workers);
    let limits = Limits { time: cli.timeout, memory: cli.max_memory_size, pool };
    let loader = Loader::new(limits).context("cannot make sandboxes of these limits")?;
    let guest = Guest::load(loader, &cli.guest)?;
    let letters: Box<dyn Write> = match &cli.dead_letters {
        None => Box::new(io::stderr()),
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            Box::new(file.with_context(|| format!("cannot write {}", path.display()))?)
        }
    };
    // A ticket for each record, in the order of the input: the end of a channel at which the record
    // will come back. As many as may be in flight: one is with the writer, the others wait here.
    let (tickets, waiting) = mpsc::sync_channel(cli.in_flight as usize - 1);
    let acks = cli.acks;
    let reader = thread::Builder::new().spawn(move || read(&cli, guest, &tickets))?;
    // If this fails the reader is not waited for: it may be waiting for a line.
    write(&waiting, letters, acks)?;
    match reader.join() {
        Ok(read) => read,
        Err(_) => bail!("the reader has ended"),
    }
}

/// Reads records and gives each to the worker of its key.
fn read(cli: &Cli, mut guest: Guest, tickets: &SyncSender<Receiver<Done>>) -> Result<()> {
    let mut workers = Vec::new();
    for _ in 0..cli.workers {
        let (jobs, received) = mpsc::sync_channel(cli.in_flight as usize);
        let retries = cli.retries;
        let states = (!cli.no_states).then(|| States::new(cli.max_state_size));
        thread::Builder::new().spawn(move || work(&received, retries, states))?;
        workers.push(jobs);
    }
    let hasher = RandomState::new();
    let mut input = io::stdin().lock();
    for line in 1.. {
        let text = next_line(&mut input, cli.max_line_size);
        let Some(text) = text.context("cannot read standard input")? else { break };
        let (done, ticket) = mpsc::sync_channel(1);
        if tickets.send(ticket).is_err() {
            break; // the writer has failed, and says why
        }
        let step = guest.step();
        match text.and_then(parse) {
            Ok(record) => {
                let worker = hasher.hash_one(&record.key) % workers.len() as u64;
                let job = Job { line, record, step, done };
                if workers[worker as usize].send(job).is_err() {
                    bail!("a worker has ended");
                }
            }
            Err((text, reason)) => {
                let _ = done.send(Done { line, input: Err(text), ended: Err(reason) });
            }
        }
    }
    Ok(())
}

/// A text that is no record, and why.
type Unreadable = (String, String);

/// The next line, if there is one. Of one that is too long only the beginning is kept.
fn next_line(
    input: &mut impl BufRead,
    most: u64,
) -> io::Result<Option<Result<String, Unreadable>>> {
    let mut line = Vec::new();
    input.take(most.saturating_add(1)).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    if line.pop_if(|byte| *byte == b'\n').is_none() && line.len() as u64 > most {
        input.skip_until(b'\n')?;
        line.truncate(100);
        let start = String::from_utf8_lossy(&line).into_owned();
        return Ok(Some(Err((start, format!("a line of more than {most} bytes")))));
    }
    let text = String::from_utf8(line).map_err(|error| {
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        (text, "not text in UTF-8".to_owned())
    });
    Ok(Some(text))
}

fn parse(text: String) -> Result<Record, Unreadable> {
    /// What a line must be. Its other fields are left alone.
    #[derive(Deserialize)]
    struct Line {
        key: String,
        state: Option<String>,
        #[serde(rename = "id")]
        _id: Option<IgnoredAny>,
        #[serde(rename = "value")]
        _value: IgnoredAny,
    }
    if !text.trim_start().starts_with('{') {
        return Err((text, "not a record: it is not a JSON object".to_owned()));
    }
    let parsed = serde_json::from_str(&text).and_then(|line: Line| {
        let (id, value) = (field(&text, "id")?, field(&text, "value")?);
        let id = id.filter(|id| id != "null");
        Ok(Record { id, key: line.key, value: value.unwrap_or_default(), state: line.state })
    });
    parsed.map_err(|error| (text, format!("not a record: {error}")))
}

/// The value of a field of an object of JSON, which has been read before, as it stands there.
fn field(object: &str, name: &str) -> serde_json::Result<Option<String>> {
    /// Cuts a brace, comma or colon and the value after it off `rest`.
    fn cut<'a>(rest: &mut &'a str) -> serde_json::Result<&'a str> {
        let text = rest.trim_start().get(1..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
        values.next().transpose()?;
        let (value, after) = text.split_at(values.byte_offset());
        *rest = after;
        Ok(value.trim())
    }
    let mut rest = object;
    while !matches!(rest.trim(), "" | "}") {
        let key: String = serde_json::from_str(cut(&mut rest)?)?;
        let value = cut(&mut rest)?;
        if key == name {
            return Ok(Some(value.to_owned()));
        }
    }
    Ok(None)
}

/// The guest, and what is known of the file that it came from.
struct Guest {
    loader: Loader,
    path: PathBuf,
    file: Option<(SystemTime, u64)>,
    step: Step,
}

impl Guest {
    fn load(loader: Loader, path: &Path) -> Result<Self> {
        // Looked at before it is read: if it changes meanwhile, that is seen the next time.
        let file = look(path);
        let step = loader.load(path)?;
        Ok(Self { loader, path: path.to_owned(), file, step })
    }

    /// The step to use from now on: that of a new file, if there is one and it is any good.
    fn step(&mut self) -> Step {
        let file = look(&self.path);
        if file != self.file {
            self.file = file;
            match self.loader.load(&self.path) {
                Ok(step) => {
                    eprintln!("host: {} has changed and takes over", self.path.display());
                    self.step = step;
                }
                Err(error) => {
                    // In one line, and without what commands a terminal: some names are the guest's.
                    let reason = format!("{error:#}").replace(char::is_control, " ");
                    eprintln!("host: the guest stays as it was: {reason}");
                }
            }
        }
        self.step.clone()
    }
}

/// When a file was written, and its length.
fn look(path: &Path) -> Option<(SystemTime, u64)> {
    let file = path.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// The states of the keys of a worker.
struct States {
    kept: HashMap<String, String>,
    room: usize,
}

impl States {
    fn new(room: usize) -> Self {
        Self { kept: HashMap::new(), room }
    }

    /// Keeps the state of `key` for its next record, or forgets it.
    fn put(&mut self, key: &str, state: Option<&String>) -> Result<(), Failure> {
        let size = |state: &String| key.len() + state.len() + 100; // and what the map needs itself
        let room = self.room + self.kept.get(key).map_or(0, size);
        self.room = room.checked_sub(state.map_or(0, size)).ok_or_else(|| {
            Failure::Broken("there is no room for its state, of all that are kept".to_owned())
        })?;
        match state {
            Some(state) => self.kept.insert(key.to_owned(), state.clone()),
            None => self.kept.remove(key),
        };
        Ok(())
    }
}

/// Works on records, one after the other. Without `states` each record has its own with it.
fn work(jobs: &Receiver<Job>, retries: u32, mut states: Option<States>) {
    for Job { line, record, step, done } in jobs {
        // What comes with a record takes the place of what is kept, also if the record then fails.
        let known = match (&mut states, &record.state) {
            (Some(states), Some(state)) => states.put(&record.key, Some(state)),
            _ => Ok(()),
        };
        let kept = states.as_ref().and_then(|states| states.kept.get(&record.key));
        let state = record.state.as_ref().or(kept);
        let state = state.map(String::as_str);
        let mut ended = known.and_then(|()| step.process(&record.key, &record.value, state));
        // What it refuses or breaks on is the same the next time. The time may have been the machine's.
        let mut left = retries;
        while left > 0 && matches!(ended, Err(Failure::TooLong(_))) {
            ended = step.process(&record.key, &record.value, state);
            left -= 1;
        }
        let ended = ended.and_then(checked).and_then(|outcome| {
            if let Some(states) = &mut states {
                states.put(&record.key, outcome.state.as_ref())?;
            }
            Ok(outcome)
        });
        let ended = ended.map_err(|failure| failure.to_string());
        let _ = done.send(Done { line, input: Ok(record), ended }); // unless the writer has failed
    }
}

/// An outcome whose results are JSON, in one line each.
fn checked(mut outcome: Outcome) -> Result<Outcome, Failure> {
    for result in &mut outcome.results {
        if let Err(error) = serde_json::from_str::<IgnoredAny>(result) {
            return Err(Failure::Broken(format!("a result is not JSON: {error}")));
        }
        *result = result.replace(['\n', '\r'], " "); // in JSON they stand between values only
    }
    Ok(outcome)
}

/// Writes what came of the records, in the order of the input.
fn write(
    tickets: &Receiver<Receiver<Done>>,
    mut letters: Box<dyn Write>,
    acks: bool,
) -> Result<()> {
    let mut output = BufWriter::new(io::stdout().lock());
    let written = "cannot write standard output";
    while let Some(ticket) = next(tickets, &mut output).context(written)? {
        let Some(done) = next(&ticket, &mut output).context(written)? else {
            bail!("a worker has ended");
        };
        let failed = done.ended.as_ref().err().map(|reason| quoted(reason));
        let line = done.line;
        let (id, record) = match &done.input {
            Ok(Record { id, key, value, .. }) => {
                let start = id.as_ref().map_or(String::new(), |id| format!("\"id\":{id},"));
                let start = format!("{start}\"key\":{}", quoted(key));
                if let Ok(outcome) = &done.ended {
                    for value in &outcome.results {
                        writeln!(output, "{{{start},\"value\":{value}}}").context(written)?;
                    }
                }
                (id.as_deref(), format!("{start},\"value\":{value}"))
            }
            Err(text) => (None, format!("\"text\":{}", quoted(text))),
        };
        if let Some(reason) = &failed {
            let letter = format!("{{{record},\"line\":{line},\"reason\":{reason}}}\n");
            let sent = letters.write_all(letter.as_bytes());
            sent.context("cannot write a dead letter")?;
        }
        if acks {
            let state = done.ended.ok().and_then(|outcome| outcome.state);
            let state = state.map_or(String::new(), |s| format!(",\"state\":{}", quoted(&s)));
            let reason = failed.map_or(String::new(), |reason| format!(",\"reason\":{reason}"));
            let id = id.unwrap_or("null");
            writeln!(output, "{{\"ack\":{id},\"line\":{line}{state}{reason}}}").context(written)?;
        }
    }
    Ok(())
}

/// Receives what comes next, if anything does. What is buffered is written before it would wait.
fn next<T>(from: &Receiver<T>, output: &mut impl Write) -> io::Result<Option<T>> {
    match from.try_recv() {
        Ok(next) => Ok(Some(next)),
        Err(_) => {
            output.flush()?;
            Ok(from.recv().ok())
        }
    }
}

/// A text as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
