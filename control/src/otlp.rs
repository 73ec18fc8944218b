//! Telemetry for an operator's collector: spans of what this process does, and its metrics, by OTLP over HTTP.
//!
//! Off unless an endpoint is configured. It never slows or stops the work it tells of: a span that ends is put into a
//! bounded queue or dropped and counted, one task sends what waits there, and a receiver that is away costs spans and a
//! line a minute. Metrics are those of `/metrics`, read from the same registry; nothing is counted here twice.

mod config;
mod convert;
mod export;
mod messages;
mod openmetrics;
mod post;
mod spans;

pub use config::{OtlpConfig, OtlpFlags};
pub use spans::{FinishedSpans, SpanLayer, layer};

pub(crate) use export::{Exporter, start};
pub(crate) use spans::{OtlpCounts, within};
