//! A worker, one of any number: takes records, has each worked on, and stores what came of it.
//! Notice the order in which it stores things. Wherever it is killed, the server knows what is left.
//! Run: bash examples/stream/nats.sh 3

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, ensure};
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{LastRawMessageErrorKind, Stream};
use async_nats::jetstream::{AckKind, Context, Message};
use futures_util::future::try_join_all;
use futures_util::{FutureExt, StreamExt, stream};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use tokio::signal::ctrl_c;
#[cfg(unix)]
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::{AbortHandle, JoinSet};

use crate::names::Names;
use crate::pipe::{self, Answer, Step, one_line, quoted};
use crate::say;

#[derive(clap::Args)]
pub struct Options {
    /// Records that this worker has in its hands
    #[arg(long, value_name = "COUNT", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    in_flight: u16,
    /// After how long a record is given to another worker, if this one says nothing of it
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    ack_wait: u16,
    /// The program that runs the guest, if it is not beside this one
    #[arg(long, value_name = "PATH")]
    host: Option<PathBuf>,
    /// The guest, a component; a new file in its place takes over
    #[arg(value_name = "GUEST.wasm")]
    guest: PathBuf,
    /// Options of `stream_host`, such as its limits
    #[arg(last = true, value_name = "OPTIONS")]
    options: Vec<OsString>,
}

/// What is stored with a key: the last record that was worked on, and what the guest remembers.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    /// When the stream of records was made, in nanoseconds. Another one of the same name counts from
    /// one again.
    made: i128,
    record: u64,
    state: Option<String>,
}

struct Worker {
    nats: Context,
    names: Names,
    records: Stream,
    consumer: Consumer<pull::Config>,
    states: Stream,
    step: Step,
    made: i128,
}

/// How long to wait for more records than there are.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a record waits for one of the same key that is in other hands, and how long for a server
/// or a network that has failed.
const TURN: Duration = Duration::from_millis(100);
const FAILED: Duration = Duration::from_secs(1);

/// Room in a message for its headers, and how many letters of a reason are kept.
const HEADERS: usize = 1 << 10;
const MOST_REASON: usize = 500;

/// Works until told to stop. Then what is in hand is finished.
///
/// # Errors
/// If the host cannot be started, or ends. What it was working on stays with the server.
pub async fn work(nats: &Context, names: &Names, options: Options) -> Result<()> {
    let Names { from, to } = names;
    ensure!(
        from != to,
        "--from and --to are both {to}: a step would work on its own results for ever"
    );
    let program = match options.host {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("stream_host"),
    };
    let records = names.records(nats).await?;
    let states = names.make(nats).await?;
    let wait = Duration::from_secs(options.ack_wait.into());
    let consumer = names.consumer(&records, wait).await?;
    let (step, host) = pipe::start(&program, &options.guest, &options.options)?;
    let made = records.cached_info().created.unix_timestamp_nanos();
    let (nats, names) = (nats.clone(), names.clone());
    let worker = Arc::new(Worker { nats, names, records, consumer, states, step, made });

    let working = worker.take(options.in_flight, wait / 3);
    tokio::try_join!(working, host.run())?;
    Ok(())
}

impl Worker {
    /// Takes records from the server, no more than there is room for, and gives each to the lane of its
    /// key. The lanes go side by side.
    async fn take(self: Arc<Self>, in_flight: u16, beat: Duration) -> Result<()> {
        let room = Arc::new(Semaphore::new(in_flight.into()));
        let mut lanes = Vec::new();
        let mut ends = JoinSet::new();
        for _ in 0..in_flight {
            let (lane, mut records) = mpsc::unbounded_channel::<Held>();
            let worker = self.clone();
            ends.spawn(async move {
                while let Some(held) = records.recv().await {
                    worker.finish(&held.record).await;
                }
            });
            lanes.push(lane);
        }
        let consumer = self.consumer.clone();
        drop(self); // the lanes have it, and when they end, the host does
        let hasher = RandomState::new();
        let mut stop = pin!(stopped());
        while stop.as_mut().now_or_never().is_none() {
            let some = room.acquire_many(u32::from(in_flight).div_ceil(4)).await?;
            drop(some); // what is free now stays free, for nobody else takes it
            let batch = consumer.batch().max_messages(room.available_permits()).expires(PATIENCE);
            let mut batch = match batch.messages().await {
                Ok(batch) => batch.boxed(),
                Err(error) => stream::once(async { Err(error.into()) }).boxed(),
            };
            // To its end, even when told to stop: these records are in nobody else's hands.
            while let Some(record) = batch.next().await {
                match record {
                    Ok(record) => {
                        let lane = hasher.hash_one(record.subject.as_str()) % lanes.len() as u64;
                        let held = Held::new(record, beat, room.clone().acquire_owned().await?);
                        lanes[lane as usize].send(held).context("a lane has ended")?;
                    }
                    Err(error) => {
                        say(&format!("host: cannot take records: {error}; trying again"));
                        tokio::time::sleep(FAILED).await;
                    }
                }
            }
        }
        drop(lanes);
        while let Some(end) = ends.join_next().await {
            end.context("a lane has ended")?;
        }
        Ok(())
    }

