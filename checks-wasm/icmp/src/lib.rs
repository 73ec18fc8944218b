//! The built-in `icmp` check: echo requests, and how many of them come back how fast.
//!
//! It sends nothing by itself: the host's `icmp` does.

mod config;
mod judge;

use farwatch_guest::outcome::{failed, unreadable};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::icmp;
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct IcmpCheck;

impl Guest for IcmpCheck {
    fn describe() -> Description {
        Description {
            name: "icmp".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Pings a host, and judges loss and round trips.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["icmp".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::judge(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let config = config::read_again(&context.config).ok_or_else(unreadable)?;
        match icmp::ping(config.request(context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &response)),
            Err(failure) => failed(failure),
        }
    }
}

wit::export!(IcmpCheck with_types_in farwatch_guest::wit);
