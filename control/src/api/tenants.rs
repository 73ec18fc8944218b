//! Tenants: customers of the fleet. Only operators make and change them.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Operator};
use super::created::Created;
use super::extract::{Body, Id, PageView, Params, page_of, patched};
use super::openapi::{CURSOR, LIMIT, Patch, query};
use super::problem::ApiError;
use super::revision::{IfMatch, Tagged};
use super::routes::Routes;
use super::token::Scope;
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::{check_name, name_schema};
use crate::store::{NewTenant, Tenant};

query!(TenantsQuery, [LIMIT, CURSOR]);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/tenants", list)
        .about("Lists tenants")
        .post("/v1/tenants", create)
        .about("Makes a tenant")
        .get("/v1/tenants/{id}", show)
        .about("Shows a tenant")
        .patch("/v1/tenants/{id}", patch)
        .about("Changes a tenant")
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TenantWish {
    #[schemars(schema_with = "name_schema")]
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct TenantView {
    id: TenantId,
    name: String,
    created: UnixMs,
    revision: u32,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, name, created, revision } = tenant;
        Self { id, name, created, revision }
    }
}

async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(wish): Body<TenantWish>,
) -> Result<Created<TenantView>, ApiError> {
    judge(&wish)?;
    let now = api.clock.wall();
    let new = NewTenant { id: TenantId::new(now, random_bytes()), name: wish.name };
    let deed = Deed { action: "tenant.create", entity: new.id.to_string(), tenant: Some(new.id), now };
    let view = TenantView { id: new.id, name: new.name.clone(), created: now, revision: 1 };
    let answer = Created::at(format!("/v1/tenants/{}", new.id), &view);
    api.signed_once(&caller, deed, &answer)?.tenants().create(&new, now).await?;
    api.tell_leader();
    Ok(answer)
}

fn judge(wish: &TenantWish) -> Result<(), ApiError> {
    check_name(&wish.name).map_err(|what| ApiError::field("/name", format!("the name {what}")))
}

/// Changes a tenant by a merge patch of the body that made it.
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<TenantId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<TenantWish>,
) -> Result<Tagged<TenantView>, ApiError> {
    let tenant = find(&api, &caller, id).await?;
    caller.demand(Scope::Operator)?;
    if_match.demand(tenant.revision)?;
    let wish = patched(&TenantWish { name: tenant.name }, &patch)?;
    judge(&wish)?;
    let now = api.clock.wall();
    let deed = Deed { action: "tenant.change", entity: id.to_string(), tenant: Some(id), now };
    let changed = api.signed(&caller, deed).tenants().rename(id, tenant.revision, &wish.name, now).await?;
    api.tell_leader_of(changed);
    Ok(shown(find(&api, &caller, id).await?))
}

async fn list(
    State(api): State<Api>,
    Operator(_): Operator,
    params: Params<TenantsQuery>,
) -> Result<Json<PageView<TenantView>>, ApiError> {
    let page = api.store.tenants().list(params.cursor()?, params.limit()?).await?;
    Ok(Json(page_of(page, |tenant| tenant.id, TenantView::from)))
}

/// A tenant may see itself.
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id<TenantId>) -> Result<Tagged<TenantView>, ApiError> {
    Ok(shown(find(&api, &caller, id).await?))
}

fn shown(tenant: Tenant) -> Tagged<TenantView> {
    Tagged(tenant.revision, tenant.into())
}

pub(super) async fn find(api: &Api, caller: &Caller, id: TenantId) -> Result<Tenant, ApiError> {
    let may_see = caller.scope == Scope::Operator || caller.tenant == Some(id);
    let tenant = if may_see { api.store.tenants().get(id).await? } else { None };
    tenant.ok_or_else(|| ApiError::no_such("tenant", id))
}
