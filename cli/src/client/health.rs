//! `farwatch health`: whether Farwatch itself is well; the exit code says the same.

use clap::Args;
use serde_json::Value;

use super::answer::refusal;
use super::fields::text;
use super::{Client, ClientArgs};
use crate::exit::{Failure, UNAVAILABLE};
use crate::output::{self, Cell, Look};

/// Whether Farwatch itself is well
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  farwatch health --json\n\nIt ends with 0 when all is well, and with 69 when it is not."
)]
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
        let reasons: Vec<String> = failing(&health).collect();
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
    for reason in reasons(health) {
        let severity = if is_failing(reason) { "failing" } else { "degraded" };
        facts.push((severity, Cell::plain(text(reason, "says"))));
        facts.push(("do", Cell::plain(text(reason, "remedy"))));
    }
    output::facts(&facts, look)
}

fn reasons(health: &Value) -> impl Iterator<Item = &Value> {
    health["reasons"].as_array().into_iter().flatten()
}

fn is_failing(reason: &Value) -> bool {
    reason["severity"] == "failing"
}

/// What keeps Farwatch from its work.
fn failing(health: &Value) -> impl Iterator<Item = String> {
    reasons(health).filter(|reason| is_failing(reason)).map(|reason| text(reason, "says"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_reason_has_a_line_and_one_on_what_to_do() {
        let health = json!({"status": "failing", "reasons": [
            {"severity": "failing", "says": "no process leads", "remedy": "wait"},
            {"severity": "degraded", "says": "1 of 5 hosts are not heard", "remedy": "start it"},
        ]});
        let said = shown(&health, Look::PLAIN);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines[0], "status    failing");
        assert_eq!(lines[1..3], ["failing   no process leads", "do        wait"]);
        assert_eq!(lines[3..], ["degraded  1 of 5 hosts are not heard", "do        start it"]);
        assert_eq!(failing(&health).collect::<Vec<_>>(), ["no process leads"]);
    }
}
