//! Control processes in a world: their lease, what they ask the database, and what it answers.

use farwatch_core::incident::IncidentEvent;
use farwatch_core::lease::is_free;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use super::{Event, World};
use crate::afterwards::look;
use crate::fleet::{BEGIN, gainers, index_of};
use crate::leader::{Leader, Wish};
use crate::net::{PROCESSES, control};
use crate::process::Role;
use crate::store::{Epoch, Flush, Head, Lease, Stale, Transaction, UpgradeChange, ViewChange};
use crate::upgrades::further;
use crate::word::{Told, Word};

/// How often time passes for a control process.
const TICK_MS: i64 = 200;
/// A statement that nobody waits for any more may be carried out all the same, or not.
const GIVEN_UP_AFTER_MS: i64 = 3_000;
/// With so many of twelve hosts at hand every outage is confirmed soon.
const JUDGES_MIN: usize = 9;

/// What a process asks the database.
#[derive(Clone, Debug)]
pub(super) enum Query {
    ReadLease,
    Take(Transaction),
    /// Reads what there is to look back at, and writes what it was.
    LookBack(Epoch),
    /// Takes an upgrade of the fleet further.
    Upgrade,
}

/// What it answers.
pub(super) enum Answer {
    Lease(Lease),
    Acquired(Result<Epoch, Stale>),
    Leads(Result<Box<Leader>, Stale>),
    Renewed(Result<(), Stale>),
    LookedBack(Vec<IncidentEvent>),
    /// These are to take the new program, by the order of this moment.
    Upgrades(Vec<(HostId, UnixMs)>),
    Committed(Result<(), Stale>, Option<Head>, Vec<IncidentEvent>),
    Nothing,
}

impl World {
    /// Time passes for a process.
    pub(super) fn tick(&mut self, process: usize) {
        if let Some(until) = self.paused_control(process) {
            return self.at(until, Event::Tick(process));
        }
        self.at(self.now + TICK_MS, Event::Tick(process));
        if !self.processes[process].is_up {
            return;
        }
        if self.processes[process].looks(self.now) {
            self.ask(process, Query::ReadLease);
        }
        let (now, random) = (self.now, self.random.any());
        let Some(leader) = self.processes[process].leader_mut() else { return };
        let renews = leader.renews(now).then_some(leader.epoch);
        let looks_back = leader.looks_back(now).then_some(leader.epoch);
        let upgrades = leader.upgrades.is_due(now);
        let wish = leader.step(&self.watched, &self.store.tables.drained, random, now);
        let panel = leader.tells_of_panel(now).filter(|_| self.profile.has_panel());
        let tells = panel.into_iter().flat_map(|count| leader.linked().map(move |host| (host, Told::Panel(count))));
        let tells: Vec<(usize, Told)> = tells.collect();
        for (host, told) in leader.asks(now).into_iter().chain(tells) {
            self.send(control(process), host, Word::Told(told));
        }
        if let Some(epoch) = renews {
            self.ask(process, Query::Take(Transaction::Renew(epoch)));
        }
        if let Some(epoch) = looks_back {
            self.ask(process, Query::LookBack(epoch));
        }
        if upgrades {
            self.ask(process, Query::Upgrade);
        }
        match wish {
            Some(Wish::Ask(transaction)) => self.ask(process, Query::Take(transaction)),
            Some(Wish::StepDown) => self.step_down(process),
            None => {}
        }
        self.watch_over_judging();
    }

    /// Until when a process stands still, where it does.
    pub(super) fn paused_control(&self, process: usize) -> Option<i64> {
        self.processes[process].paused_until.filter(|until| *until > self.now)
    }

    fn step_down(&mut self, process: usize) {
        self.note(|| format!("control {process} steps down"));
        let epoch = self.processes[process].leader().map(|leader| leader.epoch);
        self.processes[process].step_down();
        self.break_links(control(process));
        if let Some(epoch) = epoch {
            self.ask(process, Query::Take(Transaction::Release(epoch)));
        }
    }

    fn ask(&mut self, process: usize, query: Query) {
        let (turn, asked) = (self.processes[process].turn, self.now);
        let at = self.now + self.random.between(1, 15);
        self.at(at, Event::Query { process, turn, asked, query });
    }

