//! `farwatch health`: whether Farwatch itself is well; the exit code says the same.

use clap::Args;
use serde_json::Value;

use super::answer::refusal;
use super::fields::{text, texts};
use super::{Client, ClientArgs};
use crate::exit::{Failure, UNAVAILABLE};
use crate::output::{self, Cell, Look};

/// Whether Farwatch itself is well
#[derive(Args, Debug)]
#[command(after_help = "It ends with 0 when all is well, and with 69 when it is not.")]
pub(crate) struct HealthArgs {
    #[command(flatten)]
    client: ClientArgs,
}

impl HealthArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let (status, health) = client.connection.look("/v1/health")?;
        if !health["status"].is_string() {
            return Err(refusal(status.as_u16(), &health));
        }
        client.show(&health, shown)?;
        if status.is_success() {
            return Ok(());
        }
        let reasons: Vec<&str> = texts(&health, "reasons").collect();
        let reasons =
            if reasons.is_empty() { "ask with a token of the operator why".to_owned() } else { reasons.join("; ") };
        Err(Failure::new(UNAVAILABLE, format_args!("Farwatch is failing: {reasons}")))
    }
}

fn shown(health: &Value, look: Look) -> String {
    let mut facts = vec![
        ("status", Cell::word(health["status"].as_str().unwrap_or_default())),
        ("version", text(health, "version").into()),
        ("leads", text(health, "leads").into()),
        ("view", text(health, "view").into()),
        ("plan", text(health, "plan").into()),
        ("journal row", text(health, "journal_seq").into()),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    facts.extend(texts(health, "reasons").map(|reason| ("failing", Cell::plain(reason))));
    facts.extend(texts(health, "warnings").map(|warning| ("warning", Cell::plain(warning))));
    output::facts(&facts, look)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn reasons_and_warnings_have_lines_of_their_own() {
        let health =
            json!({"status": "failing", "reasons": ["no process leads"], "warnings": ["1 of 5 hosts are not heard"]});
        let said = shown(&health, Look::PLAIN);
        assert_eq!(said, "status   failing\nfailing  no process leads\nwarning  1 of 5 hosts are not heard\n");
    }
}
