//! What `wit/` says, as Rust: the records and the traits behind the treaty with check modules.
//!
//! Generated, and re-exported by `lib.rs` where others need it. The records are used as they are, from the probe to the
//! guest, so that nothing is copied from one shape into another on the way. They can be written down, for whoever keeps what
//! the probes of a run were asked and answered.

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
    additional_derives: [serde::Serialize, serde::Deserialize],
    with: { "farwatch:check/tcp.connection": crate::state::Connection },
});

use farwatch::check::http::Want;

/// The words for the parts of an answer that a request can want.
const WANTS: [(&str, Want); 4] = [
    ("headers", Want::HEADERS),
    ("body", Want::BODY),
    ("trailers", Want::TRAILERS),
    ("certificates", Want::CERTIFICATES),
];

impl serde::Serialize for Want {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(WANTS.iter().filter(|(_, want)| self.contains(*want)).map(|(word, _)| word))
    }
}

impl<'de> serde::Deserialize<'de> for Want {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let words = Vec::<String>::deserialize(deserializer)?;
        words.iter().try_fold(Self::empty(), |all, word| {
            let found = WANTS.iter().find(|(known, _)| known == word);
            let unknown = || serde::de::Error::custom(format_args!("{word} is no part of an answer"));
            found.map(|(_, want)| all | *want).ok_or_else(unknown)
        })
    }
}
