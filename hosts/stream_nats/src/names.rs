//! The streams there are, and under which subject each message stands.
//! Notice that nothing here is deleted: how long a message is kept is the operator's affair.
//! Run: bash examples/stream/nats.sh 3

use std::time::Duration;

use anyhow::{Context as _, Result};
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{Context, consumer};

/// By this a server knows a message that it has already: it stores the second one no more.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";

/// How long it knows it.
const REMEMBERED: Duration = Duration::from_secs(120);

/// Room for what is put around a record to make a dead letter of it.
const MARGIN: usize = 64 << 10;

#[derive(Clone, clap::Args)]
pub struct Names {
    /// The stream of records; a record with the key K has the subject NAME.K
    #[arg(long, global = true, value_name = "NAME", default_value = "records", value_parser = name)]
    pub from: String,
    /// The stream of results, which can be the records of another step; the consumer has this name too
    #[arg(long, global = true, value_name = "NAME", default_value = "results", value_parser = name)]
    pub to: String,
}

fn name(name: &str) -> Result<String, String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
    match !name.is_empty() && name.chars().all(known) {
        true => Ok(name.to_owned()),
        false => Err("use letters, digits, - and _ alone".to_owned()),
    }
}

/// Whether a key can be the end of a subject.
pub fn is_key(key: &str) -> bool {
    let other = |c: char| c.is_whitespace() || c.is_control() || "*>".contains(c);
    key.split('.').all(|part| !part.is_empty()) && !key.contains(other)
}

impl Names {
    pub fn record(&self, key: &str) -> String {
        format!("{}.{key}", self.from)
    }

    pub fn result(&self, key: &str) -> String {
        format!("{}.{key}", self.to)
    }

    // What a step keeps for itself has the names of both its streams, so that two steps on one stream have
    // nothing in common. No other stream is called like that, for a name on the command line has no `+`.
    pub fn dead_letters(&self) -> String {
        format!("{}+{}-dead", self.from, self.to)
    }

    pub fn dead_letter(&self, key: &str) -> String {
        format!("{}.{key}", self.dead_letters())
    }

    pub fn states(&self) -> String {
        format!("{}+{}-states", self.from, self.to)
    }

    pub fn state(&self, key: &str) -> String {
        format!("{}.{key}", self.states())
    }

    /// The stream of records, which is made unless it is there. It may keep what is acknowledged, as this
    /// one does, or drop it.
    pub async fn records(&self, nats: &Context) -> Result<Stream> {
        let most = nats.client().server_info().max_payload.saturating_sub(MARGIN);
        stream(
            nats,
            Config {
                max_message_size: i32::try_from(most).unwrap_or(i32::MAX),
                ..named(&self.from)
            },
        )
        .await
    }

    /// The others, which the workers write to.
    pub async fn make(&self, nats: &Context) -> Result<Stream> {
        stream(nats, named(&self.to)).await?;
        stream(nats, named(&self.dead_letters())).await?;
        // One state for each key, as in a bucket of JetStream's key-value store.
        stream(nats, Config { max_messages_per_subject: 1, ..named(&self.states()) }).await
    }

    /// The one consumer of all workers of a step: the server gives each record to one of them, and to
    /// another one if the first says nothing of it for as long as `wait`.
    pub async fn consumer(
        &self,
        records: &Stream,
        wait: Duration,
    ) -> Result<Consumer<pull::Config>> {
        let config = pull::Config {
            durable_name: Some(self.to.clone()),
            ack_policy: consumer::AckPolicy::Explicit,
            ack_wait: wait,
            ..Default::default()
        };
        let made = records.create_consumer(config).await; // or it is changed to this
        made.with_context(|| format!("cannot read the stream {}", self.from))
    }
}

fn named(name: &str) -> Config {
    Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.>")],
        duplicate_window: REMEMBERED,
        ..Default::default()
    }
}

/// A stream that must be there, or what to do `first`.
pub async fn existing(nats: &Context, name: &str, first: &str) -> Result<Stream> {
    let found = nats.get_stream(name).await;
    let missing = found.as_ref().is_err_and(
        |error| matches!(error.kind(), GetStreamErrorKind::JetStream(error) if error.code() == 404),
    );
    found.with_context(|| match missing {
        true => format!("there is no stream {name}: {first}"),
        false => cannot_open(name),
    })
}

async fn stream(nats: &Context, config: Config) -> Result<Stream> {
    let name = config.name.clone();
    let made = nats.get_or_create_stream(config).await;
    // Another worker may have made it at the same moment, and to make it twice is an error.
    if made.is_err()
        && let Ok(stream) = nats.get_stream(&name).await
    {
        return Ok(stream);
    }
    made.with_context(|| cannot_open(&name))
}

fn cannot_open(name: &str) -> String {
    format!("cannot open the stream {name}: start the server with JetStream, `nats-server -js`")
}