    /// The database comes to a question.
    pub(super) fn query(&mut self, process: usize, turn: u32, asked: i64, query: Query) {
        if self.store_cut_until[process] > self.now {
            return;
        }
        let stalled_until = self.store.stalled_until;
        if stalled_until > self.now {
            let is_given_up = stalled_until - asked > GIVEN_UP_AFTER_MS;
            if !is_given_up || self.random.chance(500) {
                self.at(stalled_until, Event::Query { process, turn, asked, query });
            }
            return;
        }
        let answer = match query {
            Query::ReadLease => Answer::Lease(self.store.tables.lease),
            Query::Take(transaction) => self.take(process, turn, transaction),
            Query::LookBack(epoch) => self.look_back(epoch),
            Query::Upgrade => self.upgrade_further(process, turn),
        };
        let at = self.now + self.random.between(1, 15);
        self.at(at, Event::Answer { process, turn, asked, answer });
    }

    fn take(&mut self, process: usize, turn: u32, transaction: Transaction) -> Answer {
        let now = self.now;
        match transaction {
            Transaction::Acquire { seen, random } => {
                let taken = self.store.take(Transaction::Acquire { seen, random }, now);
                Answer::Acquired(taken.map(|()| Epoch { n: seen.epoch.n + 1, random }))
            }
            Transaction::TakeOver { .. } => {
                let taken = self.store.take(transaction, now);
                Answer::Leads(
                    taken.map(|()| Box::new(Leader::load(&self.store.tables, self.processes[process].acquired, now))),
                )
            }
            Transaction::Renew(_) => Answer::Renewed(self.store.take(transaction, now)),
            Transaction::Release(_) | Transaction::Drain(..) | Transaction::LookBack(..) | Transaction::Upgrade(_) => {
                let _ = self.store.take(transaction, now);
                Answer::Nothing
            }
            Transaction::Flush(flush) => self.take_flush(process, turn, flush),
            Transaction::View(epoch, change) => {
                let is_confirmed = matches!(change, ViewChange::Confirm(_));
                if let ViewChange::Plan { view, .. } | ViewChange::PutInForce { view, .. } = &change {
                    self.check_rule(view);
                }
                let taken = self.store.take(Transaction::View(epoch, change), now);
                if taken.is_ok() && is_confirmed {
                    self.check_make_before_break(process, turn);
                }
                Answer::Committed(taken, None, Vec::new())
            }
        }
    }

    fn upgrade_further(&mut self, process: usize, turn: u32) -> Answer {
        let leader = self.processes[process].leader().filter(|_| self.processes[process].turn == turn);
        let Some((next, orders)) = leader.and_then(|leader| further(self, leader)) else { return Answer::Nothing };
        let seen = self.store.tables.upgrade.clone();
        if seen.as_ref() != Some(&next) {
            let change = Transaction::Upgrade(Box::new(UpgradeChange { seen, next }));
            if self.store.take(change, self.now).is_err() {
                return Answer::Nothing;
            }
        }
        Answer::Upgrades(orders)
    }

    fn look_back(&mut self, epoch: Epoch) -> Answer {
        let mut told = Vec::new();
        for looked in look(&self.store.tables, &self.watched, UnixMs(BEGIN + self.now)) {
            let events = looked.events.clone();
            if self.store.take(Transaction::LookBack(epoch, looked), self.now).is_ok() {
                told.extend(events);
            }
        }
        Answer::LookedBack(told)
    }

    /// Whoever leads knows everything that the database does: what it commits follows from that.
    fn take_flush(&mut self, process: usize, turn: u32, flush: Box<Flush>) -> Answer {
        let (row, events) = (flush.row(), flush.events.iter().map(|(_, event)| event.clone()).collect());
        let tables = &self.store.tables;
        let leader = self.processes[process].leader().filter(|_| self.processes[process].turn == turn);
        let agrees = leader.is_none_or(|leader| {
            leader.detectors == tables.detectors
                && leader.marks == tables.marks
                && tables.in_force().next_back() == Some(&leader.newest)
        });
        let results = flush.results.clone();
        let taken = self.store.take(Transaction::Flush(flush), self.now);
        if taken.is_ok() {
            let covering = results.iter().filter(|(_, _, found)| found.covers);
            self.record.committed.extend(covering.map(|(index, _, found)| (*index, found.slot.0)));
            results.into_iter().for_each(|(index, _, found)| self.check_slot(index, found.slot));
        }
        if taken.is_ok() && !agrees {
            self.record
                .violates(format!("control {process} wrote by what the database does not hold, at {}", self.now));
        }
        Answer::Committed(taken, Some(row), events)
    }

