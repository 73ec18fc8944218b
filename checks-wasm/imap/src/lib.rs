//! The built-in `imap` check: logs in to a mail server and opens a mailbox, without changing anything in it.
//!
//! It reads no mail: how many messages there are is all that it asks.

mod answer;
mod config;
mod judge;
mod mailbox;
mod talk;

use farwatch_guest::check::Check;
use farwatch_guest::fields::{judge, reread};
use farwatch_guest::outcome::unreadable;
use farwatch_guest::{credentials, wit};
use wit::exports::farwatch::check::check::RunContext;
use wit::farwatch::check::types::{Outcome, Problem};

use crate::config::{Config, KIND};

/// The module, as the treaty sees it.
struct ImapCheck;

impl Check for ImapCheck {
    const NAME: &'static str = "imap";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Logs in to an IMAP server, opens a mailbox and counts its messages.";
    const CAPABILITIES: &'static [&'static str] = &["tcp", "secrets"];

    fn schema() -> String {
        credentials::schema(&KIND.schema(&farwatch_guest::squeezed_text!("src/schema.json")))
    }

    fn validate(config: &str) -> Result<Vec<u8>, Vec<Problem>> {
        judge::<Config>(config)
    }

    fn run(context: &RunContext) -> Result<Outcome, Problem> {
        let config = reread::<Config>(&context.config)?;
        let credentials = config.credentials.as_ref().ok_or_else(unreadable)?;
        let password = credentials.password()?;
        config.service.talk(context, |dialogue| talk::converse(&config, credentials, &password, dialogue))
    }
}

farwatch_guest::export!(ImapCheck);
