//! The built-in `tls` check: what a server shows in its handshake, and which old ways of speaking it still accepts.
//!
//! It speaks to nobody by itself: the host's `tls` does.

mod config;
mod judge;
mod run;
mod suites;

use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::tls;
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct TlsCheck;

impl Guest for TlsCheck {
    fn describe() -> Description {
        Description {
            name: "tls".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Judges a server's certificate, its versions of TLS and its cipher suites.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["tls".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::judge(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        run::run(&context, |target| tls::shake_hands(target, &[]), |target, offer| tls::propose(target, offer))
    }
}

wit::export!(TlsCheck with_types_in farwatch_guest::wit);
