//! The built-in `udp` check: one datagram, and what was expected of the one that answers it.
//!
//! It sends nothing by itself: the host's `udp` does.

mod config;
mod judge;

use farwatch_guest::outcome::{failed, unreadable};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::types::{Outcome, Problem};
use wit::farwatch::check::udp;

/// The module, as the treaty sees it.
struct UdpCheck;

impl Guest for UdpCheck {
    fn describe() -> Description {
        Description {
            name: "udp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Sends a datagram to a port, and judges the one that answers it.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["udp".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::judge(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let config = config::read_again(&context.config).ok_or_else(unreadable)?;
        match udp::exchange(config.request(context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &response)),
            Err(failure) => failed(failure),
        }
    }
}

wit::export!(UdpCheck with_types_in farwatch_guest::wit);
