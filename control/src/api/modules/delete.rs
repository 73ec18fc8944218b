//! Taking back a version of a module that no check is run by.

use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::TenantId;

use super::super::auth::Writer;
use super::super::problem::ApiError;
use super::super::{Api, Deed};
use super::version::Version;
use crate::spec::FieldProblem;
use crate::store::{Change, Module, StoreError};

/// Checks that are named to whoever would delete what they are run by.
const USERS_NAMED_MAX: u32 = 20;

pub(super) async fn delete(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Version { name, version }: Version,
) -> Result<StatusCode, ApiError> {
    let name = name.as_str();
    let missing = || ApiError::no_such("module", format_args!("{name}@{version}"));
    let found = api.store.modules().named(tenant, name).await?.into_iter().find(|module| module.version == version);
    let module = found.ok_or_else(missing)?;
    if module.tenant.is_none() {
        let detail = format!("{name}@{version} comes with Farwatch and stays");
        return Err(ApiError::Conflict(FieldProblem::new("", detail)));
    }
    let now = api.clock.wall();
    let deed = Deed { action: "module.delete", entity: module.hash.to_string(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).modules().take_back(&module, tenant, now).await {
        Err(StoreError::DanglingReference) => Err(in_use(&api, tenant, &module).await?),
        Ok(Change::NotFound) => Err(missing()),
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}

async fn in_use(api: &Api, tenant: TenantId, module: &Module) -> Result<ApiError, ApiError> {
    let mut users = api.store.modules().users(tenant, module.hash, USERS_NAMED_MAX + 1).await?;
    if users.len() > USERS_NAMED_MAX as usize {
        users.pop();
        users.push("others".to_owned());
    }
    let Module { name, version, .. } = module;
    let detail = format!("{name}@{version} is run for {}; give them another module before", users.join(", "));
    Ok(ApiError::Conflict(FieldProblem::new("", detail)))
}
