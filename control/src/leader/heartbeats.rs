//! Watches the jobs that call control: what they said, read from the database, and what they should have said by now.
//!
//! Any process takes signals in; only the leader judges by them. Nothing here is kept anywhere: a new leader reads it all.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use farwatch_core::detect::Input;
use farwatch_core::heartbeat::{Standing, outlook};
use farwatch_core::uptime::Period;
use farwatch_proto::check::{Activity, StreamId};
use farwatch_proto::id::CheckId;
use farwatch_proto::time::{BootMs, UnixMs};
use tracing::error;

use super::book::Book;
use super::draft::Now;
use super::reign::Reign;
use crate::heartbeat;
use crate::store::HeartbeatRecord;

/// How often the leader reads what jobs have said: a failure is known within this time.
const READ_PERIOD_MS: i64 = 500;
/// What changed this long ago is read again: a write is tried for up to 26 s under the moment at which it began, and clocks of
/// processes differ. One that came into the database later than this would be missed until the job calls again.
const OVERLAP_MS: i64 = 60_000;
/// How often the leader writes that somebody listens.
const NOTE_PERIOD_MS: i64 = 5_000;

/// See the file's documentation.
#[derive(Default)]
pub(super) struct Heartbeats {
    records: HashMap<CheckId, HeartbeatRecord>,
    /// When time alone changes something, by check, and in order.
    wakes: BTreeMap<CheckId, UnixMs>,
    in_order: BTreeSet<(UnixMs, CheckId)>,
    gaps: Vec<Period>,
    noted: Option<BootMs>,
    read: Option<BootMs>,
    /// Whatever changed from then on is to be read.
    since: UnixMs,
}

impl Heartbeats {
    /// This check is to be looked at from this moment on.
    pub(super) fn look_at(&mut self, check: CheckId, at: UnixMs) {
        self.wake(check, Some(at));
    }

    fn wake(&mut self, check: CheckId, at: Option<UnixMs>) {
        let before = match at {
            Some(at) => self.wakes.insert(check, at),
            None => self.wakes.remove(&check),
        };
        before.map(|before| self.in_order.remove(&(before, check)));
        self.in_order.extend(at.map(|at| (at, check)));
    }

    /// Takes in what was read, and names those that have said something new.
    fn take_in(&mut self, read: Vec<HeartbeatRecord>) -> Vec<CheckId> {
        let mut new = Vec::new();
        for record in read {
            let check = record.check;
            if self.records.get(&check) != Some(&record) {
                self.records.insert(check, record);
                new.push(check);
            }
        }
        new
    }

    /// Those for which time has changed something by now.
    fn woken(&self, now: UnixMs) -> Vec<CheckId> {
        self.in_order.iter().take_while(|(at, _)| *at <= now).map(|(_, check)| *check).collect()
    }

    /// Forgets those whose checks are gone.
    pub(super) fn forget_gone(&mut self, book: &Book) {
        let is_gone = |check: &CheckId| book.page(*check).is_none();
        self.records.retain(|check, _| !is_gone(check));
        let gone: Vec<CheckId> = self.wakes.keys().copied().filter(is_gone).collect();
        gone.into_iter().for_each(|check| self.wake(check, None));
    }
}

impl Reign<'_> {
    /// Reads what jobs have said, and judges those for which that or the time changes something.
    pub(super) async fn hear_jobs(&mut self, now: Now) -> anyhow::Result<()> {
        let is_over = |last: Option<BootMs>, period_ms| last.is_none_or(|last| now.boot.since(last) >= period_ms);
        let store = &self.config.store;
        if is_over(self.heartbeats.noted, NOTE_PERIOD_MS) {
            store.listening().note(now.wall).await?;
            self.heartbeats.gaps = store.listening().gaps().await?;
            self.heartbeats.noted = Some(now.boot);
        }
        let mut due: BTreeSet<CheckId> = BTreeSet::new();
        if is_over(self.heartbeats.read, READ_PERIOD_MS) {
            let read = store.heartbeats().changed_since(self.heartbeats.since).await?;
            self.heartbeats.since = now.wall - OVERLAP_MS;
            self.heartbeats.read = Some(now.boot);
            due.extend(self.heartbeats.take_in(read));
        }
        due.extend(self.heartbeats.woken(now.wall));
        due.into_iter().for_each(|check| self.judge_job(check, now));
        Ok(())
    }

    fn judge_job(&mut self, check: CheckId, now: Now) {
        self.heartbeats.wake(check, None);
        // One that is not in force yet is looked at when it is.
        let Some(entry) = self.state.book.page(check).and_then(|page| page.in_force_at(now.wall)) else { return };
        let Some(known) = self.heartbeats.records.get(&check) else { return };
        if entry.definition.activity != Activity::Active {
            return;
        }
        let heartbeat = match heartbeat::read(&entry.definition.prepared) {
            Ok(heartbeat) => heartbeat,
            Err(error) => return error!(%check, error = format!("{error:#}"), "a heartbeat cannot be judged"),
        };
        let found = outlook(&heartbeat, &known.record, &self.heartbeats.gaps, now.wall);
        self.heartbeats.wake(check, found.wakes_at());
        if found.standing == Standing::Unheard {
            return;
        }
        if self.state.never_judged.contains(&check) {
            self.draft.first_judged.insert(check, now.wall);
        }
        self.draft.tell(&self.state, check, StreamId { check, number: 0 }, Input::Heartbeat(&found.standing), now);
    }
}
