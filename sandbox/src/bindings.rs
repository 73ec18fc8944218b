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
        "farwatch:check/udp.exchange": async,
        "farwatch:check/dns.query": async,
        "farwatch:check/icmp.ping": async,
        "farwatch:check/tls.shake-hands": async,
        "farwatch:check/tls.propose": async,
        "farwatch:check/tcp.[static]connection.open": async,
        "farwatch:check/tcp.[method]connection.send": async,
        "farwatch:check/tcp.[method]connection.receive": async,
        "farwatch:check/tcp.[method]connection.start-tls": async,
        "farwatch:check/tcp.[method]connection.evidence": async,
        "farwatch:check/tcp.[drop]connection": async,
        "farwatch:check/secrets.get": async,
        "farwatch:check/entropy.get": trappable,
    },
    exports: { default: async },
    with: { "farwatch:check/tcp.connection": crate::state::Connection },
});
