//! `farwatch check`: what is watched.

pub(super) mod config;
mod create;
mod evidence;
mod job;
mod latency;
mod results;
mod test;
pub(super) mod tried;
mod uptime;
mod wish;

use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use self::create::CreateArgs;
use self::evidence::EvidenceArgs;
use self::latency::LatencyArgs;
use self::results::ResultsArgs;
use self::test::TestArgs;
use self::uptime::UptimeArgs;
use super::edit::Changes;
use super::fields::{interval, items, length, moment, text, texts};
use super::reference::{CHECK, encoded, id_of};
use super::{Client, ClientArgs};
use crate::exit::{Failure, USAGE};
use crate::output::{self, Cell, Look, Table, Tone};

/// What is watched
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Watch something, and wait until it is watched
    Create(Box<CreateArgs>),
    /// List checks
    #[command(after_help = "Example:\n  farwatch check list --name shop")]
    List(ListArgs),
    /// Show a check
    #[command(after_help = "Example:\n  farwatch check show shop")]
    Show(Named),
    /// Change what is watched, and how
    #[command(after_help = "Examples:
  farwatch check edit shop interval=30s
  farwatch check edit shop config.url=https://shop.example.com labels.tier=")]
    Edit {
        #[command(flatten)]
        named: Named,
        #[command(flatten)]
        changes: Changes,
    },
    /// Stop watching, for good
    #[command(after_help = "Example:\n  farwatch check delete shop")]
    Delete(Named),
    /// Run a check now, or a config that no check has
    Test(Box<TestArgs>),
    /// Show what was found of late, newest first
    #[command(after_help = "Examples:
  farwatch check results shop
  farwatch check results shop --status down --since 7d
  farwatch check results shop --all --since 1h")]
    Results(ResultsArgs),
    /// Show why it failed, newest first
    #[command(after_help = "Examples:
  farwatch check evidence shop
  farwatch check evidence shop --incident inc_0123456789abcdef0123456789abcdef")]
    Evidence(EvidenceArgs),
    /// Show how fast it was answered over time
    #[command(after_help = "Examples:
  farwatch check latency shop
  farwatch check latency shop --since 1h --step 1m")]
    Latency(LatencyArgs),
    /// Show how long it was up
    #[command(after_help = "Examples:
  farwatch check uptime shop
  farwatch check uptime shop --since 30d")]
    Uptime(UptimeArgs),
    /// Keep a check without running it
    #[command(after_help = "Example:\n  farwatch check pause shop")]
    Pause(Named),
    /// Run a paused check again
    #[command(after_help = "Example:\n  farwatch check resume shop")]
    Resume(Named),
}

#[derive(Args, Debug)]
struct Named {
    /// Its name or id
    #[arg(value_name = "CHECK")]
    check: String,
}

#[derive(Args, Debug)]
struct ListArgs {
    /// Only those whose name contains this
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

impl CheckArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::Create(args) => create::run(&client, args),
            Verb::List(args) => list(&client, args),
            Verb::Show(named) => client.show(&client.connection.get(&path(&client, named)?)?, shown),
            Verb::Edit { named, changes } => client.show(&changes.make(&client, &path(&client, named)?)?, shown),
            Verb::Delete(named) => {
                let answer = client.connection.delete(&path(&client, named)?)?;
                client.show(&answer, |answer, _| format!("{} is on its way out\n", text(answer, "name")))
            }
            Verb::Test(args) => test::run(&client, args),
            Verb::Results(args) => results::run(&client, args),
            Verb::Evidence(args) => evidence::run(&client, args),
            Verb::Latency(args) => latency::run(&client, args),
            Verb::Uptime(args) => uptime::run(&client, args),
            Verb::Pause(named) => change(&client, named, true),
            Verb::Resume(named) => change(&client, named, false),
        }
    }
}

fn path(client: &Client, named: &Named) -> Result<String, Failure> {
    Ok(format!("/v1/checks/{}", id_of(&client.connection, CHECK, &named.check)?))
}

/// The moment so long ago, in Unix milliseconds.
fn since(since: Duration, now: i64) -> Result<i64, Failure> {
    let since_ms = i64::try_from(since.as_millis()).ok().filter(|since_ms| *since_ms <= now);
    since_ms
        .map(|since_ms| now - since_ms)
        .ok_or_else(|| Failure::new(USAGE, "--since lies before all time; ask for less"))
}

fn list(client: &Client, args: &ListArgs) -> Result<(), Failure> {
    let filter = args.name.as_deref().map_or_else(String::new, |name| format!("?name={}", encoded(name)));
    let listed = client.connection.list(&format!("/v1/checks{filter}"))?;
    client.show(&listed, |listed, look| {
        let mut table = Table::new(&["name", "module", "every", "state", "outage", "id"]);
        for check in items(listed) {
            table.row(vec![
                text(check, "name").into(),
                text(check, "module").into(),
                interval(check, "interval").into(),
                state(check),
                outage(check),
                text(check, "id").into(),
            ]);
        }
        table.shown(look, "no checks; `farwatch check create` makes one")
    })
}

