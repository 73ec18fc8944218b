//! The ledger of a period, as anybody may check it: what was due, and how every slot of it stands.

mod audit;
mod parts;

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
use crate::ledger::{CheckAccount, Ledger, LedgerRequest, MISSED_LISTED_MAX, MissedSlot, account};
use crate::store::LedgerScope;
pub(super) use parts::told;
use parts::{CauseView, HostBalanceView, TenantBalanceView, cause_views, host_views, tenant_views, worst_first};

/// The period when nothing is said.
const PERIOD_DEFAULT_MS: i64 = 3_600_000;
/// Checks that are listed one by one, those that stand worst first; all are counted.
const CHECKS_LISTED_MAX: usize = 200;

const CHECK: Parameter = Parameter { name: "check", about: "Of this check alone.", kind: Kind::of::<CheckId>() };
const BY: Kind = Kind::Word(&["host"]);

query!(
    LedgerQuery,
    [FROM, TO, CHECK, Parameter { name: "by", about: "With `host`, the balance of each host as well.", kind: BY },]
);

query!(AuditedQuery, [FROM, TO, CHECK]);

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
    /// The same by tenant, where an operator asks for the fleet; at most 200 are listed, those that stand worst first.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenants: Option<Vec<TenantBalanceView>>,
    /// The same by the host that owned a slot first, whoever ran it, of the slots on record one by one; only with
    /// `by=host`.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<Vec<HostBalanceView>>,
    /// Why slots were missed that are on record one by one, the cause of most of them first; at most 100.
    causes: Vec<CauseView>,
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
pub(super) struct HostNameView {
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
    let scope = scope(&api, &caller, params.parsed("check")?).await?;
    let now = api.clock.wall();
    let to = params.moment("to")?.unwrap_or(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    let by_host = params.word("by", &[("host", true)])?.unwrap_or(false);
    let request = LedgerRequest { scope, from, to, silent: silent_hosts(&api).await?, by_host };
    let ledger = account(&api.store, &api.tail, &request, now).await?;
    view_of(&api, ledger, &request, now).await.map(Json)
}

/// An operator that names neither tenant nor check means the fleet.
async fn scope(api: &Api, caller: &Caller, check: Option<CheckId>) -> Result<LedgerScope, ApiError> {
    caller.demand(Scope::Read)?;
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

async fn view_of(api: &Api, ledger: Ledger, request: &LedgerRequest, at: UnixMs) -> Result<LedgerView, ApiError> {
    let names = HostNames::load(&api.store).await?;
    let LedgerRequest { scope, from, to, .. } = *request;
    let Ledger { record_from, summed, promised, unpromised, extra, checks, hosts, causes, missed } = ledger;
    let tenants = match scope {
        LedgerScope::Fleet => Some(tenant_views(api, &checks).await?),
        LedgerScope::Tenant(_) | LedgerScope::Check(..) => None,
    };
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
        tenants,
        hosts: hosts.map(|hosts| host_views(hosts, &names)),
        causes: cause_views(causes, &names),
        missed_unlisted: all_missed.saturating_sub(MISSED_LISTED_MAX as u64),
        missed_slots: missed.into_iter().map(|slot| missed_view(slot, &names)).collect(),
    })
}

async fn check_views(api: &Api, mut checks: Vec<CheckAccount>) -> Result<Vec<CheckBalanceView>, ApiError> {
    checks.sort_by_key(|account| (worst_first(&account.balance), account.check));
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
    let MissedSlot { stream, slot, revision, cause, owners } = missed;
    let (cause, host, code) = told(cause, names);
    let owners = owners.into_iter().map(|owner| named(owner, names)).collect();
    MissedView { check: stream.check, stream: stream.number, slot, revision, cause, host, code, owners }
}
