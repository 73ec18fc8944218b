//! A change as a merge patch (RFC 7396): what made the thing, with every field free to be left away.

use std::marker::PhantomData;

use axum::extract::{FromRequest, Request};
use schemars::JsonSchema;
use serde_json::{Value, json};

use super::super::extract::Body;
use super::super::problem::ApiError;
use super::operation::Operation;

/// A merge patch of a `T`.
pub(in super::super) struct Patch<T> {
    pub document: Value,
    of: PhantomData<fn() -> T>,
}

impl<T, S: Send + Sync> FromRequest<S> for Patch<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let Body(document) = Body::<Value>::from_request(request, state).await?;
        Ok(Self { document, of: PhantomData })
    }
}

impl<T: JsonSchema> Patch<T> {
    /// The schema of the patch, which follows from that of the thing.
    pub(super) fn schema() -> Value {
        patch_of(Operation::schema_read::<T>())
    }
}

/// Nothing is required in a patch, and what was not required may be taken back with null.
fn patch_of(mut schema: Value) -> Value {
    let required = schema["required"].take();
    let is_required = |name: &str| required.as_array().is_some_and(|names| names.iter().any(|known| known == name));
    if let Some(object) = schema.as_object_mut() {
        object.remove("required");
        object.remove("default");
    }
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, field) in fields {
            let changed = patch_of(field.take());
            *field = if is_required(name) { changed } else { or_null(&changed) };
        }
    }
    if schema["additionalProperties"].is_object() {
        schema["additionalProperties"] = or_null(&patch_of(schema["additionalProperties"].take()));
    } else if schema["additionalProperties"].is_null() {
        schema.as_object_mut().map(|object| object.remove("additionalProperties"));
    }
    schema
}

fn or_null(schema: &Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_demands_nothing_and_takes_back_only_what_was_free() {
        let wish = json!({
            "type": "object", "required": ["name"], "additionalProperties": false,
            "properties": {"name": {"type": "string"}, "weight": {"type": "integer", "default": 1}},
        });
        let patch = json!({
            "type": "object", "additionalProperties": false,
            "properties": {
                "name": {"type": "string"}, "weight": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            },
        });
        assert_eq!(patch_of(wish), patch);
    }
}
