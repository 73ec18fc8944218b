//! What one host knows of the slots of its streams, and what it does about them.
//!
//! The driver tells it what is held, what others said and how its own runs ended, and asks at every wake-up what is to be
//! done now; it has no branch on ownership of its own. A slot is never started outside its window.

mod acts;
mod line;
mod orders;
mod waits;

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::sync::Arc;

use farwatch_proto::check::StreamId;
use farwatch_proto::id::HostId;
use farwatch_proto::peer::{Said, Statement};
use farwatch_proto::time::UnixMs;

use super::Now;
use super::lists::Lists;
use super::peers::Peers;
use super::receipts::Receipt;
use super::remembered::Remembered;
use super::tenure::Tenure;
use super::views::Views;
use crate::held::Held;
use crate::placement::{Rules, holders};
pub use acts::{Act, Ended, Facilities, Lack, Readiness, Run};
use line::{Line, Own};
use orders::Orders;

/// A slot that waits for a place or a module is tried again after this long: a place comes free any time.
const RETRY_MS: i64 = 20;
/// A run that this host disturbed is tried again after this long, each time twice as long, where nobody else can.
const DISTURBED_RETRY_MS: i64 = 250;
/// So many runs of one slot are made by one host at most.
const RUNS_MAX: u32 = 5;

/// A slot that is to be started now.
struct Wanted {
    index: u32,
    slot: UnixMs,
    is_take_over: bool,
    tell: Vec<HostId>,
}

/// The streams of one host, or of one shard of it.
#[derive(Clone, Debug)]
pub struct Desk {
    me: HostId,
    tenure: Tenure,
    views: Arc<Views>,
    /// Of streams that are not held yet.
    remembered: Remembered,
    lines: Vec<Line>,
    index: HashMap<StreamId, u32>,
    due: BinaryHeap<Reverse<(UnixMs, u32)>>,
    lists: Lists,
}

impl Desk {
    /// A desk that holds nothing yet.
    pub fn new(me: HostId) -> Self {
        Self {
            me,
            tenure: Tenure::WHOLE,
            views: Arc::default(),
            remembered: Remembered::default(),
            lines: Vec::new(),
            index: HashMap::new(),
            due: BinaryHeap::new(),
            lists: Lists::by(Rules::KNOWN),
        }
    }

    /// A desk that reads views by these rules, and holds nothing yet.
    pub fn placing_by(me: HostId, rules: Rules) -> Self {
        Self { lists: Lists::by(rules), ..Self::new(me) }
    }

    /// Earlier processes of this host completed these slots. It counts for streams that are held from now on, and for what
    /// is inherited.
    pub fn remember(&mut self, remembered: Remembered) {
        self.remembered = remembered;
    }

    /// From now on these streams are held and these views known. What is known of the slots of a stream that goes on is
    /// kept; everything is looked at anew.
    pub fn hold(&mut self, streams: impl IntoIterator<Item = (StreamId, Arc<Held>)>, views: Arc<Views>, now: UnixMs) {
        self.views = views;
        let mut before: HashMap<StreamId, Line> = self.lines.drain(..).map(|line| (line.stream, line)).collect();
        let lines = streams.into_iter().map(|(stream, held)| match before.remove(&stream) {
            Some(line) => line.with(held),
            None => Line::new(stream, held, now, self.remembered.last_of(stream)),
        });
        self.lines = lines.collect();
        self.lines.shrink_to_fit();
        self.index = (0..).zip(&self.lines).map(|(index, line)| (line.stream, index)).collect();
        self.begin();
        self.wake_all(now);
        self.due.shrink_to_fit();
        let (lines, by_stream) = (&self.lines, &self.index);
        self.lists.retain(|check, revision| {
            let line = by_stream.get(&StreamId { check, number: 0 }).map(|index| &lines[*index as usize]);
            line.is_some_and(|line| line.held.revision(revision).is_some())
        });
    }

    /// From now on these slots are this process's, and no others.
    pub fn serve_in(&mut self, tenure: Tenure, now: UnixMs) {
        self.tenure = tenure;
        self.begin();
        self.wake_all(now);
    }

    /// Whether every slot of its tenure that this host owns is decided; never so before its border.
    pub fn owes_nothing(&mut self, now: UnixMs) -> bool {
        (0..self.lines.len() as u32).all(|index| {
            let line = &self.lines[index as usize];
            let Some(slot) = line.slot.filter(|slot| !self.tenure.is_over_at(*slot)) else { return true };
            line.own == Own::Nothing && self.orders(index, slot, now).mine.is_empty()
        })
    }

