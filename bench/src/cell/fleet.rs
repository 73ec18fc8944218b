//! The hosts of a cell, all in this process: each a thread that speaks the link as hosts do and runs nothing.
//!
//! They have the certificates of registered hosts and send results of slots they own, when those are due, so that
//! control cannot tell them from hosts. What they share stands here; what one of them says, in `host.rs`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::placement::{Subject, owners, preference_lists};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::{PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::Stamp;
use farwatch_tests::link::LinkIdentity;
use farwatch_tests::wait::eventually;

use super::database::copied_check;
use super::feed::Owed;
use super::host::RawHost;

/// The interval of all checks, in seconds.
pub(super) const INTERVAL_S: u32 = 10;
/// The same in milliseconds.
pub(super) const INTERVAL_MS: i64 = INTERVAL_S as i64 * 1_000;
/// Slots older than two intervals are judged by nobody; a host begins with what is younger, with a second to spare.
pub(super) const OLDEST_MS: i64 = 2 * INTERVAL_MS - 1_000;
/// All hosts hold what they are to hold by then.
const HOLD_LIMIT: Duration = Duration::from_secs(90);

/// What each host runs, in order of phase.
pub(super) type Placement = Arc<Vec<(HostId, Arc<Vec<Owed>>)>>;

/// What the hosts share with each other and with whoever measures.
pub(super) struct Shared {
    /// Where control processes are linked.
    pub(super) controls: Vec<String>,
    pub(super) module: ModuleHash,
    /// How many checks there are, copies of the one that was made.
    copies: u64,
    /// Results that were committed.
    pub(super) committed: AtomicU64,
    /// Messages that control refused.
    pub(super) refused: AtomicU64,
    /// Bytes of text that control said.
    pub(super) heard_bytes: AtomicU64,
    /// Whether results are sent.
    pub(super) sends: AtomicBool,
    /// Whether every second stream fails.
    pub(super) failing: AtomicBool,
    pub(super) stopping: AtomicBool,
    /// The placement under the view of this number.
    placed: Mutex<Option<(Stamp, Placement)>>,
}

impl Shared {
    /// What this host runs under this view.
    pub(super) fn owed_by(&self, host: HostId, view: &View) -> anyhow::Result<Arc<Vec<Owed>>> {
        let mut placed = self.placed.lock().unwrap_or_else(PoisonError::into_inner);
        let known = placed.as_ref().filter(|(number, _)| *number == view.number).map(|(_, all)| all.clone());
        let all = match known {
            Some(all) => all,
            None => placed.insert((view.number, place(view, self.copies)?)).1.clone(),
        };
        let own = all.iter().find(|(owner, _)| *owner == host);
        Ok(own.map_or_else(Arc::default, |(_, owed)| owed.clone()))
    }
}

/// Whether the copy of this number fails while the mass failure lasts.
pub(super) const fn may_fail(n: u64) -> bool {
    n.is_multiple_of(2)
}

/// Who runs what, by the same functions as everybody.
pub(super) fn place(view: &View, copies: u64) -> anyhow::Result<Placement> {
    let wish = PlacementWish { streams: 1, ..PlacementWish::default() };
    let (tenant, interval) = (TenantId::from_bytes([0; 16]), Interval::from_seconds(INTERVAL_S)?);
    let mut by_host: Vec<(HostId, Vec<Owed>)> = view.hosts.iter().map(|host| (host.id, Vec::new())).collect();
    for n in 1..=copies {
        let stream = StreamId { check: copied_check(n), number: 0 };
        let subject = Subject { check: stream.check, tenant, wish: &wish, repeat: Repeat::Safe };
        let lists = preference_lists(&subject, view);
        let first = lists.first().and_then(|list| owners(list, view, Repeat::Safe).first().copied());
        let phase_ms = Schedule::of(stream, interval, 1).phase_ms();
        if let Some((_, owed)) = by_host.iter_mut().find(|(host, _)| Some(*host) == first) {
            owed.push(Owed { phase_ms, stream, may_fail: may_fail(n) });
        }
    }
    let sorted = |mut owed: Vec<Owed>| {
        owed.sort_unstable();
        Arc::new(owed)
    };
    Ok(Arc::new(by_host.into_iter().map(|(host, owed)| (host, sorted(owed))).collect()))
}

/// One host as others see it.
pub(super) struct Standing {
    /// Whether a link is open and welcomed.
    pub(super) is_linked: AtomicBool,
    /// How many definitions it holds.
    pub(super) holds: AtomicU64,
}

/// The hosts at work.
pub(super) struct Fleet {
    pub(super) shared: Arc<Shared>,
    standings: Vec<Arc<Standing>>,
    threads: Vec<JoinHandle<()>>,
}

impl Fleet {
    /// Starts one host for every directory in this one. They say that they live, and send nothing.
    pub(super) fn start(hosts: &Path, controls: Vec<String>, module: ModuleHash, copies: u64) -> anyhow::Result<Self> {
        let shared = Arc::new(Shared {
            controls,
            module,
            copies,
            committed: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            heard_bytes: AtomicU64::new(0),
            sends: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            placed: Mutex::default(),
        });
        let mut fleet = Self { shared, standings: Vec::new(), threads: Vec::new() };
        for entry in std::fs::read_dir(hosts).context("there are no hosts")? {
            let directory = entry?.path();
            let id: HostId = std::fs::read_to_string(directory.join("id"))?.trim().parse()?;
            let standing = Arc::new(Standing { is_linked: AtomicBool::new(false), holds: AtomicU64::new(0) });
            let identity = LinkIdentity::of_host(&directory)?;
            let host = RawHost::new(id, identity, fleet.shared.clone(), standing.clone());
            fleet.standings.push(standing);
            fleet.threads.push(std::thread::spawn(move || host.serve()));
        }
        Ok(fleet)
    }

    /// Waits until every host is linked and holds at least so many checks.
    pub(super) fn await_holding(&self, checks: u64) -> anyhow::Result<()> {
        eventually("every raw host to hold what it is to hold", HOLD_LIMIT, || {
            let holds = |standing: &Arc<Standing>| {
                standing.is_linked.load(Ordering::Relaxed) && standing.holds.load(Ordering::Relaxed) >= checks
            };
            Ok(self.standings.iter().all(holds).then_some(()))
        })
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A host that panicked has said so itself.
            let _ = thread.join();
        }
    }
}
