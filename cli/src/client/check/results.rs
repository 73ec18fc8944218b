//! `farwatch check results`: what was found of late, newest first.

use std::time::Duration;

use clap::{Args, ValueEnum};
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::super::Client;
use super::super::fields::{items, micros, moment, text};
use super::{Named, path};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::{Cell, Look, Table};

#[derive(Args, Debug)]
pub(super) struct ResultsArgs {
    #[command(flatten)]
    named: Named,
    /// From so long ago until now
    #[arg(long, default_value = "24h", value_parser = seconds, value_name = "TIME")]
    since: Duration,
    /// Only those that found this
    #[arg(long)]
    status: Option<Status>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=200))]
    limit: u32,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Status {
    Up,
    Degraded,
    Down,
    Unknown,
}

impl Status {
    const fn word(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Unknown => "unknown",
        }
    }
}

pub(super) fn run(client: &Client, args: &ResultsArgs) -> Result<(), Failure> {
    let from = super::since(args.since, Clock.wall().0)?;
    let status = args.status.map_or_else(String::new, |status| format!("&status={}", status.word()));
    let path = format!("{}/results?from={from}&limit={}{status}", path(client, &args.named)?, args.limit);
    client.show(&client.connection.get(&path)?, shown)
}

fn shown(page: &Value, look: Look) -> String {
    let mut table = Table::new(&["slot", "found", "latency", "in time", "host", "code"]);
    for result in items(page) {
        table.row(vec![
            moment(result, "slot").into(),
            Cell::word(result["status"].as_str().unwrap_or_default()),
            micros(result, "latency_us").into(),
            Cell::word(result["timing"].as_str().unwrap_or_default()),
            text(result, "host_name").into(),
            text(result, "code").into(),
        ]);
    }
    let more = if page["next"].is_null() { "" } else { "and more; ask for more with --limit\n" };
    table.shown(look, "no results") + more
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn results_are_lines_and_more_is_said() {
        let result = json!({"slot": 10_000, "status": "down", "latency_us": 0, "timing": "on_time",
                            "host_name": "fra", "code": "timeout"});
        let shown = shown(&json!({"items": [result], "next": "x"}), Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "1970-01-01 00:00:10Z  down            on time  fra   timeout");
        assert_eq!(lines[2], "and more; ask for more with --limit");
    }
}
