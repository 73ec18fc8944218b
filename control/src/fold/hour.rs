//! One hour made into blocks: what was due by the revisions, what was run by the journal.
//!
//! A large fleet is folded in slices of checks, each of which goes through the hour's journal once.

use std::collections::HashMap;

use farwatch_core::block::{Block, BlockKey, Hour};
use farwatch_core::ledger::{InForce, due_slots};
use farwatch_core::slot::streams_of;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::CheckId;

use super::{Folding, enter};
use crate::crash::{self, CrashPoint};
use crate::ledger::{Ranks, Scan, in_force};
use crate::store::{BLOCKS_AT_ONCE, LedgerRevision, LedgerScope};

/// Due slots that are folded together: 20 bytes each while they are. Fewer would read the journal more often.
const SLOTS_AT_ONCE: usize = 2_000_000;

impl Folding<'_> {
    /// Folds the hour. Blocks that stand there already are merged with what the journal says.
    pub(super) async fn fold_hour(&self, hour: Hour, awaits: bool) -> anyhow::Result<()> {
        let (from, to) = (hour.start(), hour.end());
        let revisions = self.store.checks().revisions_in_force_between(LedgerScope::Fleet, from, to).await?;
        let mut rest = &revisions[..];
        while !rest.is_empty() {
            let (slice, behind) = rest.split_at(self.fold_slice(hour, rest, awaits).await?);
            debug_assert!(!slice.is_empty(), "a slice has at least one check");
            rest = behind;
        }
        Ok(())
    }

    /// Folds the first checks of these revisions, and says how many revisions those have.
    async fn fold_slice(&self, hour: Hour, revisions: &[LedgerRevision], awaits: bool) -> anyhow::Result<usize> {
        let (mut blocks, taken) = open_blocks(hour, revisions);
        if blocks.is_empty() {
            return Ok(taken);
        }
        let period = (hour.start(), hour.end());
        let mut ranks = Ranks::load(self.store, &revisions[..taken], period).await?;
        let mut scan = Scan::new(self.store, period.0, period.1, 0);
        while let Some(row) = scan.next().await? {
            for section in &row.sections {
                for result in &section.results {
                    if let Some(block) = blocks.get_mut(&result.stream) {
                        enter(block, section.host, result, &mut ranks);
                    }
                }
            }
        }
        self.note_unreadable(&scan);
        let mut blocks: Vec<Block> = blocks.into_values().collect();
        blocks.sort_by_key(Block::key);
        while !blocks.is_empty() {
            let some = blocks.drain(..blocks.len().min(BLOCKS_AT_ONCE));
            self.merge_and_save(hour, some.collect(), awaits).await?;
        }
        Ok(taken)
    }

    /// A row that stands there already may know of results that the journal has forgotten.
    pub(super) async fn merge_and_save(&self, hour: Hour, mut blocks: Vec<Block>, awaits: bool) -> anyhow::Result<()> {
        let mut checks: Vec<CheckId> = blocks.iter().map(|block| block.key().stream.check).collect();
        checks.dedup();
        for held in self.store.blocks().of_hour(hour, &checks).await? {
            if let Ok(index) = blocks.binary_search_by_key(&held.key, Block::key) {
                blocks[index].merge(&held.read()?)?;
            }
        }
        self.save(blocks, awaits).await?;
        crash::pass(CrashPoint::Fold);
        Ok(())
    }
}

/// The blocks of the first checks, as many as may be folded together, and how many revisions those have.
fn open_blocks(hour: Hour, revisions: &[LedgerRevision]) -> (HashMap<StreamId, Block>, usize) {
    let (mut blocks, mut slots, mut taken) = (HashMap::new(), 0, 0);
    for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
        if slots >= SLOTS_AT_ONCE {
            break;
        }
        let history: Vec<InForce> = of_check.iter().map(in_force).collect();
        let most_streams = of_check.iter().map(|revision| revision.streams).max().unwrap_or(0);
        for stream in streams_of(of_check[0].check, most_streams) {
            let due = due_slots(stream, &history, hour.start(), hour.end());
            if let Some(block) = Block::open(BlockKey { stream, hour }, &due) {
                slots += due.len();
                blocks.insert(stream, block);
            }
        }
        taken += of_check.len();
    }
    (blocks, taken)
}
