//! The ledger taken apart: by tenant, by host, and by the cause of what was missed.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use farwatch_core::ledger::{Balance, CauseCount, MissCause};
use farwatch_proto::id::{HostId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::{BalanceView, HostNameView, named};
use crate::api::Api;
use crate::api::problem::ApiError;
use crate::api::results::HostNames;
use crate::ledger::{CheckAccount, HostAccount};

/// Tenants that are listed one by one, those that stand worst first.
const TENANTS_LISTED_MAX: usize = 200;
/// Causes that are listed one by one.
const CAUSES_LISTED_MAX: usize = 100;

#[derive(Serialize, JsonSchema)]
pub(super) struct TenantBalanceView {
    tenant: TenantId,
    name: Option<String>,
    #[serde(flatten)]
    balance: BalanceView,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct HostBalanceView {
    /// The host; absent for slots that were nobody's, for there was no view to own them under.
    #[serde(flatten)]
    host: Option<HostNameView>,
    #[serde(flatten)]
    balance: BalanceView,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct CauseView {
    /// `no_run`, `host_trouble` or `outside_window`.
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<HostNameView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    /// How many slots were missed for it.
    missed: u64,
    /// The first of them.
    first_slot: UnixMs,
    /// The last of them.
    last_slot: UnixMs,
}

/// Orders balances: what stands worst comes first.
pub(super) const fn worst_first(balance: &Balance) -> Reverse<(u64, u64, u64)> {
    Reverse((balance.missed, balance.pending, balance.late))
}

pub(super) async fn tenant_views(api: &Api, checks: &[CheckAccount]) -> Result<Vec<TenantBalanceView>, ApiError> {
    let mut balances: BTreeMap<TenantId, Balance> = BTreeMap::new();
    for account in checks {
        let of_tenant = balances.entry(account.tenant).or_default();
        *of_tenant = *of_tenant + account.balance;
    }
    let mut balances: Vec<(TenantId, Balance)> = balances.into_iter().collect();
    balances.sort_by_key(|(tenant, balance)| (worst_first(balance), *tenant));
    balances.truncate(TENANTS_LISTED_MAX);
    let mut views = Vec::with_capacity(balances.len());
    for (tenant, balance) in balances {
        let name = api.store.tenants().get(tenant).await?.map(|tenant| tenant.name);
        views.push(TenantBalanceView { tenant, name, balance: balance.into() });
    }
    Ok(views)
}

pub(super) fn host_views(mut hosts: Vec<HostAccount>, names: &HostNames) -> Vec<HostBalanceView> {
    hosts.sort_by_key(|account| (worst_first(&account.balance), account.host));
    let view = |HostAccount { host, balance }| HostBalanceView {
        host: host.map(|host| named(host, names)),
        balance: balance.into(),
    };
    hosts.into_iter().map(view).collect()
}

pub(super) fn cause_views(causes: Vec<CauseCount>, names: &HostNames) -> Vec<CauseView> {
    let view = |counted: CauseCount| {
        let (cause, host, code) = told(counted.cause, names);
        CauseView { cause, host, code, missed: counted.missed, first_slot: counted.first, last_slot: counted.last }
    };
    causes.into_iter().take(CAUSES_LISTED_MAX).map(view).collect()
}

/// The word of a cause, the host if there is one, and what that said.
pub(in crate::api) fn told(
    cause: MissCause,
    names: &HostNames,
) -> (&'static str, Option<HostNameView>, Option<String>) {
    let named = |host: HostId| Some(named(host, names));
    match cause {
        MissCause::NoRun => ("no_run", None, None),
        MissCause::HostTrouble { host, code } => ("host_trouble", named(host), Some(code)),
        MissCause::OutsideWindow { host } => ("outside_window", named(host), None),
    }
}
