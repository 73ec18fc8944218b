//! The built-in `redis` check: logs in where that is needed, has the server answer a ping, and judges its role in
//! replication and whether a key is there.
//!
//! It speaks version 2 of the protocol and writes nothing.

mod config;
mod info;
mod judge;
mod reply;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// The module, as the treaty sees it.
struct RedisCheck;

impl Check for RedisCheck {
    const NAME: &'static str = "redis";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Logs in to a Redis server, pings it, and judges its role in replication and whether a key is there.";
    const CAPABILITIES: &'static [&'static str] = &["tcp"];

    fn schema() -> String {
        KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json"))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        config.service.talk(context, |dialogue| talk::converse(&config, dialogue))
    }
}

farwatch_guest::export!(RedisCheck);
