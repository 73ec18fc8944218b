//! What each extractor means for a caller: its parameters, and the refusals it may give.

use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde_json::json;

use super::super::Api;
use super::super::auth::{Caller, Operator, Reader, TENANT_HEADER, Writer};
use super::super::extract::{Body, Id, Params, Stream};
use super::super::health::Anybody;
use super::super::idempotency::{KEY_HEADER, KEY_MAX_BYTES};
use super::super::revision::IfMatch;
use super::super::token::Scope;
use super::super::uploads::{Component, WASM};
use super::operation::{Input, Operation};
use super::patch::Patch;
use super::query::Query;

/// The media types of a JSON body; a change may name its own.
const JSON: [&str; 1] = ["application/json"];
const PATCHES: [&str; 2] = ["application/merge-patch+json", "application/json"];

impl Input for State<Api> {
    fn describe(_: &mut Operation<'_>) {}
}

impl Input for Caller {
    fn describe(operation: &mut Operation<'_>) {
        asked_by(operation, None);
    }
}

impl Input for Reader {
    fn describe(operation: &mut Operation<'_>) {
        asked_by(operation, Some(Scope::Read));
    }
}

impl Input for Writer {
    fn describe(operation: &mut Operation<'_>) {
        asked_by(operation, Some(Scope::Tenant));
    }
}

impl Input for Operator {
    fn describe(operation: &mut Operation<'_>) {
        asked_by(operation, Some(Scope::Operator));
    }
}

impl Input for Anybody {
    fn describe(operation: &mut Operation<'_>) {
        operation.welcomes_a_token();
        operation.refuses(StatusCode::BAD_REQUEST, "A parameter of the query is unknown or bad.");
    }
}

/// Whoever proves who it is may name a tenant, and may be refused for the scope of its token.
fn asked_by(operation: &mut Operation<'_>, scope: Option<Scope>) {
    operation.demands(scope);
    let about = "The tenant that is meant, by id or name, where an operator asks.";
    let schema = json!({"type": "string", "minLength": 1, "examples": ["main"]});
    operation.parameter("query", "tenant", about, &schema);
    operation.parameter("header", TENANT_HEADER, about, &json!({"type": "string"}));
    operation.refuses(StatusCode::BAD_REQUEST, "A parameter of the query is unknown or bad.");
    operation.refuses(StatusCode::FORBIDDEN, "The token may not do this.");
    operation.refuses(StatusCode::NOT_FOUND, "There is no such thing, or it is another tenant's.");
    if operation.is_post() {
        let about = "Whoever repeats a request under the same key gets the same answer for a day.";
        let schema = json!({"type": "string", "minLength": 1, "maxLength": KEY_MAX_BYTES});
        operation.parameter("header", KEY_HEADER.as_str(), about, &schema);
        operation.refuses(StatusCode::CONFLICT, "Something else stands in the way.");
        operation.refuses(StatusCode::UNPROCESSABLE_ENTITY, "The body is not acceptable, or the key cannot be used.");
        operation.refuses(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
    }
}

impl<T: JsonSchema> Input for Id<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameter("path", "id", "Which.", &Operation::schema_read::<T>());
        operation.refuses(StatusCode::NOT_FOUND, "There is no such thing, or it is another tenant's.");
    }
}

impl<Q: Query> Input for Params<Q> {
    fn describe(operation: &mut Operation<'_>) {
        for parameter in Q::KNOWN {
            operation.parameter("query", parameter.name, parameter.about, &parameter.kind.schema());
        }
        operation.refuses(StatusCode::BAD_REQUEST, "A parameter of the query is unknown or bad.");
    }
}

impl Input for IfMatch {
    fn describe(operation: &mut Operation<'_>) {
        let about = "The ETag of what was read; the change is refused where it was changed since.";
        operation.parameter("header", "If-Match", about, &json!({"type": "string", "examples": ["\"3\""]}));
        operation.refuses(StatusCode::PRECONDITION_FAILED, "It was changed since it was read.");
        operation.refuses(StatusCode::CONFLICT, "Something else stands in the way.");
    }
}

impl<T: JsonSchema> Input for Body<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes(&JSON, &Operation::schema_read::<T>());
        refuses_bodies(operation);
    }
}

impl<T: JsonSchema> Input for Patch<T> {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes(&PATCHES, &Self::schema());
        refuses_bodies(operation);
    }
}

impl Input for Stream {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes(&["application/octet-stream"], &json!({"type": "string", "contentEncoding": "binary"}));
        operation.refuses(StatusCode::BAD_REQUEST, "The body cannot be read, or a parameter is bad.");
        operation.refuses(StatusCode::CONFLICT, "Something else stands in the way.");
        operation.refuses(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
    }
}

impl Input for Component {
    fn describe(operation: &mut Operation<'_>) {
        operation.takes(&[WASM], &json!({"type": "string", "contentEncoding": "binary"}));
        operation.refuses(StatusCode::BAD_REQUEST, "The body cannot be read, or a parameter is bad.");
        operation.refuses(StatusCode::CONFLICT, "This version is there with other bytes, or a quota is reached.");
        operation.refuses(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
        operation.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not said to be a component.");
        operation.refuses(StatusCode::UNPROCESSABLE_ENTITY, "The module breaks a rule; `code` says which.");
    }
}

fn refuses_bodies(operation: &mut Operation<'_>) {
    operation.refuses(StatusCode::BAD_REQUEST, "The body cannot be read, or a parameter is bad.");
    operation.refuses(StatusCode::CONFLICT, "Something else stands in the way.");
    operation.refuses(StatusCode::PAYLOAD_TOO_LARGE, "The body is too large.");
    operation.refuses(StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not said to be JSON.");
    operation.refuses(StatusCode::UNPROCESSABLE_ENTITY, "The body is not acceptable; `pointer` says where.");
}
