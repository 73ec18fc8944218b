//! The built-in `postgres` check: logs in to a PostgreSQL server, asks one query that may change nothing, and judges its
//! first value and whether the server is in recovery.
//!
//! It speaks version 3 of the protocol and writes nothing, whatever the query says.

mod config;
mod login;
mod packet;
mod refusal;
mod scram;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// The module, as the treaty sees it.
struct PostgresCheck;

impl Check for PostgresCheck {
    const NAME: &'static str = "postgres";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Logs in to a PostgreSQL server, asks a query that only reads, and judges its first value and the role of the server.";
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

farwatch_guest::export!(PostgresCheck);
