//! The built-in `ldap` check: binds to a directory, searches it, and judges how many entries it finds.
//!
//! It speaks version 3 of the protocol (RFC 4511), asks for no attribute of any entry, and follows no referral.

mod ber;
mod config;
mod filter;
mod message;
mod result;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// The module, as the treaty sees it.
struct LdapCheck;

impl Check for LdapCheck {
    const NAME: &'static str = "ldap";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Binds to a directory, searches it, and judges how many entries it finds.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| talk::converse(&config, context.timeout_ms, dialogue))
    }
}

farwatch_guest::export!(LdapCheck);
