//! The account of every slot of a period: what was due, and how each slot of it stands.
//!
//! What was due is read from revisions alone; what was run is read slot by slot from blocks, and from the tail of the
//! journal for hours that are not folded, never from counts that somebody kept. So a row that is lost is a slot that is
//! missed. Of days that are too old for that the sums are left, which are added where whole days are asked for. What lies
//! before the record is no part of it, and that is said. It writes nothing, and asks for no more
//! memory than the slots that are due.

mod account;
mod audit;
mod by_host;
mod causes;
mod folded;
mod owners;
mod ranks;
mod scan;
mod settling;
mod summed;

use std::collections::BTreeSet;

use farwatch_core::block::BlockError;
use farwatch_core::ledger::{Balance, CauseCount, MissCause};
use farwatch_core::uptime::Period;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, HostId, TenantId};
use farwatch_proto::time::UnixMs;

use crate::retention::first_detailed_day;
use crate::store::{DAY_MS, LedgerScope, Store, StoreError};
use crate::tail::{Tail, TailError, first_hour_of_journal};
use account::Account;
pub(crate) use account::{in_force, revision_at};
pub use audit::{AUDIT_SLOTS_MAX, DIFFERENCES_LISTED_MAX, LedgerAudit, SlotDiffers, audit_ledger};
pub use by_host::HostAccount;
use by_host::by_first_owner;
use folded::enter_record;
pub(crate) use owners::Placed;
use owners::{Owed, Owners};
pub(crate) use ranks::{Ranks, views_of};
pub use scan::{Scan, ScannedRow};
pub(crate) use settling::missed_settling;
use summed::{add_days, whole_days};

/// The longest period of one request: a year, and the month in which somebody looks back on it.
pub const PERIOD_MAX_MS: i64 = 400 * DAY_MS;
/// The most due slots of one request: they take about 20 bytes each while it is answered.
pub const SLOTS_MAX: usize = 2_000_000;
/// Missed slots that are listed one by one; the rest is counted.
pub const MISSED_LISTED_MAX: usize = 100;

/// What is asked.
#[derive(Clone, Debug)]
pub struct LedgerRequest {
    /// Whose slots.
    pub scope: LedgerScope,
    /// From this moment on.
    pub from: UnixMs,
    /// Up to, and without, this moment.
    pub to: UnixMs,
    /// Hosts that the leader does not hear now, and that may hold results.
    pub silent: BTreeSet<HostId>,
    /// Whether the balance of each host is asked for, which takes longer.
    pub by_host: bool,
}

/// Why there is no account.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The period is empty or too long.
    #[error("the period must be longer than nothing and at most 400 days")]
    BadPeriod,
    /// More slots were due than one request may ask for.
    #[error("more than {most} slots were due in this period; ask for a shorter one, or for one check")]
    TooManySlots {
        /// How many one request may ask for.
        most: usize,
    },
    /// More days would have to be added up than one request may ask for.
    #[error("too many checks for so many days; ask for a shorter period, or for one check")]
    TooManyDays,
    /// The database did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is on record of the last hours cannot be told just now.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// A block holds what cannot be read.
    #[error("the block of {check} for the hour of {hour} cannot be read: {wrong}")]
    DamagedBlock {
        /// The check.
        check: CheckId,
        /// The hour.
        hour: UnixMs,
        /// Why.
        wrong: BlockError,
    },
}

/// The account of a period.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Since when slots are on record one by one. What was asked for and lies before is not counted.
    pub record_from: UnixMs,
    /// The whole days of which only the sums are left, and were counted; what of the period lies before the record and
    /// not in them is not counted.
    pub summed: Option<Period>,
    /// The slots under the promise.
    pub promised: Balance,
    /// The slots of checks that must not be run twice, which stand outside of it.
    pub unpromised: Balance,
    /// Runs on record of slots that were not due, each counted once.
    pub extra: u64,
    /// The same for every check that had a slot due, in order of id.
    pub checks: Vec<CheckAccount>,
    /// The same for every host, by the slots on record one by one that it owned first; in order of id, and only where it
    /// was asked for.
    pub hosts: Option<Vec<HostAccount>>,
    /// Why slots were missed that are on record one by one, the cause of most of them first.
    pub causes: Vec<CauseCount>,
    /// The first missed slots, at most [`MISSED_LISTED_MAX`].
    pub missed: Vec<MissedSlot>,
}

/// The account of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckAccount {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// All its slots, under the promise or not.
    pub balance: Balance,
}

/// A slot that nobody covered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissedSlot {
    /// The stream.
    pub stream: StreamId,
    /// Its T.
    pub slot: UnixMs,
    /// The revision that made it due.
    pub revision: u32,
    /// Why, as far as the record says.
    pub cause: MissCause,
    /// Who owned it, by rank, under the view of T.
    pub owners: Vec<HostId>,
}

/// Makes the account as it stands at `now`.
pub async fn account(store: &Store, tail: &Tail, request: &LedgerRequest, now: UnixMs) -> Result<Ledger, LedgerError> {
    let LedgerRequest { scope, from, to, .. } = *request;
    if from >= to || to.since(from) > PERIOD_MAX_MS {
        return Err(LedgerError::BadPeriod);
    }
    let begun = begun(store, now).await?;
    let record_from = detailed_from(begun, now);
    let asked = Period { from: from.max(day_of(begun)), to };
    let from = from.max(record_from).min(to);
    let revisions = store.checks().revisions_in_force_between(scope, from, to).await?;
    let mut account = Account::open(&revisions, (from, to), SLOTS_MAX)?;
    enter_record(store, tail, &mut account).await?;
    let mut owners = Owners::new(store, &request.silent).await?;
    let awaited = owners.undelivered(&account.undecided(now)).await?;
    let mut hosts = None;
    if request.by_host {
        hosts = Some(by_first_owner(store, &account, (from, to), (now, &awaited)).await?);
    }
    let mut ledger = account.close(now, |stream, slot| awaited.is_awaited(stream, slot));
    (ledger.record_from, ledger.hosts) = (record_from, hosts);
    if let Some(days) = whole_days(asked, first_detailed_day(now)) {
        add_days(store, scope, days, &mut ledger).await?;
        ledger.summed = Some(days);
    }
    for missed in &mut ledger.missed {
        let MissedSlot { stream, slot, revision, .. } = *missed;
        missed.owners = owners.of(&Owed { stream, slot, revision }).await?;
    }
    Ok(ledger)
}

/// Since when slots are on record one by one.
async fn record_from(store: &Store, now: UnixMs) -> Result<UnixMs, StoreError> {
    Ok(detailed_from(begun(store, now).await?, now))
}

fn detailed_from(begun: UnixMs, now: UnixMs) -> UnixMs {
    begun.max(first_detailed_day(now))
}

/// Since when slots are on record: since the first hour that was folded or, before any was, since the first that the
/// journal is kept for.
async fn begun(store: &Store, now: UnixMs) -> Result<UnixMs, StoreError> {
    let begun = store.blocks().record_from().await?;
    Ok(if begun > UnixMs(0) { begun } else { first_hour_of_journal(now) })
}

/// The first moment of the day in which this one lies.
const fn day_of(moment: UnixMs) -> UnixMs {
    UnixMs(moment.0 - moment.0.rem_euclid(DAY_MS))
}
