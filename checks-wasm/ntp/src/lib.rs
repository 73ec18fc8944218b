//! The built-in `ntp` check: asks a time server once, and judges what it says of itself and of the time.
//!
//! The clock that it is compared with is the fleet's, by which every host goes.

mod config;
mod judge;
mod packet;

use farwatch_guest::outcome::{failed, unreadable};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::types::{Outcome, Problem};
use wit::farwatch::check::{entropy, udp};

/// The module, as the treaty sees it.
struct NtpCheck;

impl Guest for NtpCheck {
    fn describe() -> Description {
        Description {
            name: "ntp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Asks a time server, and judges its stratum, its state and its offset.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["udp".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::judge(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let config = config::read_again(&context.config).ok_or_else(unreadable)?;
        let question = packet::question(&entropy::get(8));
        match udp::exchange(config.request(&question, context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &question, &response)),
            Err(failure) => failed(failure),
        }
    }
}

wit::export!(NtpCheck with_types_in farwatch_guest::wit);
