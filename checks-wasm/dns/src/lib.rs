//! The built-in `dns` check: one question to one server, and what its answer should be.
//!
//! It asks nobody by itself: the host's `dns` does.

mod config;
mod judge;
mod values;

use farwatch_guest::outcome::{failed, unreadable};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::{Description, Guest, Prepared, RunContext};
use wit::farwatch::check::dns;
use wit::farwatch::check::types::{Outcome, Problem};

/// The module, as the treaty sees it.
struct DnsCheck;

impl Guest for DnsCheck {
    fn describe() -> Description {
        Description {
            name: "dns".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            summary: "Asks a name server, and judges its code, its records and its speed.".to_owned(),
            config_schema: include_str!("schema.json").to_owned(),
            capabilities: vec!["dns".to_owned()],
        }
    }

    fn validate(config: String) -> Result<Prepared, Vec<Problem>> {
        config::judge(&config).map(|config| Prepared { config })
    }

    fn run(context: RunContext) -> Result<Outcome, Problem> {
        let config = config::read_again(&context.config).ok_or_else(unreadable)?;
        match dns::query(config.request(context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &response)),
            Err(failure) => failed(failure),
        }
    }
}

wit::export!(DnsCheck with_types_in farwatch_guest::wit);
