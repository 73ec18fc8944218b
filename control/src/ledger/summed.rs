//! What the account says of days that are too old to be told slot by slot: their sums.
//!
//! A day counts whole or not at all, for nothing is left of when in it something was. Checks are read a few at a time,
//! so that neither a question nor memory grows with the fleet.

use std::collections::BTreeMap;

use farwatch_core::ledger::Balance;
use farwatch_core::uptime::Period;
use farwatch_proto::check::Repeat;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::account::revision_at;
use super::{CheckAccount, Ledger, LedgerError};
use crate::store::{DAY_MS, LedgerRevision, LedgerScope, Store};

/// Days of checks that one request may add up: two minutes of reading. More is a matter for shorter periods.
const CHECK_DAYS_MAX: i64 = 2_000_000;
/// Checks whose days are read and added before the next: ten thousand rows for a year.
const CHECKS_AT_ONCE: usize = 25;

/// The whole days of the period that lie before `detailed_from`; empty where none does.
pub(super) fn whole_days(period: Period, detailed_from: UnixMs) -> Option<Period> {
    let from = UnixMs(period.from.0 + (DAY_MS - period.from.0.rem_euclid(DAY_MS)).rem_euclid(DAY_MS));
    let until = period.to.min(detailed_from);
    let to = UnixMs(until.0 - until.0.rem_euclid(DAY_MS));
    (from < to).then_some(Period { from, to })
}

/// Adds what is left of these days to the ledger.
pub(super) async fn add_days(
    store: &Store,
    scope: LedgerScope,
    days: Period,
    ledger: &mut Ledger,
) -> Result<(), LedgerError> {
    let revisions = store.checks().revisions_in_force_between(scope, days.from, days.to).await?;
    let of_checks: Vec<&[LedgerRevision]> = revisions.chunk_by(|one, next| one.check == next.check).collect();
    if of_checks.len() as i64 * (days.to.since(days.from) / DAY_MS) > CHECK_DAYS_MAX {
        return Err(LedgerError::TooManyDays);
    }
    let mut accounts: BTreeMap<CheckId, CheckAccount> =
        std::mem::take(&mut ledger.checks).into_iter().map(|account| (account.check, account)).collect();
    for some in of_checks.chunks(CHECKS_AT_ONCE) {
        let ids: Vec<CheckId> = some.iter().map(|of_check| of_check[0].check).collect();
        let by_id: BTreeMap<CheckId, &[LedgerRevision]> = ids.iter().copied().zip(some.iter().copied()).collect();
        for day in store.days().of_checks(&ids, (days.from, days.to)).await? {
            let Some(of_check) = by_id.get(&day.check) else { continue };
            // A check that changed sides within the day is counted where it stood at the end of it.
            let then = revision_at(of_check, day.from + (DAY_MS - 1));
            let side = match then.repeat {
                Repeat::Safe => &mut ledger.promised,
                Repeat::Unsafe => &mut ledger.unpromised,
            };
            *side = *side + day.balance;
            let none = CheckAccount { check: day.check, tenant: then.tenant, balance: Balance::default() };
            let account = accounts.entry(day.check).or_insert(none);
            account.balance = account.balance + day.balance;
        }
    }
    ledger.checks = accounts.into_values().collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_whole_or_not_at_all() {
        let at = |days: i64, ms: i64| UnixMs(days * DAY_MS + ms);
        let detailed_from = at(10, 0);
        for (from, to, days) in [
            (at(3, 0), at(12, 5), Some((3, 10))),
            (at(3, 1), at(9, 0), Some((4, 9))),
            (at(3, 1), at(9, -1), Some((4, 8))),
            (at(9, 1), at(12, 0), None),
            (at(9, 0), at(12, 0), Some((9, 10))),
            (at(3, 5), at(3, 9), None),
            (at(11, 0), at(12, 0), None),
        ] {
            let found = whole_days(Period { from, to }, detailed_from);
            assert_eq!(found, days.map(|(from, to)| Period { from: at(from, 0), to: at(to, 0) }), "{from} to {to}");
        }
    }
}
