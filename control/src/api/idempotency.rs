//! Requests that may be repeated: whoever names a key with a request that makes something gets the same answer for the
//! same request for a day, and nothing is made twice.
//!
//! Here the key is read and the kept answer is found; it is kept by the store, in the transaction of what it tells of.
//! A request that makes nothing, such as a run by hand, keeps no answer and is done again.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use farwatch_proto::id::TokenId;
use http_body_util::LengthLimitError;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::auth::TENANT_HEADER;
use super::created::Created;
use super::problem::ApiError;
use super::uploads::WASM;
use super::{Api, BODY_MAX_BYTES};
use crate::store::KeptAnswer;

/// The header that names the key.
pub(super) const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says of an answer that it was given before.
const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotent-replayed"), HeaderValue::from_static("true"));
/// The longest key: a UUID has 36 signs, and it stands in an index.
pub(super) const KEY_MAX_BYTES: usize = 255;
/// The largest answer that is kept: far above any check, far below what would fill a disk by the thousand.
const KEPT_MAX_BYTES: usize = 64 * 1024;

/// A request that may be repeated.
#[derive(Clone, Debug)]
pub(super) struct Keyed {
    token: TokenId,
    key: String,
    /// Of all that the request says.
    fingerprint: [u8; 32],
}

impl Keyed {
    /// This answer as it is kept.
    pub(super) fn keep<T: Serialize>(&self, api: &Api, answer: &Created<T>) -> Result<KeptAnswer, ApiError> {
        let stored = answer.stored();
        if stored.len() > KEPT_MAX_BYTES {
            let detail = format!("the answer has more than {KEPT_MAX_BYTES} bytes; send the request without a key");
            return Err(ApiError::BadKey(detail));
        }
        let Self { token, key, fingerprint } = self.clone();
        Ok(KeptAnswer { token, sealed: api.sealer.seal(&self.owner(), &stored), key, fingerprint })
    }

    /// What a kept answer is sealed for.
    fn owner(&self) -> Vec<u8> {
        [self.token.as_bytes().as_slice(), self.key.as_bytes()].concat()
    }
}

/// Does what is asked, unless it was done under its key before: then the answer is the same.
pub(super) async fn once(api: &Api, token: Option<TokenId>, request: Request, next: Next) -> Response {
    // To take in the same module twice makes nothing, and it may be larger than what is kept in mind here.
    let is_component = request.headers().get(CONTENT_TYPE).is_some_and(|media| media.as_bytes() == WASM.as_bytes());
    let is_keyed = request.method() == Method::POST && request.headers().contains_key(KEY_HEADER) && !is_component;
    match token {
        Some(token) if is_keyed => do_once(api, token, request, next).await.unwrap_or_else(ApiError::into_response),
        _ => next.run(request).await,
    }
}

async fn do_once(api: &Api, token: TokenId, request: Request, next: Next) -> Result<Response, ApiError> {
    let key = key_of(request.headers())?;
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, BODY_MAX_BYTES).await.map_err(|error| unread(&error))?;
    let mut request = Request::from_parts(parts, Body::from(body.clone()));
    let keyed = Keyed { token, key, fingerprint: fingerprint_of(&request, &body) };
    if let Some(kept) = replay(api, &keyed).await? {
        return Ok(kept);
    }
    request.extensions_mut().insert(keyed.clone());
    let response = next.run(request).await;
    // Perhaps the same request was under way at the same time, and its answer is kept by now.
    let kept = if response.status() == StatusCode::CONFLICT { replay(api, &keyed).await? } else { None };
    Ok(kept.unwrap_or(response))
}

fn key_of(headers: &HeaderMap) -> Result<String, ApiError> {
    let mut said = headers.get_all(KEY_HEADER).iter();
    let key = said.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_key = (1..=KEY_MAX_BYTES).contains(&key.len()) && said.next().is_none();
    let detail = || format!("name one key of 1 to {KEY_MAX_BYTES} plain signs, such as a UUID");
    if is_key { Ok(key.to_owned()) } else { Err(ApiError::BadKey(detail())) }
}

fn unread(error: &axum::Error) -> ApiError {
    let is_too_long = std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>());
    if is_too_long {
        ApiError::TooLarge { most_bytes: BODY_MAX_BYTES }
    } else {
        ApiError::Malformed("the body ended before it was whole; send it again".to_owned())
    }
}

/// Everything that makes a difference, each part with its length before it.
fn fingerprint_of(request: &Request, body: &Bytes) -> [u8; 32] {
    let uri = request.uri().to_string();
    let tenant = request.headers().get(TENANT_HEADER).map_or(&b""[..], HeaderValue::as_bytes);
    let mut digest = Sha256::new();
    for part in [request.method().as_str().as_bytes(), uri.as_bytes(), tenant, body] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    digest.finalize().into()
}

/// The answer that is kept under the key, if it is one to this request.
async fn replay(api: &Api, keyed: &Keyed) -> Result<Option<Response>, ApiError> {
    let found = api.store.kept_answers().find(keyed.token, &keyed.key, api.clock.wall()).await?;
    let Some(kept) = found else { return Ok(None) };
    if kept.fingerprint != keyed.fingerprint {
        let detail = "this key was named with another request within the last day; name a new one";
        return Err(ApiError::BadKey(detail.to_owned()));
    }
    let damaged = |error: &dyn std::fmt::Display| ApiError::Internal(format!("a kept answer: {error}"));
    let stored = api.sealer.open(&keyed.owner(), &kept.sealed).map_err(|error| damaged(&error))?;
    let mut response = Created::read(&stored).map_err(|error| damaged(&error))?.into_response();
    response.headers_mut().extend([REPLAYED]);
    Ok(Some(response))
}
