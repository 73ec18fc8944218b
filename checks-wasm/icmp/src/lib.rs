//! The built-in `icmp` check: echo requests, and how many of them come back how fast.
//!
//! It sends nothing by itself: the host's `icmp` does.

mod config;
mod judge;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::outcome::failed;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::icmp;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::Config;

/// The module, as the treaty sees it.
struct IcmpCheck;

impl Check for IcmpCheck {
    const NAME: &'static str = "icmp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Pings a host, and judges loss and round trips.";
    const CAPABILITIES: &'static [&'static str] = &["icmp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        match icmp::ping(config.request(context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &response)),
            Err(failure) => failed(failure),
        }
    }
}

farwatch_guest::export!(IcmpCheck);
