//! The tests of the whole: what must be absent, and stories over real processes.

#![allow(clippy::unwrap_used, reason = "an error fails the test that meets it")]

mod stories;
mod tidy;
