//! Every decision Farwatch takes, as plain functions of state, input and now.
//!
//! Nothing here awaits, reads a clock, draws randomness or touches a socket. Time comes in as an
//! argument and effects go out as values, so that hosts, control, the simulation and the auditor all
//! decide by the same code.

pub mod hash;
pub mod slot;

pub mod placement;

pub mod holding;

pub mod held;

pub mod clocks;

pub mod sanity;

pub mod capacity;

pub mod ownership;

pub mod fleet;

pub mod lease;

pub mod revision;

pub mod canary;

pub mod ledger;

pub mod audit;

pub mod own_incident;

pub mod block;

pub mod heartbeat;

pub mod detect;

pub mod confirm;

pub mod afterwards;

pub mod mass_failure;

pub mod evidence;

pub mod partition;

pub mod incident;

pub mod upgrade;
pub mod uptime;

pub mod delivery;

pub mod target;
pub mod traceparent;

pub mod egress;

pub mod certificate;

pub mod join;

pub mod rate;

pub mod quota;

pub mod cost;

pub mod health;
