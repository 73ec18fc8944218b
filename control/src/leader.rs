//! The leader: one process of the control plane, by a lease, that owns the host links, gathers results,
//! places, judges and writes incidents.
//!
//! Its loop takes in what came, decides by `core`, commits one flush, and only then acts. Everything it
//! holds can be loaded again, so that a crash, a takeover and an ordinary start are one path.

mod admission;
pub mod afterwards;
mod assignment;
mod book;
mod carried;
mod census;
mod checkpoint;
mod commit;
mod draft;
mod draining;
mod evidence;
mod following;
pub mod handle;
mod heartbeats;
pub mod journal_body;
mod lease;
mod loads;
mod outages;
pub mod question;
pub(crate) mod questions;
mod references;
mod reign;
mod requests;
mod secret_values;
mod self_check;
mod sessions;
mod state;
mod takeover;
mod telling;
mod testing;
mod told;
pub mod tries;
pub(crate) mod upgrades;
mod views;

#[cfg(test)]
mod tests;

pub use handle::LeaderHandle;
pub(crate) use lease::LEADER_TASK;
pub use lease::{LeaderConfig, start};
