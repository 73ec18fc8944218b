//! Who leads: by a lease row that its holder keeps renewing.
//!
//! When the holder fences itself and when a follower takes over is decided in `core/lease.rs`. What a fenced leader might
//! still write, the journal's chain refuses. A process that is alone on its database by a lock has nobody to wait for: whoever held the lease is gone.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::fleet::Proving;
use farwatch_core::lease::{FENCE_MS, RENEW_LIMIT_MS, RENEW_PERIOD_MS, Tenure, WATCH_PERIOD_MS, Watch, is_free};
use farwatch_proto::id::ProcessId;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tracing::field::Empty;
use tracing::{debug, info, info_span, warn};

use super::draft::Now;
use super::handle::{LeaderHandle, LeaderRequest, LeaderStatus};
use super::reign::Reign;
use super::takeover::take_over;
use crate::clock::Clock;
use crate::links::{Destination, INBOX_MAX};
use crate::metrics::Metrics;
use crate::otlp::within;
use crate::refusals::Refusals;
use crate::secret::random_bytes;
use crate::spawn::Spawner;
use crate::store::{Epoch, Lease, Store, StoreError};
use crate::tasks::{TaskList, TaskReport};
use crate::vault::Vault;

/// The task that leads or follows.
pub(crate) const LEADER_TASK: &str = "leader";
const RENEW_PERIOD: Duration = Duration::from_millis(RENEW_PERIOD_MS.unsigned_abs());
const RENEW_LIMIT: Duration = Duration::from_millis(RENEW_LIMIT_MS.unsigned_abs());
const WATCH_PERIOD: Duration = Duration::from_millis(WATCH_PERIOD_MS.unsigned_abs());

/// What leading needs.
#[derive(Clone)]
pub struct LeaderConfig {
    /// The database.
    pub store: Store,
    /// What opens the secrets of checks.
    pub vault: Arc<Vault>,
    /// Where refusals are noted.
    pub(crate) refusals: Refusals,
    /// The clock.
    pub clock: Clock,
    /// Starts the renewal, and says when to stop.
    pub spawner: Spawner,
    /// The list that leading is shown on.
    pub tasks: TaskList,
    /// This process.
    pub process: ProcessId,
    /// Whether no other process can use the database while this one lives: it waits for no former holder.
    pub is_sole: bool,
    /// Where hosts reach this process while it leads.
    pub link_address: String,
    /// Addresses of the fleet itself, which no check may reach.
    pub listeners: Vec<SocketAddr>,
    /// How long a returning host proves itself.
    pub proving: Proving,
    /// Where hosts connect to know whether they see the world.
    pub references: Vec<String>,
    /// Where renewals, takeovers and flushes are counted.
    pub metrics: Metrics,
    /// How the rest of the process sees the leader.
    pub handle: LeaderHandle,
}

/// Hears that the lease is lost.
pub(super) struct Reigning {
    lost: watch::Receiver<bool>,
}

impl Reigning {
    /// Returns once the lease is lost.
    pub(super) async fn lost(&self) {
        // A renewal task that is gone renews nothing.
        let _ = self.lost.clone().wait_for(|lost| *lost).await;
    }
}

/// Follows the lease, and leads whenever it can, until the process stops.
pub fn start(config: LeaderConfig, requests: mpsc::Receiver<LeaderRequest>) -> watch::Receiver<Destination> {
    let (destination, hosts_go) = watch::channel(Destination::Elsewhere(None));
    let report =
        config.tasks.list(LEADER_TASK, "leads: gathers, places, judges; or follows whoever does", WATCH_PERIOD);
    let spawner = config.spawner.clone();
    spawner.spawn("leader", follow(config, requests, destination, report));
    hosts_go
}

