//! One hour made into blocks by what this process holds of it: without reading the journal again.
//!
//! A few hundred streams at a time, so that neither memory nor a transaction grows with the fleet: where each batch
//! belongs is one question, what stands there already another, and writing it a third. Should the tail begin anew
//! half way, folding ends with an error and the next run begins the hour again, which is harmless.

use std::sync::Arc;

use anyhow::{Context, ensure};
use farwatch_core::block::{Block, BlockKey, Hour};
use farwatch_core::ledger::{InForce, due_slots};
use farwatch_core::slot::streams_of;
use farwatch_proto::check::StreamId;

use super::Folding;
use crate::ledger::{Ranks, in_force, views_of};
use crate::spawn::Spawner;
use crate::store::{BLOCKS_AT_ONCE, LedgerRevision, LedgerScope};
use crate::tail::{Tail, TailError};

/// The streams of a batch that are due, as a task of its own takes them.
struct Batch {
    tail: Tail,
    hour: Hour,
    /// The row of the journal up to which everything must be held.
    seq: u64,
    revisions: Vec<LedgerRevision>,
    ranks: Ranks,
}

impl Folding<'_> {
    /// The row of the journal up to which this tail holds all of the hour, if it does. What comes behind that row is
    /// late.
    pub(super) async fn all_held(&self, tail: &Tail, hour: Hour) -> anyhow::Result<Option<u64>> {
        let seq = self.store.journal().head().await?.seq;
        match tail.audit().await {
            Ok(()) => Ok(tail.held().has_all_of(hour, seq).then_some(seq)),
            Err(TailError::Behind | TailError::Unfolded { .. }) => Ok(None),
            Err(error @ TailError::Store(_)) => Err(error.into()),
        }
    }

    /// Folds the hour. Blocks that stand there already are merged with what is held.
    pub(super) async fn fold_held(&self, tail: &Tail, hour: Hour, (seq, awaits): (u64, bool)) -> anyhow::Result<()> {
        let period = (hour.start(), hour.end());
        let revisions = self.store.checks().revisions_in_force_between(LedgerScope::Fleet, period.0, period.1).await?;
        let views = views_of(self.store, period).await?;
        let mut rest = &revisions[..];
        while !rest.is_empty() {
            let (some, behind) = rest.split_at(batch_len(rest));
            let ranks = Ranks::under(Arc::clone(&views), self.store, some, period).await?;
            let batch = Batch { tail: tail.clone(), hour, seq, revisions: some.to_vec(), ranks };
            let blocks = Spawner::blocking(move || batch.blocks()).await.context("folding was stopped")??;
            self.merge_and_save(hour, blocks, awaits).await?;
            rest = behind;
        }
        Ok(())
    }
}

/// How many of these revisions, in order of check, make a batch: those of whole checks with about as many streams as
/// are written at once.
fn batch_len(revisions: &[LedgerRevision]) -> usize {
    let (mut streams, mut len) = (0, 0);
    for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
        streams += usize::from(most_streams(of_check));
        if len > 0 && streams > BLOCKS_AT_ONCE {
            break;
        }
        len += of_check.len();
    }
    len
}

fn most_streams(of_check: &[LedgerRevision]) -> u16 {
    of_check.iter().map(|revision| revision.streams).max().unwrap_or(0)
}

impl Batch {
    /// The blocks of the batch, in order of stream.
    fn blocks(mut self) -> anyhow::Result<Vec<Block>> {
        let mut blocks = Vec::new();
        let revisions = std::mem::take(&mut self.revisions);
        for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
            let history: Vec<InForce> = of_check.iter().map(in_force).collect();
            for stream in streams_of(of_check[0].check, most_streams(of_check)) {
                blocks.extend(self.block(stream, &history)?);
            }
        }
        Ok(blocks)
    }

    /// The block of one stream. Whoever wants to enter something waits no longer than for one of them.
    fn block(&mut self, stream: StreamId, history: &[InForce]) -> anyhow::Result<Option<Block>> {
        let Self { tail, hour, seq, ranks, .. } = self;
        let due = due_slots(stream, history, hour.start(), hour.end());
        let held = tail.held();
        ensure!(held.has_all_of(*hour, *seq), "the journal began anew while the hour was folded; it is folded again");
        let key = BlockKey { stream, hour: *hour };
        Ok(held.open().block(key, &due, |slot, host| ranks.rank(stream, slot, host)))
    }
}
