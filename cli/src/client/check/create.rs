//! `farwatch check create`: says what is to be watched, and waits until it is.

use std::thread::sleep;
use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::super::Client;
use super::super::fields::{length, text};
use super::super::reference::{CONTACT, id_of};
use super::config::ConfigArgs;
use super::wish::{Wished, body_of};
use crate::duration::seconds;
use crate::exit::{Failure, UNAVAILABLE};
use crate::output::{self, progress};

/// Hosts fetch and compile a module once, and then hold a check within a second or two.
const WAIT_LIMIT_MS: i64 = 60_000;
/// How often the check is looked at.
const POLL: Duration = Duration::from_millis(300);

const EXAMPLES: &str = "Examples:
  farwatch check create http --name shop --url https://shop.example.com --every 10s --contact ops
  farwatch check create http --name api --url https://api.example.com/health --contains '\"ok\"' --degraded-above 500ms
  farwatch check create tcp --name mail --host mail.example.com --port 25 --contains ESMTP
  farwatch check create heartbeat --name backup --cron '30 3 * * *' --timezone Europe/Berlin --grace 15min
  farwatch check create http@0.1.0 --name api --config api.json --location EU --streams 2";

/// Watch something, and wait until it is watched
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(super) struct CreateArgs {
    /// The module that runs: a name, name@version, name@range such as my-check@^1.2, or mod_ and a hash
    #[arg(value_name = "MODULE")]
    pub(super) module: String,
    /// What to call it
    #[arg(long, value_name = "NAME")]
    pub(super) name: String,
    /// How often: 10s, 15s, 20s, 30s, 1min, 2min, 3min, 5min, 10min, 15min, 30min, 1h, 2h, 6h, 12h or 24h
    #[arg(long, default_value = "60s", value_name = "TIME")]
    pub(super) every: String,
    /// How long one run may take; the default follows from the interval
    #[arg(long, value_parser = seconds, value_name = "TIME")]
    pub(super) timeout: Option<Duration>,
    /// Where it runs: a region, a country or a continent of the fleet
    #[arg(long, value_name = "PLACE")]
    pub(super) location: Option<String>,
    /// A label that its hosts must carry, as key=value; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub(super) labels: Vec<String>,
    /// From how many vantage points at once
    #[arg(long, value_name = "N")]
    pub(super) streams: Option<u16>,
    /// How many vantage points must see it fail
    #[arg(long, value_name = "N")]
    pub(super) need: Option<u8>,
    /// It must not be run twice: no standby and no votes, outside the promise
    #[arg(long)]
    pub(super) no_repeat: bool,
    /// Whom to tell, by name or id; may be repeated
    #[arg(long = "contact", value_name = "CONTACT")]
    contacts: Vec<String>,
    /// Do not run it yet
    #[arg(long)]
    pub(super) paused: bool,
    /// Do not wait until it is watched
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    pub(super) config: ConfigArgs,
}

pub(super) fn run(client: &Client, args: &CreateArgs) -> Result<(), Failure> {
    let mut contacts = Vec::with_capacity(args.contacts.len());
    for said in &args.contacts {
        contacts.push(id_of(&client.connection, CONTACT, said)?);
    }
    let body = body_of(&Wished { args, contacts })?;
    let mut check = client.connection.post("/v1/checks", &body)?;
    if !args.no_wait {
        check = in_force(client, check)?;
    }
    client.show(&check, super::shown)?;
    if check["heartbeat"].is_object() && !client.json {
        let path = client.connection.get(&format!("/v1/checks/{}/heartbeat", text(&check, "id")))?;
        output::print(&format!("its job calls {}\n", client.connection.url_of(&text(&path, "path"))))?;
    }
    Ok(())
}

/// The check once it is in force.
fn in_force(client: &Client, mut check: Value) -> Result<Value, Failure> {
    let path = format!("/v1/checks/{}", text(&check, "id"));
    let began = Clock.boot();
    while check["state"] == "pending" {
        let waited = Clock.boot().since(began);
        if waited >= WAIT_LIMIT_MS {
            progress("");
            let name = text(&check, "name");
            let advice = format!("it will come into force once they do; see `farwatch explain {name:?}`");
            let line = format!(
                "{name} is made, and still pending after {}: its hosts do not hold it yet; {advice}",
                length(waited)
            );
            return Err(Failure::new(UNAVAILABLE, line));
        }
        progress(&format!("waiting until its hosts hold it, {} …", length(waited)));
        sleep(POLL);
        check = client.connection.get(&path)?;
    }
    progress("");
    Ok(check)
}
