//! `farwatch fleet upgrade`: every host to another release, one after the other, with progress until it is over.

use std::thread::sleep;
use std::time::Duration;

use clap::{Args, Subcommand};
use farwatch_control::clock::Clock;
use serde_json::{Value, json};

use super::fields::{items, length, moment, text};
use super::{Client, ClientArgs};
use crate::duration::seconds;
use crate::exit::{FAILED, Failure, UNAVAILABLE};
use crate::output::{self, Cell, Look, Table, Tone, progress};

/// The upgrade, at the API.
const PATH: &str = "/v1/fleet/upgrade";
/// How often it is looked at how far it is.
const POLL: Duration = Duration::from_secs(1);

/// All hosts at once
#[derive(Args, Debug)]
pub(crate) struct FleetArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Upgrade every host to a release, one after the other, and wait until it is done
    #[command(after_help = "Examples:
  farwatch release push ./farwatch && farwatch fleet upgrade --to 1.4.0
  farwatch fleet upgrade --to 1.4.0 --max-unavailable 3
  farwatch fleet upgrade --status
  farwatch fleet upgrade --stop

One host goes first, alone. The others follow, one of a region at a time. The upgrade stops by itself where a slot is
missed, where a host does not come back in the release, and where upgraded hosts see what the others do not; it ends with 70
then, and --resume lets it go on. It goes on without this command.")]
    Upgrade(UpgradeArgs),
}

#[derive(Args, Debug)]
struct UpgradeArgs {
    #[command(flatten)]
    what: What,
    /// How many hosts at once
    #[arg(long, default_value_t = 1, value_name = "N")]
    max_unavailable: u32,
    /// Do not wait until it is done
    #[arg(long)]
    no_wait: bool,
    /// How long to wait until it is done
    #[arg(long, value_parser = seconds, default_value = "24h", value_name = "TIME")]
    limit: Duration,
}

#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
struct What {
    /// To this version, or to the release of this hash
    #[arg(long, value_name = "VERSION|HASH")]
    to: Option<String>,
    /// Show how far it is
    #[arg(long)]
    status: bool,
    /// Stop it where it is
    #[arg(long)]
    stop: bool,
    /// Let it go on after it was stopped, and wait until it is done
    #[arg(long)]
    resume: bool,
}

impl FleetArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let Verb::Upgrade(args) = &self.verb;
        upgrade(&client, args)
    }
}

fn upgrade(client: &Client, args: &UpgradeArgs) -> Result<(), Failure> {
    if args.what.status {
        return client.show(&client.connection.get(PATH)?, shown);
    }
    if args.what.stop {
        return client.show(&client.connection.post(&format!("{PATH}/stop"), &json!({}))?, shown);
    }
    let begun = match &args.what.to {
        Some(to) => client.connection.post(PATH, &json!({ "to": to, "max_unavailable": args.max_unavailable }))?,
        None => client.connection.post(&format!("{PATH}/resume"), &json!({}))?,
    };
    if args.no_wait {
        return client.show(&begun, shown);
    }
    let ended = until_over(client, args)?;
    client.show(&ended, shown)?;
    if ended["state"] == "done" {
        return Ok(());
    }
    let because = text(&ended, "stopped_because");
    Err(Failure::new(FAILED, format_args!("the upgrade was stopped: {because}; --resume lets it go on")))
}

fn until_over(client: &Client, args: &UpgradeArgs) -> Result<Value, Failure> {
    let began = Clock.boot();
    loop {
        let upgrade = client.connection.get(PATH)?;
        if upgrade["state"] != "running" {
            progress("");
            return Ok(upgrade);
        }
        let waited_ms = Clock.boot().since(began);
        if u128::from(waited_ms.unsigned_abs()) >= args.limit.as_millis() {
            progress("");
            let line = format!("the upgrade goes on after {}: {}", length(waited_ms), far(&upgrade));
            return Err(Failure::new(UNAVAILABLE, format_args!("{line}; see `farwatch fleet upgrade --status`")));
        }
        progress(&format!("upgrading to {}: {}, {} …", text(&upgrade, "version"), far(&upgrade), length(waited_ms)));
        sleep(POLL);
    }
}

/// How far it is, in a few words.
fn far(upgrade: &Value) -> String {
    let hosts = upgrade["hosts"].as_array().map_or(0, Vec::len);
    let of = |word: &str| -> Vec<String> {
        let hosts = upgrade["hosts"].as_array().into_iter().flatten();
        hosts.filter(|host| host["progress"] == word).map(|host| text(host, "name")).collect()
    };
    let mut parts = vec![format!("{} of {hosts} hosts done", text(upgrade, "done"))];
    for (word, means) in [("ordered", "taking it"), ("watched", "watched")] {
        let names = of(word);
        if !names.is_empty() {
            parts.push(format!("{} {means}", names.join(" ")));
        }
    }
    parts.join(", ")
}

fn shown(upgrade: &Value, look: Look) -> String {
    let state = upgrade["state"].as_str().unwrap_or_default();
    let state = match state {
        "stopped" => Cell::toned(state, Tone::Bad),
        "done" => Cell::toned(state, Tone::Good),
        state => Cell::plain(state),
    };
    let mut facts = vec![
        ("to", text(upgrade, "version").into()),
        ("release", text(upgrade, "release").into()),
        ("state", state),
        ("because", text(upgrade, "stopped_because").into()),
        ("started", moment(upgrade, "started").into()),
        ("ended", moment(upgrade, "ended").into()),
        ("at once", text(upgrade, "max_unavailable").into()),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    let mut table = Table::new(&["host", "region", "progress", "runs", "waits because"]);
    let hosts = json!({ "items": upgrade["hosts"] });
    for host in items(&hosts) {
        table.row(vec![
            text(host, "name").into(),
            text(host, "region").into(),
            text(host, "progress").into(),
            text(host, "version").into(),
            text(host, "waits_because").into(),
        ]);
    }
    format!("{}\n{}", output::facts(&facts, look), table.shown(look, "no hosts yet"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upgrade() -> Value {
        json!({"version": "1.4.0", "state": "running", "started": 0, "max_unavailable": 1, "done": 1, "hosts": [
            {"name": "fra-1", "region": "eu", "progress": "done", "version": "1.4.0"},
            {"name": "par-1", "region": "eu", "progress": "ordered", "version": "1.3.0"},
            {"name": "nyc-1", "region": "us", "progress": "waiting", "version": "1.3.0",
             "waits_because": "it is not linked"},
        ]})
    }

    #[test]
    fn progress_says_who_is_at_it() {
        assert_eq!(far(&upgrade()), "1 of 3 hosts done, par-1 taking it");
    }

    #[test]
    fn every_host_has_a_line_and_a_stop_its_reason() {
        let mut upgrade = upgrade();
        assert_eq!(
            shown(&upgrade, Look::PLAIN).lines().last(),
            Some("nyc-1  us      waiting   1.3.0  it is not linked")
        );
        upgrade["state"] = "stopped".into();
        upgrade["stopped_because"] = "2 slots were missed; see the ledger".into();
        assert!(shown(&upgrade, Look::PLAIN).contains("because  2 slots were missed"));
    }
}
