//! `farwatch delivery held`, `release` and `drop`: messages that a restore held, and what becomes of them.

use clap::Args;
use serde_json::{Value, json};

use super::Client;
use super::fields::{items, moment, text};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table};

/// Which of them are meant.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// Its id; may be repeated
    #[arg(value_name = "DELIVERY")]
    deliveries: Vec<String>,
    /// All that are held
    #[arg(long)]
    all: bool,
}

/// Lists them.
pub(super) fn list(client: &Client) -> Result<(), Failure> {
    client.show(&held(client)?, listed)
}

fn held(client: &Client) -> Result<Value, Failure> {
    client.connection.get("/v1/deliveries/held")
}

/// Lets them go or drops them.
pub(super) fn settle(client: &Client, which: &Which, deed: &str) -> Result<(), Failure> {
    let mut settled = Vec::new();
    let mut next = which.deliveries.clone();
    loop {
        if which.all {
            // The list shows some at a time; those that are settled make room for the others.
            next = items(&held(client)?).map(|delivery| text(delivery, "id")).collect();
        }
        for id in &next {
            settled.push(client.connection.post(&format!("/v1/deliveries/{id}/{deed}"), &json!({}))?);
        }
        if !which.all || next.is_empty() {
            break;
        }
    }
    client.show(&json!({ "items": settled }), outcome)
}

fn listed(deliveries: &Value, look: Look) -> String {
    let mut table = Table::new(&["made", "tells of", "incident", "channel", "id"]);
    for delivery in items(deliveries) {
        table.row(vec![
            moment(delivery, "created").into(),
            text(delivery, "step").into(),
            text(delivery, "incident").into(),
            text(delivery, "channel").into(),
            text(delivery, "id").into(),
        ]);
    }
    table.shown(look, "no delivery is held")
}

fn outcome(settled: &Value, look: Look) -> String {
    let mut table = Table::new(&["delivery", "is now"]);
    for delivery in items(settled) {
        table.row(vec![text(delivery, "id").into(), Cell::word(delivery["state"].as_str().unwrap_or_default())]);
    }
    table.shown(look, "no delivery is held")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_deliveries_have_a_line_each() {
        let held = json!({"items": [
            {"id": "dlv_1", "incident": "inc_1", "channel": "chn_1", "step": "opened", "created": 0},
        ]});
        let shown = listed(&held, Look::PLAIN);
        assert!(shown.contains("opened") && shown.contains("inc_1") && shown.contains("dlv_1"), "{shown}");
        assert_eq!(listed(&json!({"items": []}), Look::PLAIN).trim_end(), "no delivery is held");
        let done = outcome(&json!({"items": [{"id": "dlv_1", "state": "pending"}]}), Look::PLAIN);
        assert!(done.contains("dlv_1") && done.contains("pending"), "{done}");
    }
}
