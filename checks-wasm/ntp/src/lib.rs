//! The built-in `ntp` check: asks a time server once, and judges what it says of itself and of the time.
//!
//! The clock that it is compared with is the fleet's, by which every host goes.

mod config;
mod judge;
mod packet;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::outcome::failed;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::entropy;
use wit::farwatch::check::types::{Outcome, Problem};
use wit::farwatch::check::udp;

use crate::config::Config;

/// The module, as the treaty sees it.
struct NtpCheck;

impl Check for NtpCheck {
    const NAME: &'static str = "ntp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Asks a time server, and judges its stratum, its state and its offset.";
    const CAPABILITIES: &'static [&'static str] = &["udp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let question = packet::question(&entropy::get(8));
        match udp::exchange(config.request(&question, context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, &question, &response)),
            Err(failure) => failed(failure),
        }
    }
}

farwatch_guest::export!(NtpCheck);
