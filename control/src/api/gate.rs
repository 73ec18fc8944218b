//! What every request passes: who is asking, whether they may ask this often, and what is noted when they are refused.
//!
//! It decides nothing about what is asked; a handler demands its scope and finds what belongs to whom.

use std::net::{IpAddr, Ipv4Addr};

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use farwatch_core::rate::TooMany;
use tracing::warn;

use super::problem::ApiError;
use super::token::TokenText;
use super::{Api, idempotency, refusals};
use crate::store::Token;

/// The address a request came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// What a request says of who is asking.
#[derive(Clone, Debug)]
pub(super) enum Presented {
    /// Nothing.
    Nothing,
    /// Something that opens nothing, and why.
    Bad(&'static str),
    /// A token that is known and opens what it may.
    Known(Box<Token>),
}

impl Presented {
    pub(super) fn token(&self) -> Option<&Token> {
        match self {
            Self::Known(token) => Some(token),
            Self::Nothing | Self::Bad(_) => None,
        }
    }
}

/// The address of whoever asks; a request that came over no socket has none.
pub(super) fn address_of(request: &Request) -> IpAddr {
    request.extensions().get::<Peer>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
}

pub(super) async fn pass(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let presented = match presented(&api, request.headers()).await {
        Ok(presented) => presented,
        Err(error) => return error.into_response(),
    };
    if let Some(token) = presented.token()
        && let Err(too_many) = api.limiter.admit(token.id, api.clock.boot())
    {
        return too_many_of("this token has asked too often", too_many);
    }
    let asked = refusals::Asked::of(&request);
    request.extensions_mut().insert(presented.clone());
    let response = idempotency::once(&api, presented.token().map(|token| token.id), request, next).await;
    if response.status() == StatusCode::UNAUTHORIZED
        && let Err(too_many) = api.limiter.failed(asked.address, api.clock.boot())
    {
        return too_many_of("this address has sent too many requests without a good token", too_many);
    }
    refusals::note(&api, &asked, presented.token(), response.status()).await;
    response
}

fn too_many_of(what: &'static str, too_many: TooMany) -> Response {
    ApiError::TooMany { what, wait_ms: too_many.wait_ms }.into_response()
}

async fn presented(api: &Api, headers: &HeaderMap) -> Result<Presented, ApiError> {
    let Some(header) = headers.get(AUTHORIZATION) else { return Ok(Presented::Nothing) };
    let said = header.to_str().unwrap_or_default();
    let (scheme, text) = said.split_once(' ').unwrap_or((said, ""));
    let text = TokenText::parse(text.trim()).filter(|_| scheme.eq_ignore_ascii_case("bearer"));
    let Some(text) = text else {
        return Ok(Presented::Bad(
            "the header Authorization must be Bearer, a space, and a token that begins with fw_",
        ));
    };
    let now = api.clock.wall();
    let Some(token) = api.store.tokens().find_by_hash(&text.hash(), now).await? else {
        return Ok(Presented::Bad("this token is not known, has expired, or was revoked"));
    };
    if let Err(error) = api.store.tokens().touch_last_used(&token, now).await {
        warn!(%error, token = %token.id, "the last use of a token is not noted");
    }
    Ok(Presented::Known(Box::new(token)))
}