    /// Works on a record. If that fails for a reason that is not the record's, it comes again.
    async fn finish(&self, record: &Message) {
        let kind = match self.work_on(record).await {
            Ok(kind) => kind,
            Err(error) => {
                let (subject, cause) = (record.subject.escape_debug(), error.root_cause());
                say(&format!("host: {subject}: {error}: {cause}; it will come again"));
                AckKind::Nak(Some(FAILED))
            }
        };
        // If this is lost the record comes again too, and is seen to be done.
        let _ = record.ack_with(kind).await;
    }

    async fn work_on(&self, message: &Message) -> Result<AckKind> {
        let record = message.info().map_err(|error| anyhow!(error))?.stream_sequence;
        let subject = message.subject.as_str();
        let key = subject.strip_prefix(&self.names.record("")).unwrap_or(subject);

        // 1. What is known of the key.
        let (kept, revision) = self.kept(key).await?;
        if record <= kept.record {
            return Ok(AckKind::Ack); // it was worked on, and the acknowledgement was lost
        }

        // 2. Its turn? If one of the same key comes first, that one is in other hands, or will come again.
        let mut next = self.next(subject, kept.record).await?;
        if next < record && kept.record == 0 {
            // Or nothing is known of the key any more, and the one that comes first was finished long ago.
            let info =
                self.consumer.get_info().await.context("cannot look for what is finished")?;
            next = self.next(subject, info.ack_floor.stream_sequence).await?;
        }
        if next < record {
            return Ok(AckKind::Nak(Some(TURN)));
        }
        // A stream may drop what is finished, and one that comes first may have been, since the state was
        // read.
        if self.kept(key).await?.1 != revision {
            return Ok(AckKind::Nak(Some(Duration::ZERO)));
        }

        // 3. The guest works on it.
        let value = json(&message.payload);
        let answer = match value {
            Some(value) => self.step.process(record, key, value, kept.state.as_deref()).await?,
            None => Answer::failed("not JSON"),
        };
        let answer = self.fitting(answer);

        // 4. Results or a dead letter, then the state, then the acknowledgement. After a kill between
        //    them the record comes again. Before the state is stored the guest is given the same as
        //    the first time, and the server knows by their names which results it has.
        let id = format!("{}:{record}", self.made);
        let subject = self.names.result(key);
        let results = answer.results.into_iter().enumerate();
        let stored = results
            .map(|(index, result)| self.store(subject.clone(), result, format!("{id}:{index}")));
        try_join_all(stored).await?;
        let state = match answer.reason {
            None => answer.state,
            Some(reason) => {
                let letter = self.letter(record, key, &message.payload, &reason);
                self.store(self.names.dead_letter(key), letter, id).await?;
                kept.state
            }
        };
        let kept = Kept { made: self.made, record, state };
        let known = self.keep(key, &kept, revision).await?;
        Ok(if known { AckKind::Ack } else { AckKind::Nak(Some(TURN)) })
    }

    /// The number of the next record of a subject after the record `last`.
    async fn next(&self, subject: &str, last: u64) -> Result<u64> {
        let next = self.records.raw_message_builder().sequence(last + 1).next_by_subject(subject);
        Ok(next.send().await.context("cannot look for its turn")?.sequence)
    }

