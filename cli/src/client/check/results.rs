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
    /// Every run of the last 48 hours, confirmations among them, with the CPU time and memory that its module took; the
    /// oldest come first
    #[arg(long, conflicts_with = "status")]
    all: bool,
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
    let all = if args.all { "&all=true" } else { "" };
    let path = format!("{}/results?from={from}&limit={}{status}{all}", path(client, &args.named)?, args.limit);
    client.show(&client.connection.get(&path)?, if args.all { runs } else { shown })
}

/// Every run, with what it took.
fn runs(page: &Value, look: Look) -> String {
    let mut table = Table::new(&["slot", "found", "latency", "CPU", "memory", "for", "host", "code"]);
    for run in items(page) {
        let memory = run["memory_bytes"].as_u64().map_or_else(String::new, |bytes| format!("{} KB", bytes >> 10));
        let purpose = if run["order"].is_null() { "slot" } else { "vote" };
        table.row(vec![
            moment(run, "slot").into(),
            Cell::word(run["status"].as_str().unwrap_or_default()),
            micros(run, "latency_us").into(),
            micros(run, "cpu_us").into(),
            memory.into(),
            purpose.to_owned().into(),
            text(run, "host_name").into(),
            text(run, "code").into(),
        ]);
    }
    let more = if page["next"].is_null() { "" } else { "and more; ask for more with --limit\n" };
    table.shown(look, "no runs") + more
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
    fn runs_show_what_they_took() {
        let run = json!({"slot": 10_000, "status": "up", "latency_us": 0, "cpu_us": 140, "memory_bytes": 1_179_648,
                         "order": "ord_1", "host_name": "fra"});
        let shown = runs(&json!({"items": [run], "next": null}), Look::PLAIN);
        assert!(shown.contains("1152 KB") && shown.contains("vote") && shown.contains("140 us"), "{shown}");
    }

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
