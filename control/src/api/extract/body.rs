//! JSON bodies, read strictly: what is unknown or of the wrong type is refused with a pointer to it.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use super::super::BODY_MAX_BYTES;
use super::super::problem::ApiError;
use crate::spec::{merge_patch, pointer_key};

/// The names of Rust types in messages, and what people call them.
const PLAIN_WORDS: [(&str, &str); 8] = [
    ("u8", "a small whole number"),
    ("u16", "a whole number"),
    ("u32", "a whole number"),
    ("i64", "a whole number"),
    ("a string", "a text"),
    ("a sequence", "a list"),
    ("a map", "an object"),
    ("a boolean", "true or false"),
];

/// The body of a request, which must be JSON of this type.
pub(crate) struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !says_json(request.headers()) {
            return Err(ApiError::NotJson);
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| unread(&rejection))?;
        // Once as a document, which tells bad JSON from bad content.
        let document: Value = serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?;
        decode(document).map(Self)
    }
}

/// What was said, changed by a merge patch (RFC 7396).
pub(crate) fn patched<T: Serialize + DeserializeOwned>(said: &T, patch: &Value) -> Result<T, ApiError> {
    let mut document = serde_json::to_value(said).expect("what was said is plain data, so it always serialises");
    merge_patch(&mut document, patch);
    decode(document)
}

/// A document as this type, or a pointer to what is wrong with it.
fn decode<T: DeserializeOwned>(document: Value) -> Result<T, ApiError> {
    // A list would be taken as the fields in their order, which nobody means.
    if !document.is_object() {
        return Err(ApiError::field("", "the body must be an object, such as {\"name\": \"shop\"}"));
    }
    serde_path_to_error::deserialize(document).map_err(|error| {
        let message = error.inner().to_string();
        let mut pointer = pointer_of(error.path());
        if let Some(missing) = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
            pointer.push('/');
            pointer.push_str(&pointer_key(missing));
            return ApiError::field(pointer, format!("`{missing}` is missing; it must be said"));
        }
        ApiError::field(pointer, in_plain_words(&message))
    })
}

fn says_json(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = said.split(';').next().unwrap_or_default().trim();
    ["application/json", "application/merge-patch+json"].iter().any(|known| essence.eq_ignore_ascii_case(known))
}

fn unread(rejection: &BytesRejection) -> ApiError {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            ApiError::TooLarge { most_bytes: BODY_MAX_BYTES }
        }
        _ => ApiError::Malformed("the body ended before it was whole; send it again".to_owned()),
    }
}

fn malformed(error: &serde_json::Error) -> ApiError {
    let detail = match error.classify() {
        Category::Eof => "the body ends in the middle of the JSON".to_owned(),
        _ => format!("the body is not valid JSON: {error}"),
    };
    ApiError::Malformed(detail)
}

fn pointer_of(path: &Path) -> String {
    let mut pointer = String::new();
    for segment in path {
        let key = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => pointer_key(key),
            Segment::Enum { variant } => pointer_key(variant),
            Segment::Unknown => continue,
        };
        pointer.push('/');
        pointer.push_str(&key);
    }
    pointer
}

fn in_plain_words(message: &str) -> String {
    let Some((found, expected)) = message.rsplit_once("expected ") else { return message.to_owned() };
    let plain = PLAIN_WORDS.iter().find(|(word, _)| *word == expected).map(|(_, plain)| *plain);
    let expected = plain.unwrap_or(if expected.starts_with("struct ") { "an object" } else { expected });
    format!("{found}expected {expected}")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::spec::Wish;

    fn refused(document: Value) -> (String, String) {
        match decode::<Wish>(document).unwrap_err() {
            ApiError::Invalid(mut problems) => {
                let problem = problems.remove(0);
                (problem.pointer, problem.detail)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whatever_is_wrong_is_pointed_to_in_plain_words() {
        let cases = [
            (json!({"module": "http", "interval": 10}), "/name", "`name` is missing"),
            (json!({"name": 5, "module": "http", "interval": 10}), "/name", "expected a text"),
            (json!({"name": "a", "module": "http", "interval": 10, "colour": 1}), "/colour", "unknown field `colour`"),
            (json!({"name": "a", "module": "http", "interval": 11}), "/interval", "11 is no interval"),
            (json!({"name": "a", "module": "http", "interval": 10, "streams": "x"}), "/streams", "a whole number"),
            (json!({"name": "a", "module": "http", "interval": 10, "streams": 70000}), "/streams", "a whole number"),
            (
                json!({"name": "a", "module": "http", "interval": 10, "confirm": {"of": 1}}),
                "/confirm/of",
                "unknown field",
            ),
            (json!({"name": "a", "module": "http", "interval": 10, "contacts": ["x"]}), "/contacts/0", "con_"),
            (json!({"name": "a", "module": "http", "interval": 10, "labels": {"a/b": 1}}), "/labels/a~1b", "a text"),
            (json!(["a", "http"]), "", "must be an object"),
        ];
        for (document, pointer, words) in cases {
            let (at, detail) = refused(document.clone());
            assert_eq!(at, pointer, "{document}: {detail}");
            assert!(detail.contains(words), "{document}: {detail}");
        }
    }
}