async fn follow(
    config: LeaderConfig,
    mut requests: mpsc::Receiver<LeaderRequest>,
    destination: watch::Sender<Destination>,
    report: TaskReport,
) {
    let stopping = config.spawner.stopping();
    let mut watched = Watched::default();
    while !stopping.is_requested() {
        let led = match watched.acquire(&config).await {
            Ok(Some((epoch, tenure))) => lead(&config, epoch, tenure, &mut requests, &destination).await,
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        destination.send_replace(Destination::Elsewhere(watched.leader_address(&config)));
        config.handle.show(LeaderStatus { at: config.clock.wall(), ..LeaderStatus::default() });
        if let Err(error) = &led {
            warn!(error = format!("{error:#}"), "not leading");
        }
        report.ran(config.clock.wall(), led.map_err(|error| format!("{error:#}")));
        tokio::select! {
            () = stopping.requested() => {}
            () = sleep(WATCH_PERIOD) => {}
        }
    }
}

async fn lead(
    config: &LeaderConfig,
    epoch: Epoch,
    tenure: Tenure,
    requests: &mut mpsc::Receiver<LeaderRequest>,
    destination: &watch::Sender<Destination>,
) -> anyhow::Result<()> {
    let (lost, reigning) = watch::channel(false);
    let lost = Arc::new(lost);
    config.spawner.spawn("lease", renew(config.clone(), epoch, tenure, lost.clone()));
    let now = Now { wall: config.clock.wall(), boot: config.clock.boot() };
    let result = async {
        let taken = take_over(&config.store, epoch, config.proving, config.is_sole, now);
        let state = within(info_span!("takeover", epoch = epoch.n, error = Empty), taken).await;
        config.metrics.took_over(if state.is_ok() { "led" } else { "failed" });
        let mut state = state?;
        // Before any host is told of a check.
        let entries = state.book.pages().flat_map(|(_, page)| &page.entries);
        state.secrets.learn(entries.map(|entry| &entry.definition), &[], &config.vault, now.wall).await?;
        let (inbox, mut events) = mpsc::channel(INBOX_MAX);
        destination.send_replace(Destination::Here(inbox));
        config.handle.began_to_lead.notify_one();
        Reign::new(config, state).run(&mut events, requests, &Reigning { lost: reigning }).await
    }
    .await;
    lost.send_replace(true);
    info!(epoch = epoch.n, "no longer leading");
    if let Err(error) = config.store.lease().release(epoch).await {
        debug!(%error, "the lease was not released; it will stand still");
    }
    result
}

/// Renews the lease until it is lost or given up.
async fn renew(config: LeaderConfig, epoch: Epoch, mut tenure: Tenure, lost: Arc<watch::Sender<bool>>) {
    let mut gone = lost.subscribe();
    loop {
        tokio::select! {
            _ = gone.wait_for(|lost| *lost) => return,
            () = sleep(RENEW_PERIOD) => {}
        }
        let asked = config.clock.boot();
        match timeout(RENEW_LIMIT, config.store.lease().renew(epoch)).await {
            Ok(Ok(_)) => {
                config.metrics.renewed("renewed");
                tenure.renewed(asked);
            }
            Ok(Err(StoreError::StaleLeader)) => {
                info!(epoch = epoch.n, "another process leads now");
                config.metrics.renewed("lost");
                lost.send_replace(true);
            }
            Ok(Err(error)) => {
                config.metrics.renewed("failed");
                warn!(%error, "the lease was not renewed");
            }
            Err(_) => {
                config.metrics.renewed("late");
                warn!("the lease was not renewed in time");
            }
        }
        if tenure.is_over(config.clock.boot()) {
            warn!(epoch = epoch.n, unrenewed_ms = FENCE_MS, "stepping down");
            lost.send_replace(true);
        }
    }
}

/// The lease as this process has seen it.
#[derive(Default)]
struct Watched {
    seen: Option<Lease>,
    watch: Watch,
}

impl Watched {
    /// The epoch to lead in, if the lease is free or its holder has stood still, and how long that holds at first.
    async fn acquire(&mut self, config: &LeaderConfig) -> Result<Option<(Epoch, Tenure)>, StoreError> {
        let lease = config.store.lease().read().await?;
        let asked = config.clock.boot();
        let stood_still_ms = self.watch.see(lease.counter, asked);
        self.seen = Some(lease.clone());
        if !config.is_sole && !is_free(lease.holder.is_some(), stood_still_ms) {
            return Ok(None);
        }
        let random = u64::from_be_bytes(random_bytes());
        let held = config.store.lease().acquire(&lease, config.process, &config.link_address, random).await?;
        if let Some(held) = &held {
            info!(epoch = held.epoch.n, stood_still_ms, "the lease was free and is taken");
        }
        Ok(held.map(|held| (held.epoch, Tenure::begin(asked))))
    }

    fn leader_address(&self, config: &LeaderConfig) -> Option<String> {
        let lease = self.seen.as_ref()?;
        let another = lease.holder.is_some_and(|holder| holder != config.process);
        another.then(|| lease.address.clone())
    }
}
