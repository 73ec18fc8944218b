//! The host's edges against real servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod failures;
mod http;
mod probing;
mod raw;
mod tls;
