//! A body that is read as it comes: too large for memory, and its limit is the reader's.

use std::convert::Infallible;

use axum::body::BodyDataStream;
use axum::extract::{FromRequest, Request};

/// The body of a request, piece by piece.
pub(crate) struct Stream(pub BodyDataStream);

impl<S: Send + Sync> FromRequest<S> for Stream {
    type Rejection = Infallible;

    async fn from_request(request: Request, _: &S) -> Result<Self, Infallible> {
        Ok(Self(request.into_body().into_data_stream()))
    }
}
