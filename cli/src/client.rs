//! The words that speak to a running Farwatch. They are thin: each is a request or two to its API, shown.
//!
//! What the API says is said again, not judged anew; `--json` shows it as it came.

pub(crate) mod audit;
pub(crate) mod channel;
pub(crate) mod check;
pub(crate) mod contact;
pub(crate) mod delivery;
pub(crate) mod explain;
pub(crate) mod fleet;
pub(crate) mod health;
pub(crate) mod heartbeat;
pub(crate) mod host;
pub(crate) mod incident;
pub(crate) mod ledger;
pub(crate) mod module;
pub(crate) mod raw;
pub(crate) mod release;
pub(crate) mod secret;
pub(crate) mod self_check;
pub(crate) mod status;
pub(crate) mod tasks;
pub(crate) mod tenant;
pub(crate) mod token;

mod answer;
mod connection;
mod credentials;
mod edit;
mod evidence;
mod fields;
mod held;
mod period;
mod reference;

use std::path::PathBuf;

use clap::Args;
use serde_json::Value;

use crate::exit::Failure;
use crate::output::{self, Look};
use connection::Connection;

pub(crate) use credentials::is_said_by_environment;

#[cfg(test)]
mod operations;

/// How the API is reached, and how its answers are shown.
#[derive(Args, Debug, Default)]
#[command(next_help_heading = "Connection")]
pub(crate) struct ClientArgs {
    /// The API; what `farwatch up` wrote into ./farwatch-data, when absent [env: FARWATCH_API]
    #[arg(long, global = true, value_name = "URL")]
    api: Option<String>,
    /// The file with the token; the one of `farwatch up`, when absent [env: FARWATCH_TOKEN_FILE, or the token itself
    /// in FARWATCH_TOKEN]
    #[arg(long, global = true, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// The tenant that is meant, by id or name, for a token of the operator [env: FARWATCH_TENANT]
    #[arg(long, global = true, value_name = "TENANT")]
    tenant: Option<String>,
    /// Show the API's own JSON
    #[arg(long, global = true)]
    json: bool,
}

/// What a word works with.
struct Client {
    connection: Connection,
    json: bool,
    look: Look,
}

impl Client {
    fn open(args: &ClientArgs) -> Result<Self, Failure> {
        Ok(Self { connection: Connection::open(args)?, json: args.json, look: Look::of_stdout() })
    }

    /// Shows an answer: as it came, or as this says it for people.
    fn show(&self, answer: &Value, for_people: impl FnOnce(&Value, Look) -> String) -> Result<(), Failure> {
        if self.json { output::print(&output::json(answer)) } else { output::print(&for_people(answer, self.look)) }
    }
}