/// What a check is doing, in a word.
fn state(check: &Value) -> Cell {
    match (check["state"].as_str(), check["activity"].as_str()) {
        (Some("pending"), Some("deleted")) => Cell::word("deletion_pending"),
        (_, Some("deleted")) => Cell::word("deleted"),
        (Some("pending"), _) => Cell::word("pending"),
        (_, Some("paused")) => Cell::word("paused"),
        _ => Cell::word(check["verdict"].as_str().unwrap_or("in_force")),
    }
}

fn outage(check: &Value) -> Cell {
    if check["open_incident"].is_null() { Cell::plain("none") } else { Cell::word("open") }
}

/// Who confirms an outage, where that is nobody else.
fn confirmed_by(check: &Value) -> Cell {
    match check["independently_confirmed"].as_bool() {
        Some(false) => Cell::toned("nobody independent: one machine runs it, and is asked again", Tone::Doubtful),
        _ => Cell::plain(""),
    }
}

/// How it is with the job of a heartbeat.
fn job(check: &Value) -> Cell {
    let heartbeat = &check["heartbeat"];
    let Some(standing) = heartbeat["standing"].as_str() else { return Cell::plain("") };
    let when = |field: &str, words: &str| match moment(heartbeat, field) {
        moment if moment.is_empty() => String::new(),
        moment => format!(", {words} {moment}"),
    };
    let took = heartbeat["took_ms"].as_i64().map_or_else(String::new, |ms| format!(", last took {}", length(ms)));
    let (well, due, down) = (when("succeeded", "well at"), when("due", "due at"), when("deadline", "down from"));
    format!("{standing}{well}{due}{down}{took}").into()
}

/// What says how a check is run.
const OF_RUNS: [&str; 5] = ["confirmed by", "every", "timeout", "streams", "repeat"];

/// A check in full.
fn shown(check: &Value, look: Look) -> String {
    let timeout = check["timeout_ms"].as_i64().map_or_else(String::new, length);
    let contacts: Vec<&str> = texts(check, "contacts").collect();
    let mut facts = vec![
        ("name", text(check, "name").into()),
        ("id", text(check, "id").into()),
        ("state", state(check)),
        ("since", moment(check, "verdict_since").into()),
        ("because", text(check, "reason").into()),
        ("confirmed by", confirmed_by(check)),
        ("in force from", moment(check, "in_force_from").into()),
        ("outage", outage(check)),
        ("incident", text(check, "open_incident").into()),
        ("module", module_of(check).into()),
        ("config", check["config"].to_string().into()),
        ("job", job(check)),
        ("every", interval(check, "interval").into()),
        ("timeout", timeout.into()),
        ("streams", text(check, "streams").into()),
        ("location", text(check, "location").into()),
        ("contacts", contacts.join(", ").into()),
        ("repeat", text(check, "repeat").into()),
        ("revision", text(check, "revision").into()),
        ("changed", moment(check, "changed").into()),
    ];
    // Nothing runs a heartbeat, so nothing of how it is run is said.
    let is_said = |label: &str| !check["heartbeat"].is_object() || !OF_RUNS.contains(&label);
    facts.retain(|(label, cell): &(&str, Cell)| *cell != Cell::plain("") && is_said(label));
    output::facts(&facts, look)
}

/// The module as it was named, and what runs.
fn module_of(check: &Value) -> String {
    let runs: Vec<String> = ["module_version", "module_hash"]
        .map(|field| text(check, field))
        .into_iter()
        .filter(|said| !said.is_empty())
        .collect();
    format!("{} ({})", text(check, "module"), runs.join(", "))
}

fn change(client: &Client, named: &Named, paused: bool) -> Result<(), Failure> {
    let answer = client.connection.patch(&path(client, named)?, &json!({ "paused": paused }))?;
    client.show(&answer, shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_check_is_one_word() {
        for (state_word, activity, shown) in [
            ("pending", "active", "pending"),
            ("pending", "deleted", "deletion_pending"),
            ("in_force", "active", "down"),
            ("in_force", "paused", "paused"),
            ("in_force", "deleted", "deleted"),
        ] {
            assert_eq!(
                state(&json!({"state": state_word, "activity": activity, "verdict": "down"})),
                Cell::word(shown)
            );
        }
    }

    #[test]
    fn a_check_says_which_version_its_range_has_become() {
        let check = json!({"module": "page@^1", "module_version": "1.4.0", "module_hash": "mod_1"});
        assert_eq!(module_of(&check), "page@^1 (1.4.0, mod_1)");
        assert_eq!(module_of(&json!({"module": "page", "module_hash": "mod_1"})), "page (mod_1)");
    }

    #[test]
    fn a_check_that_nobody_else_confirms_says_so() {
        let shown = |independently_confirmed: bool| {
            let check = json!({"name": "shop", "config": {}, "independently_confirmed": independently_confirmed});
            shown(&check, Look::PLAIN)
        };
        assert!(shown(false).contains("nobody independent") && !shown(true).contains("confirmed by"));
    }
}
