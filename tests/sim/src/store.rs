//! The simulated database: transactions that are taken whole or refused, and a tail that a failover may lose.
//!
//! It refuses by the same rules as the statements of `control/src/store`: a lease is taken from the state in which it was
//! seen, a row of the journal follows the row its writer saw last, and a view follows the last number its writer knows.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::detect::Detector;
use farwatch_core::incident::IncidentEvent;
use farwatch_core::upgrade::Upgrade;
use farwatch_proto::fleet::View;
use farwatch_proto::id::{CheckId, HostId, IncidentId};
use farwatch_proto::time::{Stamp, UnixMs};

use crate::afterwards::{Late, LookedBack};
use crate::fleet::first_view;
use crate::host::disk::Found;

/// One leadership. The random part tells apart two that a database which lost its tail gave the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epoch {
    pub(crate) n: u64,
    pub(crate) random: u64,
}

/// The lease as it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    pub(crate) is_held: bool,
    pub(crate) epoch: Epoch,
    pub(crate) counter: u64,
}

/// The last row of the journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: u64,
    pub(crate) epoch: Epoch,
    pub(crate) flush: u64,
}

/// What became of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ViewState {
    Planned,
    InForce,
    Withdrawn,
}

/// An incident as the last thing that happened to it left it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Incident {
    pub(crate) check: CheckId,
    pub(crate) first_failed_slot: UnixMs,
    pub(crate) opened: UnixMs,
    pub(crate) resolved: Option<UnixMs>,
    /// An earlier failure that is found later moves this, and nothing else.
    pub(crate) seen_since: UnixMs,
    /// Whether it was over before anybody could judge it.
    pub(crate) seen_afterwards: bool,
}

/// Everything that one flush commits.
#[derive(Clone, Debug)]
pub(crate) struct Flush {
    pub(crate) id: u64,
    pub(crate) after: Head,
    pub(crate) epoch: Epoch,
    pub(crate) results: Vec<(usize, HostId, Found)>,
    pub(crate) detectors: BTreeMap<CheckId, Detector>,
    pub(crate) events: Vec<(CheckId, IncidentEvent)>,
    pub(crate) marks: BTreeMap<(HostId, u32), usize>,
    /// Slots of which it has a result that was judged in time.
    pub(crate) judged: Vec<(usize, i64)>,
    /// Checks with failures that came too late for that, and when this is.
    pub(crate) late: BTreeMap<CheckId, Late>,
}

impl Flush {
    /// The row it writes.
    pub(crate) const fn row(&self) -> Head {
        Head { seq: self.after.seq + 1, epoch: self.epoch, flush: self.id }
    }
}

/// What is to happen to a view, by a leader that knows the number `after` as the last one.
#[derive(Clone, Debug)]
pub(crate) enum ViewChange {
    Plan { view: View, after: Stamp },
    Withdraw(Stamp),
    PutInForce { view: View, after: Stamp },
    Confirm(Stamp),
}

/// An upgrade as it stands from now on, by whoever saw it stand like this.
#[derive(Clone, Debug)]
pub(crate) struct UpgradeChange {
    pub(crate) seen: Option<Upgrade>,
    pub(crate) next: Upgrade,
}

/// One transaction.
#[derive(Clone, Debug)]
pub(crate) enum Transaction {
    Acquire {
        seen: Lease,
        random: u64,
    },
    Renew(Epoch),
    Release(Epoch),
    /// The row that ends every earlier leadership; plans that it left are withdrawn with it.
    TakeOver {
        epoch: Epoch,
        id: u64,
    },
    Flush(Box<Flush>),
    View(Epoch, ViewChange),
    /// Somebody has looked back at a check.
    LookBack(Epoch, LookedBack),
    Upgrade(Box<UpgradeChange>),
    /// An operator takes a host out, or lets it return.
    Drain(HostId, bool),
}

/// The writer does not lead any more: it steps down and loads everything again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stale;

