//! The ledger held against the record, for whoever does not take its word.

use axum::Json;
use axum::extract::State;
use farwatch_core::audit::Difference;
use farwatch_core::ledger::SlotState;
use farwatch_core::uptime::Period;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::{AuditedQuery, HostNameView, PERIOD_DEFAULT_MS, named, scope, silent_hosts};
use crate::api::Api;
use crate::api::auth::Caller;
use crate::api::extract::Params;
use crate::api::problem::ApiError;
use crate::api::results::HostNames;
use crate::ledger::{LedgerAudit, LedgerRequest, SlotDiffers, audit_ledger};

#[derive(Serialize, JsonSchema)]
pub(super) struct LedgerAuditView {
    from: UnixMs,
    to: UnixMs,
    /// When it stood so.
    at: UnixMs,
    /// Whether ledger and record agree, and no row of the journal is gone that they should be held against.
    agrees: bool,
    /// What was compared of the period: no slot before `auditable_from`, and none that is yet to come. Absent where that
    /// leaves nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    compared: Option<PeriodView>,
    /// Since when slots can be audited: from then on the journal has every result.
    auditable_from: UnixMs,
    /// Streams that had a slot due.
    streams: usize,
    /// Slots compared.
    slots: u64,
    /// Rows of the journal that are gone though their numbers were given: what they held is on no record.
    rows_missing: u64,
    /// Rows of the journal that cannot be read.
    rows_unreadable: Vec<u64>,
    /// Slots on which ledger and record differ, in all.
    differences: u64,
    /// The first of them, at most 100.
    differing_slots: Vec<DifferenceView>,
    /// Those that are counted and not listed.
    unlisted: u64,
}

#[derive(Serialize, JsonSchema)]
struct PeriodView {
    from: UnixMs,
    to: UnixMs,
}

#[derive(Serialize, JsonSchema)]
struct DifferenceView {
    check: CheckId,
    check_name: Option<String>,
    stream: u16,
    slot: UnixMs,
    /// How the ledger says that it stands: `on_time`, `late`, `missed`, `pending`, `counted` where nothing was due, or
    /// `unaccounted`.
    ledger: &'static str,
    /// What the record comes to: `on_time`, `late`, `missed`, `not_due`, or `due`.
    record: &'static str,
    /// Who owed it, by rank.
    owed_by: Vec<HostNameView>,
}

const fn word(state: SlotState) -> &'static str {
    match state {
        SlotState::OnTime => "on_time",
        SlotState::Late => "late",
        SlotState::Missed => "missed",
        SlotState::Pending => "pending",
    }
}

const fn words(difference: Difference) -> (&'static str, &'static str) {
    match difference {
        Difference::NotDue => ("counted", "not_due"),
        Difference::Unaccounted => ("unaccounted", "due"),
        Difference::Otherwise { ledger, record } => (word(ledger), word(record)),
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    caller: Caller,
    params: Params<AuditedQuery>,
) -> Result<Json<LedgerAuditView>, ApiError> {
    let scope = scope(&api, &caller, params.parsed("check")?).await?;
    let at = api.clock.wall();
    let to = params.moment("to")?.unwrap_or(at);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    let request = LedgerRequest { scope, from, to, silent: silent_hosts(&api).await?, by_host: false };
    let found = audit_ledger(&api.store, &api.tail, &request, at).await?;
    let agrees = found.agrees();
    let LedgerAudit { compared, auditable_from, streams, slots, rows_missing, rows_unreadable, differences, listed } =
        found;
    Ok(Json(LedgerAuditView {
        from,
        to,
        at,
        agrees,
        compared: compared.map(|Period { from, to }| PeriodView { from, to }),
        auditable_from,
        streams,
        slots,
        rows_missing,
        rows_unreadable,
        differences,
        unlisted: differences.saturating_sub(listed.len() as u64),
        differing_slots: difference_views(&api, listed).await?,
    }))
}

async fn difference_views(api: &Api, listed: Vec<SlotDiffers>) -> Result<Vec<DifferenceView>, ApiError> {
    let hosts = HostNames::load(&api.store).await?;
    let mut views = Vec::with_capacity(listed.len());
    for SlotDiffers { stream, tenant, slot, difference, owed_by } in listed {
        let check = stream.check;
        let check_name = api.store.checks().get(tenant, check).await?.map(|found| found.name);
        let (ledger, record) = words(difference);
        let owed_by = owed_by.into_iter().map(|host| named(host, &hosts)).collect();
        views.push(DifferenceView { check, check_name, stream: stream.number, slot, ledger, record, owed_by });
    }
    Ok(views)
}
