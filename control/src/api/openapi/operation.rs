//! One operation of the API as it is put together by what its handler takes and returns.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::super::problem::Problem;
use super::super::token::Scope;

/// What a handler takes out of a request.
pub(in super::super) trait Input {
    /// Tells of it.
    fn describe(operation: &mut Operation<'_>);
}

/// What a handler returns.
pub(in super::super) trait Answer {
    /// Tells of it.
    fn describe(operation: &mut Operation<'_>);
}

/// A handler whose operation follows from its signature. `Signature` is what tells the implementations apart.
pub(in super::super) trait Described<Signature> {
    /// Tells of all it takes and returns.
    fn describe(operation: &mut Operation<'_>);
}

macro_rules! described {
    ($($input:ident),*) => {
        impl<F, Returned, A, $($input),*> Described<(A, $($input,)*)> for F
        where
            F: Fn($($input),*) -> Returned,
            Returned: Future<Output = A>,
            A: Answer,
            $($input: Input,)*
        {
            fn describe(operation: &mut Operation<'_>) {
                $($input::describe(operation);)*
                A::describe(operation);
            }
        }
    };
}

described!(I1);
described!(I1, I2);
described!(I1, I2, I3);
described!(I1, I2, I3, I4);
described!(I1, I2, I3, I4, I5);

/// An operation under way.
pub(in super::super) struct Operation<'s> {
    schemas: &'s mut SchemaGenerator,
    method: &'static str,
    parameters: Vec<Value>,
    body: Option<Value>,
    answers: BTreeMap<u16, Value>,
    security: Option<Value>,
    scope: Option<Scope>,
}

impl<'s> Operation<'s> {
    pub(in super::super) fn new(method: &'static str, schemas: &'s mut SchemaGenerator) -> Self {
        let mut operation = Self {
            schemas,
            method,
            parameters: Vec::new(),
            body: None,
            answers: BTreeMap::new(),
            security: None,
            scope: None,
        };
        operation.refuses(StatusCode::UNAUTHORIZED, "The token that was sent is not good.");
        operation.refuses(StatusCode::TOO_MANY_REQUESTS, "Too much was asked; Retry-After says when to come back.");
        operation.refuses(StatusCode::INTERNAL_SERVER_ERROR, "Farwatch failed; its log says why.");
        operation.refuses(StatusCode::SERVICE_UNAVAILABLE, "It cannot be done just now; nothing is lost, try again.");
        operation
    }

    /// Whether the operation makes something, and so may be repeated under a key.
    pub(in super::super) fn is_post(&self) -> bool {
        self.method == "POST"
    }

    /// The schema of what is answered, named and shared by all operations.
    pub(in super::super) fn schema_of<T: JsonSchema>(&mut self) -> Value {
        self.schemas.subschema_for::<T>().to_value()
    }

    /// The schema of what is read, written out in its place.
    pub(in super::super) fn schema_read<T: JsonSchema>() -> Value {
        let settings = SchemaSettings::draft2020_12().with(|settings| {
            settings.inline_subschemas = true;
            settings.meta_schema = None;
        });
        settings.into_generator().into_root_schema_for::<T>().to_value()
    }

    /// Adds a parameter of the query, the path or the head.
    pub(in super::super) fn parameter(&mut self, place: &str, name: &str, about: &str, schema: &Value) {
        let is_required = place == "path";
        self.parameters
            .push(json!({"in": place, "name": name, "description": about, "required": is_required, "schema": schema}));
    }

    /// Says what the body must be, in any of these media types.
    pub(in super::super) fn takes(&mut self, media: &[&str], schema: &Value) {
        let content: Map<String, Value> =
            media.iter().map(|media| ((*media).to_owned(), json!({ "schema": schema }))).collect();
        self.body = Some(json!({"required": true, "content": content}));
    }

    /// Demands a token; `None` is one of any scope.
    pub(in super::super) fn demands(&mut self, scope: Option<Scope>) {
        self.security = Some(json!([{"token": []}]));
        self.scope = scope;
    }

    /// Takes a token and does without.
    pub(in super::super) fn welcomes_a_token(&mut self) {
        self.security = Some(json!([{}, {"token": []}]));
    }

    /// Adds an answer that is a success, or another media type of one.
    pub(in super::super) fn answers(
        &mut self,
        status: StatusCode,
        about: &str,
        content: Option<(&str, Value)>,
        headers: &Value,
    ) {
        let new = || json!({"description": about, "headers": headers});
        let answer = self.answers.entry(status.as_u16()).or_insert_with(new);
        if let Some((media, schema)) = content {
            answer["content"][media] = json!({"schema": schema});
        }
    }

    /// Adds a body to a status that may also be a refusal.
    pub(in super::super) fn may_answer(&mut self, status: StatusCode, about: &str, content: Option<(&str, Value)>) {
        self.refuses(status, about);
        if let (Some((media, schema)), Some(answer)) = (content, self.answers.get_mut(&status.as_u16())) {
            answer["content"][media] = json!({"schema": schema});
        }
    }

    /// Adds a refusal.
    pub(in super::super) fn refuses(&mut self, status: StatusCode, about: &str) {
        let schema = self.schema_of::<Problem>();
        let mut answer = json!({"description": about, "content": {"application/problem+json": {"schema": schema}}});
        match status {
            StatusCode::UNAUTHORIZED => {
                answer["headers"] = header("WWW-Authenticate", "How to prove who asks.", "string");
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                answer["headers"] = header("Retry-After", "After how many seconds to ask again.", "integer");
            }
            _ => {}
        }
        self.answers.insert(status.as_u16(), answer);
    }

    /// The operation as the document shows it.
    pub(in super::super) fn finished(self, path: &str, about: &str) -> Value {
        let resource = path.trim_start_matches("/v1/").split('/').next().unwrap_or_default();
        let words = path.trim_start_matches("/v1/").replace(['/', '{', '}', '.'], " ");
        let id = words.split_whitespace().fold(self.method.to_lowercase(), |id, word| id + "_" + word);
        let answers: Map<String, Value> =
            self.answers.into_iter().map(|(status, answer)| (status.to_string(), answer)).collect();
        let mut shown = json!({
            "operationId": id,
            "tags": [resource],
            "summary": about,
            "parameters": self.parameters,
            "responses": answers,
            "security": self.security.unwrap_or_else(|| json!([])),
        });
        if let Some(body) = self.body {
            shown["requestBody"] = body;
        }
        if let Some(scope) = self.scope {
            shown["description"] = format!("Needs a token of the scope `{}`.", scope.word()).into();
            shown["x-farwatch-scope"] = scope.word().into();
        }
        shown
    }
}

/// A header that an answer bears.
pub(in super::super) fn header(name: &str, about: &str, kind: &str) -> Value {
    json!({name: {"description": about, "schema": {"type": kind}}})
}
