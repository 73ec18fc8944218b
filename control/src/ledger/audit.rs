//! The ledger held against the record, slot by slot: what was due by the history of revisions, what was run by the raw
//! results of the journal, and who owed it by the history of views.
//!
//! What a slot comes to is computed by `core/audit.rs`, a path of its own; blocks are read for the ledger's side alone.
//! What the journal has forgotten cannot be audited any more: it is cut off, and that is said. Results that come while
//! both sides are read are no difference, so what differs is compared a second time. It mends nothing.

use std::collections::{BTreeMap, HashMap};

use farwatch_core::audit::{Books, Difference, audit, owed_by};
use farwatch_core::ledger::{InForce, RunOnRecord};
use farwatch_core::placement::Subject;
use farwatch_core::slot::streams_of;
use farwatch_core::uptime::Period;
use farwatch_proto::check::{PlacementWish, Repeat, StreamId};
use farwatch_proto::fleet::View;
use farwatch_proto::id::{HostId, TenantId};
use farwatch_proto::run::Purpose;
use farwatch_proto::time::UnixMs;

use super::account::{Account, States, in_force, revision_at};
use super::folded::enter_record;
use super::owners::{Owners, placed};
use super::{LedgerError, LedgerRequest, PERIOD_MAX_MS, Scan, record_from};
use crate::leader::journal_body::HostResults;
use crate::retention::SLOT_AHEAD_MAX_MS;
use crate::store::{LedgerRevision, Store, StoreError};
use crate::tail::{CLOCKS_APART_MAX_MS, Tail};

/// The most due slots of one request: with their runs they take about 200 bytes each while they are compared.
pub const AUDIT_SLOTS_MAX: usize = 500_000;
/// The most runs of one request. A slot has one, and now and then another by a standby; four times as many is a house on
/// fire.
const RUNS_MAX: usize = 4 * AUDIT_SLOTS_MAX;
/// Differences that are listed one by one; the rest is counted.
pub const DIFFERENCES_LISTED_MAX: usize = 100;

/// The owner of what is compared without asking where it belongs.
const NOBODY: TenantId = TenantId::from_bytes([0; 16]);

/// What an audit found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LedgerAudit {
    /// What was compared of the period; `None` where the journal has forgotten all of it.
    pub compared: Option<Period>,
    /// Since when slots can be audited: from then on the journal has every result.
    pub auditable_from: UnixMs,
    /// Streams with a slot that was due.
    pub streams: usize,
    /// Slots compared.
    pub slots: u64,
    /// Rows of the journal that may hold such slots and are not there, though their numbers were given.
    pub rows_missing: u64,
    /// Rows that are there and cannot be read.
    pub rows_unreadable: Vec<u64>,
    /// Slots on which ledger and record differ.
    pub differences: u64,
    /// The first of them, at most [`DIFFERENCES_LISTED_MAX`].
    pub listed: Vec<SlotDiffers>,
}

impl LedgerAudit {
    /// Whether the ledger is what it should be, and nothing is gone that it could be held against.
    pub const fn agrees(&self) -> bool {
        self.differences == 0 && self.rows_missing == 0 && self.rows_unreadable.is_empty()
    }
}

/// A slot on which ledger and record differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlotDiffers {
    /// Of which stream.
    pub stream: StreamId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its T.
    pub slot: UnixMs,
    /// In what.
    pub difference: Difference,
    /// Who owed it, by rank, under the view in force at T.
    pub owed_by: Vec<HostId>,
}

/// What one comparison came to.
struct Compared {
    found: LedgerAudit,
    revisions: Vec<LedgerRevision>,
    differing: BTreeMap<(StreamId, UnixMs), Difference>,
}

