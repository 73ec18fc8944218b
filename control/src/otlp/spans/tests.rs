//! Spans as `tracing` makes them, on this thread alone.

use tracing::field::Empty;
use tracing::subscriber::DefaultGuard;
use tracing::{info, info_span};
use tracing_subscriber::layer::SubscriberExt;

use super::*;

/// What was heard of the spans of this thread since.
struct Heard {
    spans: FinishedSpans,
    _ears: DefaultGuard,
}

impl Heard {
    fn begin() -> Self {
        let (layer, spans) = layer();
        Self { spans, _ears: tracing::subscriber::set_default(tracing_subscriber::registry().with(layer)) }
    }

    fn next(&mut self) -> Option<Span> {
        self.spans.queue.try_recv().ok()
    }
}

#[test]
fn our_spans_wait_with_what_they_were_given_and_those_of_others_do_not() {
    let mut heard = Heard::begin();
    let flush = info_span!("flush", results = 3_u32, seq = Empty, late = true, "host" = %"a".repeat(300));
    flush.in_scope(|| info!("not a span"));
    flush.record("seq", 7);
    drop(info_span!(target: "sqlx::query", "query").entered());
    drop(flush);
    let span = heard.next().unwrap();
    assert_eq!((span.name.as_str(), span.kind, span.status), ("flush", SpanKind::Internal as i32, None));
    let attributes = [
        KeyValue::new("results", Value::Whole(3)),
        KeyValue::new("late", Value::Truth(true)),
        KeyValue::text("host", &"a".repeat(TEXT_MAX_BYTES)),
        KeyValue::new("seq", Value::Whole(7)),
    ];
    assert_eq!(span.attributes, attributes);
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    assert!(heard.next().is_none());
}

#[test]
fn a_span_within_another_is_of_its_trace() {
    let mut heard = Heard::begin();
    info_span!("fold").in_scope(|| drop(info_span!("fold hour").entered()));
    drop(info_span!("fold").entered());
    let (hour, fold, other) = (heard.next().unwrap(), heard.next().unwrap(), heard.next().unwrap());
    assert_eq!((hour.trace_id, hour.parent_span_id), (fold.trace_id.clone(), fold.span_id));
    assert!(fold.parent_span_id.is_empty() && other.trace_id != fold.trace_id);
}

#[test]
fn a_request_goes_on_with_its_callers_trace_and_is_kept_where_that_is() {
    let mut heard = Heard::begin();
    let request = |traceparent: Option<&str>| {
        let span = info_span!("request", otel.name = "GET /x", otel.kind = "server", traceparent);
        span.in_scope(|| drop(info_span!("inner").entered()));
    };
    request(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"));
    assert!(heard.next().is_none(), "its beginner keeps nothing of it");
    request(Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
    let (inner, outer) = (heard.next().unwrap(), heard.next().unwrap());
    assert_eq!(outer.trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736_u128.to_be_bytes());
    assert_eq!(outer.parent_span_id, 0x00f0_67aa_0ba9_02b7_u64.to_be_bytes());
    assert_eq!((inner.trace_id, inner.parent_span_id), (outer.trace_id, outer.span_id));
    assert_eq!((outer.name.as_str(), outer.kind, outer.attributes.len()), ("GET /x", SpanKind::Server as i32, 0));
    for none in [None, Some("nonsense")] {
        request(none);
        assert!(heard.next().is_some() && heard.next().unwrap().parent_span_id.is_empty());
    }
}

#[test]
fn a_full_queue_drops_and_counts() {
    let mut heard = Heard::begin();
    for _ in 0..QUEUE_MAX + 3 {
        drop(info_span!("flush").entered());
    }
    assert_eq!(heard.spans.counts.dropped.get(), 3);
    assert_eq!(std::iter::from_fn(|| heard.next()).count(), QUEUE_MAX);
}

#[tokio::test]
async fn work_that_fails_shows_as_failed() {
    let mut heard = Heard::begin();
    let failed = within(info_span!("fold", error = Empty), async { Err::<(), _>("no database") }).await;
    assert_eq!(failed, Err("no database"));
    let status = Status { message: "no database".to_owned(), code: StatusCode::Error.into() };
    assert_eq!(heard.next().unwrap().status, Some(status));
    within(info_span!("fold", error = Empty), async { Ok::<(), &str>(()) }).await.unwrap();
    assert_eq!(heard.next().unwrap().status, None);
}
