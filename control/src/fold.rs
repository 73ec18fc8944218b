//! Folding: what the journal holds of an hour that is over becomes blocks, and what comes later is entered into them.
//!
//! A run of it loads, lets `core` decide and saves; where it stands is a row, so that restart, takeover and a killed
//! process are one path and whatever was done twice is done once. Only the leader folds. It judges nobody and tells
//! nobody, and it reads no more at once than its limits say.

mod held;
mod hour;
mod late;

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::Context;
use farwatch_core::block::{Block, Hour, OpenRun};
use farwatch_core::fleet::SILENCE_MS;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::{HostId, ProcessId};
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;
use tracing::field::Empty;
use tracing::info_span;

use crate::clock::Clock;
use crate::leader::LeaderHandle;
use crate::ledger::{Ranks, Scan};
use crate::otlp::within;
use crate::spawn::Spawner;
use crate::store::{Epoch, FoldMark, Store, StoredBlock};
use crate::tail::{Tail, first_hour_of_journal};
use crate::tasks::TaskList;

/// How often it looks whether there is something to fold. A late result waits this long for its block.
const PERIOD: Duration = Duration::from_secs(60);
/// Hours that one run folds, so that the task shows how it stands while it catches up.
const HOURS_AT_ONCE: usize = 6;
/// Blocks settled by one question.
const SETTLED_AT_ONCE: u32 = 250;
/// Questions for blocks to settle in one run: what is left is settled by the next.
const SETTLE_ROUNDS_MAX: usize = 100;

/// What is folded by, and for whom.
#[derive(Debug)]
pub struct Folding<'s> {
    /// The database.
    pub store: &'s Store,
    /// The leadership that writes.
    pub leader: Epoch,
    /// Hosts that the leader does not hear now, and that may hold results.
    pub silent: BTreeSet<HostId>,
    /// The moment.
    pub now: UnixMs,
    /// What holds the hours that are not folded; without it, and where it does not hold an hour, the journal is read.
    pub tail: Option<Tail>,
    /// The rows that could not be read, whose results are in no block.
    pub unreadable: Mutex<BTreeSet<u64>>,
}

/// Folds, now and then, while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    (clock, process): (Clock, ProcessId),
    (tail, handle): (Tail, LeaderHandle),
) {
    let about = ("fold", "Makes blocks of hours that are over, and enters results that come late.", PERIOD);
    let signal = handle.began_to_lead.clone();
    tasks.run(spawner, about, signal.clone(), move || {
        let (store, tail, handle, signal) = (store.clone(), tail.clone(), handle.clone(), signal.clone());
        async move {
            let lease = store.lease().read().await?;
            if lease.holder != Some(process) {
                return Ok(());
            }
            let folding = Folding::new(&store, lease.epoch, silent_hosts(&handle), clock.wall()).by(tail);
            if within(info_span!("fold", error = Empty), folding.run()).await? {
                signal.notify_one();
            }
            folding.tell_unreadable()
        }
    });
}

/// The hosts that the leader does not hear now.
pub(crate) fn silent_hosts(handle: &LeaderHandle) -> BTreeSet<HostId> {
    let hosts = handle.status().hosts.into_iter();
    hosts.filter(|(_, host)| !host.connected || host.silent_ms >= SILENCE_MS).map(|(id, _)| id).collect()
}

impl<'s> Folding<'s> {
    /// Of what is in this store at this moment.
    pub const fn new(store: &'s Store, leader: Epoch, silent: BTreeSet<HostId>, now: UnixMs) -> Self {
        Self { store, leader, silent, now, tail: None, unreadable: Mutex::new(BTreeSet::new()) }
    }

    /// The same by what this tail holds.
    #[must_use]
    pub fn by(self, tail: Tail) -> Self {
        Self { tail: Some(tail), ..self }
    }

    /// Notes the rows that this scan had to leave out. The rest of the hour is folded all the same.
    fn note_unreadable(&self, scan: &Scan<'_>) {
        self.unreadable.lock().expect("no holder of this lock panics").extend(scan.unreadable());
    }

