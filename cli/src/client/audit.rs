//! `farwatch audit`: who did what, and who was refused; and whether the ledger is what the record comes to.

mod ledger;

use std::time::Duration;

use clap::{Args, Subcommand};
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::fields::{items, moment, text};
use super::reference::encoded;
use super::{Client, ClientArgs};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::{Look, Table};
use ledger::LedgerArgs;

/// Who did what, and who was refused; and whether the ledger can be believed
#[derive(Args, Debug)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:\n  farwatch audit --limit 20\n  farwatch audit --action refused. --since 24h\n  farwatch audit ledger --since 24h"
)]
pub(crate) struct AuditArgs {
    #[command(subcommand)]
    of: Option<Of>,
    #[command(flatten)]
    client: ClientArgs,
    /// How many entries, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
    /// Only what this one did: a token by its id, `farwatch` or `nobody`
    #[arg(long, value_name = "ACTOR")]
    actor: Option<String>,
    /// Only this action, such as `check.create`, or all that begin so where it ends with a dot
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Only what was done to this, by its id
    #[arg(long, value_name = "ID")]
    entity: Option<String>,
    /// Only of so long ago until now
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    since: Option<Duration>,
}

#[derive(Subcommand, Debug)]
enum Of {
    Ledger(LedgerArgs),
}

impl AuditArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        if let Some(Of::Ledger(args)) = &self.of {
            return args.run(&client);
        }
        client.show(&client.connection.get(&self.path(Clock.wall().0))?, listed)
    }

    fn path(&self, now: i64) -> String {
        let mut path = format!("/v1/audit?limit={}", self.limit);
        let texts = [("actor", &self.actor), ("action", &self.action), ("entity", &self.entity)];
        for (name, said) in texts {
            if let Some(said) = said {
                path.push_str(&format!("&{name}={}", encoded(said)));
            }
        }
        if let Some(since) = self.since {
            let since_ms = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
            path.push_str(&format!("&from={}", now.saturating_sub(since_ms).max(0)));
        }
        path
    }
}

fn listed(entries: &Value, look: Look) -> String {
    let mut table = Table::new(&["at", "who", "did", "to", "from"]);
    for entry in items(entries) {
        table.row(vec![
            moment(entry, "at").into(),
            text(entry, "actor").into(),
            text(entry, "action").into(),
            text(entry, "entity").into(),
            text(&entry["detail"], "address").into(),
        ]);
    }
    table.shown(look, "nothing was done yet")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_asked_for_is_asked_of_the_api() {
        let args = AuditArgs {
            of: None,
            client: ClientArgs::default(),
            limit: 5,
            actor: Some("tok_1".to_owned()),
            action: Some("refused.".to_owned()),
            entity: None,
            since: Some(Duration::from_secs(10)),
        };
        assert_eq!(args.path(12_000), "/v1/audit?limit=5&actor=tok_1&action=refused.&from=2000");
    }

    #[test]
    fn an_entry_is_a_line() {
        let entries = json!({"items": [{
            "at": 0, "actor": "tok_1", "action": "check.create", "entity": "chk_1", "detail": {"address": "192.0.2.1"},
        }]});
        let shown = listed(&entries, Look::PLAIN);
        let words: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().rev().take(4).collect();
        assert_eq!(words, ["192.0.2.1", "chk_1", "check.create", "tok_1"]);
    }
}
