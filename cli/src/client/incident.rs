//! `farwatch incident`: outages, what each vantage point said, and who was told.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::fields::{items, length, moment, text};
use super::ledger::cause;
use super::reference::{CHECK, id_of};
use super::{Client, ClientArgs, evidence};
use crate::exit::Failure;
use crate::output::{self, Cell, Look, Table, Tone};

/// Outages
#[derive(Args, Debug)]
pub(crate) struct IncidentArgs {
    #[command(flatten)]
    client: ClientArgs,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// List outages, newest first
    #[command(after_help = "Examples:\n  farwatch incident list --state open\n  farwatch incident list --own")]
    List {
        /// Our own instead: spells of missed slots, one per cause; for a token of the operator
        #[arg(long, conflicts_with_all = ["state", "check"])]
        own: bool,
        /// Only those that go on, or only those that are over
        #[arg(long)]
        state: Option<State>,
        /// Only those of this check
        #[arg(long, value_name = "CHECK")]
        check: Option<String>,
    },
    /// Show an outage with its votes, why it failed, and its messages
    #[command(after_help = "Example:\n  farwatch incident show inc_…")]
    Show {
        /// Its id
        #[arg(value_name = "INCIDENT")]
        incident: String,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum State {
    Open,
    Resolved,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
        }
    }
}

impl IncidentArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        match &self.verb {
            Verb::List { own: true, .. } => list_own(&client),
            Verb::List { state, check, .. } => list(&client, *state, check.as_deref()),
            Verb::Show { incident } => {
                client.show(&client.connection.get(&format!("/v1/incidents/{incident}"))?, shown)
            }
        }
    }
}

fn list(client: &Client, state: Option<State>, check: Option<&str>) -> Result<(), Failure> {
    let mut filters = Vec::new();
    filters.extend(state.map(|state| format!("state={}", state.word())));
    if let Some(check) = check {
        filters.push(format!("check={}", id_of(&client.connection, CHECK, check)?));
    }
    let query = if filters.is_empty() { String::new() } else { format!("?{}", filters.join("&")) };
    let listed = client.connection.list(&format!("/v1/incidents{query}"))?;
    client.show(&listed, |listed, look| {
        let mut table = Table::new(&["check", "state", "since", "lasted", "code", "message", "id"]);
        for incident in items(listed) {
            table.row(vec![
                text(incident, "check_name").into(),
                Cell::word(incident["state"].as_str().unwrap_or_default()),
                moment(incident, "first_failed_slot").into(),
                lasted(incident).into(),
                text(incident, "code").into(),
                text(incident, "message").into(),
                text(incident, "id").into(),
            ]);
        }
        table.shown(look, "no outages")
    })
}

fn list_own(client: &Client) -> Result<(), Failure> {
    client.show(&client.connection.get("/v1/own-incidents")?, own)
}

fn own(listed: &Value, look: Look) -> String {
    let mut table = Table::new(&["cause", "state", "missed", "first slot", "last slot", "over since"]);
    for incident in items(listed) {
        table.row(vec![
            cause(incident).into(),
            Cell::word(incident["state"].as_str().unwrap_or_default()),
            text(incident, "missed").into(),
            moment(incident, "first_slot").into(),
            moment(incident, "last_slot").into(),
            moment(incident, "resolved").into(),
        ]);
    }
    table.shown(look, "no slot was missed since this is looked for")
}

/// What makes it unlike other outages, if anything does.
fn seen(incident: &Value) -> Cell {
    match (incident["seen_afterwards"].as_bool(), incident["independently_confirmed"].as_bool()) {
        (Some(true), _) => Cell::toned("afterwards, for what was seen arrived when it was over", Tone::Doubtful),
        (_, Some(false)) => Cell::toned("by one host, so that nobody confirmed it independently", Tone::Doubtful),
        _ => Cell::plain(""),
    }
}

fn lasted(incident: &Value) -> String {
    match (incident["first_failed_slot"].as_i64(), incident["resolved"].as_i64()) {
        (Some(from), Some(to)) => length(to - from),
        _ => String::new(),
    }
}

fn shown(incident: &Value, look: Look) -> String {
    let mut facts = vec![
        ("check", format!("{} ({})", text(incident, "check_name"), text(incident, "check")).into()),
        ("state", Cell::word(incident["state"].as_str().unwrap_or_default())),
        ("since", moment(incident, "first_failed_slot").into()),
        ("confirmed", moment(incident, "opened").into()),
        ("resolved", moment(incident, "resolved").into()),
        ("resolution", text(incident, "resolution").into()),
        ("lasted", lasted(incident).into()),
        ("code", text(incident, "code").into()),
        ("message", text(incident, "message").into()),
        ("needed", needed(incident).into()),
        ("seen", seen(incident)),
    ];
    facts.retain(|(_, cell): &(&str, Cell)| *cell != Cell::plain(""));
    let facts = output::facts(&facts, look);
    format!("{facts}\n{}\n{}\n{}", voices(incident, look), why(incident, look), deliveries(incident, look))
}