    /// A run that had to leave out rows has done its work, and shows as failed.
    fn tell_unreadable(&self) -> anyhow::Result<()> {
        let unreadable = self.unreadable.lock().expect("no holder of this lock panics");
        anyhow::ensure!(unreadable.is_empty(), "folded without the journal rows {unreadable:?}, which cannot be read");
        Ok(())
    }

    /// One run. Says whether there is more to fold at once.
    pub async fn run(&self) -> anyhow::Result<bool> {
        let mut mark = self.store.blocks().fold_mark().await?;
        if mark.until == UnixMs::default() {
            mark.until = first_hour_of_journal(self.now);
        }
        if self.store.blocks().record_from().await? == UnixMs::default() {
            self.store.blocks().begin_record(self.leader, mark.until).await?;
        }
        let awaits = self.awaits_somebody().await?;
        let mut mark = self.enter_late(mark, awaits).await.context("entering late results")?;
        for _ in 0..HOURS_AT_ONCE {
            let hour = Hour::of(mark.until);
            if self.now < hour.folds_at() {
                break;
            }
            let span = info_span!("fold hour", hour = %hour.start(), error = Empty);
            let folded = within(span, self.fold_any(hour, awaits)).await;
            folded.with_context(|| format!("folding the hour of {}", hour.start()))?;
            mark = FoldMark { until: hour.end(), ..mark };
            self.store.blocks().advance(self.leader, mark).await?;
        }
        self.settle(awaits).await.context("settling pending slots")?;
        Ok(self.now >= Hour::of(mark.until).folds_at())
    }

    /// Whether any host may hold results that it has not delivered. Who owned which slot is not asked: a slot that is
    /// pending for nothing is settled a quarter of an hour later.
    async fn awaits_somebody(&self) -> anyhow::Result<bool> {
        let newest = self.store.views().latest_in_force().await?;
        let mut hosts = newest.iter().flat_map(|newest| &newest.view.hosts);
        Ok(!self.silent.is_empty() || hosts.any(|host| host.standing == Standing::Away))
    }

    /// Decides pending slots whose time has come.
    async fn settle(&self, awaits: bool) -> anyhow::Result<()> {
        for _ in 0..SETTLE_ROUNDS_MAX {
            let unsettled = self.store.blocks().unsettled(self.now, SETTLED_AT_ONCE).await?;
            if unsettled.is_empty() {
                break;
            }
            let blocks = unsettled.iter().map(StoredBlock::read).collect::<Result<Vec<Block>, _>>()?;
            self.save(blocks, awaits).await?;
        }
        Ok(())
    }

    /// Folds the hour by what is held of it or, where not all of it is, by reading the journal again.
    async fn fold_any(&self, hour: Hour, awaits: bool) -> anyhow::Result<()> {
        match &self.tail {
            Some(tail) if let Some(seq) = self.all_held(tail, hour).await? => {
                self.fold_held(tail, hour, (seq, awaits)).await
            }
            _ => self.fold_hour(hour, awaits).await,
        }
    }

    /// Settles blocks, off the threads that serve, and writes them.
    async fn save(&self, blocks: Vec<Block>, awaits: bool) -> anyhow::Result<()> {
        let now = self.now;
        let settled = move || {
            let settled = blocks.into_iter().map(|mut block| {
                block.settle(now, |_| awaits);
                StoredBlock::of(&block, now)
            });
            settled.collect::<Vec<_>>()
        };
        let settled = Spawner::blocking(settled).await.context("settling was stopped")?;
        self.store.blocks().put(self.leader, &settled).await?;
        Ok(())
    }
}

/// Enters a result of this host. Votes are no runs of slots.
fn enter(block: &mut Block, host: HostId, result: &RunResult, ranks: &mut Ranks) {
    if result.purpose != Purpose::Slot {
        return;
    }
    let rank = ranks.rank(result.stream, result.slot, host);
    block.enter(result.slot, OpenRun::of(host, result).ranked(rank));
}
