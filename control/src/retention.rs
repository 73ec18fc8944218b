//! What is forgotten, and when, and what is kept of it.

use std::sync::Arc;
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use tokio::sync::Notify;
use tracing::field::Empty;
use tracing::{info_span, warn};

use crate::clock::Clock;
use crate::otlp::within;
use crate::spawn::Spawner;
use crate::store::{DAY_MS, Parted, Store, StoreError};
use crate::tasks::TaskList;

/// Journal rows are kept this long, and until their hours are folded.
pub(crate) const JOURNAL_MS: i64 = 48 * 3_600_000;
/// A row holds results of slots up to this long after it was committed at most: clocks of hosts may differ by less.
pub(crate) const SLOT_AHEAD_MAX_MS: i64 = 60_000;
/// Blocks are kept this long, and until the day is over; then the sums of their days are.
pub(crate) const BLOCKS_MS: i64 = 90 * 86_400_000;
/// Marks of segments that no longer grow are kept as long as the spool they are of may come back.
const MARKS_MS: i64 = 26 * 3_600_000;
/// Late failures that were not looked back at within this time are forgotten, for what the journal holds of them is
/// about to be.
const LATE_FAILURES_MS: i64 = 26 * 3_600_000;
/// What failed runs brought is kept this long after their slots, so that an outage can be looked into when people find
/// the time.
pub(crate) const EVIDENCE_MS: i64 = 30 * 86_400_000;
/// Entries of the audit log are kept this long: a year, and the weeks in which somebody looks back on it.
const AUDIT_MS: i64 = 400 * 86_400_000;
/// How often old rows are looked for.
const PERIOD: Duration = Duration::from_secs(600);
/// Deletions of one kind in one run, each of which takes a limited number of rows: far more than a period brings.
const DELETIONS_MAX: usize = 100;

/// Deletes what is too old, now and then.
pub(crate) fn start(spawner: &Spawner, tasks: &TaskList, store: Store, clock: Clock) {
    let about = (
        "retention",
        "Deletes journal rows that are folded, evidence, marks and audit entries that are too old, and makes days of old \
         blocks.",
        PERIOD,
    );
    tasks.run(spawner, about, Arc::new(Notify::new()), move || {
        let store = store.clone();
        async move {
            within(info_span!("retention", error = Empty), forget(&store, clock.wall())).await?;
            Ok(())
        }
    });
}

/// The first day of which every slot is on record; of days before it only the sums may be left.
pub fn first_detailed_day(now: UnixMs) -> UnixMs {
    let oldest = now - BLOCKS_MS;
    UnixMs(oldest.0 - oldest.0.rem_euclid(DAY_MS))
}

/// Makes the partitions that rows will need, forgets what is too old at `now`, and keeps of old blocks the sums of their
/// days.
pub async fn forget(store: &Store, now: UnixMs) -> Result<(), StoreError> {
    // Where none can be made rows stand in the default partition, and what is too old is forgotten all the same.
    let made = make_partitions(store, now).await;
    let mark = store.blocks().fold_mark().await?;
    let moment = (now - JOURNAL_MS).min(mark.until - SLOT_AHEAD_MAX_MS);
    for _ in 0..DELETIONS_MAX {
        if store.journal().delete_before(moment, mark.seq).await? == 0 {
            break;
        }
    }
    if let Err(error) = store.days().make_whole_before(now - BLOCKS_MS).await {
        warn!(%error, "days were not made at once, and are made piece by piece");
    }
    for _ in 0..DELETIONS_MAX {
        if store.days().make_before(now - BLOCKS_MS).await? == 0 {
            break;
        }
    }
    for _ in 0..DELETIONS_MAX {
        if store.audit().delete_before(now - AUDIT_MS).await? == 0 {
            break;
        }
    }
    for _ in 0..DELETIONS_MAX {
        if store.evidence().delete_before(now - EVIDENCE_MS).await? == 0 {
            break;
        }
    }
    store.host_marks().delete_before(now - MARKS_MS).await?;
    store.late_failures().delete_before(now - LATE_FAILURES_MS).await?;
    made
}

async fn make_partitions(store: &Store, now: UnixMs) -> Result<(), StoreError> {
    let newest = store.journal().head().await?.seq;
    store.partitions().make(Parted::Journal, i64::try_from(newest).unwrap_or(i64::MAX)).await?;
    for by_day in [Parted::Blocks, Parted::Evidence] {
        store.partitions().make(by_day, now.0).await?;
    }
    Ok(())
}