    /// Nobody is told that it loses streams before everybody holds that it gains them.
    fn check_make_before_break(&mut self, process: usize, turn: u32) {
        let Some(leader) = self.processes[process].leader().filter(|_| self.processes[process].turn == turn) else {
            return;
        };
        let Some(view) = leader.confirms() else { return };
        let lacks = |host: &usize| !self.record.planned.contains(&(*host, view.number));
        let gain = gainers(&self.watched, &leader.newest, view).into_iter().map(index_of);
        let lacking: Vec<usize> = gain.filter(lacks).collect();
        if !lacking.is_empty() {
            let number = view.number;
            self.record.violates(format!("view {number} was put in force before {lacking:?}, who gain, held it"));
        }
    }

    /// An answer of the database reaches a process.
    pub(super) fn answer(&mut self, process: usize, turn: u32, asked: i64, answer: Answer) {
        if let Some(until) = self.paused_control(process) {
            return self.at(until, Event::Answer { process, turn, asked, answer });
        }
        if !self.processes[process].is_up || self.processes[process].turn != turn {
            return;
        }
        match answer {
            Answer::Lease(lease) => self.saw_lease(process, lease),
            Answer::Acquired(Ok(epoch)) => {
                self.processes[process].acquired = asked;
                let id = self.random.any();
                self.ask(process, Query::Take(Transaction::TakeOver { epoch, id }));
            }
            Answer::Leads(Ok(leader)) => {
                self.note(|| format!("control {process} leads"));
                self.record.takeovers += 1;
                self.processes[process].turn += 1;
                self.processes[process].role = Role::Leads(leader);
            }
            Answer::Renewed(Ok(())) => {
                let now = self.now;
                if let Some(leader) = self.processes[process].leader_mut() {
                    leader.renewed(asked, now);
                }
            }
            Answer::Upgrades(orders) => {
                for (host, at) in orders {
                    self.send(control(process), index_of(host), Word::Told(Told::Upgrade(at)));
                }
            }
            Answer::LookedBack(events) => self.tell_people(process, events),
            Answer::Committed(taken, row, events) => self.committed(process, taken, row, events),
            Answer::Renewed(Err(Stale)) => self.step_down(process),
            Answer::Acquired(Err(Stale)) | Answer::Leads(Err(Stale)) | Answer::Nothing => {}
        }
    }

    fn saw_lease(&mut self, process: usize, lease: Lease) {
        let stood_still_ms = self.processes[process].see(lease, self.now);
        if is_free(lease.is_held, stood_still_ms) {
            let random = self.random.any();
            self.ask(process, Query::Take(Transaction::Acquire { seen: lease, random }));
        }
    }

    fn committed(&mut self, process: usize, taken: Result<(), Stale>, row: Option<Head>, events: Vec<IncidentEvent>) {
        let Some(leader) = self.processes[process].leader_mut() else { return };
        let Ok(told) = leader.answered(taken, row) else { return self.step_down(process) };
        self.tell_people(process, events);
        for (host, told) in told {
            if matches!(told, Told::View(_) | Told::Plan(_) | Told::Withdraw(_)) {
                self.note(|| format!("control {process} to {host}: {told:?}").chars().take(110).collect());
            }
            self.send(control(process), host, Word::Told(told));
        }
    }

    fn tell_people(&mut self, process: usize, events: Vec<IncidentEvent>) {
        for event in events {
            self.note(|| format!("control {process} {:?} {:?}", event.step(), event.incident()));
            self.record.told.push((self.now, event));
        }
    }

    /// Notes whether an outage could be judged now: somebody leads, the database answers, and hosts enough are there that
    /// five can vote and those who own are heard.
    fn watch_over_judging(&mut self) {
        let is_there = |host: usize| {
            let machine = &self.hosts[host];
            machine.is_able(self.now) && machine.blind_until <= self.now && machine.unreferenced_until <= self.now
        };
        let can_judge = (0..PROCESSES).any(|process| {
            let machine = control(process);
            let hears = |host: usize| {
                self.net.is_open(host, machine, self.now) && self.net.is_open(machine, host, self.now) && is_there(host)
            };
            let reaches_store = self.store_cut_until[process] <= self.now && self.store.stalled_until <= self.now;
            let leader = self.processes[process].leader().filter(|_| reaches_store);
            leader.is_some_and(|leader| leader.linked().filter(|host| hears(*host)).count() >= JUDGES_MIN)
        });
        if can_judge {
            self.record.can_judge(self.now, 2 * TICK_MS);
        }
    }

    /// Every process that believes to lead, for nobody knows who is right.
    pub(super) fn leading(&self) -> impl Iterator<Item = usize> {
        (0..PROCESSES).filter(|process| self.processes[*process].listens())
    }
}