    /// The predecessor has died before its slots were decided: what is open of them is this process's, too.
    pub fn inherit(&mut self, now: UnixMs) {
        if let Some(border) = self.tenure.begins() {
            let remembered = &self.remembered;
            self.lines.iter_mut().for_each(|line| line.reopen(border, now, remembered.last_of(line.stream)));
        }
        self.serve_in(Tenure::WHOLE, now);
    }

    /// Slots before the tenure are somebody else's.
    fn begin(&mut self) {
        if let Some(border) = self.tenure.begins() {
            self.lines.iter_mut().for_each(|line| line.begin_at(border));
        }
    }

    /// Looks at everything anew.
    fn wake_all(&mut self, now: UnixMs) {
        self.due.clear();
        for index in 0..self.lines.len() as u32 {
            let line = &mut self.lines[index as usize];
            line.wake = None;
            if let Some(slot) = line.slot {
                self.wake(index, slot.max(now));
            }
        }
    }

    /// The clock by which all this was planned was set: nothing of it means anything.
    pub fn forget(&mut self) {
        self.lines.clear();
        self.remembered = Remembered::default();
    }

    /// When something may be to be done next.
    pub fn next_wake(&self) -> Option<UnixMs> {
        self.due.peek().map(|Reverse((wake, _))| *wake)
    }

    /// Another owner says something of a slot.
    pub fn hear(&mut self, stream: StreamId, receipt: Receipt, now: UnixMs) {
        let Some(index) = self.index.get(&stream).copied() else { return };
        let line = &mut self.lines[index as usize];
        let is_of_use = receipt.slot >= line.from && receipt.from != self.me;
        if is_of_use && line.receipts.note(receipt) && line.slot == Some(receipt.slot) && now >= receipt.slot {
            self.wake(index, now);
        }
    }

    /// A run of this host has ended. Answers what is to be said of it.
    pub fn ended(&mut self, stream: StreamId, slot: UnixMs, ended: Ended, now: UnixMs) -> Said {
        let said = match ended {
            Ended::Covers => Said::Done,
            Ended::Disturbed => Said::Yields,
        };
        let Some(index) = self.index.get(&stream).copied() else { return said };
        let line = &mut self.lines[index as usize];
        if ended == Ended::Covers {
            line.covered = line.covered.max(Some(slot));
        }
        let Own::UnderWay { runs } = line.own else { return said };
        if line.slot != Some(slot) {
            return said;
        }
        if ended == Ended::Covers || runs >= RUNS_MAX || line.is_unsafe(slot) {
            self.settle(index);
        } else {
            line.own = Own::Yielded { at: now, runs };
            self.wake(index, now);
        }
        said
    }

    /// Whether this host and that one own the slot together, in any order that counts for it.
    pub fn is_owner(&mut self, host: HostId, stream: StreamId, slot: UnixMs, now: UnixMs) -> bool {
        let index = self.index.get(&stream).copied();
        index.is_some_and(|index| self.orders(index, slot, now).everyone.contains(&host))
    }

    /// What an owner that has only now connected may have missed: what this host said of slots whose windows are open. One
    /// that was away would run them.
    pub fn recap(&mut self, to: HostId, now: UnixMs) -> Vec<Statement> {
        let mut statements = Vec::new();
        for index in 0..self.lines.len() as u32 {
            let line = &self.lines[index as usize];
            let stream = line.stream;
            let is_open = |slot: UnixMs| line.window_end(slot).is_some_and(|end| now < end);
            let open: Vec<(UnixMs, Said)> = line.said().into_iter().filter(|(slot, _)| is_open(*slot)).collect();
            for (slot, said) in open {
                if self.orders(index, slot, now).everyone.contains(&to) {
                    statements.push(Statement { stream, slot, said });
                }
            }
        }
        statements
    }

    /// The hosts with which this one shares streams, or would after a death: who has to hear whom.
    pub fn companions(&mut self) -> BTreeSet<HostId> {
        let mut companions = BTreeSet::new();
        for line in &self.lines {
            for known in self.views.newest_known().into_iter().chain(self.views.plans()) {
                let newest = line.held.revisions().last();
                let Some(definition) = newest.filter(|definition| line.stream.number < definition.placement.streams)
                else {
                    continue;
                };
                let list = self.lists.list(definition, line.stream, known);
                companions.extend(holders(&list, &known.view, definition.repeat));
            }
        }
        companions.remove(&self.me);
        companions
    }

