//! What is answered to a request that makes something: made up before the write, so that it can be kept with it.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The answer that tells of something new.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Created {
    /// Where it is from now on, where it can be asked for by itself.
    location: Option<String>,
    /// Its revision, where it may be changed.
    revision: Option<u32>,
    /// JSON: how it looks.
    body: String,
}

impl Created {
    /// Of something that has a place of its own and may be changed, which therefore is at its first revision.
    pub(super) fn at(location: String, view: &impl Serialize) -> Self {
        Self { location: Some(location), revision: Some(1), body: json_of(view) }
    }

    /// Of something that is seen in a list only.
    pub(super) fn listed(view: &impl Serialize) -> Self {
        Self { location: None, revision: None, body: json_of(view) }
    }

    /// What is kept of it.
    pub(super) fn stored(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an answer is texts and a number, so it always serialises")
    }

    /// What was kept.
    pub(super) fn read(stored: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(stored)
    }
}

fn json_of(view: &impl Serialize) -> String {
    serde_json::to_string(view).expect("a view is plain data with text keys, so it always serialises")
}

impl IntoResponse for Created {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        let mut response = (StatusCode::CREATED, [(header::CONTENT_TYPE, json)], self.body).into_response();
        let location = self.location.and_then(|location| HeaderValue::from_str(&location).ok());
        let tag = self.revision.and_then(|revision| HeaderValue::from_str(&format!("\"{revision}\"")).ok());
        response.headers_mut().extend(
            [(header::LOCATION, location), (header::ETAG, tag)]
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value))),
        );
        response
    }
}
