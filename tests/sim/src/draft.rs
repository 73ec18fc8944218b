//! One flush of a simulated leader in the making, and what follows once it is committed.
//!
//! It judges results by the detector of `core` as the leader does. Nothing in a draft has happened yet.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::confirm::{Candidate, Panel};
use farwatch_core::detect::{CheckFacts, Detector, Effect, Input, Sighting, is_fresh, step};
use farwatch_core::fleet::VOTER_SILENCE_MS;
use farwatch_core::incident::IncidentEvent;
use farwatch_core::mass_failure::may_ask;
use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::link::Order;
use farwatch_proto::outcome::Status;
use farwatch_proto::time::{BootMs, UnixMs};

use crate::afterwards::Late;
use crate::fleet::{BEGIN, Watched, index_of};
use crate::host::PLACES;
use crate::host::disk::{Copied, CopyId, Found, Mark};
use crate::leader::Leader;

/// One flush in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub(crate) results: Vec<(usize, HostId, Found)>,
    pub(crate) marks: BTreeMap<(HostId, u32), usize>,
    /// What came by way of another host.
    pub(crate) carried: BTreeSet<CopyId>,
    /// The same, with whoever carried it.
    pub(crate) received: Vec<(HostId, CopyId)>,
    pub(crate) detectors: BTreeMap<CheckId, Detector>,
    pub(crate) last_slots: BTreeMap<StreamId, UnixMs>,
    pub(crate) events: Vec<(CheckId, IncidentEvent)>,
    pub(crate) orders: Vec<(HostId, Order)>,
    pub(crate) cancels: Vec<(HostId, OrderId)>,
    /// Slots of which it has a result that was judged in time.
    pub(crate) judged: Vec<(usize, i64)>,
    /// Who began rounds that are over and came to nothing.
    pub(crate) refuted: Vec<HostId>,
    /// Checks with failures that came too late.
    pub(crate) late: BTreeMap<CheckId, Late>,
}

impl Draft {
    pub(crate) fn is_empty(&self) -> bool {
        self.marks.is_empty() && self.received.is_empty() && self.detectors.is_empty() && self.events.is_empty()
    }

    /// Takes in what a host has in its spool from this place on; what is held already is passed over.
    pub(crate) fn receive(
        &mut self,
        leader: &Leader,
        watched: &[Watched],
        host: HostId,
        from: Mark,
        found: &[Found],
        now: i64,
    ) {
        let held = self.held(leader, (host, from.life));
        if from.place > held {
            return;
        }
        self.marks.insert((host, from.life), held.max(from.place + found.len()));
        for found in found.iter().skip(held - from.place) {
            self.enter(leader, watched, host, found, now);
        }
    }

    /// Takes in what another host kept of what this one ran. It moves no mark; what is held already is passed over.
    pub(crate) fn receive_copy(
        &mut self,
        leader: &Leader,
        watched: &[Watched],
        carrier: HostId,
        copy: &Copied,
        now: i64,
    ) {
        let (origin, mark) = copy.id;
        self.received.push((carrier, copy.id));
        let is_held = mark.place < self.held(leader, (origin, mark.life));
        if !is_held && !leader.carried.contains(&copy.id) && self.carried.insert(copy.id) {
            self.enter(leader, watched, origin, &copy.found, now);
        }
    }

    fn held(&self, leader: &Leader, spool: (HostId, u32)) -> usize {
        self.marks.get(&spool).copied().unwrap_or_else(|| leader.mark(spool))
    }

    fn enter(&mut self, leader: &Leader, watched: &[Watched], host: HostId, found: &Found, now: i64) {
        let Some(index) = watched.iter().position(|watched| watched.stream == found.stream) else { return };
        if found.vote.is_none() {
            self.results.push((index, host, *found));
        }
        self.judge(leader, watched, index, host, found, now);
    }

    fn judge(&mut self, leader: &Leader, watched: &[Watched], index: usize, host: HostId, found: &Found, now: i64) {
        let outcome = found.outcome();
        if let Some(order) = found.vote {
            return self.tell(leader, watched, found.stream, Input::Vote { order, host, outcome: &outcome }, now);
        }
        let last = self.last_slots.get(&found.stream).copied().or_else(|| leader.last_slot(found.stream));
        let held = self.last_slots.entry(found.stream).or_insert(found.slot);
        *held = found.slot.max(*held);
        let (interval, wall) = (watched[index].interval, UnixMs(BEGIN + now));
        if !is_fresh(found.slot, interval, last, wall) {
            // A second result of a slot that was judged in time is no news.
            let is_second = last == Some(found.slot) && is_fresh(found.slot, interval, None, wall);
            if !is_second && outcome.status == Status::Down && !self.is_known(leader, found) {
                self.late.insert(found.stream.check, Late { noted: wall });
            }
            return;
        }
        if !matches!(outcome.status, Status::Unknown(_)) {
            self.judged.push((index, found.slot.0));
        }
        let is_plain = self.detector(leader, found.stream.check).is_none();
        if is_plain && matches!(outcome.status, Status::Up | Status::Unknown(_)) {
            return;
        }
        let seen = Sighting { stream: found.stream, slot: found.slot, host, outcome: &outcome };
        self.tell(leader, watched, found.stream, Input::Slot(seen), now);
    }

