//! Entity tags: what may be changed shows its revision as one, and a change may name the revision it was made up from.
//!
//! Without `If-Match` a change still counts only against the revision it was computed from; the store sees to that.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::problem::ApiError;

/// An answer that shows something with its revision as a strong entity tag.
pub(super) struct Tagged<T>(pub u32, pub T);

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = HeaderValue::from_str(&format!("\"{}\"", self.0)).expect("digits in quotes are a header value");
        ([(header::ETAG, tag)], Json(self.1)).into_response()
    }
}

/// The same of something that is written, and pending.
pub(super) struct Accepted<T>(pub Tagged<T>);

impl<T: Serialize> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, self.0).into_response()
    }
}

/// The revisions that a caller has seen, where it says so.
pub(super) struct IfMatch(Option<Vec<String>>);

impl IfMatch {
    fn of(headers: &HeaderMap) -> Self {
        let mut said = headers.get_all(header::IF_MATCH).iter().peekable();
        if said.peek().is_none() {
            return Self(None);
        }
        let tags = said.flat_map(|value| value.to_str().unwrap_or_default().split(','));
        Self(Some(tags.map(|tag| tag.trim().to_owned()).collect()))
    }

    /// Refuses a change to another revision than the caller has seen.
    pub(super) fn demand(&self, latest: u32) -> Result<(), ApiError> {
        let Some(tags) = &self.0 else { return Ok(()) };
        let matches = |tag: &String| tag == "*" || tag.trim_matches('"').parse() == Ok(latest);
        if tags.iter().any(matches) { Ok(()) } else { Err(ApiError::Stale { latest }) }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_let_through_by_a_strong_tag_of_the_latest_revision() {
        for (said, passes) in [
            (&[][..], true),
            (&["\"7\""], true),
            (&["7"], true),
            (&["*"], true),
            (&["\"6\", \"7\""], true),
            (&["\"6\"", "\"7\""], true),
            (&["\"6\""], false),
            (&["W/\"7\""], false),
            (&["\"77\""], false),
            (&[""], false),
        ] {
            let values = said.iter().map(|value| (header::IF_MATCH, HeaderValue::from_static(value)));
            let mut headers = HeaderMap::new();
            for (name, value) in values {
                headers.append(name, value);
            }
            assert_eq!(IfMatch::of(&headers).demand(7).is_ok(), passes, "{said:?}");
        }
    }
}
