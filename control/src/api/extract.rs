//! What handlers take out of a request: bodies, ids in paths, query parameters. Each refuses with its pointer.

mod body;
mod cursor;
mod id;
mod params;
mod stream;

pub(crate) use body::{Body, patched};
pub(crate) use cursor::{AuditPlace, Cursor, PageView, page_of};
pub(crate) use id::Id;
pub(crate) use params::Params;
pub(crate) use stream::Stream;