    /// What is to be done now. Own slots come before take-overs.
    pub fn step<B: Facilities>(&mut self, now: Now, peers: &Peers, facilities: &mut B) -> Vec<Act<B::Place>> {
        let (mut acts, mut wanted) = (Vec::new(), Vec::new());
        while let Some(index) = self.pop_due(now.wall) {
            self.consider(index, now, peers, facilities, &mut wanted, &mut acts);
        }
        wanted.sort_by_key(|wanted| (wanted.is_take_over, wanted.slot));
        for wanted in wanted {
            self.start_or_yield(wanted, now.wall, facilities, &mut acts);
        }
        acts
    }

    fn pop_due(&mut self, now: UnixMs) -> Option<u32> {
        while let Some(Reverse((wake, index))) = self.due.peek().copied() {
            if wake > now {
                return None;
            }
            self.due.pop();
            let line = &mut self.lines[index as usize];
            // Another wake-up may have come before and set a later one.
            if line.wake == Some(wake) {
                line.wake = None;
                return Some(index);
            }
        }
        None
    }

    fn wake(&mut self, index: u32, at: UnixMs) {
        let line = &mut self.lines[index as usize];
        if line.wake != Some(at) {
            line.wake = Some(at);
            self.due.push(Reverse((at, index)));
        }
    }

    /// The slot is decided as far as this host goes; the next one takes its place.
    fn settle(&mut self, index: u32) {
        if let Some(next) = self.lines[index as usize].settle() {
            self.wake(index, next);
        }
    }

    fn consider<B: Facilities>(
        &mut self,
        index: u32,
        now: Now,
        peers: &Peers,
        facilities: &B,
        wanted: &mut Vec<Wanted>,
        acts: &mut Vec<Act<B::Place>>,
    ) {
        let line = &self.lines[index as usize];
        let Some((slot, window_end)) = line.slot.and_then(|slot| Some((slot, line.window_end(slot)?))) else { return };
        if !self.tenure.has(slot) {
            return;
        }
        if now.wall < slot {
            return self.wake(index, slot);
        }
        if now.wall >= window_end {
            acts.extend(line.given_up(slot, facilities));
            return self.settle(index);
        }
        if matches!(line.own, Own::UnderWay { .. }) {
            return self.wake(index, window_end);
        }
        let orders = self.orders(index, slot, now.wall);
        if self.lines[index as usize].is_done(slot, &orders.everyone) {
            return self.settle(index);
        }
        match self.start_of(index, slot, &orders, now, peers) {
            Some((start, _)) if start <= now.wall => wanted.push(Wanted {
                index,
                slot,
                is_take_over: orders.mine.iter().all(|better| !better.is_empty()),
                tell: orders.everyone,
            }),
            Some((start, look_again)) => self.wake(index, start.min(look_again).max(now.wall + 1).min(window_end)),
            None => self.wake(index, window_end),
        }
    }

    fn orders(&mut self, index: u32, slot: UnixMs, now: UnixMs) -> Orders {
        let line = &self.lines[index as usize];
        let Some(definition) = line.held.due(line.stream, slot) else { return Orders::default() };
        Orders::of(self.me, definition, line.stream, slot, now, &self.views, &mut self.lists)
    }

    fn start_or_yield<B: Facilities>(
        &mut self,
        wanted: Wanted,
        now: UnixMs,
        facilities: &mut B,
        acts: &mut Vec<Act<B::Place>>,
    ) {
        let Wanted { index, slot, tell, .. } = wanted;
        let line = &mut self.lines[index as usize];
        let Some(definition) = line.held.due(line.stream, slot) else { return };
        let (stream, revision) = (line.stream, definition.revision);
        let readiness = facilities.readiness(&definition.module);
        let can_run = readiness == Readiness::Ready && facilities.is_sane();
        let place = if can_run { facilities.take_place() } else { None };
        let Some(place) = place else {
            let Some(window_end) = line.window_end(slot) else { return };
            let was_yielded = matches!(line.own, Own::Yielded { .. });
            if !was_yielded {
                line.own = Own::Yielded { at: now, runs: 0 };
                acts.push(Act::Yield { stream, slot, tell });
            }
            if readiness == Readiness::Never {
                acts.extend(line.given_up(slot, facilities));
                return self.settle(index);
            }
            return self.wake(index, (now + RETRY_MS).min(window_end));
        };
        let attempt = line.begin();
        let held = line.held.clone();
        acts.push(Act::Run(Run { held, revision, stream, slot, attempt, place, tell }));
        if let Some(window_end) = self.lines[index as usize].window_end(slot) {
            self.wake(index, window_end);
        }
    }
}

#[cfg(test)]
mod tests;
