//! The simulated control plane: the fleet's state machine of `core`, and a store that outlives it.
//!
//! It accuses, plans and remembers as the leader does; results are acknowledged once the store has them.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::fleet::{Decision, Fleet, Registered};
use farwatch_proto::fleet::{View, ViewHost};
use farwatch_proto::id::HostId;
use farwatch_proto::time::{BootMs, Stamp, UnixMs};

use crate::fleet::{BEGIN, Watched, first_view, gainers};
use crate::host::Found;

/// A returning host proves itself this long in these worlds, so that many returns fit into one.
const WARMUP_MS: i64 = 5_000;

/// What control says to hosts.
#[derive(Clone, Debug)]
pub(crate) enum Told {
    /// What time it is, and how far the store holds the host's spool.
    Welcome(UnixMs, usize),
    View(View),
    Plan(View),
    Withdraw(Stamp),
    /// The store holds the host's spool up to here.
    Committed(usize),
}

/// What the database holds.
#[derive(Clone, Debug, Default)]
struct Store {
    /// In force, oldest first.
    views: Vec<View>,
    /// The last number given to a view, withdrawn ones among them.
    last_number: Stamp,
    results: BTreeMap<(usize, i64), Vec<(HostId, Found)>>,
    /// How far each host's spool is in it, by host and start of its process.
    marks: BTreeMap<HostId, usize>,
}

impl Store {
    /// Views are numbered one after the other, whatever became of those before: the database takes no others.
    fn number(&mut self, number: Stamp) {
        assert_eq!(number, self.last_number.next(), "the database refuses the view, and the leader steps down");
        self.last_number = number;
    }
}

pub(crate) struct Control {
    pub(crate) is_up: bool,
    store: Store,
    fleet: Fleet,
    /// The newest view in force as this leader has it: it bears the last number of all where plans came to nothing.
    newest: View,
    /// Hosts that an operator took out; the database knows.
    drained: BTreeSet<HostId>,
}

fn register(fleet: &mut Fleet, drained: &BTreeSet<HostId>) {
    let registered = |host: &ViewHost| Registered { facts: host.facts.clone(), drained: drained.contains(&host.id) };
    fleet.register(first_view().hosts.iter().map(|host| (host.id, registered(host))));
}

impl Control {
    pub(crate) fn new() -> Self {
        let first = first_view();
        let store = Store { last_number: first.number, views: vec![first], ..Store::default() };
        let mut control = Self {
            is_up: true,
            store,
            fleet: Fleet::new(WARMUP_MS, BootMs(0)),
            newest: first_view(),
            drained: [].into(),
        };
        control.take_over(0);
        control
    }

    /// Another process leads from now on, with what the database holds.
    pub(crate) fn take_over(&mut self, now: i64) {
        self.is_up = true;
        self.fleet = Fleet::new(WARMUP_MS, BootMs(now));
        register(&mut self.fleet, &self.drained);
        let last = self.store.views.last().expect("a fleet begins with a view");
        self.newest = View { number: self.store.last_number, ..last.clone() };
    }

    /// An operator takes a host out, or lets it return.
    pub(crate) fn drain(&mut self, host: HostId, is_drained: bool) {
        if is_drained {
            self.drained.insert(host);
        } else {
            self.drained.remove(&host);
        }
        register(&mut self.fleet, &self.drained);
    }

    pub(crate) const fn newest(&self) -> &View {
        &self.newest
    }

    /// The view in force at this slot.
    pub(crate) fn view_at(&self, slot: UnixMs) -> &View {
        let at = self.store.views.iter().rev().find(|view| view.in_force_from <= slot);
        at.unwrap_or(&self.store.views[0])
    }

    pub(crate) fn plan(&self) -> Option<&View> {
        self.fleet.plan()
    }

    pub(crate) fn mark(&self, host: HostId) -> usize {
        self.store.marks.get(&host).copied().unwrap_or(0)
    }

    pub(crate) fn hear(&mut self, host: HostId, now: i64) {
        self.fleet.hear(host, BootMs(now));
    }

    pub(crate) fn acknowledge(&mut self, host: HostId, view: Stamp) {
        self.fleet.acknowledge(host, view);
    }

    /// Commits results of one host that lie in its spool from this place on; answers how far the store holds it.
    pub(crate) fn commit(&mut self, host: HostId, from: usize, results: &[(usize, Found)]) -> usize {
        let held = self.mark(host);
        if from <= held {
            for (watched, found) in results.iter().skip(held - from) {
                self.store.results.entry((*watched, found.slot.0)).or_default().push((host, *found));
            }
            self.store.marks.insert(host, held.max(from + results.len()));
        }
        self.mark(host)
    }

    pub(crate) fn results(&self, watched: usize, slot: UnixMs) -> &[(HostId, Found)] {
        self.store.results.get(&(watched, slot.0)).map_or(&[], Vec::as_slice)
    }

    /// One step of the leader: what all linked hosts are told.
    pub(crate) fn step(&mut self, watched: &[Watched], now: i64) -> Vec<Told> {
        let newest = self.newest().clone();
        let decisions =
            self.fleet.step(&newest, BootMs(now), UnixMs(BEGIN + now), |target| gainers(watched, &newest, target));
        let mut told = Vec::new();
        for decision in decisions {
            told.push(match decision {
                Decision::Propose(view) => {
                    self.store.number(view.number);
                    Told::Plan(view)
                }
                Decision::Withdraw(number) => Told::Withdraw(number),
                Decision::Enforce(view) => {
                    if view.number != self.store.last_number {
                        self.store.number(view.number);
                    }
                    self.store.views.push(view.clone());
                    self.newest = view.clone();
                    Told::View(view)
                }
            });
        }
        told
    }
}
