//! The built-in `udp` check: one datagram, and what was expected of the one that answers it.
//!
//! It sends nothing by itself: the host's `udp` does.

mod config;
mod judge;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::outcome::failed;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};
use wit::farwatch::check::udp;

use crate::config::Config;

/// The module, as the treaty sees it.
struct UdpCheck;

impl Check for UdpCheck {
    const NAME: &'static str = "udp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Sends a datagram to a port, and judges the one that answers it.";
    const CAPABILITIES: &'static [&'static str] = &["udp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        match udp::exchange(config.request(context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &response)),
            Err(failure) => failed(failure),
        }
    }
}

farwatch_guest::export!(UdpCheck);
