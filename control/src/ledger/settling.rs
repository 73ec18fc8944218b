//! What was missed among the slots on which the record settled since somebody last looked.
//!
//! It is the same account as that of a period, of other slots: each of them is seen by exactly one look, whatever its
//! interval is.

use std::collections::BTreeSet;

use farwatch_core::ledger::CauseCount;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use super::account::Account;
use super::folded::enter_record;
use super::owners::Owners;
use super::{LedgerError, SLOTS_MAX};
use crate::store::{DAY_MS, LedgerScope, Store};
use crate::tail::Tail;

/// No slot settles later: the longest interval, and the longest run that may have begun at its end.
const SETTLES_WITHIN_MS: i64 = 2 * DAY_MS;

/// Why slots under the promise were missed on which the record settled in `[from, to)`. `None` while a silent host may
/// still bring a result of one of them: they are to be looked at again.
pub(crate) async fn missed_settling(
    store: &Store,
    tail: &Tail,
    (from, to): (UnixMs, UnixMs),
    silent: &BTreeSet<HostId>,
    now: UnixMs,
) -> Result<Option<Vec<CauseCount>>, LedgerError> {
    let since = from - SETTLES_WITHIN_MS;
    let revisions = store.checks().revisions_in_force_between(LedgerScope::Fleet, since, to).await?;
    let mut account = Account::open_settling(&revisions, (from, to), SLOTS_MAX)?;
    enter_record(store, tail, &mut account).await?;
    let mut owners = Owners::new(store, silent).await?;
    let awaited = owners.undelivered(&account.undecided(now)).await?;
    Ok((!awaited.is_any()).then(|| account.close(now, |_, _| false).causes))
}
