//! `farwatch check uptime`: how long a check was watched, and how long of that it was down, by its incidents.

use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::super::Client;
use super::super::fields::{length, moment, text};
use super::{Named, path};
use crate::duration::seconds;
use crate::exit::Failure;
use crate::output::{self, Look};

#[derive(Args, Debug)]
pub(super) struct UptimeArgs {
    #[command(flatten)]
    named: Named,
    /// From so long ago until now
    #[arg(long, default_value = "24h", value_parser = seconds, value_name = "TIME")]
    since: Duration,
}

pub(super) fn run(client: &Client, args: &UptimeArgs) -> Result<(), Failure> {
    let from = super::since(args.since, Clock.wall().0)?;
    let path = format!("{}/uptime?from={from}", path(client, &args.named)?);
    client.show(&client.connection.get(&path)?, shown)
}

fn shown(uptime: &Value, look: Look) -> String {
    let time = |field: &str| uptime[field].as_i64().map_or_else(String::new, length);
    let share = uptime["uptime"].as_f64().map_or_else(|| "not watched".to_owned(), percent);
    let facts = [
        ("from", moment(uptime, "from").into()),
        ("to", moment(uptime, "to").into()),
        ("uptime", share.into()),
        ("watched", time("watched_ms").into()),
        ("down", time("down_ms").into()),
        ("incidents", text(uptime, "incidents").into()),
    ];
    output::facts(&facts, look)
}

/// Never rounded up: what was not whole is not shown as whole.
fn percent(share: f64) -> String {
    format!("{:.3} %", (share * 100_000.0).floor() / 1000.0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_second_of_outage_is_not_rounded_away() {
        let uptime = json!({"from": 0, "to": 86_400_000, "watched_ms": 86_400_000, "down_ms": 20, "incidents": 1,
                            "uptime": 0.999_999_8});
        let shown = shown(&uptime, Look::PLAIN);
        assert!(shown.contains("uptime     99.999 %") && shown.contains("down       20 ms"), "{shown}");
        assert_eq!(percent(1.0), "100.000 %");
    }

    #[test]
    fn what_was_not_watched_has_no_uptime() {
        let uptime = json!({"from": 0, "to": 1000, "watched_ms": 0, "down_ms": 0, "incidents": 0, "uptime": null});
        assert!(shown(&uptime, Look::PLAIN).contains("not watched"));
    }
}
