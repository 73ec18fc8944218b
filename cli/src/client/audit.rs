//! `farwatch audit`: who did what, and who was refused.

use clap::Args;
use serde_json::Value;

use super::fields::{items, moment, text};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Look, Table};

/// Who did what, and who was refused
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  farwatch audit --limit 20")]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// How many entries, the newest first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=200))]
    limit: u16,
}

impl AuditArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        client.show(&client.connection.get(&format!("/v1/audit?limit={}", self.limit))?, listed)
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
    fn an_entry_is_a_line() {
        let entries = json!({"items": [{
            "at": 0, "actor": "tok_1", "action": "check.create", "entity": "chk_1", "detail": {"address": "192.0.2.1"},
        }]});
        let shown = listed(&entries, Look::PLAIN);
        let words: Vec<&str> = shown.lines().nth(1).unwrap().split_whitespace().rev().take(4).collect();
        assert_eq!(words, ["192.0.2.1", "chk_1", "check.create", "tok_1"]);
    }
}
