//! Tenants: customers of the fleet. Only operators make them.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Operator};
use super::extract::{Body, Id, PageView, Params, page_of};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::check_name;
use crate::store::{NewTenant, Tenant};

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/tenants", list).post("/v1/tenants", create).get("/v1/tenants/{id}", show)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantWish {
    name: String,
}

#[derive(Serialize)]
struct TenantView {
    id: TenantId,
    name: String,
    created: UnixMs,
}

impl From<Tenant> for TenantView {
    fn from(tenant: Tenant) -> Self {
        let Tenant { id, name, created } = tenant;
        Self { id, name, created }
    }
}

async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(wish): Body<TenantWish>,
) -> Result<(StatusCode, Json<TenantView>), ApiError> {
    check_name(&wish.name).map_err(|what| ApiError::field("/name", format!("the name {what}")))?;
    let now = api.clock.wall();
    let new = NewTenant { id: TenantId::new(now, random_bytes()), name: wish.name };
    let deed = Deed { action: "tenant.create", entity: new.id.to_string(), tenant: Some(new.id), now };
    api.signed(&caller, deed).tenants().create(&new, now).await?;
    api.tell_leader();
    Ok((StatusCode::CREATED, Json(TenantView { id: new.id, name: new.name, created: now })))
}

async fn list(
    State(api): State<Api>,
    Operator(_): Operator,
    params: Params,
) -> Result<Json<PageView<TenantView>>, ApiError> {
    params.only(&["limit", "cursor"])?;
    let page = api.store.tenants().list(params.cursor()?, params.limit()?).await?;
    Ok(Json(page_of(page, |tenant| tenant.id, TenantView::from)))
}

/// A tenant may see itself.
async fn show(State(api): State<Api>, caller: Caller, Id(id): Id<TenantId>) -> Result<Json<TenantView>, ApiError> {
    let may_see = caller.scope == Scope::Operator || caller.tenant == Some(id);
    let tenant = if may_see { api.store.tenants().get(id).await? } else { None };
    tenant.map(|tenant| Json(tenant.into())).ok_or_else(|| ApiError::no_such("tenant", id))
}
