//! The edge runtime: it runs checks when they are due and never loses what they found.
//!
//! Probes look at targets, the runner gives each run a fresh sandbox, the spool keeps every result until
//! control has it, and the link carries them there. What is due, who owns it and where it may connect is
//! decided in `core`; this crate does it.

pub mod clock;
pub mod probe;

pub mod spool;

mod spawn;
