//! The built-in `ftp` check: logs in to a file server, and looks for a directory and a file.
//!
//! It opens no connection for data: it lists, fetches and stores nothing.

mod config;
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
struct FtpCheck;

impl Check for FtpCheck {
    const NAME: &'static str = "ftp";
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Logs in to an FTP server, and looks for a directory and a file.";
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

farwatch_guest::export!(FtpCheck);
