//! Ids in paths. One that cannot be is answered like one that is not there.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;

use super::super::problem::ApiError;

/// The id in a path.
pub(crate) struct Id<T>(pub T);

impl<T, S> FromRequestParts<S> for Id<T>
where
    T: FromStr + Send,
    T::Err: std::fmt::Display,
    S: Send + Sync,
{
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let text: Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::NotFound("the path does not name anything".to_owned()))?;
        text.0.parse().map(Self).map_err(|wrong| ApiError::NotFound(format!("{:?} is {wrong}", text.0)))
    }
}
