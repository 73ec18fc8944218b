//! What is answered to a request that makes something: made up before the write, so that it can be kept with it.

use std::marker::PhantomData;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The answer that tells of something new, which looks like a `T`.
pub(super) struct Created<T = ()>(Kept, PhantomData<fn() -> T>);

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    /// Where it is from now on, where it can be asked for by itself.
    location: Option<String>,
    /// Its revision, where it may be changed.
    revision: Option<u32>,
    /// JSON: how it looks.
    body: String,
}

impl<T: Serialize> Created<T> {
    /// Of something that has a place of its own and may be changed, which therefore is at its first revision.
    pub(super) fn at(location: String, view: &T) -> Self {
        Self(Kept { location: Some(location), revision: Some(1), body: json_of(view) }, PhantomData)
    }

    /// Of something that is seen in a list only.
    pub(super) fn listed(view: &T) -> Self {
        Self(Kept { location: None, revision: None, body: json_of(view) }, PhantomData)
    }

    /// What is kept of it.
    pub(super) fn stored(&self) -> Vec<u8> {
        serde_json::to_vec(&self.0).expect("an answer is texts and a number, so it always serialises")
    }
}

impl Created {
    /// What was kept, whatever it tells of.
    pub(super) fn read(stored: &[u8]) -> serde_json::Result<Self> {
        Ok(Self(serde_json::from_slice(stored)?, PhantomData))
    }
}

fn json_of(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("a view is plain data with text keys, so it always serialises")
}

impl<T> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let Self(kept, _) = self;
        let json = HeaderValue::from_static("application/json");
        let mut response = (StatusCode::CREATED, [(header::CONTENT_TYPE, json)], kept.body).into_response();
        let location = kept.location.and_then(|location| HeaderValue::from_str(&location).ok());
        let tag = kept.revision.and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok());
        response.headers_mut().extend(
            [(header::LOCATION, location), (header::ETAG, tag)]
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value))),
        );
        response
    }
}
