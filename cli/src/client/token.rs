//! `farwatch token`: what opens the API. A token is shown once, when it is made.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use farwatch_control::clock::Clock;
use serde_json::{Value, json};

use super::fields::{items, moment, text};
use super::{Client, ClientArgs};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::{self, Cell, Look, Table};

/// What opens the API
#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Make a token, and show it this once
    #[command(after_help = "Example:\n  farwatch token create deploy --scope tenant --tenant acme --expires-in 720h")]
    Create {
        /// What to call it
        #[arg(value_name = "NAME")]
        name: String,
        /// What it may do
        #[arg(long, default_value = "tenant")]
        scope: Scope,
        /// For how long it opens anything; for ever, when absent
        #[arg(long, value_parser = seconds, value_name = "TIME")]
        expires_in: Option<Duration>,
    },
    /// List tokens: the operator's own, or with --tenant those of a tenant
    #[command(after_help = "Example:\n  farwatch token list --tenant acme")]
    List,
    /// Let a token open nothing any more
    #[command(after_help = "Example:\n  farwatch token revoke tok_…")]
    Revoke {
        /// Its id
        #[arg(value_name = "TOKEN")]
        token: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Scope {
    /// Everything, for every tenant
    Operator,
    /// Everything within its tenant
    Tenant,
    /// See what its tenant has
    Read,
    /// Read /metrics of the fleet, and nothing else
    Metrics,
}

impl Scope {
    const fn word(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Tenant => "tenant",
            Self::Read => "read",
            Self::Metrics => "metrics",
        }
    }
}

impl TokenArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Create { name, scope, expires_in } => {
                let expires = expires_in.map(|after| Clock.wall().0.saturating_add_unsigned(millis(after)));
                let body = json!({ "name": name, "scope": scope.word(), "expires": expires });
                client.show(&client.connection.post("/v1/tokens", &body)?, made)
            }
            Verb::List => client.show(&client.connection.list("/v1/tokens")?, listed),
            Verb::Revoke { token } => {
                let answer = client.connection.delete(&format!("/v1/tokens/{token}"))?;
                client.show(&answer, |_, _| format!("{token} opens nothing any more\n"))
            }
        }
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn made(token: &Value, look: Look) -> String {
    let facts = [
        ("token", text(token, "secret").into()),
        ("id", text(token, "id").into()),
        ("scope", text(token, "scope").into()),
    ];
    format!("{}Keep it: it is shown this once.\n", output::facts(&facts, look))
}

fn listed(tokens: &Value, look: Look) -> String {
    let mut table = Table::new(&["name", "scope", "state", "last used", "expires", "id"]);
    for token in items(tokens) {
        let state = if token["revoked"].is_null() { Cell::word("active") } else { Cell::word("revoked") };
        table.row(vec![
            text(token, "name").into(),
            text(token, "scope").into(),
            state,
            moment(token, "last_used").into(),
            moment(token, "expires").into(),
            text(token, "id").into(),
        ]);
    }
    table.shown(look, "no tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_token_is_shown_with_a_warning() {
        let token = json!({"secret": "fw_1", "id": "tok_1", "scope": "read"});
        assert_eq!(
            made(&token, Look::PLAIN),
            "token  fw_1\nid     tok_1\nscope  read\nKeep it: it is shown this once.\n"
        );
    }
}
