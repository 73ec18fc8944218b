//! Letting checks try a version again that is held back.

use axum::extract::State;
use axum::http::StatusCode;

use super::super::auth::Writer;
use super::super::problem::ApiError;
use super::super::{Api, Deed};
use super::version::Version;
use crate::store::Change;

pub(super) async fn release(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Version { name, version }: Version,
) -> Result<StatusCode, ApiError> {
    let named = api.store.modules().named(tenant, name.as_str()).await?;
    let hashes = named.into_iter().filter(|module| module.version == version).map(|module| module.hash);
    let now = api.clock.wall();
    for hash in hashes {
        let deed = Deed { action: "module.retry", entity: hash.to_string(), tenant: Some(tenant), now };
        if let Change::Made(_) = api.signed(&caller, deed).rollouts().release(tenant, hash, now).await? {
            return Ok(StatusCode::NO_CONTENT);
        }
    }
    Err(ApiError::NotFound(format!(
        "no version {version} of {name} is held back; see GET /v1/modules/{name}",
        name = name.as_str()
    )))
}
