//! The document as a whole: every route of the list, and the schemas they share.

use axum::body::Bytes;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::super::routes::Entry;
use super::operation::{Answer, Operation};

const ABOUT: &str = "Farwatch watches from many places and tells people of outages. Times are Unix milliseconds. Refusals \
                     are problem documents (RFC 9457) that say what to do. Lists are pages: give `next` back as `cursor`. \
                     Whatever may be changed has an ETag; name it in If-Match so that nobody else's change is lost.";

/// The document, as it is sent. Cheap to clone.
#[derive(Clone)]
pub(in super::super) struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> Response {
        let json = HeaderValue::from_static("application/json");
        ([(header::CONTENT_TYPE, json)], self.0).into_response()
    }
}

impl Answer for Document {
    fn describe(operation: &mut Operation<'_>) {
        let content = ("application/json", json!({"type": "object"}));
        operation.answers(StatusCode::OK, "An OpenAPI 3.1 document.", Some(content), &json!({}));
    }
}

/// The document of these routes.
pub(in super::super) fn document(routes: &[Entry]) -> Document {
    let settings = SchemaSettings::draft2020_12().for_serialize().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut schemas = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for entry in routes {
        let mut operation = Operation::new(entry.route.method, &mut schemas);
        (entry.describe)(&mut operation);
        let shown = operation.finished(entry.route.path, entry.about);
        let path = paths.entry(entry.route.path).or_insert_with(|| json!({}));
        path[entry.route.method.to_lowercase()] = shown;
    }
    let whole = json!({
        "openapi": "3.1.0",
        "info": {"title": "Farwatch", "version": farwatch_proto::VERSION, "description": ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": {"token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "fw_ and 64 hex digits",
                "description": "A token; `farwatch token create` makes one. Its scope is metrics, read, tenant or operator.",
            }},
        },
    });
    Document(whole.to_string().into())
}
