//! What the account reads: blocks for the hours that are folded, the tail of the journal for those that are not.
//!
//! Results that came for a folded hour and are not entered yet stand in the last rows of the journal, so that the
//! account is as fresh as the journal is.

use farwatch_core::block::{HOUR_MS, Hour};
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::account::Account;
use super::{LedgerError, Scan};
use crate::recorded;
use crate::store::{Store, StoredBlock};
use crate::tail::{Tail, TailError};

/// Checks whose blocks of an hour are entered before the next are read: about a megabyte.
const CHECKS_AT_ONCE: usize = 1_000;
/// Blocks asked for at once when one check is read through its hours.
const BLOCKS_AT_ONCE: u32 = 500;

/// Enters all that is on record of the slots that the account is about.
pub(super) async fn enter_record(store: &Store, tail: &Tail, account: &mut Account<'_>) -> Result<(), LedgerError> {
    let Some((from, to)) = account.span() else { return Ok(()) };
    tail.audit().await?;
    // Entered before blocks are read: what is folded meanwhile is read from them as well, which is harmless.
    let open = {
        let held = tail.held();
        account.enter_open(&held);
        held.from()
    };
    if from >= open {
        return Ok(());
    }
    let mark = store.blocks().fold_mark().await?;
    if mark.until > UnixMs(0) && mark.until < open {
        return Err(TailError::Unfolded { from: open }.into());
    }
    let to = to.min(open);
    enter_blocks(store, account, (from, to)).await?;
    enter_journal(account, Scan::new(store, from, to, mark.seq)).await
}

async fn enter_journal(account: &mut Account<'_>, mut scan: Scan<'_>) -> Result<(), LedgerError> {
    while let Some(row) = scan.next().await? {
        for section in &row.sections {
            section.results.iter().for_each(|result| account.enter(section.host, result));
        }
    }
    Ok(())
}

/// Few checks are read through their hours, many checks hour by hour.
async fn enter_blocks(
    store: &Store,
    account: &mut Account<'_>,
    (from, to): (UnixMs, UnixMs),
) -> Result<(), LedgerError> {
    let first = Hour::of(from);
    let hours = (to.since(first.start()) + HOUR_MS - 1) / HOUR_MS;
    if (account.checks().len() as i64) < hours {
        for check in account.checks() {
            enter_check(store, account, check, (first.start(), to)).await?;
        }
        return Ok(());
    }
    let mut hour = first;
    while hour.start() < to {
        for some in account.checks_due_in(hour).chunks(CHECKS_AT_ONCE) {
            enter_all(account, &store.blocks().of_hour(hour, some).await?)?;
        }
        hour = hour.next();
    }
    Ok(())
}

async fn enter_check(
    store: &Store,
    account: &mut Account<'_>,
    check: CheckId,
    period: (UnixMs, UnixMs),
) -> Result<(), LedgerError> {
    let mut after = None;
    loop {
        let blocks = store.blocks().of_check(check, period, after, BLOCKS_AT_ONCE).await?;
        let Some(last) = blocks.last() else { return Ok(()) };
        after = Some((last.key.hour, last.key.stream.number));
        enter_all(account, &blocks)?;
    }
}

fn enter_all(account: &mut Account<'_>, blocks: &[StoredBlock]) -> Result<(), LedgerError> {
    for stored in blocks {
        account.enter_block(&recorded::read(stored)?);
    }
    Ok(())
}