    /// What is kept with a key, and the number that it stands under, 0 for nothing. This asks the one
    /// server of a cluster that leads; a copy may be older.
    async fn kept(&self, key: &str) -> Result<(Kept, u64)> {
        let found = self.states.get_last_raw_message_by_subject(&self.names.state(key)).await;
        let (mut kept, revision) = match found {
            Ok(found) => {
                let kept = serde_json::from_slice(&found.payload);
                (kept.context("its state was not written by a worker")?, found.sequence)
            }
            Err(error) if error.kind() == LastRawMessageErrorKind::NoMessageFound => {
                (Kept::default(), 0)
            }
            Err(error) => return Err(error).context("cannot read its state"),
        };
        if kept.made != self.made {
            kept.record = 0;
        }
        Ok((kept, revision))
    }

    /// Keeps it, unless there is something newer than `revision`: then another worker was faster.
    async fn keep(&self, key: &str, kept: &Kept, revision: u64) -> Result<bool> {
        let message = PublishMessage::build()
            .payload(serde_json::to_vec(kept)?.into())
            .expected_last_subject_sequence(revision);
        let sent = self.nats.send_publish(self.names.state(key), message).await;
        let stored = match sent {
            Ok(sent) => sent.await,
            Err(error) => Err(error),
        };
        match stored {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == PublishErrorKind::WrongLastSequence => Ok(false),
            Err(error) => Err(error).context("cannot store its state"),
        }
    }

    /// Stores a message, once only if this is called again within two minutes.
    async fn store(&self, subject: String, payload: String, id: String) -> Result<()> {
        let message = PublishMessage::build().payload(payload.into()).message_id(id);
        let sent =
            self.nats.send_publish(subject, message).await.context("cannot send a result")?;
        sent.await.context("cannot store a result")?;
        Ok(())
    }

    /// Bytes that the server takes in one message.
    fn most(&self) -> usize {
        self.nats.client().server_info().max_payload.saturating_sub(HEADERS)
    }

    /// An answer that the server has room for.
    fn fitting(&self, answer: Answer) -> Answer {
        let most = self.most();
        let state = answer.state.as_ref().map_or(0, |state| quoted(state).len());
        if answer.results.iter().map(String::len).chain([state]).any(|size| size > most) {
            return Answer::failed(&format!(
                "failed: a result or a state of more than {most} bytes"
            ));
        }
        answer
    }

    /// A dead letter that the server has room for. As a text, a payload can be six times as long as it was:
    /// then the letter goes without, and by its number the record is found in its stream.
    fn letter(&self, record: u64, key: &str, payload: &[u8], reason: &str) -> String {
        let value = match json(payload) {
            Some(value) => format!("\"value\":{},", one_line(value)),
            None => format!("\"text\":{},", quoted(&String::from_utf8_lossy(payload))),
        };
        let key = quoted(key);
        let reason: String = reason.chars().take(MOST_REASON).collect();
        let letter = |value: &str, reason: &str| {
            let reason = quoted(reason);
            format!("{{\"id\":{record},\"key\":{key},{value}\"reason\":{reason}}}")
        };
        let whole = letter(&value, &reason);
        match whole.len() > self.most() {
            true => letter("", &format!("{reason}; the record is too large for a dead letter")),
            false => whole,
        }
    }
}

/// The text of a payload, if it is one value of JSON.
fn json(payload: &[u8]) -> Option<&str> {
    serde_json::from_slice::<IgnoredAny>(payload).ok()?;
    std::str::from_utf8(payload).ok()
}

/// A record in hand. While it is there, the server is told so.
struct Held {
    record: Message,
    telling: AbortHandle,
    _room: OwnedSemaphorePermit,
}

impl Held {
    fn new(record: Message, beat: Duration, room: OwnedSemaphorePermit) -> Self {
        let told = record.clone();
        let telling = tokio::spawn(async move {
            loop {
                tokio::time::sleep(beat).await;
                let _ = told.ack_with(AckKind::Progress).await;
            }
        });
        Self { record, telling: telling.abort_handle(), _room: room }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.telling.abort();
    }
}

/// Waits for Ctrl-C, or for what a supervisor sends to end a program.
async fn stopped() {
    #[cfg(unix)]
    if let Ok(mut asked) = signal(SignalKind::terminate()) {
        tokio::select! {
            _ = ctrl_c() => {}
            _ = asked.recv() => {}
        }
        return;
    }
    let _ = ctrl_c().await;
}
