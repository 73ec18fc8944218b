//! A leader of API tests, who writes what hosts would have said.

use farwatch_control::leader::journal_body::{self, HostResults};
use farwatch_control::store::{Enforcement, Epoch, Flush, FlushId, JournalHead, SlotRange, Takeover};
use farwatch_core::slot::Schedule;
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::{PLACEMENT_VERSION, Standing, View, ViewHost};
use farwatch_proto::id::{BootId, CheckId, HostId, ModuleHash, ProcessId, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::Outcome;
use farwatch_proto::run::{Purpose, RunCost, RunResult, Terms};
use farwatch_proto::time::{Stamp, UnixMs};

use super::house::{House, check_wish, now};

pub(super) const MINUTE_MS: i64 = 60_000;

/// A leader who writes what hosts would have said.
pub(super) struct Scribe<'h> {
    pub(super) house: &'h House,
    pub(super) epoch: Epoch,
    pub(super) head: JournalHead,
    pub(super) tenant: TenantId,
    pub(super) check: CheckId,
    pub(super) hosts: Vec<HostId>,
}

impl<'h> Scribe<'h> {
    /// Leads a fleet of three hosts, with a check at 10 s that has been in force for an hour.
    pub(super) async fn new(house: &'h House) -> Self {
        let mut hosts = Vec::new();
        for name in ["fra-1", "fra-2", "fra-3"] {
            hosts.push(house.host(name).await.parse().unwrap());
        }
        let check = house.made("/v1/checks", check_wish("shop")).await.parse().unwrap();
        let tenant = house.store.tenants().named("main").await.unwrap().unwrap().id;
        let seen = house.store.lease().read().await.unwrap();
        let holder = ProcessId::from_bytes([1; 16]);
        let held = house.store.lease().acquire(&seen, holder, "127.0.0.1:1", 7).await.unwrap().unwrap();
        let epoch = held.epoch;
        let after = house.store.journal().head().await.unwrap();
        let takeover = Takeover { id: FlushId([1; 16]), after, epoch, committed: now() };
        let head = house.store.journal().takeover(&takeover).await.unwrap();
        let in_force = Enforcement { check, revision: 1, from: now() - 60 * MINUTE_MS };
        house.store.checks().put_in_force(epoch, &[in_force], now()).await.unwrap();
        Self { house, epoch, head, tenant, check, hosts }
    }

    /// The view in force for the last hour, with these standings.
    pub(super) async fn view(&self, standings: &[Standing]) {
        let stored = self.house.store.hosts().list().await.unwrap();
        let of = |id: &HostId| stored.iter().find(|host| host.id == *id).unwrap().facts.clone();
        let last = self.house.store.views().last_number().await.unwrap();
        let mut hosts: Vec<ViewHost> = self
            .hosts
            .iter()
            .zip(standings)
            .map(|(id, standing)| ViewHost { id: *id, standing: *standing, facts: of(id) })
            .collect();
        hosts.sort_by_key(|host| host.id);
        let number = last.map_or(Stamp { era: 1, n: 1 }, Stamp::next);
        let in_force_from = if last.is_none() { now() - 60 * MINUTE_MS } else { now() };
        let view = View { number, in_force_from, planned: false, placement_version: PLACEMENT_VERSION, hosts };
        self.house.store.views().put_in_force(self.epoch, &view, now()).await.unwrap();
    }

    pub(super) fn slots(&self, from: UnixMs, to: UnixMs) -> Vec<UnixMs> {
        let stream = StreamId { check: self.check, number: 0 };
        Schedule::of(stream, Interval::from_seconds(10).unwrap(), 1).slots_between(from, to).collect()
    }

    pub(super) fn result(&self, slot: UnixMs, outcome: Outcome) -> RunResult {
        RunResult {
            stream: StreamId { check: self.check, number: 0 },
            purpose: Purpose::Slot,
            slot,
            terms: Terms { revision: 1, module: ModuleHash([2; 32]), view: Stamp { era: 1, n: 1 } },
            started: slot + 4,
            duration_us: 30_000,
            cost: RunCost::default(),
            outcome,
        }
    }

    /// What the first host found.
    pub(super) fn flush(&self, results: Vec<RunResult>) -> Flush {
        self.flush_of(self.hosts[0], results)
    }

    pub(super) fn flush_of(&self, host: HostId, results: Vec<RunResult>) -> Flush {
        let slots = results.iter().map(|result| result.slot);
        let range = slots.clone().min().zip(slots.max());
        let count = u32::try_from(results.len()).unwrap();
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.head.seq.to_be_bytes());
        let section = HostResults { host, boot: BootId::from_bytes([9; 16]), results };
        Flush {
            id: FlushId(id),
            after: self.head,
            epoch: self.epoch,
            // Tests write whole hours at once; nothing is committed long before its slots.
            committed: range.map_or(now(), |(_, last)| last.max(now())),
            slots: range.map(|(first, last)| SlotRange { first, last }),
            results: count,
            version: 1,
            body: journal_body::encode(&[section]),
            detectors: [].into(),
            first_judged: [].into(),
            late: [].into(),
            evidence: Vec::new(),
            incidents: Vec::new(),
            events: Vec::new(),
            deliveries: Vec::new(),
            marks: Vec::new(),
        }
    }

    pub(super) async fn commit(&mut self, flush: &Flush) {
        let committed = self.house.store.journal().commit_flush(flush).await.unwrap();
        self.head = JournalHead { seq: committed.seq, epoch: flush.epoch, flush: flush.id };
    }

    /// Commits a good result of every slot, one row each.
    pub(super) async fn all_good(&mut self, slots: &[UnixMs]) {
        for slot in slots {
            let flush = self.flush(vec![self.result(*slot, Outcome::up(1_000))]);
            self.commit(&flush).await;
        }
    }
}