/// Audits the ledger of a period as it stands at `now`.
pub async fn audit_ledger(
    store: &Store,
    tail: &Tail,
    request: &LedgerRequest,
    now: UnixMs,
) -> Result<LedgerAudit, LedgerError> {
    if request.from >= request.to || request.to.since(request.from) > PERIOD_MAX_MS {
        return Err(LedgerError::BadPeriod);
    }
    let mut compared = compare(store, tail, request, now).await?;
    if !compared.found.agrees() {
        // What came or was forgotten while both sides were read differs once; what is wrong does so again.
        let again = compare(store, tail, request, now).await?;
        compared = again.confirming(&compared);
    }
    let Compared { mut found, revisions, differing } = compared;
    for ((stream, slot), difference) in differing.into_iter().take(DIFFERENCES_LISTED_MAX) {
        found.listed.push(told(store, &revisions, (stream, slot), difference).await?);
    }
    Ok(found)
}

impl Compared {
    /// What both found.
    fn confirming(mut self, before: &Self) -> Self {
        self.differing.retain(|slot, difference| before.differing.get(slot) == Some(difference));
        self.found.differences = self.differing.len() as u64;
        self.found.rows_missing = self.found.rows_missing.min(before.found.rows_missing);
        self.found.rows_unreadable.retain(|row| before.found.rows_unreadable.contains(row));
        self
    }
}

/// Compares what can be compared, once.
async fn compare(store: &Store, tail: &Tail, request: &LedgerRequest, now: UnixMs) -> Result<Compared, LedgerError> {
    let auditable_from = whole_from(store).await?.max(record_from(store, now).await?);
    let found = LedgerAudit { auditable_from, ..LedgerAudit::default() };
    let period = (request.from.max(auditable_from), request.to.min(now));
    if period.0 >= period.1 {
        return Ok(Compared { found, revisions: Vec::new(), differing: BTreeMap::new() });
    }
    let revisions = store.checks().revisions_in_force_between(request.scope, period.0, period.1).await?;
    let ledger = ledger_side(store, tail, request, (&revisions, period), now).await?;
    let record = Record::read(store, &revisions, period).await?;
    let found = LedgerAudit {
        compared: Some(Period { from: period.0, to: period.1 }),
        rows_missing: record.missing,
        rows_unreadable: record.unreadable.clone(),
        ..found
    };
    let mut compared = Compared { found, revisions: Vec::new(), differing: BTreeMap::new() };
    for of_check in revisions.chunk_by(|one, next| one.check == next.check) {
        let history: Vec<InForce> = of_check.iter().map(in_force).collect();
        for stream in streams(of_check) {
            compared.enter(stream, (&history, &record), &ledger, (period, now));
        }
    }
    compared.found.differences = compared.differing.len() as u64;
    Ok(Compared { revisions, ..compared })
}

impl Compared {
    /// Enters what one stream comes to. Who owed what is computed later, for those alone that are told.
    fn enter(
        &mut self,
        stream: StreamId,
        (history, record): (&[InForce], &Record),
        ledger: &States,
        (period, now): ((UnixMs, UnixMs), UnixMs),
    ) {
        let (no_runs, no_states) = (BTreeMap::new(), BTreeMap::new());
        let stands = ledger.get(&stream).unwrap_or(&no_states);
        let wish = PlacementWish::default();
        let nowhere = Subject { check: stream.check, tenant: NOBODY, wish: &wish, repeat: Repeat::Safe };
        let runs = record.runs.get(&stream).unwrap_or(&no_runs);
        let findings =
            audit(&Books { subject: nowhere, stream: stream.number, history, views: &[], runs }, stands, period, now);
        let unaccounted = findings.iter().filter(|finding| finding.difference == Difference::Unaccounted).count();
        let slots = stands.len() + unaccounted;
        self.found.streams += usize::from(slots > 0);
        self.found.slots += slots as u64;
        self.differing.extend(findings.into_iter().map(|finding| ((stream, finding.slot), finding.difference)));
    }
}

fn streams(of_check: &[LedgerRevision]) -> impl Iterator<Item = StreamId> {
    let most_streams = of_check.iter().map(|revision| revision.streams).max().unwrap_or(0);
    streams_of(of_check[0].check, most_streams)
}

