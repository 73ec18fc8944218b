//! What handlers take out of a request: bodies, ids in paths, query parameters. Each refuses with its pointer.

mod body;
mod cursor;
mod id;
mod params;

pub use body::{Body, decode};
pub use cursor::{Cursor, PageView, page_of};
pub use id::Id;
pub use params::Params;
