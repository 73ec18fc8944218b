//! One simulated leadership: it takes in, decides by `core`, commits one thing at a time, and only then acts.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use farwatch_core::detect::Detector;
use farwatch_core::fleet::{Decision, Fleet, Proving, Registered, VOTER_SILENCE_MS};
use farwatch_core::lease::{RENEW_LIMIT_MS, RENEW_PERIOD_MS, Tenure};
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::link::Order;
use farwatch_proto::panel::PanelCount;
use farwatch_proto::time::{BootMs, Stamp, UnixMs};

use crate::afterwards::PERIOD_MS;
use crate::draft::Draft;
use crate::fleet::{BEGIN, HOSTS, Watched, first_view, gainers, host_id, index_of};
use crate::host::disk::{CopyId, Mark};
use crate::program::Program;
use crate::store::{Epoch, Flush, Head, Stale, Tables, Transaction, ViewChange};
use crate::upgrades::Upgrades;
use crate::word::{Report, Told};

/// A returning host proves itself this long in these worlds, so that many returns fit into one.
const WARMUP_MS: i64 = 5_000;
/// A leader gives up what the database has not answered for this long, and steps down: the limit of its statements.
const ANSWER_LIMIT_MS: i64 = 3_000;

/// As often, and for so long, as `farwatch control` asks.
const ASK_PERIOD_MS: i64 = 1_000;
const ASK_NEWCOMERS_FOR_MS: i64 = 10_000;
/// As often as `farwatch control` tells of the panel.
const PANEL_PERIOD_MS: i64 = 2_000;

/// What the database is asked to do.
enum Work {
    Flush(Box<Draft>),
    View(Decision),
}

/// What a step of a leader comes to.
pub(crate) enum Wish {
    Ask(Transaction),
    /// It does not lead any more.
    StepDown,
}

pub(crate) struct Leader {
    pub(crate) epoch: Epoch,
    pub(crate) fleet: Fleet,
    /// The newest view in force as this leader has it.
    pub(crate) newest: View,
    pub(crate) detectors: BTreeMap<CheckId, Detector>,
    pub(crate) marks: BTreeMap<(HostId, u32), usize>,
    /// What came by way of another host, in this leadership.
    pub(crate) carried: BTreeSet<CopyId>,
    head: Head,
    last_number: Stamp,
    drained: BTreeSet<HostId>,
    last_slots: BTreeMap<StreamId, UnixMs>,
    /// Since when.
    linked: BTreeMap<usize, i64>,
    /// When neighbours of silent hosts were last asked.
    asked: i64,
    looked_back: i64,
    told_of_panel: i64,
    pub(crate) upgrades: Upgrades,
    tenure: Tenure,
    /// When the last renewal was asked for, and whether it was answered.
    renewal: (i64, bool),
    inbox: Vec<(usize, Report)>,
    decisions: VecDeque<Decision>,
    under_way: Option<(i64, Work)>,
}

impl Leader {
    /// Everything a leader holds, as the database has it after the row of its takeover.
    pub(crate) fn load(tables: &Tables, acquired: i64, now: i64) -> Self {
        let proving = Proving { warmup_ms: WARMUP_MS, ..Proving::USUAL };
        let mut fleet = Fleet::new(proving, BootMs(now)).placing_by(Program::New.rules());
        register(&mut fleet, &tables.drained);
        fleet.count_on_from(tables.last_number(), tables.head.epoch.random);
        let mut last_slots: BTreeMap<StreamId, UnixMs> = BTreeMap::new();
        for (_, found) in tables.results.values().flatten() {
            let last = last_slots.entry(found.stream).or_insert(found.slot);
            *last = found.slot.max(*last);
        }
        Self {
            epoch: tables.head.epoch,
            head: tables.head,
            fleet,
            newest: tables.in_force().next_back().expect("a fleet begins with a view").clone(),
            last_number: tables.last_number(),
            drained: tables.drained.clone(),
            detectors: tables.detectors.clone(),
            marks: tables.marks.clone(),
            carried: BTreeSet::new(),
            last_slots,
            linked: BTreeMap::new(),
            asked: now,
            looked_back: now,
            told_of_panel: now,
            upgrades: Upgrades::default(),
            tenure: Tenure::begin(BootMs(acquired)),
            renewal: (acquired, true),
            inbox: Vec::new(),
            decisions: VecDeque::new(),
            under_way: None,
        }
    }

    pub(crate) fn mark(&self, spool: (HostId, u32)) -> usize {
        self.marks.get(&spool).copied().unwrap_or(0)
    }

    pub(crate) fn last_slot(&self, stream: StreamId) -> Option<UnixMs> {
        self.last_slots.get(&stream).copied()
    }

    pub(crate) fn linked(&self) -> impl Iterator<Item = usize> {
        self.linked.keys().copied()
    }

    pub(crate) fn is_linked(&self, host: usize) -> bool {
        self.linked.contains_key(&host)
    }

