//! The built-in `smtp` check: greets a mail server, logs in, and asks whether it would take a message.
//!
//! It never sends one: what was begun is taken back before any data.

mod config;
mod extensions;
mod judge;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::credentials::{self, Credentials};
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::wit;
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// The module, as the treaty sees it.
struct SmtpCheck;

impl Check for SmtpCheck {
    const NAME: &'static str = "smtp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Greets an SMTP server, logs in, and asks whether it would take a message, without sending one.";
    const CAPABILITIES: &'static [&'static str] = &["tcp", "secrets"];

    fn schema() -> String {
        credentials::schema(&KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json")))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let password = config.credentials.as_ref().map(Credentials::password).transpose()?;
        config.service.talk(context, |dialogue| talk::converse(&config, password.as_deref(), dialogue))
    }
}

farwatch_guest::export!(SmtpCheck);
