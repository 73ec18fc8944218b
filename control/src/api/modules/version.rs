//! Which version of a module a path names. Whether there is one is found out by whoever reads it.

use axum::extract::{FromRequestParts, Path};
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::super::openapi::{Input, Operation};
use super::super::problem::ApiError;
use crate::spec::ModuleWord;

/// Name and version, as a path names them.
pub(in super::super) struct Version {
    pub(super) name: ModuleWord,
    pub(super) version: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Version {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let named = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((name, version)) =
            named.map_err(|_| ApiError::NotFound("the path does not name anything".to_owned()))?;
        let name = name.parse().map_err(|wrong| ApiError::NotFound(format!("{name:?} is {wrong}")))?;
        Ok(Self { name, version })
    }
}

impl Input for Version {
    fn describe(operation: &mut Operation<'_>) {
        operation.parameter("path", "id", "Which.", &Operation::schema_read::<ModuleWord>());
        operation.parameter("path", "version", "Which version of it.", &Operation::schema_read::<String>());
        operation.refuses(StatusCode::NOT_FOUND, "There is no such thing, or it is another tenant's.");
        operation.refuses(StatusCode::CONFLICT, "Checks are run by it.");
    }
}
