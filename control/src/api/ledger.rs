//! The ledger of a period, as anybody may check it: what was due, and how every slot of it stands.

mod audit;

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use farwatch_core::fleet::SILENCE_MS;
use farwatch_core::ledger::Balance;
use farwatch_core::uptime::Period;
use farwatch_proto::id::{CheckId, HostId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::auth::Caller;
use super::extract::Params;
use super::openapi::{FROM, Kind, Parameter, TO, query};
use super::problem::ApiError;
use super::results::HostNames;
use super::routes::Routes;
use super::token::Scope;
use crate::ledger::{CheckAccount, Ledger, LedgerRequest, MISSED_LISTED_MAX, MissCause, MissedSlot, account};
use crate::store::LedgerScope;

/// The period when nothing is said.
const PERIOD_DEFAULT_MS: i64 = 3_600_000;
/// Checks that are listed one by one, those that stand worst first; all are counted.
const CHECKS_LISTED_MAX: usize = 200;

query!(
    LedgerQuery,
    [FROM, TO, Parameter { name: "check", about: "Of this check alone.", kind: Kind::of::<CheckId>() },]
);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/ledger", show)
        .about("The account of every slot in a period")
        .get("/v1/ledger/audit", audit::show)
        .about("The ledger held against what revisions, views and the raw results come to, slot by slot")
}

#[derive(Serialize, JsonSchema)]
struct LedgerView {
    from: UnixMs,
    to: UnixMs,
    /// When it stood so.
    at: UnixMs,
    /// Since when slots are on record one by one. Of a period that begins earlier, what is before is counted by whole days
    /// where their sums are left, and not at all where they are not.
    record_from: UnixMs,
    /// From when to when the sums of whole days were counted, for these days are not on record slot by slot any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    summed: Option<SummedView>,
    /// The slots under the promise.
    #[serde(flatten)]
    promised: BalanceView,
    /// The slots of checks that must not be run twice, which stand outside of it.
    unpromised: BalanceView,
    /// Runs on record of slots that were not due.
    extra: u64,
    /// How many checks had a slot due; at most 200 are listed.
    checks_due: usize,
    checks: Vec<CheckBalanceView>,
    /// Missed slots, at most 100.
    missed_slots: Vec<MissedView>,
    /// Missed slots that are counted and not listed.
    missed_unlisted: u64,
}

#[derive(Serialize, JsonSchema)]
struct SummedView {
    from: UnixMs,
    to: UnixMs,
}

#[derive(Serialize, JsonSchema)]
struct BalanceView {
    due: u64,
    on_time: u64,
    late: u64,
    missed: u64,
    pending: u64,
}

#[derive(Serialize, JsonSchema)]
struct CheckBalanceView {
    check: CheckId,
    name: Option<String>,
    tenant: TenantId,
    #[serde(flatten)]
    balance: BalanceView,
}

#[derive(Serialize, JsonSchema)]
struct MissedView {
    check: CheckId,
    stream: u16,
    slot: UnixMs,
    revision: u32,
    /// `no_run`, `host_trouble` or `outside_window`.
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<HostNameView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// Who owed it, by rank.
    owners: Vec<HostNameView>,
}

#[derive(Serialize, JsonSchema)]
struct HostNameView {
    host: HostId,
    host_name: String,
}

impl From<Balance> for BalanceView {
    fn from(balance: Balance) -> Self {
        let Balance { on_time, late, missed, pending } = balance;
        Self { due: balance.due(), on_time, late, missed, pending }
    }
}

async fn show(
    State(api): State<Api>,
    caller: Caller,
    params: Params<LedgerQuery>,
) -> Result<Json<LedgerView>, ApiError> {
    let scope = scope(&api, &caller, &params).await?;
    let now = api.clock.wall();
    let to = params.moment("to")?.unwrap_or(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    let request = LedgerRequest { scope, from, to, silent: silent_hosts(&api).await? };
    let ledger = account(&api.store, &api.tail, &request, now).await?;
    view_of(&api, ledger, (from, to), now).await.map(Json)
}

/// An operator that names neither tenant nor check means the fleet.
async fn scope(api: &Api, caller: &Caller, params: &Params<LedgerQuery>) -> Result<LedgerScope, ApiError> {
    caller.demand(Scope::Read)?;
    let check: Option<CheckId> = params.parsed("check")?;
    if caller.scope == Scope::Operator && !caller.names_tenant() && check.is_none() {
        return Ok(LedgerScope::Fleet);
    }
    let tenant = caller.acting_tenant(api).await?;
    match check {
        None => Ok(LedgerScope::Tenant(tenant)),
        Some(check) => {
            let found = api.store.checks().get(tenant, check).await?;
            found.map(|_| LedgerScope::Check(tenant, check)).ok_or_else(|| ApiError::no_such("check", check))
        }
    }
}

/// The hosts that the leader does not hear now; while nobody leads, the view alone tells.
async fn silent_hosts(api: &Api) -> Result<BTreeSet<HostId>, ApiError> {
    let status = api.leader_status().await?;
    let silent = status.hosts.into_iter().filter(|(_, host)| !host.connected || host.silent_ms >= SILENCE_MS);
    Ok(silent.map(|(id, _)| id).collect())
}

async fn view_of(api: &Api, ledger: Ledger, (from, to): (UnixMs, UnixMs), at: UnixMs) -> Result<LedgerView, ApiError> {
    let names = HostNames::load(&api.store).await?;
    let Ledger { record_from, summed, promised, unpromised, extra, checks, missed } = ledger;
    let all_missed = promised.missed + unpromised.missed;
    Ok(LedgerView {
        from,
        to,
        at,
        record_from,
        summed: summed.map(|Period { from, to }| SummedView { from, to }),
        promised: promised.into(),
        unpromised: unpromised.into(),
        extra,
        checks_due: checks.len(),
        checks: check_views(api, checks).await?,
        missed_unlisted: all_missed.saturating_sub(MISSED_LISTED_MAX as u64),
        missed_slots: missed.into_iter().map(|slot| missed_view(slot, &names)).collect(),
    })
}

async fn check_views(api: &Api, mut checks: Vec<CheckAccount>) -> Result<Vec<CheckBalanceView>, ApiError> {
    checks.sort_by_key(|account| {
        let Balance { missed, pending, late, .. } = account.balance;
        (std::cmp::Reverse((missed, pending, late)), account.check)
    });
    checks.truncate(CHECKS_LISTED_MAX);
    let mut views = Vec::with_capacity(checks.len());
    for CheckAccount { check, tenant, balance } in checks {
        let name = api.store.checks().get(tenant, check).await?.map(|check| check.name);
        views.push(CheckBalanceView { check, name, tenant, balance: balance.into() });
    }
    Ok(views)
}

fn named(host: HostId, names: &HostNames) -> HostNameView {
    HostNameView { host, host_name: names.of(host) }
}

fn missed_view(missed: MissedSlot, names: &HostNames) -> MissedView {
    let named = |host: HostId| named(host, names);
    let MissedSlot { stream, slot, revision, cause, owners } = missed;
    let (cause, host, code) = match cause {
        MissCause::NoRun => ("no_run", None, None),
        MissCause::HostTrouble { host, code } => ("host_trouble", Some(named(host)), Some(code)),
        MissCause::OutsideWindow { host } => ("outside_window", Some(named(host)), None),
    };
    let owners = owners.into_iter().map(named).collect();
    MissedView { check: stream.check, stream: stream.number, slot, revision, cause, host, code, owners }
}
