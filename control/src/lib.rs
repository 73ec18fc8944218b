//! The control plane: it places checks, gathers results, judges outages, tells people and answers the
//! API.
//!
//! Decisions come from `core`; here they are loaded, performed and committed. One process leads and
//! owns the host links; every process serves the API. This crate never runs a check.

pub mod api;
pub mod authority;
pub mod backup;
pub mod builtin;
pub mod clock;
pub mod config;
mod crash;
pub mod file;
mod flag;
pub mod fold;
pub mod heartbeat;
pub mod leader;
pub mod ledger;
pub mod links;
pub mod metrics;
pub mod misses;
pub mod module_rules;
pub mod otlp;
pub mod process;
pub mod recorded;
mod refusals;
pub mod restore;
pub mod retention;
mod rollout;
pub mod seal;
pub mod secret;
mod sole;
pub mod spawn;
pub mod spec;
pub mod store;
pub mod tail;
pub mod tasks;
pub mod tell;
pub mod vault;
