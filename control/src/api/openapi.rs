//! The OpenAPI document, made from the very types that read requests and write answers.
//!
//! Whatever a handler takes and returns says here what it means for a caller: an extractor tells of its parameters and of
//! the refusals it may give, an answer of its status, headers and body. So a route cannot be served and left out, nor
//! described otherwise than it is. Nothing here is written by hand but the sentences.

mod answers;
mod document;
mod inputs;
mod operation;
mod patch;
mod query;

pub(super) use document::{Document, document};
pub(super) use operation::{Answer, Described, Input, Operation};
pub(super) use patch::Patch;
pub(super) use query::{CURSOR, FROM, Kind, LIMIT, NoQuery, Parameter, Query, TO, query};

use axum::extract::State;

use super::Api;
use super::routes::Routes;

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/openapi.json", show).about("This document")
}

/// The document is no secret: it tells nothing of anybody's house.
async fn show(State(api): State<Api>) -> Document {
    api.document
}
