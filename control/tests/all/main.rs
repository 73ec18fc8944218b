//! Everything about the control plane that needs more than one file of it: one binary, one module per part.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod api;
mod store;
mod tell;
