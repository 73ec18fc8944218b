//! Tokens: an operator makes any, a tenant makes its own. The text of one is shown once, in the answer that
//! makes it.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::{TenantId, TokenId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::Caller;
use super::created::Created;
use super::extract::{Body, Id, PageView, Params, page_of};
use super::openapi::{CURSOR, LIMIT, query};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::{Scope, TokenText};
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::{FieldProblem, check_name, name_schema};
use crate::store::{Change, NewToken, Token};

query!(TokensQuery, [LIMIT, CURSOR]);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/tokens", list)
        .about("Lists tokens")
        .post("/v1/tokens", create)
        .about("Makes a token; its text is shown this once")
        .delete("/v1/tokens/{id}", revoke)
        .about("Revokes a token")
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct TokenWish {
    #[schemars(schema_with = "name_schema")]
    name: String,
    scope: Scope,
    /// From when on it opens nothing; never, when absent.
    expires: Option<UnixMs>,
}

#[derive(Serialize, JsonSchema)]
struct TokenView {
    id: TokenId,
    name: String,
    scope: String,
    tenant: Option<TenantId>,
    created: UnixMs,
    expires: Option<UnixMs>,
    last_used: Option<UnixMs>,
    revoked: Option<UnixMs>,
}

/// A token that was made, with its text.
#[derive(Serialize, JsonSchema)]
struct NewTokenView {
    #[serde(flatten)]
    token: TokenView,
    /// Shown this once.
    secret: String,
}

impl From<Token> for TokenView {
    fn from(token: Token) -> Self {
        let Token { id, tenant, name, scope, created, expires, last_used, revoked } = token;
        Self { id, name, scope, tenant, created, expires, last_used, revoked }
    }
}

async fn create(
    State(api): State<Api>,
    caller: Caller,
    Body(wish): Body<TokenWish>,
) -> Result<Created<NewTokenView>, ApiError> {
    let needed = if wish.scope.is_of_fleet() { Scope::Operator } else { wish.scope.max(Scope::Tenant) };
    caller.demand(needed)?;
    let now = api.clock.wall();
    judge(&wish, now)?;
    let tenant = if wish.scope.is_of_fleet() { None } else { Some(caller.acting_tenant(&api).await?) };
    let text = TokenText::random();
    let new = NewToken {
        id: TokenId::new(now, random_bytes()),
        tenant,
        name: wish.name,
        scope: wish.scope.word().to_owned(),
        hash: text.hash(),
        expires: wish.expires,
    };
    let deed = Deed { action: "token.create", entity: new.id.to_string(), tenant, now };
    let NewToken { id, name, scope, expires, .. } = new.clone();
    let token = TokenView { id, name, scope, tenant, created: now, expires, last_used: None, revoked: None };
    let answer = Created::listed(&NewTokenView { token, secret: text.reveal() });
    api.signed_once(&caller, deed, &answer)?.tokens().create(&new, now).await?;
    api.tell_leader();
    Ok(answer)
}

fn judge(wish: &TokenWish, now: UnixMs) -> Result<(), ApiError> {
    check_name(&wish.name).map_err(|what| ApiError::field("/name", format!("the name {what}")))?;
    match wish.expires {
        Some(expires) if expires <= now => {
            Err(ApiError::field("/expires", "this moment is past; write a later one in Unix milliseconds"))
        }
        _ => Ok(()),
    }
}

/// Whose tokens are meant: an operator that names no tenant means the operator's own.
async fn owner(api: &Api, caller: &Caller) -> Result<Option<TenantId>, ApiError> {
    caller.demand(Scope::Tenant)?;
    if caller.scope == Scope::Operator && !caller.names_tenant() {
        return Ok(None);
    }
    caller.acting_tenant(api).await.map(Some)
}

async fn list(
    State(api): State<Api>,
    caller: Caller,
    params: Params<TokensQuery>,
) -> Result<Json<PageView<TokenView>>, ApiError> {
    let owner = owner(&api, &caller).await?;
    let page = api.store.tokens().list(owner, params.cursor()?, params.limit()?).await?;
    Ok(Json(page_of(page, |token| token.id, TokenView::from)))
}

async fn revoke(State(api): State<Api>, caller: Caller, Id(id): Id<TokenId>) -> Result<StatusCode, ApiError> {
    let owner = owner(&api, &caller).await?;
    if id == caller.token {
        // Otherwise the last operator could lock everybody out.
        let detail = "a token cannot revoke itself; use another one to do it";
        return Err(ApiError::Conflict(FieldProblem::new("", detail)));
    }
    let now = api.clock.wall();
    let deed = Deed { action: "token.revoke", entity: id.to_string(), tenant: owner, now };
    match api.signed(&caller, deed).tokens().revoke(owner, id, now).await? {
        Change::NotFound => Err(ApiError::NotFound(format!(
            "there is no token {id} here; an operator names the tenant of a token with ?tenant="
        ))),
        Change::Already => Ok(StatusCode::NO_CONTENT),
        Change::Made(_) => {
            api.tell_leader();
            Ok(StatusCode::NO_CONTENT)
        }
    }
}
