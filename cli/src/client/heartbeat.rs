//! `farwatch heartbeat`: jobs that call us. What they said, and by which path they call; and the call itself, for whoever
//! has no curl or wants to have a whole command watched.

mod call;
mod job;

use clap::{Args, Subcommand};
use serde_json::Value;

use self::call::SendArgs;
use self::job::RunArgs;
use super::fields::{items, length, moment, text};
use super::reference::{CHECK, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table};

/// Jobs that call when they have run
#[derive(Args, Debug)]
pub(crate) struct HeartbeatArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Show where a job calls
    #[command(after_help = "Whoever knows the URL can speak for the job. It calls by GET or POST:

  URL           all is well
  URL/start     a run begins
  URL/fail      it failed; what is sent along is kept
  URL/3         its exit status; 0 is well
  URL/log       something for the record

Example:
  farwatch heartbeat show backup")]
    Show(Named),
    /// Give a job another URL; who calls by the former one is not known any more
    #[command(after_help = "Example:\n  farwatch heartbeat renew backup")]
    Renew(Named),
    /// Show what a job said of late, newest first
    #[command(after_help = "Example:\n  farwatch heartbeat signals backup")]
    Signals(Named),
    /// Say how a job is
    #[command(after_help = "Examples:
  farwatch heartbeat send https://watch.example.com/heartbeat/0123abcd
  tail backup.log | farwatch heartbeat send https://watch.example.com/heartbeat/0123abcd fail --with -")]
    Send(SendArgs),
    /// Run a command, and say that it starts and how it ends
    #[command(
        after_help = "The command's output passes through, and its end is sent along. Its exit status is passed on, \
whether anybody could be called or not.

Example, in a crontab:
  30 3 * * * farwatch heartbeat run https://watch.example.com/heartbeat/0123abcd -- /usr/local/bin/backup --all"
    )]
    Run(RunArgs),
}

#[derive(Args, Debug)]
struct Named {
    /// Its name or id
    #[arg(value_name = "CHECK")]
    check: String,
}

impl HeartbeatArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        match &self.verb {
            Verb::Show(named) => {
                let client = Client::open(&self.client)?;
                let shown = client.connection.get(&format!("{}/heartbeat", path(&client, named)?))?;
                client.show(&shown, |shown, _| url(&client, shown))
            }
            Verb::Renew(named) => {
                let client = Client::open(&self.client)?;
                let shown =
                    client.connection.post_and_wait(&format!("{}/heartbeat/renew", path(&client, named)?), None)?;
                client.show(&shown, |shown, _| url(&client, shown))
            }
            Verb::Signals(named) => {
                let client = Client::open(&self.client)?;
                let signals = client.connection.get(&format!("{}/signals", path(&client, named)?))?;
                client.show(&signals, listed)
            }
            Verb::Send(args) => args.send(),
            Verb::Run(args) => args.run(),
        }
    }
}

fn path(client: &Client, named: &Named) -> Result<String, Failure> {
    Ok(format!("/v1/checks/{}", id_of(&client.connection, CHECK, &named.check)?))
}

fn url(client: &Client, shown: &Value) -> String {
    format!("{}\n", client.connection.url_of(&text(shown, "path")))
}

fn listed(signals: &Value, look: Look) -> String {
    let mut table = Table::new(&["at", "said", "exit", "took", "from", "by", "last line"]);
    for signal in items(signals) {
        let body = text(signal, "body");
        let last = body.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned();
        table.row(vec![
            moment(signal, "at").into(),
            Cell::word(signal["kind"].as_str().unwrap_or_default()),
            text(signal, "exit_status").into(),
            signal["took_ms"].as_i64().map_or_else(String::new, length).into(),
            text(signal, "address").into(),
            text(signal, "agent").into(),
            last.into(),
        ]);
    }
    table.shown(look, "it has never called; `farwatch heartbeat show` says where it is to")
}