/// What the database holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tables {
    pub(crate) lease: Lease,
    pub(crate) head: Head,
    pub(crate) views: Vec<(View, ViewState)>,
    pub(crate) results: BTreeMap<(usize, i64), Vec<(HostId, Found)>>,
    /// How far the spool of each host is in it, by the life of its disk.
    pub(crate) marks: BTreeMap<(HostId, u32), usize>,
    pub(crate) detectors: BTreeMap<CheckId, Detector>,
    pub(crate) incidents: BTreeMap<IncidentId, Incident>,
    pub(crate) drained: BTreeSet<HostId>,
    pub(crate) judged: BTreeSet<(usize, i64)>,
    pub(crate) late: BTreeMap<CheckId, Late>,
    pub(crate) upgrade: Option<Upgrade>,
}

impl Tables {
    fn new() -> Self {
        Self { views: vec![(first_view(), ViewState::InForce)], ..Self::default() }
    }

    pub(crate) fn last_number(&self) -> Stamp {
        self.views.last().expect("a fleet begins with a view").0.number
    }

    /// The views in force, oldest first.
    pub(crate) fn in_force(&self) -> impl DoubleEndedIterator<Item = &View> {
        self.views.iter().filter(|(_, state)| *state == ViewState::InForce).map(|(view, _)| view)
    }

    fn is_led_in(&self, epoch: Epoch) -> bool {
        cfg!(mutant = "epoch_off") || (self.lease.is_held && self.lease.epoch == epoch)
    }

    fn take(&mut self, transaction: &Transaction) -> Result<(), Stale> {
        match transaction {
            Transaction::Acquire { seen, random } => self.acquire(*seen, *random),
            Transaction::Renew(epoch) if self.lease.is_held && self.lease.epoch == *epoch => {
                self.lease.counter += 1;
                Ok(())
            }
            Transaction::Renew(_) => Err(Stale),
            Transaction::Release(epoch) => {
                if self.lease.is_held && self.lease.epoch == *epoch {
                    self.lease = Lease { is_held: false, counter: self.lease.counter + 1, ..self.lease };
                }
                Ok(())
            }
            Transaction::TakeOver { epoch, id } => self.take_over(*epoch, *id),
            Transaction::Flush(flush) => self.flush(flush),
            Transaction::View(epoch, change) => self.change_view(*epoch, change),
            Transaction::LookBack(epoch, looked) => self.look_back(*epoch, looked),
            Transaction::Upgrade(change) => {
                if self.upgrade != change.seen {
                    return Err(Stale);
                }
                self.upgrade = Some(change.next.clone());
                Ok(())
            }
            Transaction::Drain(host, true) => {
                self.drained.insert(*host);
                Ok(())
            }
            Transaction::Drain(host, false) => {
                self.drained.remove(host);
                Ok(())
            }
        }
    }

    fn acquire(&mut self, seen: Lease, random: u64) -> Result<(), Stale> {
        if (self.lease.counter, self.lease.epoch) != (seen.counter, seen.epoch) {
            return Err(Stale);
        }
        let epoch = Epoch { n: seen.epoch.n + 1, random };
        self.lease = Lease { is_held: true, epoch, counter: seen.counter + 1 };
        Ok(())
    }

    fn take_over(&mut self, epoch: Epoch, id: u64) -> Result<(), Stale> {
        if !self.is_led_in(epoch) {
            return Err(Stale);
        }
        self.head = Head { seq: self.head.seq + 1, epoch, flush: id };
        for (_, state) in self.views.iter_mut().filter(|(_, state)| *state == ViewState::Planned) {
            *state = ViewState::Withdrawn;
        }
        Ok(())
    }

    fn flush(&mut self, flush: &Flush) -> Result<(), Stale> {
        if self.head != flush.after && !cfg!(mutant = "epoch_off") {
            return Err(Stale);
        }
        self.head = flush.row();
        for (watched, host, found) in &flush.results {
            self.results.entry((*watched, found.slot.0)).or_default().push((*host, *found));
        }
        for (check, detector) in &flush.detectors {
            if detector.is_plain() {
                self.detectors.remove(check);
            } else {
                self.detectors.insert(*check, detector.clone());
            }
        }
        for (spool, mark) in &flush.marks {
            let held = self.marks.entry(*spool).or_default();
            *held = (*held).max(*mark);
        }
        flush.events.iter().for_each(|(check, event)| self.write_incident(*check, event));
        self.judged.extend(&flush.judged);
        self.late.extend(&flush.late);
        Ok(())
    }

