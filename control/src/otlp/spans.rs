//! Spans from where they begin to where they wait to be sent.
//!
//! A span of `tracing` is one of OTLP with the fields that it was given. Some of them say what it is: `otel.name` and
//! `otel.kind`, `traceparent` whose trace it goes on with, and `error` that it failed. A queue that is full takes no more:
//! what is told late is worth less than the work that would wait for it.

use std::fmt::{Debug, Display};
use std::time::Duration;

use farwatch_core::traceparent::TraceParent;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Instrument, Metadata, Subscriber};
use tracing_subscriber::filter::{FilterFn, Filtered};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::messages::{KeyValue, Span, SpanKind, Status, StatusCode, Value};
use crate::clock::Clock;
use crate::metrics::OutcomeLabel;
use crate::secret::random_bytes;

/// Spans that wait at once, of about a kilobyte each: some seconds of a busy process. With more a receiver that is away
/// would cost more memory than it is worth; with fewer a burst would lose spans.
const QUEUE_MAX: usize = 2048;
/// What is kept of a text, so that the queue stays as small as that; no id or route of ours is as long.
const TEXT_MAX_BYTES: usize = 256;
/// What our spans have in common; those of libraries are not ours to tell.
const OURS: &str = "farwatch";
/// The flags of a span that is kept, and that says whether its parent is another process's; and of one whose parent is.
const FLAGS: u32 = 0x101;
const PARENT_IS_REMOTE: u32 = 0x200;

/// What is counted about telling.
#[derive(Clone, Debug, Default)]
pub(crate) struct OtlpCounts {
    /// Spans that were given up.
    pub(super) dropped: Counter,
    /// Requests to the receiver.
    pub(super) exports: Family<OutcomeLabel, Counter>,
}

impl OtlpCounts {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let about = "Spans that were given up: too many waited, or the receiver refused them";
        registry.register("otlp_spans_dropped", about, self.dropped.clone());
        registry.register("otlp_exports", "Requests to the receiver of telemetry", self.exports.clone());
    }
}

/// Spans that have ended and wait to be sent.
#[derive(Debug)]
pub struct FinishedSpans {
    pub(super) queue: mpsc::Receiver<Span>,
    pub(crate) counts: OtlpCounts,
}

/// What hears of spans.
pub type SpanLayer<S> = Filtered<Ears, FilterFn, S>;

/// What hears of the spans of this process, and where they wait.
pub fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> (SpanLayer<S>, FinishedSpans) {
    let counts = OtlpCounts::default();
    let (ended, queue) = mpsc::channel(QUEUE_MAX);
    let ears = Ears { ended, dropped: counts.dropped.clone() };
    (ears.with_filter(FilterFn::new(is_ours as fn(&Metadata<'_>) -> bool)), FinishedSpans { queue, counts })
}

fn is_ours(metadata: &Metadata<'_>) -> bool {
    metadata.is_span() && metadata.target().starts_with(OURS)
}

/// Hears of spans, and queues them when they end.
#[derive(Debug)]
pub struct Ears {
    ended: mpsc::Sender<Span>,
    dropped: Counter,
}

/// A span under way.
struct Open {
    span: Span,
    is_kept: bool,
    began: Duration,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Ears {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(held) = context.span(id) else { return };
        let mut open = Open::named(attributes.metadata().name());
        let within = held.parent().and_then(|parent| parent.extensions().get::<Open>().map(Open::as_parent));
        if let Some(parent) = within {
            open.belong_to(parent);
        }
        attributes.record(&mut open);
        held.extensions_mut().insert(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(held) = context.span(id) else { return };
        if let Some(open) = held.extensions_mut().get_mut::<Open>() {
            values.record(open);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let open = context.span(&id).and_then(|held| held.extensions_mut().remove::<Open>());
        let Some(Open { mut span, began, .. }) = open.filter(|open| open.is_kept) else { return };
        let took = Clock.precise().saturating_sub(began).as_nanos();
        span.end_time_unix_nano = span.start_time_unix_nano + u64::try_from(took).unwrap_or(0);
        if self.ended.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

impl Open {
    /// The first of a trace of its own.
    fn named(name: &str) -> Self {
        let span = Span {
            trace_id: random_bytes::<16>().to_vec(),
            span_id: random_bytes::<8>().to_vec(),
            name: name.to_owned(),
            kind: SpanKind::Internal.into(),
            start_time_unix_nano: Clock.wall_ns(),
            flags: FLAGS,
            ..Span::default()
        };
        Self { span, is_kept: true, began: Clock.precise() }
    }

    /// Itself, as the parent of another.
    fn as_parent(&self) -> (Vec<u8>, Vec<u8>, bool) {
        (self.span.trace_id.clone(), self.span.span_id.clone(), self.is_kept)
    }

    fn belong_to(&mut self, (trace, parent, is_kept): (Vec<u8>, Vec<u8>, bool)) {
        self.span.trace_id = trace;
        self.span.parent_span_id = parent;
        self.is_kept = is_kept;
    }

    fn take(&mut self, field: &Field, value: Value) {
        self.span.attributes.push(KeyValue::new(field.name(), value));
    }

    fn take_text(&mut self, field: &Field, text: &str) {
        let text = &text[..text.floor_char_boundary(TEXT_MAX_BYTES)];
        match field.name() {
            "otel.name" => text.clone_into(&mut self.span.name),
            "otel.kind" => self.span.kind = if text == "server" { SpanKind::Server } else { SpanKind::Client }.into(),
            "error" => self.span.status = Some(Status { message: text.to_owned(), code: StatusCode::Error.into() }),
            "traceparent" => {
                if let Some(TraceParent { trace, span, is_kept }) = TraceParent::read(text) {
                    self.belong_to((trace.to_vec(), span.to_vec(), is_kept));
                    self.span.flags = FLAGS | PARENT_IS_REMOTE;
                }
            }
            _ => self.take(field, Value::Text(text.to_owned())),
        }
    }
}

impl Visit for Open {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Value::Fraction(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Value::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, Value::Whole(i64::try_from(value).unwrap_or(i64::MAX)));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Value::Truth(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take_text(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.take_text(field, &format!("{value:?}"));
    }
}

/// Works within a span, which shows as failed where the work fails. It has an empty field `error`.
pub(crate) async fn within<T, E: Display>(
    span: tracing::Span,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let result = work.instrument(span.clone()).await;
    if let Err(error) = &result {
        span.record("error", format!("{error:#}"));
    }
    result
}

#[cfg(test)]
mod tests;
