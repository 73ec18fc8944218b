//! What the built-in check modules have in common: the bindings of the treaty, an allocator for one run, the reading of
//! configs and secrets, plans as bytes, conversations with servers, requests of HTTP, and the words for what every probe shows.
//!
//! It makes no probe and judges no target; a module does.

#[cfg(target_arch = "wasm32")]
mod allocator;
pub mod check;
pub mod credentials;
pub mod dialogue;
pub mod escapes;
pub mod fields;
pub mod headers;
pub mod outcome;
pub mod packed;
pub mod pattern;
pub mod query;
pub mod reply;
pub mod secret;
pub mod service;
pub mod squeezed;
pub mod web;
pub mod written;

/// The bindings of the treaty, generated from `wit/`.
#[allow(missing_docs, unused_qualifications, clippy::all)]
pub mod wit {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "check-module",
        ownership: Borrowing { duplicate_if_necessary: true },
        pub_export_macro: true,
    });
}

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: allocator::Bump = allocator::Bump::new();