    /// What came since it was read waits for another look.
    fn look_back(&mut self, epoch: Epoch, looked: &LookedBack) -> Result<(), Stale> {
        if !self.is_led_in(epoch) {
            return Err(Stale);
        }
        if self.late.get(&looked.check) == Some(&looked.late) {
            self.late.remove(&looked.check);
        }
        looked.events.iter().for_each(|event| self.write_incident(looked.check, event));
        for (incident, seen_since) in &looked.seen_since {
            if let Some(incident) = self.incidents.get_mut(incident) {
                incident.seen_since = incident.seen_since.min(*seen_since);
            }
        }
        Ok(())
    }

    /// What is known already is kept as it is, and what is resolved never opens again.
    fn write_incident(&mut self, check: CheckId, event: &IncidentEvent) {
        match event {
            IncidentEvent::Opened { incident, first_failed_slot, at, seen_afterwards, .. } => {
                let (first_failed_slot, opened, seen_afterwards) = (*first_failed_slot, *at, *seen_afterwards);
                let (resolved, seen_since) = (None, first_failed_slot);
                let new = Incident { check, first_failed_slot, opened, resolved, seen_since, seen_afterwards };
                self.incidents.entry(*incident).or_insert(new);
            }
            IncidentEvent::Resolved { incident, at, .. } => {
                if let Some(incident) = self.incidents.get_mut(incident) {
                    incident.resolved = incident.resolved.or(Some(*at));
                }
            }
        }
    }

    fn change_view(&mut self, epoch: Epoch, change: &ViewChange) -> Result<(), Stale> {
        if !self.is_led_in(epoch) {
            return Err(Stale);
        }
        match change {
            ViewChange::Plan { view, after } => self.add_view(view, *after, ViewState::Planned),
            ViewChange::PutInForce { view, after } => self.add_view(view, *after, ViewState::InForce),
            ViewChange::Withdraw(number) => self.settle(*number, ViewState::Withdrawn),
            ViewChange::Confirm(number) => self.settle(*number, ViewState::InForce),
        }
    }

    fn add_view(&mut self, view: &View, after: Stamp, state: ViewState) -> Result<(), Stale> {
        if self.last_number() != after || view.number <= after {
            return Err(Stale);
        }
        self.views.push((view.clone(), state));
        Ok(())
    }

    fn settle(&mut self, number: Stamp, settled: ViewState) -> Result<(), Stale> {
        let (_, state) = self.views.iter_mut().find(|(view, _)| view.number == number).ok_or(Stale)?;
        if settled == ViewState::InForce && *state != ViewState::Planned {
            return Err(Stale);
        }
        *state = settled;
        Ok(())
    }
}

/// The database and how it fares.
pub(crate) struct Store {
    pub(crate) tables: Tables,
    /// What was taken, with the moment.
    log: Vec<(i64, Transaction)>,
    /// Nothing is answered before then.
    pub(crate) stalled_until: i64,
}

impl Store {
    pub(crate) fn new() -> Self {
        Self { tables: Tables::new(), log: Vec::new(), stalled_until: 0 }
    }

    pub(crate) fn take(&mut self, transaction: Transaction, now: i64) -> Result<(), Stale> {
        self.tables.take(&transaction)?;
        self.log.push((now, transaction));
        Ok(())
    }

    /// Another machine serves from now on, which had not heard of what was taken since this moment; how much that was.
    pub(crate) fn lose_since(&mut self, moment: i64) -> usize {
        let keep = self.log.partition_point(|(at, _)| *at < moment);
        let lost = self.log.len() - keep;
        self.log.truncate(keep);
        self.tables = Tables::new();
        for (_, transaction) in &self.log {
            self.tables.take(transaction).expect("what was taken once is taken again");
        }
        lost
    }

    pub(crate) fn results(&self, watched: usize, slot: UnixMs) -> &[(HostId, Found)] {
        self.tables.results.get(&(watched, slot.0)).map_or(&[], Vec::as_slice)
    }

    /// The view in force at this slot, as the history has it.
    pub(crate) fn view_at(&self, slot: UnixMs) -> &View {
        let views = &self.tables;
        let at = views.in_force().rev().find(|view| view.in_force_from <= slot);
        at.unwrap_or(&views.views[0].0)
    }
}
