//! Modules that attack: each a folder of `tests/hostile/`, with what it does and how it has to end.
//!
//! An attack passes the gate by which control takes modules in, as far as it gets, and then runs with the probes of a host
//! against servers on loopback. What it is stopped by has a code of its own.

pub mod apart;
pub mod attack;
pub mod component;
pub mod play;
pub mod servers;
