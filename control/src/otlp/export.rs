//! The task that sends telemetry: spans as they come, metrics now and then, the last of both when the process stops.
//!
//! It has one batch under way. A batch that a receiver cannot take now is kept while the queue behind it takes what it
//! can; one that it never takes is given up and counted.

use std::time::Duration;

use farwatch_core::egress::Policy;
use farwatch_core::target::Target;
use farwatch_proto::id::ProcessId;
use farwatch_proto::time::{BootMs, UnixMs};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use prost::Message;
use tokio::time::{sleep, timeout};
use tracing::warn;

use super::config::OtlpConfig;
use super::convert::{self, Period};
use super::messages::{KeyValue, Resource, ResourceSpans, Scope, ScopeSpans, Span, TracesRequest};
use super::post::{NotTaken, post};
use super::spans::FinishedSpans;
use crate::metrics::{Format, OutcomeLabel, Sight};
use crate::spawn::Spawner;
use crate::tell::connect::Connector;

/// How long an ended span waits for others to be sent with.
const SPANS_PERIOD: Duration = Duration::from_secs(1);
/// How often metrics are sent: as often as Prometheus usually asks.
const METRICS_PERIOD_MS: i64 = 15_000;
/// Spans of one request, of about half a megabyte at most.
const BATCH_MAX: usize = 512;
/// What is left when the process stops is sent within this, which leaves others their share of the grace.
const LAST_LIMIT: Duration = Duration::from_secs(2);
/// A receiver that is away is told of once in this time.
const COMPLAINT_PERIOD_MS: i64 = 60_000;
/// The name by which collectors know control.
const SERVICE: &str = "farwatch-control";

/// What sending needs.
pub(crate) struct Exporter {
    /// Where to.
    pub(crate) config: OtlpConfig,
    /// Spans that wait.
    pub(crate) spans: FinishedSpans,
    /// What metrics are read from.
    pub(crate) sight: Sight,
    /// Which process this is.
    pub(crate) process: ProcessId,
}

/// Sends until the process stops.
pub(crate) fn start(exporter: Exporter, spawner: &Spawner) -> anyhow::Result<()> {
    // The operator names the collector, so it may be wherever the operator says.
    let anywhere = vec![IpNet::V4(Ipv4Net::default()), IpNet::V6(Ipv6Net::default())];
    let connector = Connector::new(Policy::new(anywhere, Vec::new()), exporter.config.roots.as_deref())?;
    let stopping = spawner.stopping();
    let mut export = Export { exporter, connector, batch: None, metrics_at: None, complained: None, failures: 0 };
    spawner.spawn("otlp", async move {
        loop {
            tokio::select! {
                () = stopping.requested() => break,
                () = sleep(SPANS_PERIOD) => export.send().await,
            }
        }
        // Whether it was all taken is told by the receiver; there is nobody left to tell here.
        let _ = timeout(LAST_LIMIT, export.send_all()).await;
    });
    Ok(())
}

/// Spans that are written down and not taken yet.
struct Batch {
    body: Vec<u8>,
    spans: u64,
}

/// Sending under way.
struct Export {
    exporter: Exporter,
    connector: Connector,
    batch: Option<Batch>,
    metrics_at: Option<BootMs>,
    complained: Option<BootMs>,
    /// Requests that failed since somebody was last told.
    failures: u32,
}

impl Export {
    async fn send(&mut self) {
        while self.send_batch().await {}
        let now = self.exporter.sight.clock.boot();
        if self.metrics_at.is_none_or(|at| now.since(at) >= METRICS_PERIOD_MS) {
            self.metrics_at = Some(now);
            self.send_metrics().await;
        }
    }

    async fn send_all(&mut self) {
        while self.send_batch().await {}
        self.send_metrics().await;
    }

    /// Sends what waits, up to a batch of it. Whether there may be more to send at once.
    async fn send_batch(&mut self) -> bool {
        let Some(batch) = self.batch.take().or_else(|| self.gather()) else { return false };
        let target = self.exporter.config.traces.clone();
        match self.post(&target, batch.body.clone()).await {
            Ok(()) => true,
            Err(NotTaken::Passing(_)) => {
                self.batch = Some(batch);
                false
            }
            Err(NotTaken::Lasting(_)) => {
                self.exporter.spans.counts.dropped.inc_by(batch.spans);
                false
            }
        }
    }

    /// A batch of spans that wait; none where none do.
    fn gather(&mut self) -> Option<Batch> {
        let queue = &mut self.exporter.spans.queue;
        let spans: Vec<Span> = std::iter::from_fn(|| queue.try_recv().ok()).take(BATCH_MAX).collect();
        let count = u64::try_from(spans.len()).unwrap_or(u64::MAX);
        let scope_spans = vec![ScopeSpans { scope: Some(scope()), spans }];
        let resource_spans = vec![ResourceSpans { resource: Some(self.resource()), scope_spans }];
        (count > 0).then(|| Batch { body: TracesRequest { resource_spans }.encode_to_vec(), spans: count })
    }

    async fn send_metrics(&mut self) {
        let sight = &self.exporter.sight;
        let text = sight.exposed(Format::OpenMetrics).await.text;
        let (from_ns, until_ns) = (nanoseconds(sight.metrics.started()), sight.clock.wall_ns());
        let body = convert::request(&text, self.resource(), scope(), Period { from_ns, until_ns }).encode_to_vec();
        let target = self.exporter.config.metrics.clone();
        // The next ones say what these would have said.
        let _ = self.post(&target, body).await;
    }

    async fn post(&mut self, target: &Target, body: Vec<u8>) -> Result<(), NotTaken> {
        let taken = post(&self.connector, target, &self.exporter.config.headers, body).await;
        let outcome = if taken.is_ok() { "sent" } else { "failed" };
        self.exporter.spans.counts.exports.get_or_create(&OutcomeLabel { outcome }).inc();
        if let Err(why) = &taken {
            self.complain(why);
        }
        taken
    }

    fn complain(&mut self, why: &NotTaken) {
        self.failures += 1;
        let now = self.exporter.sight.clock.boot();
        if self.complained.is_none_or(|at| now.since(at) >= COMPLAINT_PERIOD_MS) {
            self.complained = Some(now);
            let failures = std::mem::take(&mut self.failures);
            warn!(error = %why, failures, "telemetry was not taken");
        }
    }

    fn resource(&self) -> Resource {
        let attributes = vec![
            KeyValue::text("service.name", SERVICE),
            KeyValue::text("service.version", farwatch_proto::VERSION),
            KeyValue::text("service.instance.id", &self.exporter.process.to_string()),
        ];
        Resource { attributes }
    }
}

/// Who made spans and metrics: this crate, for all of them.
fn scope() -> Scope {
    Scope { name: "farwatch".to_owned(), version: farwatch_proto::VERSION.to_owned() }
}

fn nanoseconds(at: UnixMs) -> u64 {
    u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000_000)
}