    /// A host has connected, whose disk lives for the so manieth time; what it is told.
    pub(crate) fn welcome(&mut self, host: usize, life: u32, now: i64) -> Vec<Told> {
        self.linked.insert(host, now);
        let mark = Mark { life, place: self.mark((host_id(host), life)) };
        let welcome = Told::Welcome(UnixMs(BEGIN + now), mark);
        let orders = self.detectors.values().filter_map(|detector| detector.round.as_ref());
        let orders = orders.flat_map(|round| round.orders()).filter(|(to, _)| *to == host_id(host));
        let orders: Vec<Told> = orders.map(|(_, order)| Told::Run(order)).collect();
        let plan = self.fleet.plan().cloned().map(Told::Plan);
        [welcome, Told::View(self.newest.clone())].into_iter().chain(plan).chain(orders).collect()
    }

    pub(crate) fn unlink(&mut self, host: usize) {
        self.linked.remove(&host);
        self.inbox.retain(|(from, _)| *from != host);
    }

    pub(crate) fn take_in(&mut self, host: usize, report: Report) {
        self.inbox.push((host, report));
    }

    /// Whether the lease is to be renewed now. A renewal that takes too long has failed, and is tried again.
    pub(crate) fn renews(&mut self, now: i64) -> bool {
        let (asked, is_answered) = self.renewal;
        let waits_ms = if is_answered { RENEW_PERIOD_MS } else { RENEW_LIMIT_MS };
        let is_due = now - asked >= waits_ms;
        if is_due {
            self.renewal = (now, false);
        }
        is_due
    }

    /// The lease was renewed, as it was asked at this moment. An answer that came too late is none.
    pub(crate) fn renewed(&mut self, asked: i64, now: i64) {
        if now - asked <= RENEW_LIMIT_MS {
            self.tenure.renewed(BootMs(asked));
            self.renewal.1 |= self.renewal.0 == asked;
        }
    }

    /// One step; nothing is begun while the database has not answered. `random` names the flush.
    pub(crate) fn step(
        &mut self,
        watched: &[Watched],
        drained: &BTreeSet<HostId>,
        random: u64,
        now: i64,
    ) -> Option<Wish> {
        let gave_up = self.under_way.as_ref().is_some_and(|(asked, _)| now - asked >= ANSWER_LIMIT_MS);
        if gave_up || self.tenure.is_over(BootMs(now)) {
            return Some(Wish::StepDown);
        }
        if self.under_way.is_some() {
            return None;
        }
        if self.drained != *drained {
            self.drained.clone_from(drained);
            register(&mut self.fleet, drained);
        }
        if self.decisions.is_empty() {
            let draft = self.take_all_in(watched, now);
            let newest = self.newest.clone();
            let gain = |target: &View| gainers(watched, &newest, target);
            self.decisions.extend(self.fleet.step(&newest, BootMs(now), UnixMs(BEGIN + now), gain));
            if !draft.is_empty() {
                return Some(Wish::Ask(self.flush(draft, random, now)));
            }
        }
        let decision = self.decisions.pop_front()?;
        let change = self.change_of(&decision);
        self.under_way = Some((now, Work::View(decision)));
        Some(Wish::Ask(Transaction::View(self.epoch, change)))
    }

    /// Whether it looks now for failures that came too late to be judged.
    pub(crate) const fn looks_back(&mut self, now: i64) -> bool {
        let is_due = now - self.looked_back >= PERIOD_MS;
        if is_due {
            self.looked_back = now;
        }
        is_due
    }

    /// Whom to ask now for what they keep of hosts that are silent, or that have just connected and may have lost it.
    pub(crate) fn asks(&mut self, now: i64) -> Vec<(usize, Told)> {
        if now - self.asked < ASK_PERIOD_MS {
            return Vec::new();
        }
        self.asked = now;
        let newcomers = self.linked.iter().filter(|(_, since)| now - **since < ASK_NEWCOMERS_FOR_MS);
        let newcomers = newcomers.map(|(host, _)| host_id(*host));
        let origins: BTreeSet<HostId> = self.fleet.to_ask_after(BootMs(now)).chain(newcomers).collect();
        if origins.is_empty() {
            return Vec::new();
        }
        let of = |host: usize| origins.iter().copied().filter(|origin| *origin != host_id(host)).collect();
        self.linked.keys().map(|host| (*host, Told::HandOver(of(*host)))).collect()
    }

    /// How the panel looks to the fleet, where hosts are told so now.
    pub(crate) fn tells_of_panel(&mut self, now: i64) -> Option<PanelCount> {
        let is_due = now - self.told_of_panel >= PANEL_PERIOD_MS;
        if is_due {
            self.told_of_panel = now;
        }
        is_due.then(|| self.fleet.panel_count(BootMs(now)))
    }

    fn flush(&mut self, draft: Draft, random: u64, now: i64) -> Transaction {
        let flush = Flush {
            id: random,
            after: self.head,
            epoch: self.epoch,
            results: draft.results.clone(),
            detectors: draft.detectors.clone(),
            events: draft.events.clone(),
            marks: draft.marks.clone(),
            judged: draft.judged.clone(),
            late: draft.late.clone(),
        };
        self.under_way = Some((now, Work::Flush(Box::new(draft))));
        Transaction::Flush(Box::new(flush))
    }

