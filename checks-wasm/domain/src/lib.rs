//! The built-in `domain` check: until when a domain is registered, and whether its registry holds it back.
//!
//! It asks the registry by RDAP (RFC 9082), or by WHOIS (RFC 3912) where that has none or does not answer. That a registry
//! cannot be reached says nothing of the domain, so that is no outage of it.

mod ask;
mod config;
mod judge;
mod moment;
mod rdap;
mod record;
mod registries;
mod whois;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge as validate, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::Config;

/// The module, as the treaty sees it.
struct DomainCheck;

impl Check for DomainCheck {
    const NAME: &'static str = "domain";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Asks the registry of a domain until when it is registered, and whether it is held back.";
    const CAPABILITIES: &'static [&'static str] = &["http", "tcp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        validate::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let answer = ask::registry(&config, context.timeout_ms)?;
        judge::answer(&config, answer, context.now_ms)
    }
}

farwatch_guest::export!(DomainCheck);
