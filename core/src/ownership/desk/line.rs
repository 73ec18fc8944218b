//! One stream on a desk: the first of its slots that is not decided, and what is known of it.
//!
//! Slots of one stream are decided in their order, and their windows do not overlap, so one is looked at at a time.

use std::sync::Arc;

use farwatch_proto::check::{Repeat, StreamId};
use farwatch_proto::id::HostId;
use farwatch_proto::peer::Said;
use farwatch_proto::time::UnixMs;

use super::{Act, Facilities, Lack, Readiness};
use crate::held::Held;
use crate::ownership::receipts::Receipts;
use crate::ownership::rule::{Terms, last_backstop};
use crate::slot::{EARLY_MS, window_end};

/// What this host itself does about the slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Own {
    /// Nothing yet.
    Nothing,
    /// It wanted to and could not, or its run was disturbed, at this moment after so many runs.
    Yielded { at: UnixMs, runs: u32 },
    /// It is running it, for the so manieth time.
    UnderWay { runs: u32 },
}

/// One stream.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) stream: StreamId,
    pub(super) held: Arc<Held>,
    /// Slots before this moment are decided.
    pub(super) from: UnixMs,
    /// The first slot that is not.
    pub(super) slot: Option<UnixMs>,
    /// When it is looked at next.
    pub(super) wake: Option<UnixMs>,
    pub(super) own: Own,
    pub(super) receipts: Receipts,
    /// The last slot that a run of this host covered.
    pub(super) covered: Option<UnixMs>,
    /// Since when this host could have heard what others say of the stream.
    pub(super) since: UnixMs,
}

impl Line {
    /// A stream that is held from now on. An earlier process of this host had completed its slots up to the one that is
    /// remembered.
    pub(super) fn new(stream: StreamId, held: Arc<Held>, now: UnixMs, remembered: Option<UnixMs>) -> Self {
        let covered = remembered.filter(|slot| *slot <= now);
        let from = open_since(&held, now).max(covered.map_or(UnixMs(i64::MIN), |slot| slot + 1));
        let slot = held.next_slot(stream, from);
        let (wake, own, receipts) = (None, Own::Nothing, Receipts::default());
        Self { stream, held, from, slot, wake, own, receipts, covered, since: now }
    }

    /// The same stream by other revisions.
    pub(super) fn with(self, held: Arc<Held>) -> Self {
        let slot = held.next_slot(self.stream, self.from);
        let own = if slot == self.slot { self.own } else { Own::Nothing };
        Self { held, slot, own, wake: None, ..self }
    }

    pub(super) fn terms(&self, slot: UnixMs) -> Option<Terms> {
        let definition = self.held.due(self.stream, slot)?;
        Some(Terms { slot, interval: definition.interval, timeout_ms: definition.timeout_ms })
    }

    pub(super) fn window_end(&self, slot: UnixMs) -> Option<UnixMs> {
        let room_ms = |terms: &Terms| if cfg!(mutant = "window_off") { terms.interval.ms() } else { 0 };
        self.terms(slot).map(|terms| window_end(slot, terms.interval) + room_ms(&terms))
    }

    pub(super) fn is_unsafe(&self, slot: UnixMs) -> bool {
        self.held.due(self.stream, slot).is_some_and(|definition| definition.repeat == Repeat::Unsafe)
    }

    /// Whether the slot was due before this host could hear anything of it.
    pub(super) fn came_after(&self, slot: UnixMs) -> bool {
        slot < self.since
    }

    /// Whether everything that others said of the slot was said before this host could hear it.
    pub(super) fn was_absent(&self, terms: &Terms) -> bool {
        last_backstop(terms) < self.since
    }

    /// Whether one of these has completed the slot.
    pub(super) fn is_done(&self, slot: UnixMs, owners: &[HostId]) -> bool {
        self.receipts.at(slot).any(|receipt| receipt.said == Said::Done && owners.contains(&receipt.from))
    }

    /// What this host has said of slots that others may not have decided.
    pub(super) fn said(&self) -> Vec<(UnixMs, Said)> {
        let own = match self.own {
            Own::Nothing => None,
            Own::Yielded { .. } => Some(Said::Yields),
            Own::UnderWay { .. } => Some(Said::Started),
        };
        let covered = self.covered.map(|slot| (slot, Said::Done));
        covered.into_iter().chain(self.slot.zip(own)).collect()
    }

    /// Slots before this border are another process's.
    pub(super) fn begin_at(&mut self, border: UnixMs) {
        if self.from < border {
            self.from = border;
            self.own = Own::Nothing;
            self.receipts.forget_before(border);
            self.slot = self.held.next_slot(self.stream, border);
        }
    }

    /// The slots before this border whose windows are open are this process's after all, unless it has come further or the
    /// predecessor is remembered to have completed them. What others did of them is not known, as after any start.
    pub(super) fn reopen(&mut self, border: UnixMs, now: UnixMs, remembered: Option<UnixMs>) {
        let has_begun = self.from != border || self.own != Own::Nothing;
        let covered = remembered.filter(|slot| *slot < border);
        let from = open_since(&self.held, now).max(covered.map_or(UnixMs(i64::MIN), |slot| slot + 1));
        if !has_begun && from < border {
            self.covered = self.covered.max(covered);
            self.from = from;
            self.slot = self.held.next_slot(self.stream, from);
        }
    }

    /// A run begins. Answers how many there were before it.
    pub(super) const fn begin(&mut self) -> u32 {
        let before = match self.own {
            Own::Yielded { runs, .. } => runs,
            Own::Nothing | Own::UnderWay { .. } => 0,
        };
        self.own = Own::UnderWay { runs: before + 1 };
        before
    }

    /// Goes on to the next slot.
    pub(super) fn settle(&mut self) -> Option<UnixMs> {
        self.from = self.slot? + 1;
        self.own = Own::Nothing;
        self.receipts.forget_before(self.from);
        self.slot = self.held.next_slot(self.stream, self.from);
        self.slot
    }

    /// What is put on record of a slot that this host wanted to run and never began.
    pub(super) fn given_up<B: Facilities>(&self, slot: UnixMs, facilities: &B) -> Option<Act<B::Place>> {
        let definition = self.held.due(self.stream, slot)?;
        let Own::Yielded { runs: 0, .. } = self.own else { return None };
        let lack = match facilities.readiness(&definition.module) {
            Readiness::Never => Lack::Module,
            _ if !facilities.is_sane() => Lack::Sanity,
            Readiness::Ready => Lack::Place,
            Readiness::NotYet => Lack::Module,
        };
        let (held, revision, stream) = (self.held.clone(), definition.revision, self.stream);
        Some(Act::GiveUp { held, revision, stream, slot, lack })
    }
}

/// Slots from this moment on may still be run. A check that must not run twice is never run after its moment: whether it
/// was, before a restart, is not known.
fn open_since(held: &Held, now: UnixMs) -> UnixMs {
    let Some(definition) = held.in_force_at(now) else { return now };
    match definition.repeat {
        Repeat::Unsafe => now,
        Repeat::Safe => now - (definition.interval.ms() - EARLY_MS - 1),
    }
}
