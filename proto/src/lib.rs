//! The vocabulary that hosts and the control plane share.
//!
//! Types, their limits and their encodings, nothing else: no IO, no clock, no randomness and no
//! decisions. Whoever reads this crate in the order below has read the treaty between the two.

pub mod id;
pub mod time;

pub mod interval;
pub mod outcome;

/// The version of this build. `FARWATCH_VERSION` in the environment of the compiler names another.
pub const VERSION: &str = match option_env!("FARWATCH_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

pub mod check;
pub mod fleet;
pub mod run;

pub mod pack;

pub mod panel;

pub mod link;
pub mod peer;
pub mod signed;
pub mod trying;

pub mod join;
