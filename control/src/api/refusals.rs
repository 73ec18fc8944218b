//! Refusals that the audit log tells of: no good token, too small a scope, and what belongs to another tenant.
//!
//! A wrong id that is nobody's is no such matter. Only so many are noted, so that nobody can fill the disk by being
//! refused; how many were left out is told by the next one that is noted.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::StatusCode;
use farwatch_proto::id::{ChannelId, CheckId, ContactId, HostId, IncidentId, TenantId, TokenId};
use serde_json::json;
use tracing::warn;

use super::Api;
use super::auth::named_tenant;
use super::gate::address_of;
use super::limits::Culprit;
use crate::store::{AuditEntry, Owned, StoreError, Token};

/// How much of a path is kept: the longest of ours has 55 signs.
const PATH_MAX_CHARS: usize = 120;
/// Who acts when nobody is known.
const NOBODY: &str = "nobody";

/// What was asked, as far as a refusal tells of it.
pub(super) struct Asked {
    method: String,
    path: String,
    /// The tenant that was named.
    named: Option<String>,
    pub(super) address: IpAddr,
}

impl Asked {
    pub(super) fn of(request: &Request) -> Self {
        Self {
            method: request.method().as_str().chars().take(PATH_MAX_CHARS).collect(),
            path: request.uri().path().chars().take(PATH_MAX_CHARS).collect(),
            named: named_tenant(request.uri(), request.headers()).ok().flatten(),
            address: address_of(request),
        }
    }
}

/// Notes an answer that is such a refusal. The caller has been refused either way, so a failure is only logged.
pub(super) async fn note(api: &Api, asked: &Asked, token: Option<&Token>, status: StatusCode) {
    let action = match (status, token) {
        (StatusCode::UNAUTHORIZED, _) => "refused.unauthenticated",
        (StatusCode::FORBIDDEN, _) => "refused.scope",
        (StatusCode::NOT_FOUND, Some(token)) => match is_foreign(api, asked, token).await {
            Ok(true) => "refused.foreign",
            Ok(false) => return,
            Err(error) => return warn!(%error, path = asked.path, "it is not known whether a refusal is to be noted"),
        },
        _ => return,
    };
    let culprit = token.map_or(Culprit::Address(asked.address), |token| Culprit::Token(token.id));
    let Some(left_out) = api.limiter.note(culprit, api.clock.boot()) else { return };
    let detail = json!({"method": asked.method, "address": asked.address, "left_out_before": left_out});
    let entry = AuditEntry {
        at: api.clock.wall(),
        tenant: token.and_then(|token| token.tenant),
        actor: token.map_or_else(|| NOBODY.to_owned(), |token| token.id.to_string()),
        action: action.to_owned(),
        entity: asked.path.clone(),
        detail: detail.to_string(),
    };
    if let Err(error) = api.store.audit().append(&entry).await {
        warn!(%error, action = entry.action, path = entry.entity, "a refusal is not in the audit log");
    }
}

/// Whether what was asked for is there, and is another tenant's than the caller's.
async fn is_foreign(api: &Api, asked: &Asked, token: &Token) -> Result<bool, StoreError> {
    let Some(own) = token.tenant else { return Ok(false) };
    if let Some(named) = &asked.named {
        let meant = super::auth::find_tenant(api, named).await?;
        if meant.is_some_and(|tenant| tenant.id != own) {
            return Ok(true);
        }
    }
    Ok(owner_of_path(api, &asked.path).await?.is_some_and(|owner| owner != own))
}

/// The tenant that has what the path names.
async fn owner_of_path(api: &Api, path: &str) -> Result<Option<TenantId>, StoreError> {
    let mut parts = path.trim_start_matches("/v1/").split('/');
    let (Some(kind), Some(id)) = (parts.next(), parts.next()) else { return Ok(None) };
    let (owned, bytes) = match kind {
        "channels" => (Owned::Channel, id.parse().map(|id: ChannelId| *id.as_bytes())),
        "checks" => (Owned::Check, id.parse().map(|id: CheckId| *id.as_bytes())),
        "contacts" => (Owned::Contact, id.parse().map(|id: ContactId| *id.as_bytes())),
        "incidents" => (Owned::Incident, id.parse().map(|id: IncidentId| *id.as_bytes())),
        "tenants" => (Owned::Tenant, id.parse().map(|id: TenantId| *id.as_bytes())),
        "tokens" => (Owned::Token, id.parse().map(|id: TokenId| *id.as_bytes())),
        "hosts" => {
            let Ok(id) = id.parse::<HostId>() else { return Ok(None) };
            return Ok(api.store.hosts().get(id).await?.and_then(|host| host.facts.tenant));
        }
        _ => return Ok(None),
    };
    match bytes {
        Ok(bytes) => api.store.owner_of(owned, &bytes).await,
        Err(_) => Ok(None),
    }
}
