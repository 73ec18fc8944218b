//! The built-in `snmp` check: asks an agent for some of its values, and judges them.
//!
//! It speaks versions 1 and 2c, walks no tables, sets nothing and hears no traps.

mod ber;
mod config;
mod judge;
mod message;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge as validate, reread};
use farwatch_guest::outcome::failed;
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::entropy;
use wit::farwatch::check::types::{Outcome, Problem};
use wit::farwatch::check::udp;

use crate::config::Config;

/// The module, as the treaty sees it.
struct SnmpCheck;

impl Check for SnmpCheck {
    const NAME: &'static str = "snmp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Asks an SNMP agent for some of its values, and judges them.";
    const CAPABILITIES: &'static [&'static str] = &["udp"];

    fn schema() -> String {
        farwatch_guest::squeezed_text!("src/schema.json")
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        validate::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let drawn = entropy::get(4);
        let id = message::id(&drawn);
        let oids: Vec<&[u8]> = config.values.iter().map(|value| value.oid.as_slice()).collect();
        let question = message::question(config.version, &config.community()?, id, &oids);
        match udp::exchange(config.request(&question, context.timeout_ms)) {
            Ok(response) => Ok(judge::response(&config, id, &response)),
            Err(failure) => failed(judge::explained(failure)),
        }
    }
}

farwatch_guest::export!(SnmpCheck);
