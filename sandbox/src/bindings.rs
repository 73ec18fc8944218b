//! What `wit/` says, as Rust: the records and the traits behind the treaty with check modules.
//!
//! Generated, and re-exported by `lib.rs` where others need it. The records are used as they are, from the probe to the
//! guest, so that nothing is copied from one shape into another on the way.

#![allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::needless_pass_by_value)]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "check-module",
    imports: {
        "farwatch:check/http.fetch": async,
        "farwatch:check/tcp.converse": async,
        "farwatch:check/entropy.get": trappable,
    },
    exports: { default: async },
});
