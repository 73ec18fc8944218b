//! What a tenant may have, and how much of it there is. Operators say it; whoever has it may see it.
//!
//! What is reached keeps more from being added, and stops nothing that runs. How the answer counts stands in
//! `store/quotas.rs`; CPU time is what the tail of the journal says of the last hour.

use axum::extract::State;
use farwatch_core::quota::{Exceeded, Modules, Quota, Quotas};
use farwatch_proto::id::TenantId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::extract::{Id, patched};
use super::openapi::Patch;
use super::problem::ApiError;
use super::revision::{IfMatch, Tagged};
use super::routes::Routes;
use super::token::Scope;
use super::{Api, Deed, tenants};
use crate::store::SaidQuotas;

/// What a database can hold: nobody's modules are so many bytes.
const BYTES_MOST: u64 = 1 << 50;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/tenants/{id}/quota", show)
        .about("Shows what a tenant may have, and how much of it there is")
        .patch("/v1/tenants/{id}/quota", patch)
        .about("Says what a tenant may have; of what is taken back there is what Farwatch gives by itself")
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct QuotaWish {
    /// Modules, each version counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modules: Option<u32>,
    /// The bytes of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    module_bytes: Option<u64>,
    /// Runs a minute that the schedule of its checks may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    runs_per_minute: Option<u32>,
    /// CPU seconds that runs by its own modules may take in an hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cpu_seconds_per_hour: Option<u32>,
}

/// How much there may be of something, and how much there is.
#[derive(Serialize, JsonSchema)]
struct AmountView {
    most: u64,
    used: u64,
    /// Whether the operator said so; otherwise it is what Farwatch gives by itself.
    said: bool,
}

#[derive(Serialize, JsonSchema)]
struct QuotaView {
    tenant: TenantId,
    /// Modules, each version counted.
    modules: AmountView,
    /// The bytes of these.
    module_bytes: AmountView,
    /// Runs a minute that the schedule of its checks asks for. Standbys and confirmations are not counted.
    runs_per_minute: AmountView,
    /// CPU seconds that runs by its own modules took in the last hour, told in parts of ten minutes.
    cpu_seconds_per_hour: AmountView,
    /// Those of which there can be no more. What runs goes on.
    reached: Vec<&'static str>,
}

/// A tenant may see its own.
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id<TenantId>) -> Result<Tagged<QuotaView>, ApiError> {
    shown(&api, &caller, id).await
}

async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<TenantId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<QuotaWish>,
) -> Result<Tagged<QuotaView>, ApiError> {
    let tenant = tenants::find(&api, &caller, id).await?;
    caller.demand(Scope::Operator)?;
    if_match.demand(tenant.revision)?;
    let said = wish_of(api.store.quotas().said(id).await?);
    let wish: QuotaWish = patched(&said, &patch)?;
    if wish.module_bytes.is_some_and(|bytes| bytes > BYTES_MOST) {
        return Err(ApiError::field("/module_bytes", format!("there may be {BYTES_MOST} bytes at most")));
    }
    let now = api.clock.wall();
    let deed = Deed { action: "tenant.quota", entity: id.to_string(), tenant: Some(id), now };
    api.signed(&caller, deed).quotas().say(id, tenant.revision, &said_of(&wish), now).await?;
    shown(&api, &caller, id).await
}

fn wish_of(said: SaidQuotas) -> QuotaWish {
    let SaidQuotas { modules, module_bytes, runs_per_minute, cpu_seconds_per_hour } = said;
    QuotaWish { modules, module_bytes, runs_per_minute, cpu_seconds_per_hour }
}

const fn said_of(wish: &QuotaWish) -> SaidQuotas {
    let QuotaWish { modules, module_bytes, runs_per_minute, cpu_seconds_per_hour } = *wish;
    SaidQuotas { modules, module_bytes, runs_per_minute, cpu_seconds_per_hour }
}

async fn shown(api: &Api, caller: &Caller, id: TenantId) -> Result<Tagged<QuotaView>, ApiError> {
    let tenant = tenants::find(api, caller, id).await?;
    let said = api.store.quotas().said(id).await?;
    let Quotas { modules, module_bytes, runs_per_minute, cpu_seconds_per_hour } = said.in_force();
    let Modules { count, bytes } = api.store.quotas().modules(id).await?;
    let runs = api.store.quotas().runs(id).await?.per_minute();
    let cpu_seconds = own_cpu_us(api, id).await? / 1_000_000;
    let amount = |most: u64, used, said| AmountView { most, used, said };
    let view = QuotaView {
        tenant: id,
        modules: amount(modules.into(), count, said.modules.is_some()),
        module_bytes: amount(module_bytes, bytes, said.module_bytes.is_some()),
        runs_per_minute: amount(runs_per_minute.into(), runs, said.runs_per_minute.is_some()),
        cpu_seconds_per_hour: amount(cpu_seconds_per_hour.into(), cpu_seconds, said.cpu_seconds_per_hour.is_some()),
        reached: Vec::new(),
    };
    Ok(Tagged(tenant.revision, QuotaView { reached: reached(&view), ..view }))
}

fn reached(view: &QuotaView) -> Vec<&'static str> {
    let all = [
        (&view.modules, Quota::Modules),
        (&view.module_bytes, Quota::ModuleBytes),
        (&view.runs_per_minute, Quota::RunsPerMinute),
        (&view.cpu_seconds_per_hour, Quota::CpuSecondsPerHour),
    ];
    all.into_iter().filter(|(amount, _)| amount.used >= amount.most).map(|(_, quota)| quota.word()).collect()
}

/// The CPU time that runs by modules of its own took in the last hour, in microseconds.
async fn own_cpu_us(api: &Api, tenant: TenantId) -> Result<u64, ApiError> {
    let run_by_own = api.store.quotas().run_by_own(tenant).await?;
    if run_by_own.is_empty() {
        return Ok(0);
    }
    api.tail.freshen().await?;
    let (held, now) = (api.tail.held(), api.clock.wall());
    Ok(run_by_own.into_iter().map(|(check, module)| held.costs().of(check, module, now).cpu_us).sum())
}

/// Refuses what would have more run by modules of the tenant's own, where these took as much as they may.
pub(super) async fn demand_cpu(api: &Api, tenant: TenantId) -> Result<(), ApiError> {
    let quotas = api.store.quotas().said(tenant).await?.in_force();
    Ok(quotas.judge_cpu(own_cpu_us(api, tenant).await?)?)
}

/// Refuses a module for which the tenant has no room, before any work is put into it.
pub(super) async fn demand_module(api: &Api, tenant: TenantId, bytes: u64) -> Result<(), ApiError> {
    let quotas = api.store.quotas().said(tenant).await?.in_force();
    Ok(quotas.judge_module(api.store.quotas().modules(tenant).await?, bytes)?)
}

impl From<Exceeded> for ApiError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}
