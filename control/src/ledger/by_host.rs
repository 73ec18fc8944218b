//! The balance of each host: how the slots stand that it owned first, whoever ran them.
//!
//! Every slot was somebody's, or nobody's while there was no view to own it under, so that these balances add up to the
//! whole. A slot that a standby covered counts for the host that owed it.

use std::collections::BTreeMap;
use std::sync::Arc;

use farwatch_core::ledger::Balance;
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use super::LedgerError;
use super::account::Account;
use super::owners::Awaited;
use super::ranks::{Ranks, views_of};
use crate::store::Store;

/// Checks whose owners are computed together: a few megabytes while a fleet changes much.
const CHECKS_AT_ONCE: usize = 1_000;

/// The account of one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostAccount {
    /// The host; `None` for slots that were nobody's.
    pub host: Option<HostId>,
    /// The slots that it owned first.
    pub balance: Balance,
}

pub(super) async fn by_first_owner(
    store: &Store,
    account: &Account<'_>,
    period: (UnixMs, UnixMs),
    (now, awaited): (UnixMs, &Awaited),
) -> Result<Vec<HostAccount>, LedgerError> {
    let views = views_of(store, period).await?;
    let mut balances: BTreeMap<Option<HostId>, Balance> = BTreeMap::new();
    for (revisions, states) in account.in_parts(CHECKS_AT_ONCE, now, |stream, slot| awaited.is_awaited(stream, slot)) {
        let mut ranks = Ranks::under(Arc::clone(&views), store, &revisions, period).await?;
        for (stream, slots) in states {
            for (slot, state) in slots {
                balances.entry(ranks.first_owner(stream, slot)).or_default().count(state);
            }
        }
    }
    Ok(balances.into_iter().map(|(host, balance)| HostAccount { host, balance }).collect())
}
