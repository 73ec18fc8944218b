//! Metrics for an operator's Prometheus, under its usual path. They tell of the whole fleet and of nobody's checks, so
//! whoever reads them needs a token of their own scope, or an operator's.

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};

use super::Api;
use super::auth::Caller;
use super::extract::Params;
use super::heartbeats;
use super::openapi::{Answer, Input, NoQuery, Operation};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use crate::metrics::{Answered, Exposition, Format, Sight};

/// What a request is counted under that no route serves: what callers make up is no label.
const NO_ROUTE: &str = "none";

pub(super) fn routes() -> Routes {
    Routes::default().get("/metrics", show).about("Metrics of this process, for Prometheus")
}

/// The format that the caller accepts.
struct Accepted(Format);

impl<S: Send + Sync> FromRequestParts<S> for Accepted {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let accept = parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
        Ok(Self(Format::accepted(accept.unwrap_or_default())))
    }
}

impl Input for Accepted {
    fn describe(_: &mut Operation<'_>) {}
}

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static(self.format.media()))], self.text).into_response()
    }
}

impl Answer for Exposition {
    fn describe(operation: &mut Operation<'_>) {
        let schema = json!({"type": "string"});
        let about = "Metrics as Prometheus reads them; OpenMetrics where it is accepted.";
        for format in [Format::Classic, Format::OpenMetrics] {
            operation.answers(StatusCode::OK, about, Some((format.media(), schema.clone())), &json!({}));
        }
    }
}

async fn show(
    State(api): State<Api>,
    caller: Caller,
    _: Params<NoQuery>,
    Accepted(format): Accepted,
) -> Result<Exposition, ApiError> {
    if caller.scope != Scope::Metrics {
        caller.demand(Scope::Operator)?;
    }
    let Api { metrics, leader, tasks, store, clock, .. } = api;
    Ok(Sight { metrics, leader, tasks, store, clock }.exposed(format).await)
}

/// The span of a request. What no route serves is not told of by its path.
fn span_of(request: &Request, route: &str, method: &'static str) -> Span {
    // The path of a heartbeat is a key, and belongs in no trace.
    let is_told = route != NO_ROUTE && !route.starts_with(heartbeats::PATH);
    let path = is_told.then(|| request.uri().path());
    let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
    info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        url.path = path,
        traceparent,
        error = Empty,
    )
}

/// Notes the answer on the span. What a caller did wrong is no failure of ours.
fn note(span: &Span, status: StatusCode) {
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("error", status.as_str());
    }
}

/// Counts every answer, whoever gave it, and tells of it by a span.
pub(super) async fn count(State(api): State<Api>, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let (route, method) = (path.unwrap_or_else(|| NO_ROUTE.to_owned()), word_of(request.method()));
    let (began, span) = (api.clock.precise(), span_of(&request, &route, method));
    let response = next.run(request).instrument(span.clone()).await;
    note(&span, response.status());
    let (status, took) = (response.status().as_u16(), api.clock.precise().saturating_sub(began));
    if response.status() == StatusCode::TOO_MANY_REQUESTS {
        api.metrics.refused_for_rate();
    }
    api.metrics.answered(Answered { route, method, status, took });
    response
}

/// The method, where it is one that routes take: whatever else callers make up is no label.
fn word_of(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