/// How many had to agree; of a job that calls nobody else is asked.
fn needed(incident: &Value) -> String {
    match incident["of"].as_u64() {
        Some(0) => String::new(),
        _ => format!("{} of {} vantage points", text(incident, "need"), text(incident, "of")),
    }
}

/// What failed runs of its time brought.
fn why(incident: &Value, look: Look) -> String {
    let pieces = incident["evidence"].as_array().into_iter().flatten();
    let shown = evidence::shown(pieces, look, "no evidence is kept of it");
    match incident["more_evidence"].as_bool() {
        Some(true) => {
            let (check, id) = (text(incident, "check"), text(incident, "id"));
            format!("{shown}and more; see `farwatch check evidence {check} --incident {id}`\n")
        }
        _ => shown,
    }
}

fn voices(incident: &Value, look: Look) -> String {
    let mut table = Table::new(&["step", "vantage point", "said", "code", "message"]);
    for event in incident["events"].as_array().into_iter().flatten() {
        for voice in event["voices"].as_array().into_iter().flatten() {
            table.row(vec![
                text(event, "kind").into(),
                text(voice, "host_name").into(),
                Cell::word(voice["answer"].as_str().unwrap_or_default()),
                text(voice, "code").into(),
                text(voice, "message").into(),
            ]);
        }
    }
    table.shown(look, "no votes")
}

fn deliveries(incident: &Value, look: Look) -> String {
    let mut table = Table::new(&["step", "message", "attempts", "contact", "channel", "answer"]);
    for delivery in incident["deliveries"].as_array().into_iter().flatten() {
        table.row(vec![
            text(delivery, "step").into(),
            Cell::word(delivery["state"].as_str().unwrap_or_default()),
            text(delivery, "attempts").into(),
            text(delivery, "contact").into(),
            text(delivery, "channel").into(),
            text(delivery, "last_answer").into(),
        ]);
    }
    table.shown(look, "nobody was to be told")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outage_shows_its_votes_and_messages() {
        let incident = json!({
            "check": "chk_1", "check_name": "shop", "state": "resolved", "first_failed_slot": 0, "opened": 2000,
            "resolved": 61_000, "resolution": "recovered", "code": "timeout", "message": "", "need": 3, "of": 4,
            "events": [{"kind": "opened", "voices": [{"host_name": "fra", "answer": "bad", "code": "timeout"}]}],
            "deliveries": [], "id": "inc_1", "more_evidence": true,
            "evidence": [{"slot": 0, "status": "down", "kept_as": "change", "host_name": "fra", "code": "timeout",
                          "message": "no answer in 3 s"}],
        });
        let shown = shown(&incident, Look::PLAIN);
        assert!(shown.contains("change   fra   timeout  no answer in 3 s"), "{shown}");
        assert!(shown.contains("check evidence chk_1 --incident inc_1"), "{shown}");
        assert!(shown.contains("lasted      1 min 1 s"), "{shown}");
        assert!(shown.contains("opened  fra            bad   timeout"), "{shown}");
        assert!(shown.ends_with("nobody was to be told\n"));
    }

    #[test]
    fn our_own_are_spells_of_missed_slots() {
        let listed = json!({"items": [{
            "cause": "host_trouble", "host": {"host_name": "fra"}, "code": "host-paused", "state": "resolved",
            "missed": 3, "first_slot": 0, "last_slot": 20_000, "opened": 60_000, "resolved": 660_000,
        }]});
        let shown = own(&listed, Look::PLAIN);
        assert!(shown.contains("host trouble, fra, host-paused  resolved  3       1970-01-01 00:00:00Z"), "{shown}");
        assert!(own(&json!({"items": []}), Look::PLAIN).starts_with("no slot was missed"));
    }

    #[test]
    fn what_nobody_confirmed_or_saw_in_time_is_shown_as_such() {
        let shown = |incident| shown(&incident, Look::PLAIN);
        assert!(shown(json!({"seen_afterwards": true})).contains("afterwards"));
        assert!(shown(json!({"seen_afterwards": false, "independently_confirmed": false})).contains("by one host"));
        assert!(!shown(json!({"seen_afterwards": false, "independently_confirmed": true})).contains("\nseen"));
    }
}
