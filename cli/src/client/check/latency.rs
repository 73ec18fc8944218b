//! `farwatch check latency`: how fast a check was answered over time, as a line of bars and a table under it.

use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::super::Client;
use super::super::fields::{length, micros, moment, text};
use super::{Named, path};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::{Cell, Look, Table, Tone};

/// From nearly nothing to the largest of the line.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Stands where nobody was answered.
const NO_BAR: char = ' ';

#[derive(Args, Debug)]
pub(super) struct LatencyArgs {
    #[command(flatten)]
    named: Named,
    /// From so long ago until now
    #[arg(long, default_value = "24h", value_parser = seconds, value_name = "TIME")]
    since: Duration,
    /// How long each line of the table stands for; chosen to fit when nothing is said
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    step: Option<Duration>,
}

pub(super) fn run(client: &Client, args: &LatencyArgs) -> Result<(), Failure> {
    let step = args.step.map_or_else(|| "auto".to_owned(), |step| step.as_secs().to_string());
    let from = super::since(args.since, Clock.wall().0)?;
    let path = format!("{}/latency?from={from}&step={step}", path(client, &args.named)?);
    client.show(&client.connection.get(&path)?, shown)
}

fn shown(latency: &Value, look: Look) -> String {
    let buckets = || latency["buckets"].as_array().into_iter().flatten();
    let step = latency["step"].as_i64().map_or_else(String::new, |step_s| length(step_s * 1000));
    let bars = bars(&buckets().map(|bucket| bucket["mean_us"].as_u64()).collect::<Vec<_>>());
    let head = format!("from {} to {}, {step} each\n", moment(latency, "from"), moment(latency, "to"));
    let mut table = Table::new(&["from", "answers", "min", "mean", "p50", "p95", "p99", "max", "not up"]);
    for bucket in buckets().filter(|bucket| runs(bucket) > 0) {
        let figures = ["min_us", "mean_us", "p50_us", "p95_us", "p99_us", "max_us"].map(|name| micros(bucket, name));
        let mut row = vec![moment(bucket, "at").into(), text(bucket, "count").into()];
        row.extend(figures.map(Cell::from));
        row.push(not_up(bucket));
        table.row(row);
    }
    format!("{head}{bars}\n{}", table.shown(look, "nothing is on record of this time"))
}

fn runs(bucket: &Value) -> u64 {
    ["up", "degraded", "down", "unknown"].iter().filter_map(|status| bucket[status].as_u64()).sum()
}

/// What else was found, in words; nothing when all was well.
fn not_up(bucket: &Value) -> Cell {
    let others = ["degraded", "down", "unknown"];
    let found = others.iter().filter_map(|status| bucket[status].as_u64().filter(|n| *n > 0).map(|n| (n, *status)));
    let words: Vec<String> = found.map(|(n, status)| format!("{n} {status}")).collect();
    let tone = if bucket["down"].as_u64() > Some(0) { Tone::Bad } else { Tone::Doubtful };
    Cell::toned(words.join(", "), tone)
}

/// One bar for each figure, in relation to the largest.
fn bars(figures: &[Option<u64>]) -> String {
    let largest = figures.iter().flatten().max().copied().unwrap_or(0).max(1);
    let bar = |figure: &Option<u64>| {
        figure.map_or(NO_BAR, |figure| BARS[(figure * BARS.len() as u64 / (largest + 1)).min(7) as usize])
    };
    figures.iter().map(bar).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn bars_stand_in_relation_to_the_largest() {
        assert_eq!(bars(&[Some(10), None, Some(40), Some(80), Some(0)]), "▁ ▄█▁");
        assert_eq!(bars(&[None, None]), "");
    }

    #[test]
    fn only_times_on_record_are_listed() {
        let bucket = |at: i64, up: u64, down: u64| {
            json!({"at": at, "count": up, "up": up, "degraded": 0, "down": down, "unknown": 0, "min_us": 900,
                   "mean_us": 1_200, "p50_us": 1_100, "p95_us": 2_000, "p99_us": null, "max_us": 2_100})
        };
        let latency = json!({"from": 0, "to": 180_000, "step": 60,
                             "buckets": [bucket(0, 6, 0), bucket(60_000, 0, 0), bucket(120_000, 5, 1)]});
        let shown = shown(&latency, Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "from 1970-01-01 00:00:00Z to 1970-01-01 00:03:00Z, 1 min 0 s each");
        assert_eq!(lines[2], "FROM                  ANSWERS  MIN     MEAN    P50     P95     P99  MAX     NOT UP");
        assert_eq!(lines[3], "1970-01-01 00:00:00Z  6        900 us  1.2 ms  1.1 ms  2.0 ms       2.1 ms");
        assert_eq!(lines[4], "1970-01-01 00:02:00Z  5        900 us  1.2 ms  1.1 ms  2.0 ms       2.1 ms  1 down");
        assert_eq!(lines.len(), 5);
    }
}