    fn take_all_in(&mut self, watched: &[Watched], now: i64) -> Draft {
        let mut draft = Draft::default();
        for (host, report) in std::mem::take(&mut self.inbox) {
            let id = host_id(host);
            self.fleet.hear(id, BootMs(now));
            match report {
                Report::Beat { view, hears, program, failed, panel, is_insane } => {
                    self.fleet.hear_of(id, &hears);
                    self.fleet.hear_of_panel(id, panel, is_insane, BootMs(now));
                    self.fleet.hear_rules(id, program.rules().versions().collect());
                    self.upgrades.hear(id, program, failed);
                    if let Some(view) = view {
                        self.fleet.hear_number(view, &self.newest);
                        self.fleet.acknowledge(id, view);
                    }
                }
                Report::Results { from, found } => draft.receive(self, watched, id, from, &found, now),
                Report::Carries(copies) => {
                    copies.iter().for_each(|copy| draft.receive_copy(self, watched, id, copy, now));
                }
                Report::Declined(order) => draft.declined(self, watched, order, now),
            }
        }
        let is_silent = |host: &HostId| !self.fleet.is_heard(*host, VOTER_SILENCE_MS, BootMs(now));
        let silent: BTreeSet<HostId> = (0..HOSTS).map(host_id).filter(is_silent).collect();
        draft.pass_time(self, watched, &silent, now);
        draft
    }

    fn change_of(&self, decision: &Decision) -> ViewChange {
        let after = self.last_number;
        match decision {
            Decision::Propose(view) => ViewChange::Plan { view: view.clone(), after },
            Decision::Withdraw(number) => ViewChange::Withdraw(*number),
            Decision::Enforce(view) if view.number == after => ViewChange::Confirm(view.number),
            Decision::Enforce(view) => ViewChange::PutInForce { view: view.clone(), after },
        }
    }

    /// The view that the database is asked to put in force now, where it is one that was announced.
    pub(crate) fn confirms(&self) -> Option<&View> {
        match &self.under_way {
            Some((_, Work::View(Decision::Enforce(view)))) if view.number == self.last_number => Some(view),
            _ => None,
        }
    }

    /// The database has answered. What hosts are told by it, and what people are.
    pub(crate) fn answered(
        &mut self,
        answer: Result<(), Stale>,
        row: Option<Head>,
    ) -> Result<Vec<(usize, Told)>, Stale> {
        answer?;
        let Some((_, work)) = self.under_way.take() else { return Ok(Vec::new()) };
        Ok(match work {
            Work::Flush(draft) => {
                self.head = row.unwrap_or(self.head);
                self.apply(*draft)
            }
            Work::View(decision) => self.perform(decision),
        })
    }

    fn apply(&mut self, draft: Draft) -> Vec<(usize, Told)> {
        for (check, detector) in draft.detectors {
            if detector.is_plain() {
                self.detectors.remove(&check);
            } else {
                self.detectors.insert(check, detector);
            }
        }
        for (stream, slot) in draft.last_slots {
            let last = self.last_slots.entry(stream).or_insert(slot);
            *last = slot.max(*last);
        }
        let committed = |((host, life), place): (&(HostId, u32), &usize)| {
            (index_of(*host), Told::Committed(Mark { life: *life, place: *place }))
        };
        let mut told: Vec<(usize, Told)> = draft.marks.iter().map(committed).collect();
        self.marks.extend(draft.marks);
        self.carried.extend(draft.carried);
        told.extend(draft.received.into_iter().map(|(carrier, id)| (index_of(carrier), Told::Received(vec![id]))));
        told.extend(draft.cancels.into_iter().map(|(host, order)| (index_of(host), Told::Cancel(order))));
        let run = |(host, order): (HostId, Order)| (index_of(host), Told::Run(order));
        told.extend(draft.orders.into_iter().map(run));
        self.upgrades.count(&draft.refuted);
        told.retain(|(host, _)| self.linked.contains_key(host));
        told
    }

    fn perform(&mut self, decision: Decision) -> Vec<(usize, Told)> {
        let told = match decision {
            Decision::Propose(view) => {
                self.last_number = view.number;
                Told::Plan(view)
            }
            Decision::Withdraw(number) => Told::Withdraw(number),
            Decision::Enforce(view) => {
                self.last_number = view.number;
                self.newest = view.clone();
                Told::View(view)
            }
        };
        self.linked.keys().map(|host| (*host, told.clone())).collect()
    }
}

fn register(fleet: &mut Fleet, drained: &BTreeSet<HostId>) {
    let registered = |host: farwatch_proto::fleet::ViewHost| {
        (host.id, Registered { drained: drained.contains(&host.id), facts: host.facts })
    };
    fleet.register(first_view().hosts.into_iter().map(registered));
}
