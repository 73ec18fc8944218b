//! One stream of an account: its due slots in order, the best on record of each, and the story of those nobody covered.

use farwatch_core::ledger::{DueSlot, SlotState, slot_state};
use farwatch_proto::check::StreamId;
use farwatch_proto::time::UnixMs;

use crate::ledger::causes::NO_RUN;

/// The best that is on record of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Best {
    Uncovered,
    Late,
    OnTime,
}

impl Best {
    /// Of a slot that stands so on record.
    pub(super) const fn of(state: SlotState) -> Self {
        match state {
            SlotState::OnTime => Self::OnTime,
            SlotState::Late => Self::Late,
            SlotState::Missed | SlotState::Pending => Self::Uncovered,
        }
    }
}

/// See the file's documentation.
pub(super) struct StreamAccount {
    pub(super) stream: StreamId,
    pub(super) due: Vec<DueSlot>,
    best: Vec<Best>,
    /// The numbers of the stories of slots; empty while no slot has one.
    stories: Vec<u32>,
    /// The moments that it is about.
    pub(super) span: (UnixMs, UnixMs),
    /// Which check it is of, by its number in the account.
    pub(super) check: usize,
}

impl StreamAccount {
    pub(super) fn new(stream: StreamId, due: Vec<DueSlot>, span: (UnixMs, UnixMs), check: usize) -> Self {
        Self { stream, best: vec![Best::Uncovered; due.len()], due, stories: Vec::new(), span, check }
    }

    pub(super) fn index_of(&self, slot: UnixMs) -> Option<usize> {
        self.due.binary_search_by_key(&slot, |due| due.slot).ok()
    }

    /// Whether this moment is one that it is about.
    pub(super) fn spans(&self, moment: UnixMs) -> bool {
        self.span.0 <= moment && moment < self.span.1
    }

    /// Takes the better of what was known and this.
    pub(super) fn raise(&mut self, index: usize, best: Best) {
        self.best[index] = self.best[index].max(best);
    }

    /// Notes the story of a run that does not cover the slot. The first one on record is told.
    pub(super) fn note_story(&mut self, index: usize, number: u32) {
        if self.stories.is_empty() {
            self.stories = vec![NO_RUN; self.due.len()];
        }
        if self.stories[index] == NO_RUN {
            self.stories[index] = number;
        }
    }

    /// The number of the story of a slot.
    pub(super) fn story(&self, index: usize) -> u32 {
        self.stories.get(index).copied().unwrap_or(NO_RUN)
    }

    /// Every due slot with how it stands.
    pub(super) fn states(
        &self,
        now: UnixMs,
        undelivered: &impl Fn(StreamId, UnixMs) -> bool,
    ) -> impl Iterator<Item = (DueSlot, SlotState)> {
        self.due.iter().zip(&self.best).map(move |(due, best)| {
            let state = match best {
                Best::OnTime => SlotState::OnTime,
                Best::Late => SlotState::Late,
                Best::Uncovered => slot_state(*due, &[], now, undelivered(self.stream, due.slot)),
            };
            (*due, state)
        })
    }

    pub(super) fn uncovered(&self) -> impl Iterator<Item = DueSlot> {
        self.due.iter().zip(&self.best).filter(|(_, best)| **best == Best::Uncovered).map(|(due, _)| *due)
    }
}
