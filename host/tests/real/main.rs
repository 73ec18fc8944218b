//! The host's edges against real servers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "the servers that tests play need tasks and a clock of their own")]

mod control;
mod datagrams;
mod dns;
mod echoes;
mod failures;
mod handshakes;
mod http;
mod link;
mod panel;
mod peers;
mod probing;
mod raw;
mod renewal;
mod running;
mod tcp;
mod tls;
