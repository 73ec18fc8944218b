//! What each kind of answer means for a caller: its status, headers and body.

use axum::Json;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::super::created::Created;
use super::super::modules::Pushed;
use super::super::problem::ApiError;
use super::super::revision::{Accepted, Tagged};
use super::operation::{Answer, Operation};

const JSON: &str = "application/json";

impl<T: Answer> Answer for Result<T, ApiError> {
    fn describe(operation: &mut Operation<'_>) {
        T::describe(operation);
    }
}

impl<T: JsonSchema> Answer for Json<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schema_of::<T>();
        operation.answers(StatusCode::OK, "As it is.", Some((JSON, schema)), &json!({}));
    }
}

impl<T: JsonSchema> Answer for Tagged<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schema_of::<T>();
        operation.answers(StatusCode::OK, "As it is, with its revision.", Some((JSON, schema)), &tag());
    }
}

impl<T: JsonSchema> Answer for Accepted<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schema_of::<T>();
        let about = "It is written, and pending until hosts know of it.";
        operation.answers(StatusCode::ACCEPTED, about, Some((JSON, schema)), &tag());
    }
}

impl<T: JsonSchema> Answer for Created<T> {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schema_of::<T>();
        let mut headers = tag();
        headers["Location"] = json!({"description": "Where it is from now on.", "schema": {"type": "string"}});
        headers["Idempotent-Replayed"] =
            json!({"description": "This answer was given before.", "schema": {"type": "string", "enum": ["true"]}});
        operation.answers(StatusCode::CREATED, "It was made.", Some((JSON, schema)), &headers);
    }
}

impl<T: JsonSchema> Answer for Pushed<T> {
    fn describe(operation: &mut Operation<'_>) {
        Created::<T>::describe(operation);
        let schema = operation.schema_of::<T>();
        operation.answers(StatusCode::OK, "The very same bytes were there.", Some((JSON, schema)), &json!({}));
    }
}

impl Answer for StatusCode {
    fn describe(operation: &mut Operation<'_>) {
        operation.answers(Self::NO_CONTENT, "Done.", None, &json!({}));
    }
}

fn tag() -> Value {
    json!({"ETag": {"description": "Its revision.", "schema": {"type": "string"}}})
}
