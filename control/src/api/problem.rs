//! Every way in which the API says no: RFC 9457 problem documents, and the only place that knows status codes.
//!
//! A problem says what to do. What an operator must know and a caller must not is logged here, once.

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use farwatch_core::quota::Exceeded;
use schemars::JsonSchema;
use serde::Serialize;
use tracing::error;

use crate::ledger::LedgerError;
use crate::spec::FieldProblem;
use crate::store::{StoreError, Unique};
use crate::tail::TailError;

/// The media type of a problem document.
const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");
/// When a caller may try again what the house could not do just now, in seconds.
const RETRY_AFTER_S: HeaderValue = HeaderValue::from_static("2");
/// How a caller proves who it is.
const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"farwatch\"");

/// Why a request was not done.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// The body is not the JSON it should be at all.
    Malformed(String),
    /// A query parameter is unknown or bad.
    BadParameter {
        /// Which.
        name: String,
        /// What is wrong, and what to do.
        detail: String,
    },
    /// Fields of the body are not acceptable: all of them that are known to be so.
    Invalid(Vec<FieldProblem>),
    /// The request does not say who is asking, or says it wrongly.
    Unauthenticated(String),
    /// The token may not do this.
    Forbidden(String),
    /// There is no such thing, or it is not the caller's.
    NotFound(String),
    /// The path exists and does not take this method.
    MethodNotAllowed,
    /// It would break a rule that the field shares with another row.
    Conflict(FieldProblem),
    /// It was changed since the caller read it.
    Stale {
        /// The revision it has now.
        latest: u32,
    },
    /// The body is too large.
    TooLarge {
        /// How large it may be.
        most_bytes: usize,
    },
    /// The body is not said to be JSON.
    NotJson,
    /// The body is not said to be a component.
    NotWasm,
    /// A module breaks a rule.
    Refused {
        /// The stable word of the rule.
        code: &'static str,
        /// What was found, and what to do.
        detail: String,
    },
    /// The key under which the answer is to be kept cannot be used.
    BadKey(String),
    /// There would be more than there may be.
    Exceeded(Exceeded),
    /// Too much was asked.
    TooMany {
        /// Of what, in words.
        what: &'static str,
        /// After how long the next request may come.
        wait_ms: i64,
    },
    /// It cannot be done just now, or not by this process.
    Unavailable(String),
    /// It failed in a way that no caller can mend; what went wrong is in the log.
    Internal(String),
}

/// The document. `in` tells whether the pointer leads into the body or into the query.
#[derive(Serialize, JsonSchema)]
pub(super) struct Problem {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    place: Option<&'static str>,
    /// The rule that a module breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// The quota that is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<ReachedQuota>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// What a quota allows, and what was to be had of it.
#[derive(Serialize, JsonSchema)]
struct ReachedQuota {
    /// The word that stands for it, such as `runs-per-minute`.
    name: &'static str,
    /// How much there may be.
    most: u64,
    /// How much there is.
    used: u64,
    /// How much more was wanted; none where what there is counts by itself.
    wanted: u64,
}

/// One of several things wrong with a body.
#[derive(Serialize, JsonSchema)]
struct FieldError {
    pointer: String,
    detail: String,
}

impl ApiError {
    /// The problem of one field.
    pub(crate) fn field(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::Invalid(vec![FieldProblem::new(pointer, detail)])
    }

    /// A problem of one query parameter.
    pub(crate) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::BadParameter { name: name.to_owned(), detail: detail.into() }
    }

