//! Secrets of a tenant: passwords, tokens and keys that configs name and that nobody reads again.
//!
//! A value goes in and never comes out: no answer, log or backup shows it.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Reader, Writer};
use super::extract::{Body, Id};
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, Deed};
use crate::spec::{FieldProblem, SecretName};
use crate::store::{Change, Secret, StoreError};

/// The largest value: a private key in PEM, or a long token. Eight of them fit a message to a host beside a config.
const VALUE_MAX_BYTES: usize = 4_096;
/// Secrets of one tenant.
const SECRETS_OF_TENANT_MAX: usize = 1_000;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/secrets", list)
        .about("Lists secrets, without their values")
        .put("/v1/secrets/{id}", set)
        .about("Gives a secret a value, which is never shown again; checks that name it run by it once hosts hold it")
        .delete("/v1/secrets/{id}", delete)
        .about("Deletes a secret that no check names")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SecretWish {
    /// The value: a text.
    #[schemars(length(min = 1, max = VALUE_MAX_BYTES))]
    value: String,
}

#[derive(Serialize, JsonSchema)]
struct SecretView {
    name: String,
    /// Counts up with every value.
    version: u32,
    /// When it was given its value.
    changed: UnixMs,
    /// The checks that name it.
    checks: Vec<CheckId>,
}

#[derive(Serialize, JsonSchema)]
struct SecretsView {
    items: Vec<SecretView>,
}

async fn list(State(api): State<Api>, Reader { tenant }: Reader) -> Result<Json<SecretsView>, ApiError> {
    let mut users = api.store.secrets().users(tenant).await?;
    let secrets = api.store.secrets().list(tenant).await?;
    let view = |Secret { name, version, changed }| {
        let checks = users.remove(&name).unwrap_or_default();
        SecretView { name, version, changed, checks }
    };
    Ok(Json(SecretsView { items: secrets.into_iter().map(view).collect() }))
}

async fn set(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(name): Id<SecretName>,
    Body(wish): Body<SecretWish>,
) -> Result<Json<SecretView>, ApiError> {
    let name = name.as_str();
    judge(&wish)?;
    let known = api.store.secrets().list(tenant).await?;
    let before = known.iter().find(|secret| secret.name == name);
    if before.is_none() && known.len() >= SECRETS_OF_TENANT_MAX {
        let detail =
            format!("there are {SECRETS_OF_TENANT_MAX} secrets, as many as may be; delete one that no check names");
        return Err(ApiError::field("", detail));
    }
    let version = before.map_or(1, |before| before.version + 1);
    let now = api.clock.wall();
    let sealed = api.vault.seal((tenant, name, version), &wish.value, now).await;
    let new = sealed.map_err(|error| ApiError::Internal(format!("the secret {name} cannot be sealed: {error:#}")))?;
    let deed = Deed { action: "secret.set", entity: name.to_owned(), tenant: Some(tenant), now };
    api.signed(&caller, deed).secrets().set(&new, now).await?;
    api.tell_leader();
    let checks = users_of(&api, tenant, name).await?;
    Ok(Json(SecretView { name: name.to_owned(), version, changed: now, checks }))
}

fn judge(SecretWish { value }: &SecretWish) -> Result<(), ApiError> {
    let length = value.len();
    if length == 0 || length > VALUE_MAX_BYTES {
        let detail = format!("the value has {length} bytes; it must have 1 to {VALUE_MAX_BYTES}");
        return Err(ApiError::field("/value", detail));
    }
    Ok(())
}

async fn delete(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(name): Id<SecretName>,
) -> Result<StatusCode, ApiError> {
    let name = name.as_str();
    let now = api.clock.wall();
    let deed = Deed { action: "secret.delete", entity: name.to_owned(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).secrets().delete(tenant, name, now).await {
        Err(StoreError::DanglingReference) => Err(in_use(&api, tenant, name).await?),
        Ok(Change::NotFound) => Err(ApiError::no_such("secret", name)),
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(error) => Err(error.into()),
    }
}

async fn in_use(api: &Api, tenant: TenantId, name: &str) -> Result<ApiError, ApiError> {
    let checks: Vec<String> = users_of(api, tenant, name).await?.iter().map(ToString::to_string).collect();
    let by = if checks.is_empty() { "a revision that is still in force".to_owned() } else { checks.join(", ") };
    Ok(ApiError::Conflict(FieldProblem::new("", format!("the secret {name} is named by {by}; change that before"))))
}

async fn users_of(api: &Api, tenant: TenantId, name: &str) -> Result<Vec<CheckId>, ApiError> {
    Ok(api.store.secrets().users(tenant).await?.remove(name).unwrap_or_default())
}

/// The names of the secrets that a tenant has.
pub(super) async fn names(api: &Api, tenant: TenantId) -> Result<BTreeSet<String>, ApiError> {
    Ok(api.store.secrets().list(tenant).await?.into_iter().map(|secret| secret.name).collect())
}
