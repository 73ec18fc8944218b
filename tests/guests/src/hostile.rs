//! Modules that attack: each a folder of `tests/hostile/`, with what it does and how it has to end.
//!
//! An attack passes the gate by which control takes modules in, as far as it gets, and then runs with the probes of a host
//! against servers on loopback. What it is stopped by has a code of its own. How much it disturbs others is measured on a
//! host in a process of its own, which has 500 good checks to make.

pub mod apart;
pub mod attack;
pub mod component;
pub mod crowd;
pub mod play;
pub mod report;
pub mod servers;