/// How the ledger says that every slot stands.
async fn ledger_side(
    store: &Store,
    tail: &Tail,
    request: &LedgerRequest,
    (revisions, period): (&[LedgerRevision], (UnixMs, UnixMs)),
    now: UnixMs,
) -> Result<States, LedgerError> {
    let mut account = Account::open(revisions, period, AUDIT_SLOTS_MAX)?;
    enter_record(store, tail, &mut account).await?;
    let mut owners = Owners::new(store, &request.silent).await?;
    let awaited = owners.undelivered(&account.undecided(now)).await?;
    Ok(account.states(now, |stream, slot| awaited.is_awaited(stream, slot)))
}

/// What the journal says of the streams that are audited.
struct Record {
    runs: HashMap<StreamId, BTreeMap<UnixMs, Vec<RunOnRecord>>>,
    missing: u64,
    unreadable: Vec<u64>,
}

impl Record {
    /// Reads every row that may hold a result of a slot in the period, and counts those that are not there.
    async fn read(
        store: &Store,
        revisions: &[LedgerRevision],
        (from, to): (UnixMs, UnixMs),
    ) -> Result<Self, LedgerError> {
        let of_checks = revisions.chunk_by(|one, next| one.check == next.check);
        let runs = of_checks.flat_map(streams).map(|stream| (stream, BTreeMap::new())).collect();
        let mut record = Self { runs, missing: 0, unreadable: Vec::new() };
        let before = store.journal().last_before(from - (SLOT_AHEAD_MAX_MS + CLOCKS_APART_MAX_MS)).await?;
        let mut entered = 0;
        let mut scan = Scan::new(store, from, to, before);
        while let Some(row) = scan.next().await? {
            for section in &row.sections {
                entered += record.enter(section, (from, to));
            }
            if entered > RUNS_MAX {
                return Err(LedgerError::TooManySlots { most: AUDIT_SLOTS_MAX });
            }
        }
        record.unreadable = scan.unreadable().collect();
        let head = store.journal().head().await?.seq;
        let there = store.journal().count_between(before, head).await?;
        record.missing = head.saturating_sub(before).saturating_sub(there);
        Ok(record)
    }

    /// Enters what this host found of slots in the period, and says how many that were.
    fn enter(&mut self, section: &HostResults, (from, to): (UnixMs, UnixMs)) -> usize {
        let mut entered = 0;
        for result in &section.results {
            let of_slot = result.purpose == Purpose::Slot && from <= result.slot && result.slot < to;
            let Some(runs) = self.runs.get_mut(&result.stream).filter(|_| of_slot) else { continue };
            let (view, started, status) = (result.terms.view, result.started, result.outcome.status);
            runs.entry(result.slot).or_default().push(RunOnRecord { host: section.host, view, started, status });
            entered += 1;
        }
        entered
    }
}

/// The slot with who owed it, by the revision that was in force and the view of its moment.
async fn told(
    store: &Store,
    revisions: &[LedgerRevision],
    (stream, slot): (StreamId, UnixMs),
    difference: Difference,
) -> Result<SlotDiffers, LedgerError> {
    let first = revisions.partition_point(|revision| revision.check < stream.check);
    let behind = revisions.partition_point(|revision| revision.check <= stream.check);
    let then = revision_at(&revisions[first..behind], slot);
    let in_force = store.views().in_force_during(slot, slot + 1).await?;
    let views: Vec<View> = in_force.into_iter().map(|stored| stored.view).collect();
    let placed = placed(store, stream.check, then.revision).await?;
    let runs = BTreeMap::new();
    let owed_by = placed.map_or_else(Vec::new, |placed| {
        let subject = placed.subject(stream.check);
        owed_by(&Books { subject, stream: stream.number, history: &[], views: &views, runs: &runs }, slot)
    });
    Ok(SlotDiffers { stream, tenant: then.tenant, slot, difference, owed_by })
}

/// Since when the journal has every result of every slot: always, or since what it kept when it last forgot.
async fn whole_from(store: &Store) -> Result<UnixMs, StoreError> {
    if store.journal().flush_at(0).await?.is_some() {
        return Ok(UnixMs(0));
    }
    let oldest = store.journal().read_after(0, 1).await?;
    Ok(oldest.first().map_or(UnixMs(0), |row| row.committed + (SLOT_AHEAD_MAX_MS + CLOCKS_APART_MAX_MS)))
}
