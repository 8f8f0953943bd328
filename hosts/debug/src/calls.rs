//! The log of calls: wasmtime-wasi tells the crate tracing of each call a guest makes, and this listens.
//! Notice that nothing in WASI is replaced: the same layer works for modules and for components.
//! Run: just run debug

use std::fmt::Debug;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// A call is a span of one of these names: from a module, or from a component.
const CALLS: [&str; 2] = ["wiggle abi", "wit-bindgen import"];

/// Gives a line for each call to a function, such as one that prints it.
pub struct Calls(pub fn(String));

/// What is known of a call so far.
struct Call {
    name: String,
    arguments: String,
    returned: bool,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Calls {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        match metadata.is_span() {
            true => CALLS.contains(&metadata.name()),
            false => {
                metadata.target().starts_with("wasmtime_wasi") && *metadata.level() == Level::TRACE
            }
        }
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let function = fields.take("function");
        let name = match &*fields.take("module") {
            "wasi_snapshot_preview1" => function,
            module => format!("{module}.{function}"),
        };
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(Call { name, arguments: String::new(), returned: false });
        }
    }

    // One event has the arguments, if there are any, and one the result.
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let Some(span) = context.event_span(event) else { return };
        let mut extensions = span.extensions_mut();
        let Some(call) = extensions.get_mut::<Call>() else { return };
        let mut fields = Fields::default();
        event.record(&mut fields);
        if event.metadata().fields().field("result").is_some() {
            self.0(format!("{}({}) = {}", call.name, call.arguments, fields.take("result")));
            call.returned = true;
        } else {
            call.arguments = fields.list();
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        if let Some(call) = span.extensions().get::<Call>()
            && !call.returned
        {
            self.0(format!("{}({}) did not return", call.name, call.arguments));
        }
    }
}

/// How many letters are shown of a value. The rights of a file alone have a thousand.
const MOST_SHOWN: usize = 60;

/// Names and values, as text.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Fields {
    fn take(&mut self, name: &str) -> String {
        let found = self.0.iter_mut().find(|(other, _)| *other == name);
        found.map(|(_, value)| std::mem::take(value)).unwrap_or_default()
    }

    fn list(&self) -> String {
        let named = self.0.iter().filter(|(name, _)| *name != "message");
        named.map(|(name, value)| format!("{name}: {value}")).collect::<Vec<_>>().join(", ")
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = format!("{value:?}");
        if let Some((end, _)) = text.char_indices().nth(MOST_SHOWN) {
            text.truncate(end);
            text.push('…');
        }
        self.0.push((field.name(), text));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.push((field.name(), value.to_owned()));
    }
}
