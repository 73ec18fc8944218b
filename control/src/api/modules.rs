//! Modules: what can be run, and what each says of itself.

mod delete;
mod hold;
mod push;
mod version;

use axum::Json;
use axum::extract::State;
use farwatch_core::cost::Cost;
use farwatch_proto::id::{ModuleHash, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::auth::Reader;
use super::extract::Id;
use super::problem::ApiError;
use super::routes::Routes;
use crate::builtin::ModuleDescription;
use crate::spec::ModuleWord;
use crate::store::{Module, ModuleHold};

pub(super) use push::Pushed;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/modules", list)
        .about("Lists the modules that checks may run")
        .get("/v1/modules/{id}", show)
        .about("Lists the versions of a module")
        .delete("/v1/modules/{id}/{version}", delete::delete)
        .about("Takes back a version of a module that no check is run by")
        .delete("/v1/modules/{id}/{version}/hold", hold::release)
        .about("Lets checks try a version again that is held back")
        .post("/v1/modules", push::push)
        .about("Takes in a module: the body is the component, which is judged, compiled and asked what it is")
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ModuleView {
    name: String,
    version: String,
    hash: ModuleHash,
    /// Whether it comes with Farwatch; otherwise it is the tenant's own.
    builtin: bool,
    summary: String,
    config_schema: serde_json::Value,
    capabilities: Vec<String>,
    /// Whether no host runs it, because jobs call control instead.
    is_called: bool,
    released: UnixMs,
    /// That no check of this tenant is moved to it, because its canary failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    held: Option<HoldView>,
    /// What the tenant's runs by this version took in the last hour; told where the versions of one module are listed, and
    /// absent where there were none.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<CostView>,
}

/// Why a version is held back.
#[derive(Serialize, JsonSchema)]
struct HoldView {
    since: UnixMs,
    why: String,
}

/// What runs took, in the last hour as it is told in parts of ten minutes.
#[derive(Serialize, JsonSchema)]
struct CostView {
    /// How many were measured, confirmations among them.
    runs: u64,
    /// The CPU time of all together, without their probes.
    cpu_us: u64,
    /// And of the mean run.
    cpu_us_mean: u64,
    /// And of the run that took most.
    cpu_us_max: u32,
    /// The memory of the run that had most.
    memory_bytes_max: u64,
}

impl CostView {
    fn of(cost: Cost) -> Option<Self> {
        let (cpu_us_mean, memory_bytes_max) = (cost.cpu_us_mean()?, cost.memory_bytes_max());
        let Cost { runs, cpu_us, cpu_us_max, .. } = cost;
        Some(Self { runs, cpu_us, cpu_us_mean, cpu_us_max, memory_bytes_max })
    }
}

#[derive(Serialize, JsonSchema)]
struct ModulesView {
    items: Vec<ModuleView>,
}

/// All that the tenant may run: few enough for one answer.
async fn list(State(api): State<Api>, Reader { tenant }: Reader) -> Result<Json<ModulesView>, ApiError> {
    let modules = api.store.modules().list_visible_to(tenant).await?;
    Ok(Json(ModulesView { items: views(&api, tenant, modules).await? }))
}

/// The versions of one name, newest first; where the tenant has its own, they come before those that are built in.
async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(name): Id<ModuleWord>,
) -> Result<Json<ModulesView>, ApiError> {
    let modules = api.store.modules().named(tenant, name.as_str()).await?;
    let mut items = views(&api, tenant, modules).await?;
    for item in &mut items {
        item.cost = cost_of(&api, tenant, item.hash).await?;
    }
    if items.is_empty() { Err(ApiError::no_such("module", name.as_str())) } else { Ok(Json(ModulesView { items })) }
}

async fn views(api: &Api, tenant: TenantId, modules: Vec<Module>) -> Result<Vec<ModuleView>, ApiError> {
    let mut held = api.store.rollouts().held(tenant).await?;
    let mut views = Vec::new();
    for module in modules {
        let hold = held.remove(&module.hash).map(|ModuleHold { why, held }| HoldView { since: held, why });
        views.push(ModuleView { held: hold, ..described(api, module).await? });
    }
    Ok(views)
}

async fn cost_of(api: &Api, tenant: TenantId, module: ModuleHash) -> Result<Option<CostView>, ApiError> {
    let checks = api.store.quotas().run_by(tenant, module).await?;
    if checks.is_empty() {
        return Ok(None);
    }
    api.tail.freshen().await?;
    let (held, now) = (api.tail.held(), api.clock.wall());
    let mut sum = Cost::default();
    checks.into_iter().for_each(|check| sum.add(&held.costs().of(check, module, now)));
    Ok(CostView::of(sum))
}

async fn described(api: &Api, module: Module) -> Result<ModuleView, ApiError> {
    let description = api.store.modules().description(module.hash).await?.unwrap_or_default();
    let told: ModuleDescription = serde_json::from_str(&description)
        .map_err(|error| ApiError::Internal(format!("the description of {}: {error}", module.hash)))?;
    Ok(view_of(module, told))
}

fn view_of(module: Module, told: ModuleDescription) -> ModuleView {
    let Module { hash, tenant, name, version, released } = module;
    let ModuleDescription { summary, config_schema, capabilities, is_called, .. } = told;
    let builtin = tenant.is_none();
    let (held, cost) = (None, None);
    ModuleView { name, version, hash, builtin, summary, config_schema, capabilities, is_called, released, held, cost }
}
