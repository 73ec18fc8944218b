//! Check modules for Farwatch, in Rust: implement [`Check`], name it in [`export!`], and ask your target by [`http`].
//!
//! It is a thin layer over the bindings of the treaty, which stand whole in [`wit`] for whatever has no easy way here:
//! `tcp`, `udp`, `dns`, `tls` and `icmp`. It judges no target, and it keeps nothing from one run to the next.

#[cfg(any(target_arch = "wasm32", test))]
mod allocator;
mod check;
mod config;
pub mod http;
mod outcome;

/// The bindings of the treaty, generated from `wit/`. A module imports what it uses of them and nothing else.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "check-module",
        pub_export_macro: true,
    });
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: allocator::RoomFirst = allocator::RoomFirst::new();

pub use schemars::{self, JsonSchema};
pub use serde::{self, Deserialize};

pub use crate::check::{Check, Context};
pub use crate::config::Secret;
pub use crate::outcome::{attributes_of, problem};
pub use crate::wit::farwatch::check::log::Level;
pub use crate::wit::farwatch::check::types::{Attribute, Failure, Outcome, Problem, Status, Value};

#[doc(hidden)]
pub mod exported {
    //! What [`export!`](crate::export) calls.
    pub use crate::config::{judged, reread, schema};
}

/// Adds a line to the log of this run, which its author sees beside the outcome.
pub fn log(level: Level, message: &str) {
    wit::farwatch::check::log::emit(level, message);
}
