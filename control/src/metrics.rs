//! What an operator's Prometheus reads of a control process: counters that are kept as things happen, and what is asked
//! for when somebody looks.
//!
//! Labels are words that the house itself knows; no id of a check, a tenant or a token is ever one, so the number of
//! series is bounded whatever customers do. A registry is made for each look, so nothing is global.

mod exposition;
mod seen;
mod sight;

use std::time::Duration;

use farwatch_proto::time::UnixMs;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::otlp::OtlpCounts;
pub use exposition::{Exposition, Format};
pub use seen::Seen;
pub(crate) use sight::Sight;

/// Bounds of durations, in seconds: from a read of memory to the limit of a statement.
const DURATION_BOUNDS_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

/// A word that says how something went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct OutcomeLabel {
    pub(crate) outcome: &'static str,
}

/// A route of the API, as it is written in the list of routes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    method: &'static str,
}

/// An answer of a route.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    method: &'static str,
    status: u16,
}

/// The counters of one process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    started: UnixMs,
    renewals: Family<OutcomeLabel, Counter>,
    takeovers: Family<OutcomeLabel, Counter>,
    flushes: Family<OutcomeLabel, Counter>,
    flush_seconds: Histogram,
    attempts: Family<OutcomeLabel, Counter>,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Family<RouteLabels, Histogram>,
    limited: Counter,
    otlp: Option<OtlpCounts>,
}

/// An answer of the API, as it is counted.
pub(crate) struct Answered {
    /// The route's template; nothing that a caller made up.
    pub route: String,
    /// The method.
    pub method: &'static str,
    /// The status.
    pub status: u16,
    /// How long it took.
    pub took: Duration,
}

fn durations() -> Histogram {
    Histogram::new(DURATION_BOUNDS_S)
}

impl Metrics {
    /// Counters at zero, of a process that started now.
    pub fn new(started: UnixMs) -> Self {
        Self {
            started,
            renewals: Family::default(),
            takeovers: Family::default(),
            flushes: Family::default(),
            flush_seconds: durations(),
            attempts: Family::default(),
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(durations),
            limited: Counter::default(),
            otlp: None,
        }
    }

    /// The same, with what is counted about telemetry, where it is sent.
    pub(crate) fn with_otlp(self, otlp: Option<OtlpCounts>) -> Self {
        Self { otlp, ..self }
    }

    /// Since when they count.
    pub(crate) const fn started(&self) -> UnixMs {
        self.started
    }

    /// Counts an attempt to renew the lease.
    pub(crate) fn renewed(&self, outcome: &'static str) {
        self.renewals.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts an attempt to take the leadership over.
    pub(crate) fn took_over(&self, outcome: &'static str) {
        self.takeovers.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts a flush of the journal, and how long it took.
    pub(crate) fn flushed(&self, outcome: &'static str, took: Duration) {
        self.flushes.get_or_create(&OutcomeLabel { outcome }).inc();
        self.flush_seconds.observe(took.as_secs_f64());
    }

    /// Counts an attempt to deliver.
    pub(crate) fn attempted(&self, outcome: &'static str) {
        self.attempts.get_or_create(&OutcomeLabel { outcome }).inc();
    }

    /// Counts an answer of the API.
    pub(crate) fn answered(&self, answered: Answered) {
        let Answered { route, method, status, took } = answered;
        self.request_seconds.get_or_create(&RouteLabels { route: route.clone(), method }).observe(took.as_secs_f64());
        self.requests.get_or_create(&RequestLabels { route, method, status }).inc();
    }

    /// Counts a request that was refused because too much was asked.
    pub(crate) fn refused_for_rate(&self) {
        self.limited.inc();
    }

    /// All that can be told now.
    pub(crate) fn exposed(&self, seen: &Seen, format: Format) -> Exposition {
        let mut process = Registry::default();
        seen.register_process(self.started, &mut process);
        let mut farwatch = Registry::with_prefix("farwatch");
        self.register(&mut farwatch);
        seen.register(&mut farwatch);
        Exposition::of(&[process, farwatch], format)
    }

    fn register(&self, registry: &mut Registry) {
        let about = "Attempts of this process to renew its lease";
        registry.register("lease_renewals", about, self.renewals.clone());
        registry.register("takeovers", "Leaderships that this process began", self.takeovers.clone());
        registry.register("flushes", "Rows of the journal that this process wrote", self.flushes.clone());
        let about = "How long a row of the journal took to commit";
        registry.register("flush_duration_seconds", about, self.flush_seconds.clone());
        let about = "Attempts of this process to deliver a message";
        registry.register("delivery_attempts", about, self.attempts.clone());
        registry.register("api_requests", "Requests that the API answered", self.requests.clone());
        let about = "How long the API took to answer";
        registry.register("api_request_duration_seconds", about, self.request_seconds.clone());
        let about = "Requests that were refused because too much was asked";
        registry.register("api_rate_limited", about, self.limited.clone());
        if let Some(otlp) = &self.otlp {
            otlp.register(registry);
        }
    }
}
