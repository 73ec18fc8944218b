//! The edge runtime: it runs checks when they are due and never loses what they found.
//!
//! Read `runner` first: one run, from a place to the spool. Probes look at targets, shards start what is
//! due, the spool keeps every result until control has it, the link carries them there, and the
//! assignment is what this host holds. What is due, who owns it and where it may connect is decided in
//! `core`; this crate does it.

pub mod clock;
pub mod config;
pub mod join;
pub mod probe;
pub mod recording;
pub mod secrets;
pub mod spool;
mod tries;
pub mod tryout;

mod assignment;
mod belief;
mod copies;
mod desks;
mod entropy;
mod handover;
mod health;
mod holdings;
mod host;
mod identity;
mod link;
mod listeners;
mod modules;
mod notify;
mod orders;
mod outcome;
mod panel;
mod peers;
mod private_file;
mod release;
mod remembered_time;
mod runner;
mod seen;
mod shard;
mod spawn;
mod upgrade;
pub mod wall;

pub use host::{housekeeping_runtime, run};
pub use release::{INSTALLED, chosen};
