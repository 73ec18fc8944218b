//! `farwatch check evidence`: why it failed, newest first.

use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::super::fields::items;
use super::super::{Client, evidence};
use super::{Named, path};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::Look;

#[derive(Args, Debug)]
pub(super) struct EvidenceArgs {
    #[command(flatten)]
    named: Named,
    /// From so long ago until now; it is kept for 30 days
    #[arg(long, default_value = "30d", value_parser = seconds, value_name = "TIME")]
    since: Duration,
    /// Only that of this outage
    #[arg(long, value_name = "INCIDENT")]
    incident: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

pub(super) fn run(client: &Client, args: &EvidenceArgs) -> Result<(), Failure> {
    let from = super::since(args.since, Clock.wall().0)?;
    let incident = args.incident.as_deref().map_or_else(String::new, |incident| format!("&incident={incident}"));
    let path = format!("{}/evidence?from={from}&limit={}{incident}", path(client, &args.named)?, args.limit);
    client.show(&client.connection.get(&path)?, shown)
}

fn shown(page: &Value, look: Look) -> String {
    let more = if page["next"].is_null() { "" } else { "and more; ask for more with --limit\n" };
    evidence::shown(items(page), look, "nothing is kept of that time; good runs leave no evidence") + more
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn that_there_is_more_is_said() {
        let piece = json!({"slot": 10_000, "status": "down", "kept_as": "slot", "code": "timeout"});
        let page = shown(&json!({"items": [piece], "next": "x"}), Look::PLAIN);
        assert!(page.contains("timeout") && page.ends_with("and more; ask for more with --limit\n"), "{page}");
        assert!(shown(&json!({"items": []}), Look::PLAIN).starts_with("nothing is kept"));
    }
}
