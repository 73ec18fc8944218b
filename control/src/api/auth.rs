//! Who is asking, and for which tenant. A handler says by its arguments what it demands.
//!
//! What belongs to another tenant is answered as if it were not there.

use std::net::IpAddr;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, Uri};
use farwatch_proto::id::{TenantId, TokenId};

use super::Api;
use super::extract::Params;
use super::gate::{Peer, Presented};
use super::idempotency::Keyed;
use super::openapi::NoQuery;
use super::problem::ApiError;
use super::token::Scope;
use crate::store::{StoreError, Tenant};

/// The header by which an operator names a tenant; the parameter `tenant` does the same.
pub(super) const TENANT_HEADER: &str = "farwatch-tenant";

/// Whoever has a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token.
    pub token: TokenId,
    /// What it may do.
    pub scope: Scope,
    /// Whose it is; `None` is the operator's.
    pub tenant: Option<TenantId>,
    /// Where it asks from; unknown where the request came over no socket.
    pub address: Option<IpAddr>,
    /// The key under which the answer to this request is kept, if it makes something.
    pub keyed: Option<Keyed>,
    /// The tenant it names in this request, by id or name.
    named: Option<String>,
}

/// An operator.
pub(crate) struct Operator(pub Caller);

/// A caller that may see what belongs to this tenant.
pub(crate) struct Reader {
    /// The tenant.
    pub tenant: TenantId,
}

/// A caller that may change what belongs to this tenant.
pub(crate) struct Writer {
    /// The tenant.
    pub tenant: TenantId,
    /// The caller.
    pub caller: Caller,
}

impl Caller {
    /// Refuses whoever may not do what this scope may.
    pub(crate) fn demand(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scope >= scope {
            return Ok(());
        }
        let (has, needs) = (self.scope.word(), scope.word());
        Err(ApiError::Forbidden(format!("this token has the scope `{has}`; this needs the scope `{needs}`")))
    }

    /// Whether the request names a tenant.
    pub(crate) const fn names_tenant(&self) -> bool {
        self.named.is_some()
    }

    /// The tenant this request is about: the token's own, the one an operator names, or the only one there is.
    pub(crate) async fn acting_tenant(&self, api: &Api) -> Result<TenantId, ApiError> {
        match (self.tenant, &self.named) {
            (Some(own), None) => Ok(own),
            (Some(own), Some(named)) => {
                let meant = find_tenant(api, named).await?.filter(|tenant| tenant.id == own);
                meant.map(|tenant| tenant.id).ok_or_else(|| ApiError::no_such("tenant", named))
            }
            (None, Some(named)) => {
                let tenant = find_tenant(api, named).await?;
                tenant.map(|tenant| tenant.id).ok_or_else(|| ApiError::no_such("tenant", named))
            }
            (None, None) => only_tenant(api).await,
        }
    }
}

/// The tenant of this id or name.
pub(super) async fn find_tenant(api: &Api, named: &str) -> Result<Option<Tenant>, StoreError> {
    match named.parse() {
        Ok(id) => api.store.tenants().get(id).await,
        Err(_) => api.store.tenants().named(named).await,
    }
}

/// The tenant that a request names, by id or name.
pub(super) fn named_tenant(uri: &Uri, headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let header = headers.get(TENANT_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let named = Params::<NoQuery>::of(uri)?.text("tenant").map(str::to_owned).or(header);
    if named.as_deref() == Some("") {
        return Err(ApiError::parameter("tenant", "this names nobody: say an id or a name, or leave it away"));
    }
    Ok(named)
}

async fn only_tenant(api: &Api) -> Result<TenantId, ApiError> {
    let tenants = api.store.tenants().list(None, 2).await?.items;
    match &tenants[..] {
        [only] => Ok(only.id),
        [] => Err(ApiError::parameter("tenant", "there is no tenant yet; make one with POST /v1/tenants")),
        _ => Err(ApiError::parameter(
            "tenant",
            "there are several tenants, and this token speaks for the operator: name the one that is meant by id or \
             name, with this parameter or the header Farwatch-Tenant",
        )),
    }
}

impl FromRequestParts<Api> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _api: &Api) -> Result<Self, ApiError> {
        let token = match parts.extensions.get::<Presented>() {
            Some(Presented::Known(token)) => token,
            Some(Presented::Bad(why)) => return Err(ApiError::Unauthenticated((*why).to_owned())),
            Some(Presented::Nothing) | None => {
                let advice = "send the header Authorization: Bearer with a token; `farwatch token create` makes one";
                return Err(ApiError::Unauthenticated(advice.to_owned()));
            }
        };
        let scope = Scope::of_word(&token.scope)
            .ok_or_else(|| ApiError::Internal(format!("token {} has the unknown scope {}", token.id, token.scope)))?;
        let named = named_tenant(&parts.uri, &parts.headers)?;
        let address = parts.extensions.get::<Peer>().map(|peer| peer.0);
        let keyed = parts.extensions.get::<Keyed>().cloned();
        Ok(Self { token: token.id, scope, tenant: token.tenant, address, keyed, named })
    }
}

impl FromRequestParts<Api> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.demand(Scope::Operator)?;
        Ok(Self(caller))
    }
}

impl FromRequestParts<Api> for Reader {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.demand(Scope::Read)?;
        Ok(Self { tenant: caller.acting_tenant(api).await? })
    }
}

impl FromRequestParts<Api> for Writer {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let caller = Caller::from_request_parts(parts, api).await?;
        caller.demand(Scope::Tenant)?;
        Ok(Self { tenant: caller.acting_tenant(api).await?, caller })
    }
}
