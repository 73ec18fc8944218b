//! Results that came after their hour was folded: each is entered into the row that stands there.
//!
//! The row holds all that this takes, so it does not matter whether the journal still has the hour. Where no row
//! stands nothing was due, or it is forgotten.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::block::{Block, BlockKey, Hour};
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::run::{Purpose, RunResult};
use farwatch_proto::time::UnixMs;

use super::{Folding, enter};
use crate::ledger::{Ranks, Scan};
use crate::store::{FoldMark, LedgerRevision, LedgerScope, StoredBlock};

/// Late results that are entered together: about 20 megabytes while they are. A spool that comes back brings many
/// for the same rows, and each row should be written once.
const RESULTS_AT_ONCE: usize = 100_000;
/// Checks whose rows of an hour are entered into together.
const CHECKS_AT_ONCE: usize = 250;

/// Late results by hour and check.
#[derive(Default)]
struct Late {
    hours: BTreeMap<Hour, BTreeMap<CheckId, Vec<(HostId, RunResult)>>>,
    results: usize,
}

impl Late {
    fn take(&mut self, host: HostId, result: RunResult) {
        self.results += 1;
        let checks = self.hours.entry(Hour::of(result.slot)).or_default();
        checks.entry(result.stream.check).or_default().push((host, result));
    }
}

impl Folding<'_> {
    /// Searches the rows behind the mark for results of hours that are folded, and moves the mark behind them.
    pub(super) async fn enter_late(&self, mark: FoldMark, awaits: bool) -> anyhow::Result<FoldMark> {
        // Rows that are written from here on are searched by the next run.
        let head = self.store.journal().head().await?.seq;
        if head <= mark.seq {
            return Ok(mark);
        }
        let mut late = Late::default();
        let mut scan = Scan::new(self.store, UnixMs(0), mark.until, mark.seq);
        while let Some(row) = scan.next().await? {
            for section in row.sections {
                let results = section.results.into_iter();
                let of_folded = results.filter(|result| result.purpose == Purpose::Slot && result.slot < mark.until);
                of_folded.for_each(|result| late.take(section.host, result));
            }
            if late.results >= RESULTS_AT_ONCE {
                self.enter_all(std::mem::take(&mut late), awaits).await?;
                self.store.blocks().advance(self.leader, FoldMark { until: UnixMs(0), seq: row.seq }).await?;
            }
        }
        self.note_unreadable(&scan);
        self.enter_all(late, awaits).await?;
        let mark = FoldMark { seq: head, ..mark };
        self.store.blocks().advance(self.leader, FoldMark { until: UnixMs(0), ..mark }).await?;
        Ok(mark)
    }

    async fn enter_all(&self, late: Late, awaits: bool) -> anyhow::Result<()> {
        for (hour, checks) in late.hours {
            let (from, to) = (hour.start(), hour.end());
            let revisions = self.store.checks().revisions_in_force_between(LedgerScope::Fleet, from, to).await?;
            let checks: Vec<_> = checks.into_iter().collect();
            for some in checks.chunks(CHECKS_AT_ONCE) {
                self.enter_some(hour, some, &revisions, awaits).await?;
            }
        }
        Ok(())
    }

    async fn enter_some(
        &self,
        hour: Hour,
        late: &[(CheckId, Vec<(HostId, RunResult)>)],
        revisions: &[LedgerRevision],
        awaits: bool,
    ) -> anyhow::Result<()> {
        let checks: Vec<CheckId> = late.iter().map(|(check, _)| *check).collect();
        let held = self.store.blocks().of_hour(hour, &checks).await?;
        let known: BTreeSet<CheckId> = held.iter().map(|block| block.key.stream.check).collect();
        let of_known = known.iter().flat_map(|check| of_check(revisions, *check));
        let revisions: Vec<LedgerRevision> = of_known.copied().collect();
        let mut ranks = Ranks::load(self.store, &revisions, (hour.start(), hour.end())).await?;
        let mut blocks = held.iter().map(StoredBlock::read).collect::<Result<Vec<Block>, _>>()?;
        for (host, result) in late.iter().flat_map(|(_, results)| results) {
            let key = BlockKey { stream: result.stream, hour };
            if let Ok(index) = blocks.binary_search_by_key(&key, Block::key) {
                enter(&mut blocks[index], *host, result, &mut ranks);
            }
        }
        self.save(blocks, awaits).await
    }
}

/// The revisions of this check, of many in order of check.
fn of_check(revisions: &[LedgerRevision], check: CheckId) -> &[LedgerRevision] {
    let first = revisions.partition_point(|revision| revision.check < check);
    let rest = &revisions[first..];
    &rest[..rest.partition_point(|revision| revision.check == check)]
}
