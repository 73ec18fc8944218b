//! Who is asking, and for which tenant. A handler says by its arguments what it demands.
//!
//! What belongs to another tenant is answered as if it were not there.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use farwatch_proto::id::{TenantId, TokenId};
use tracing::warn;

use super::Api;
use super::extract::Params;
use super::problem::ApiError;
use super::token::{Scope, TokenText};
use crate::store::Tenant;

/// The header by which an operator names a tenant; the parameter `tenant` does the same.
const TENANT_HEADER: &str = "farwatch-tenant";

/// Whoever has a valid token.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// The token.
    pub token: TokenId,
    /// What it may do.
    pub scope: Scope,
    /// Whose it is; `None` is the operator's.
    pub tenant: Option<TenantId>,
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

async fn find_tenant(api: &Api, named: &str) -> Result<Option<Tenant>, ApiError> {
    match named.parse() {
        Ok(id) => Ok(api.store.tenants().get(id).await?),
        Err(_) => Ok(api.store.tenants().named(named).await?),
    }
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

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let text = bearer(parts)?;
        let now = api.clock.wall();
        let unknown = || ApiError::Unauthenticated("this token is not known, has expired, or was revoked".to_owned());
        let token = api.store.tokens().find_by_hash(&text.hash(), now).await?.ok_or_else(unknown)?;
        if let Err(error) = api.store.tokens().touch_last_used(&token, now).await {
            warn!(%error, token = %token.id, "the last use of a token is not noted");
        }
        let scope = Scope::of_word(&token.scope)
            .ok_or_else(|| ApiError::Internal(format!("token {} has the unknown scope {}", token.id, token.scope)))?;
        let header = parts.headers.get(TENANT_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let named = Params::of(parts)?.text("tenant").map(str::to_owned).or(header);
        Ok(Self { token: token.id, scope, tenant: token.tenant, named })
    }
}

fn bearer(parts: &Parts) -> Result<TokenText, ApiError> {
    let refuse = |detail: &str| ApiError::Unauthenticated(detail.to_owned());
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Err(refuse("send the header Authorization: Bearer with a token; `farwatch token create` makes one"));
    };
    let said = header.to_str().unwrap_or_default();
    let (scheme, text) = said.split_once(' ').unwrap_or((said, ""));
    let token = TokenText::parse(text.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    token.ok_or_else(|| refuse("the header Authorization must be Bearer, a space, and a token that begins with fw_"))
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
