//! Two blocks of the same hour made one, whichever was made first and whatever each has seen.

use std::collections::BTreeMap;

use farwatch_proto::time::UnixMs;

use super::{Block, DueSlot, Record, SlotOnRecord, SlotState, spans_of};

/// Two blocks that are not about the same hour of the same stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the blocks are of different streams or hours")]
pub struct OtherBlock;

impl Block {
    /// Takes in whatever the other knows more of. A slot that was due by either is due.
    pub fn merge(&mut self, other: &Self) -> Result<(), OtherBlock> {
        if self.key != other.key {
            return Err(OtherBlock);
        }
        if self.spans != other.spans {
            self.widen(other);
        }
        for SlotOnRecord { due, state, run } in other.slots() {
            let Some((index, _)) = self.find(due.slot) else { continue };
            self.raise(index, state);
            if let Some(run) = run {
                self.offer(index, due.slot, run);
            }
        }
        for (slot, host) in &other.extra {
            if self.find(*slot).is_none() {
                self.note_extra(*slot, *host);
            }
        }
        Ok(())
    }

    /// Makes due what is due by either.
    fn widen(&mut self, other: &Self) {
        let held: BTreeMap<UnixMs, Record> = self.due().map(|due| due.slot).zip(self.records.iter().copied()).collect();
        let mut due: BTreeMap<UnixMs, DueSlot> = self.due().map(|due| (due.slot, due)).collect();
        for one in other.due() {
            let both = due.entry(one.slot).or_insert(one);
            both.interval = both.interval.min(one.interval);
        }
        let untouched = Record { state: SlotState::Pending, run: None };
        self.records = due.keys().map(|slot| held.get(slot).copied().unwrap_or(untouched)).collect();
        self.spans = spans_of(due.values());
        let extra = std::mem::take(&mut self.extra);
        self.extra = extra.into_iter().filter(|(slot, _)| self.find(*slot).is_none()).collect();
    }
}
