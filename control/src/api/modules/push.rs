//! Taking in a module that somebody brings: its bytes are judged, it is asked what it is, and that is judged, too.
//!
//! Whatever is refused leaves nothing behind, and neither does an upload that breaks off.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use farwatch_proto::id::{ModuleHash, TenantId};
use farwatch_sandbox::Trial;

use super::super::auth::Writer;
use super::super::created::Created;
use super::super::problem::ApiError;
use super::super::uploads::Component;
use super::super::{Api, Deed, quotas};
use super::{ModuleView, view_of};
use crate::builtin::ModuleDescription;
use crate::spec::FieldProblem;
use crate::store::{Module, NewModule, StoreError, Unique};

/// A module that was taken in, now or before.
pub(in super::super) enum Pushed<T> {
    Now(Created<T>),
    /// The very same bytes were there.
    Before(Json<T>),
}

impl IntoResponse for Pushed<ModuleView> {
    fn into_response(self) -> Response {
        match self {
            Self::Now(created) => created.into_response(),
            Self::Before(view) => view.into_response(),
        }
    }
}

pub(super) async fn push(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    component: Component,
) -> Result<Pushed<ModuleView>, ApiError> {
    let _place = api.uploads.take(tenant)?;
    let bytes = component.read().await?;
    let hash = ModuleHash::of(&bytes);
    if let Some(before) = room_for(&api, tenant, hash, bytes.len() as u64).await? {
        return Ok(Pushed::Before(Json(before)));
    }
    let (description, Trial { bytes, code, .. }) = api.modules.inspect(bytes).await?;
    let ModuleDescription { name, version, .. } = description.clone();
    let stored = serde_json::to_string(&description)
        .map_err(|error| ApiError::Internal(format!("the description of {hash}: {error}")))?;
    let new = NewModule { tenant: Some(tenant), name, version, description: stored, bytes };
    let now = api.clock.wall();
    let deed = Deed { action: "module.push", entity: hash.to_string(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).modules().put(&new, now).await {
        Ok(_) => api.modules.keep(code).await,
        Err(StoreError::Conflict(Unique::ModuleVersion)) => return Err(taken(&new)),
        Err(error) => return Err(error.into()),
    }
    let NewModule { name, version, .. } = new;
    let module = Module { hash, tenant: Some(tenant), name, version, released: now };
    Ok(Pushed::Now(Created::listed(&view_of(module, description))))
}

/// The module, where the tenant has these very bytes already, or a refusal where it has no room for more.
async fn room_for(api: &Api, tenant: TenantId, hash: ModuleHash, bytes: u64) -> Result<Option<ModuleView>, ApiError> {
    let mut own = api.store.modules().list_visible_to(tenant).await?;
    own.retain(|module| module.tenant == Some(tenant));
    if let Some(before) = own.into_iter().find(|module| module.hash == hash) {
        return super::described(api, before).await.map(Some);
    }
    quotas::demand_module(api, tenant, bytes).await?;
    quotas::demand_cpu(api, tenant).await?;
    Ok(None)
}

fn taken(new: &NewModule) -> ApiError {
    let NewModule { name, version, .. } = new;
    let detail = format!("{name}@{version} is there with other bytes; give the module another version and push that");
    ApiError::Conflict(FieldProblem::new("", detail))
}