    /// There is none of this kind under this id, for this caller.
    pub(crate) fn no_such(kind: &str, id: impl std::fmt::Display) -> Self {
        Self::NotFound(format!("there is no {kind} {id}; see the list for those there are"))
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) | Self::BadParameter { .. } => StatusCode::BAD_REQUEST,
            Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) | Self::Exceeded(_) => StatusCode::CONFLICT,
            Self::Stale { .. } => StatusCode::PRECONDITION_FAILED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NotJson | Self::NotWasm => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) | Self::Refused { .. } | Self::BadKey(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The last part of the type, and the title that goes with it.
    const fn kind(&self) -> (&'static str, &'static str) {
        match self {
            Self::Malformed(_) => ("malformed", "The body cannot be read"),
            Self::BadParameter { .. } => ("bad-parameter", "A query parameter is not acceptable"),
            Self::Invalid(_) => ("invalid", "The body is not acceptable"),
            Self::Unauthenticated(_) => ("unauthenticated", "A valid token is needed"),
            Self::Forbidden(_) => ("forbidden", "The token may not do this"),
            Self::NotFound(_) => ("not-found", "There is no such thing"),
            Self::MethodNotAllowed => ("method-not-allowed", "The path does not take this method"),
            Self::Conflict(_) => ("conflict", "Something else stands in the way"),
            Self::Stale { .. } => ("stale", "It was changed meanwhile"),
            Self::TooLarge { .. } => ("too-large", "The body is too large"),
            Self::NotJson => ("not-json", "The body must be JSON"),
            Self::NotWasm => ("not-wasm", "The body must be a component"),
            Self::Refused { .. } => ("module-refused", "The module is not acceptable"),
            Self::BadKey(_) => ("bad-key", "The Idempotency-Key cannot be used"),
            Self::Exceeded(_) => ("quota-reached", "There may be no more"),
            Self::TooMany { .. } => ("too-many-requests", "Too much was asked"),
            Self::Unavailable(_) => ("unavailable", "It cannot be done just now"),
            Self::Internal(_) => ("internal", "Farwatch failed"),
        }
    }

    fn detail(&self) -> String {
        match self {
            Self::Malformed(detail)
            | Self::BadParameter { detail, .. }
            | Self::Unauthenticated(detail)
            | Self::Forbidden(detail)
            | Self::NotFound(detail)
            | Self::Refused { detail, .. }
            | Self::BadKey(detail)
            | Self::Unavailable(detail) => detail.clone(),
            Self::Conflict(problem) => problem.detail.clone(),
            Self::Exceeded(exceeded) => exceeded.to_string(),
            Self::Invalid(problems) => problems.first().map_or_else(String::new, |problem| problem.detail.clone()),
            Self::MethodNotAllowed => "see the header Allow for the methods that it takes".to_owned(),
            Self::Stale { latest } => {
                format!("it is at revision {latest} by now; read it again and repeat the change")
            }
            Self::TooLarge { most_bytes } => format!("a body may have {most_bytes} bytes"),
            Self::TooMany { what, wait_ms } => {
                format!("{what}; ask again in {} s", whole_seconds(*wait_ms))
            }
            Self::NotJson => "send the header Content-Type: application/json".to_owned(),
            Self::NotWasm => "send the component with the header Content-Type: application/wasm".to_owned(),
            Self::Internal(_) => "the log of this process says what went wrong".to_owned(),
        }
    }

    fn pointer(&self) -> (Option<String>, Option<&'static str>) {
        match self {
            Self::Malformed(_) => (Some(String::new()), Some("body")),
            Self::Invalid(problems) => (problems.first().map(|problem| problem.pointer.clone()), Some("body")),
            Self::Conflict(problem) => (Some(problem.pointer.clone()), Some("body")),
            Self::BadParameter { name, .. } => (Some(format!("/{name}")), Some("query")),
            _ => (None, None),
        }
    }

    const fn code(&self) -> Option<&'static str> {
        match self {
            Self::Refused { code, .. } => Some(*code),
            _ => None,
        }
    }

    fn quota(&self) -> Option<ReachedQuota> {
        let Self::Exceeded(Exceeded { quota, most, used, wanted }) = *self else { return None };
        Some(ReachedQuota { name: quota.word(), most, used, wanted })
    }

    fn errors(&self) -> Vec<FieldError> {
        match self {
            Self::Invalid(problems) if problems.len() > 1 => problems
                .iter()
                .map(|problem| FieldError { pointer: problem.pointer.clone(), detail: problem.detail.clone() })
                .collect(),
            _ => Vec::new(),
        }
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(header::CONTENT_TYPE, PROBLEM_JSON)]);
        match self {
            Self::Unauthenticated(_) => headers.insert(header::WWW_AUTHENTICATE, BEARER),
            Self::TooMany { wait_ms, .. } => headers.insert(header::RETRY_AFTER, whole_seconds(*wait_ms).into()),
            Self::Unavailable(_) => headers.insert(header::RETRY_AFTER, RETRY_AFTER_S),
            _ => None,
        };
        headers
    }
}

/// The seconds after which this much has passed; the header knows nothing finer.
fn whole_seconds(wait_ms: i64) -> u64 {
    u64::try_from(wait_ms).unwrap_or(0).div_ceil(1000).max(1)
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Internal(reason) = &self {
            error!(reason, "a request failed");
        }
        let (kind, title) = self.kind();
        let (pointer, place) = self.pointer();
        let problem = Problem {
            kind: format!("urn:farwatch:problem:{kind}"),
            title,
            status: self.status().as_u16(),
            detail: self.detail(),
            pointer,
            place,
            code: self.code(),
            quota: self.quota(),
            errors: self.errors(),
        };
        let mut response = (self.status(), Json(problem)).into_response();
        response.headers_mut().extend(self.headers());
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(rule) => Self::Conflict(taken(rule)),
            StoreError::StaleRevision { latest } => Self::Stale { latest },
            StoreError::KeyInUse => {
                let detail = "the same request is under way; send it again for its answer";
                Self::Conflict(FieldProblem::new("", detail))
            }
            StoreError::TooManyKeys { most } => Self::BadKey(format!(
                "{most} answers of the last day are kept for this token, as many as may be; send the request without a key"
            )),
            StoreError::Exceeded(exceeded) => Self::Exceeded(exceeded),
            StoreError::FleetFull { most } => {
                let detail = format!("the fleet holds {most} hosts, as many as it can; retire one first");
                Self::Conflict(FieldProblem::new("", detail))
            }
            StoreError::Unavailable(_) | StoreError::TooSlow { .. } => {
                Self::Unavailable("the database does not answer just now; nothing is lost, try again".to_owned())
            }
            other => Self::Internal(other.to_string()),
        }
    }
}

fn taken(rule: Unique) -> FieldProblem {
    let (pointer, what) = match rule {
        Unique::TenantName => ("/name", "a tenant of this name"),
        Unique::ContactName => ("/name", "a contact of this name"),
        Unique::CheckName => ("/name", "a check of this name"),
        Unique::HostName => ("/name", "a host of this name"),
        Unique::ModuleVersion => ("/version", "another module of this name and version"),
        Unique::TokenHash => ("", "this very token"),
        Unique::OpenIncident => ("", "an open incident of this check"),
    };
    FieldProblem::new(pointer, format!("there is {what} already; choose another, or change that one"))
}

impl From<TailError> for ApiError {
    fn from(error: TailError) -> Self {
        match error {
            TailError::Behind | TailError::Unfolded { .. } => Self::Unavailable(error.to_string()),
            TailError::Store(store) => store.into(),
        }
    }
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::BadPeriod => Self::parameter("to", error.to_string()),
            LedgerError::TooManySlots { .. } | LedgerError::TooManyDays => Self::parameter("from", error.to_string()),
            LedgerError::Store(store) => store.into(),
            LedgerError::Tail(tail) => tail.into(),
            LedgerError::DamagedBlock { .. } => Self::Internal(error.to_string()),
        }
    }
}
