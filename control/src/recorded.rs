//! What is on record of one check, in one shape: blocks, read for the hours that are folded and made for those that are
//! not from what the tail of the journal holds.
//!
//! Late results of folded hours show once they are entered into their blocks, within a minute or two. Nothing is written
//! here, and no more than a few days are in memory at once.

use farwatch_core::block::{Block, BlockKey, Hour};
use farwatch_core::ledger::{InForce, due_slots};
use farwatch_core::slot::streams_of;
use farwatch_core::uptime::Period;
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;

use crate::ledger::{LedgerError, Ranks, in_force};
use crate::retention::SLOT_AHEAD_MAX_MS;
use crate::store::{LedgerRevision, LedgerScope, Store, StoredBlock};
use crate::tail::{Held, Tail, TailError};

/// Blocks asked for at once.
const BLOCKS_AT_ONCE: u32 = 200;

/// See the file's documentation.
pub(crate) struct Recorded<'s> {
    store: &'s Store,
    check: CheckId,
    /// The blocks of the hours that are not folded, in order of hour and stream.
    open: Vec<Block>,
    /// Where those begin.
    border: UnixMs,
}

impl<'s> Recorded<'s> {
    /// What is on record, as of now, of slots of this check in the period.
    pub(crate) async fn load(
        (store, tail): (&'s Store, &Tail),
        (tenant, check): (TenantId, CheckId),
        period: Period,
        now: UnixMs,
    ) -> Result<Self, LedgerError> {
        tail.freshen().await?;
        let period = Period { to: period.to.min(now + SLOT_AHEAD_MAX_MS), ..period };
        let from = period.from.max(tail.held().from());
        let mut recorded = Self { store, check, open: Vec::new(), border: UnixMs(0) };
        let scope = LedgerScope::Check(tenant, check);
        let revisions = if from < period.to {
            store.checks().revisions_in_force_between(scope, Hour::of(from).start(), period.to).await?
        } else {
            Vec::new()
        };
        let mut ranks = Ranks::load(store, &revisions, (Hour::of(from).start(), period.to)).await?;
        {
            let held = tail.held();
            recorded.border = held.from();
            recorded.open = open_blocks(&held, &revisions, period, &mut ranks);
        }
        recorded.demand_folded(period).await?;
        Ok(recorded)
    }

    /// Hours before the border must be folded, or something would be left out. Before the very first fold they are not
    /// on record at all.
    async fn demand_folded(&self, period: Period) -> Result<(), LedgerError> {
        let mark = self.store.blocks().fold_mark().await?;
        if mark.until > UnixMs(0) && mark.until < self.border && period.from < self.border {
            return Err(TailError::Unfolded { from: self.border }.into());
        }
        Ok(())
    }

    /// Shows every block with an hour in this part of the period, in order of hour and stream.
    pub(crate) async fn each(&self, period: Period, mut show: impl FnMut(&Block)) -> Result<(), LedgerError> {
        let hours = Period { from: Hour::of(period.from).start(), ..period };
        let folded = (hours.from, hours.to.min(self.border));
        let mut after = None;
        loop {
            let blocks = self.store.blocks().of_check(self.check, folded, after, BLOCKS_AT_ONCE).await?;
            blocks.iter().map(read).try_for_each(|block| block.map(|block| show(&block)))?;
            match blocks.last() {
                Some(last) if blocks.len() == BLOCKS_AT_ONCE as usize => {
                    after = Some((last.key.hour, last.key.stream.number));
                }
                _ => break,
            }
        }
        let starts = |block: &&Block| block.key().hour.start();
        let open = self.open.iter().filter(|block| (hours.from..hours.to).contains(&starts(block)));
        open.for_each(show);
        Ok(())
    }
}

/// The block of a row.
pub(crate) fn read(stored: &StoredBlock) -> Result<Block, LedgerError> {
    let (check, hour) = (stored.key.stream.check, stored.key.hour.start());
    stored.read().map_err(|wrong| LedgerError::DamagedBlock { check, hour, wrong })
}

/// The blocks of the hours that the tail holds, in order of hour and stream.
fn open_blocks(held: &Held, revisions: &[LedgerRevision], period: Period, ranks: &mut Ranks) -> Vec<Block> {
    let Some(first) = revisions.first() else { return Vec::new() };
    let history: Vec<InForce> = revisions.iter().map(in_force).collect();
    let most_streams = revisions.iter().map(|revision| revision.streams).max().unwrap_or(0);
    let mut blocks = Vec::new();
    let mut hour = Hour::of(period.from.max(held.from()));
    while hour.start() < period.to {
        for stream in streams_of(first.check, most_streams) {
            let due = due_slots(stream, &history, hour.start(), hour.end());
            let key = BlockKey { stream, hour };
            blocks.extend(held.open().block(key, &due, |slot, host| ranks.rank(stream, slot, host)));
        }
        hour = hour.next();
    }
    blocks
}