    /// Whether a failure lies in an outage that is known.
    fn is_known(&self, leader: &Leader, found: &Found) -> bool {
        let out = self.detector(leader, found.stream.check).filter(|detector| detector.verdict.is_out());
        let first = out.and_then(|detector| detector.first_failure.as_ref());
        first.is_some_and(|first| first.slot <= found.slot)
    }

    pub(crate) fn detector<'a>(&'a self, leader: &'a Leader, check: CheckId) -> Option<&'a Detector> {
        self.detectors.get(&check).or_else(|| leader.detectors.get(&check))
    }

    /// Tells a check's detector one thing and takes up what follows.
    pub(crate) fn tell(&mut self, leader: &Leader, watched: &[Watched], stream: StreamId, input: Input<'_>, now: i64) {
        let Some(watched) = watched.iter().find(|watched| watched.stream == stream) else { return };
        let facts = self.facts(leader, watched);
        let before = self.detector(leader, stream.check).cloned().unwrap_or_default();
        let mut detector = before.clone();
        let effects = step(&mut detector, input, &facts, &panel(leader, watched, now), UnixMs(BEGIN + now));
        if detector == before && effects.is_empty() {
            return;
        }
        self.detectors.insert(stream.check, detector);
        for effect in effects {
            match effect {
                Effect::Order(host, order) => self.orders.push((host, order)),
                Effect::Cancel(host, order) => self.cancels.push((host, order)),
                Effect::Incident(event) => self.events.push((stream.check, event)),
                Effect::RoundOver { began_by, refuted: true } => self.refuted.push(began_by),
                Effect::RoundOver { .. } => {}
            }
        }
    }

    fn facts(&self, leader: &Leader, watched: &Watched) -> CheckFacts {
        let open = leader.detectors.values().filter_map(|detector| detector.round.as_ref());
        let votes: usize = open.map(|round| round.open_orders().count()).sum();
        CheckFacts {
            check: watched.stream.check,
            revision: 1,
            interval: watched.interval,
            timeout_ms: watched.timeout_ms as u32,
            repeat: Repeat::Safe,
            need: None,
            may_ask: may_ask(votes + self.orders.len(), leader.linked().count() * PLACES),
        }
    }

    /// An order will not be carried out.
    pub(crate) fn declined(&mut self, leader: &Leader, watched: &[Watched], order: OrderId, now: i64) {
        let asks = |detector: &Detector| {
            let round = detector.round.as_ref()?;
            round.open_orders().any(|vote| vote.order == Some(order)).then_some(round.stream)
        };
        let all = self.detectors.values().chain(leader.detectors.values());
        if let Some(stream) = all.filter_map(asks).next() {
            self.tell(leader, watched, stream, Input::Declined(order), now);
        }
    }

    /// Lets time pass for every check that waits for something, those first that wait longest.
    pub(crate) fn pass_time(&mut self, leader: &Leader, watched: &[Watched], silent: &BTreeSet<HostId>, now: i64) {
        let mut waiting: Vec<(UnixMs, StreamId)> = leader
            .detectors
            .iter()
            .filter(|(_, detector)| detector.round.is_some() || detector.waiting.is_some())
            .map(|(check, detector)| (detector.since, stream_of(*check, detector)))
            .collect();
        waiting.sort_unstable();
        for (_, stream) in waiting {
            for host in silent {
                self.tell(leader, watched, stream, Input::Silent(*host), now);
            }
            self.tell(leader, watched, stream, Input::Tick, now);
        }
    }
}

fn stream_of(check: CheckId, detector: &Detector) -> StreamId {
    let of_round = detector.round.as_ref().map(|round| round.stream);
    let of_waiting = detector.waiting.as_ref().map(|waiting| waiting.stream);
    of_round.or(of_waiting).unwrap_or(StreamId { check, number: 0 })
}

/// Everybody who may vote: in these worlds, every host that is registered.
fn panel<'a>(leader: &'a Leader, watched: &Watched, now: i64) -> Panel<'a> {
    let candidates = leader.newest.hosts.iter().map(|host| Candidate {
        host,
        place: watched.place(host.id, &leader.newest),
        reachable: leader.is_linked(index_of(host.id)) && leader.fleet.is_heard(host.id, VOTER_SILENCE_MS, BootMs(now)),
    });
    Panel { candidates: candidates.collect() }
}
