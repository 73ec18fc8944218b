//! `farwatch delivery list` and `retry`: what people were told, what was given up, and trying that again. What a restore
//! held stands in `held.rs`.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::fields::{items, moment, text};
use super::{Client, ClientArgs, held};
use crate::exit::Failure;
use crate::output::{self, Cell, Look, Table};

/// Messages to people, and those that were given up
#[derive(Args, Debug)]
pub(crate) struct DeliveryArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List the messages of an outage, or those that were given up
    #[command(after_help = "Examples:
  farwatch delivery list --dead
  farwatch delivery list --incident inc_…")]
    List(Which),
    /// Try again what was given up
    #[command(after_help = "Example:\n  farwatch delivery retry dlv_…")]
    Retry {
        /// Its id, as `farwatch delivery list --dead` shows it
        #[arg(value_name = "DELIVERY")]
        delivery: String,
    },
    /// List those that a restore held, oldest first
    #[command(after_help = "Example:\n  farwatch delivery held")]
    Held,
    /// Send what a restore held after all
    #[command(after_help = "Example:\n  farwatch delivery release --all")]
    Release(held::Which),
    /// Give up what a restore held: it was sent before, or nobody needs it any more
    #[command(after_help = "Example:\n  farwatch delivery drop --all")]
    Drop(held::Which),
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct Which {
    /// Those that were given up, newest first
    #[arg(long)]
    dead: bool,
    /// Those of this outage
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
}

impl DeliveryArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::List(Which { incident: Some(incident), .. }) => {
                client.show(&client.connection.get(&format!("/v1/deliveries?incident={incident}"))?, listed)
            }
            Verb::List(_) => client.show(&client.connection.list("/v1/deliveries?state=dead")?, listed),
            Verb::Retry { delivery } => {
                let answer = client.connection.post(&format!("/v1/deliveries/{delivery}/retry"), &json!({}))?;
                client.show(&answer, shown)
            }
            Verb::Held => held::list(&client),
            Verb::Release(which) => held::settle(&client, which, "release"),
            Verb::Drop(which) => held::settle(&client, which, "drop"),
        }
    }
}

fn listed(deliveries: &Value, look: Look) -> String {
    let mut table = Table::new(&["step", "message", "attempts", "finished", "contact", "channel", "answer", "id"]);
    for delivery in items(deliveries) {
        table.row(vec![
            text(delivery, "step").into(),
            Cell::word(delivery["state"].as_str().unwrap_or_default()),
            text(delivery, "attempts").into(),
            moment(delivery, "finished").into(),
            text(delivery, "contact").into(),
            text(delivery, "channel").into(),
            text(delivery, "last_answer").into(),
            text(delivery, "id").into(),
        ]);
    }
    table.shown(look, "no such messages")
}

fn shown(delivery: &Value, look: Look) -> String {
    let mut facts = vec![
        ("delivery", text(delivery, "id").into()),
        ("message", Cell::word(delivery["state"].as_str().unwrap_or_default())),
        ("step", text(delivery, "step").into()),
        ("incident", text(delivery, "incident").into()),
        ("due", moment(delivery, "due").into()),
        ("before", text(delivery, "last_answer").into()),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    output::facts(&facts, look)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_up_is_a_line_with_its_answer() {
        let dead = json!({"items": [{
            "id": "dlv_1", "step": "opened", "state": "dead", "attempts": 1, "finished": 0, "contact": "con_1",
            "channel": "chn_1", "last_answer": "410 Gone",
        }]});
        let shown = listed(&dead, Look::PLAIN);
        let line = shown.lines().nth(1).unwrap();
        assert!(line.starts_with("opened  dead     1") && line.ends_with("410 Gone  dlv_1"), "{line}");
        assert_eq!(listed(&json!({"items": []}), Look::PLAIN), "no such messages\n");
    }
}
