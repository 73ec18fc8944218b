//! `farwatch ledger`: the account of every slot of a period.

use clap::{Args, ValueEnum};
use farwatch_control::clock::Clock;
use serde_json::Value;

use super::fields::{moment, text, utc};
use super::period::PeriodArgs;
use super::reference::{CHECK, id_of};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table, Tone};

/// The account of every slot: what was due, and how each stands
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  farwatch ledger\n  farwatch ledger --since 24h --check shop\n  farwatch ledger --since 24h --by cause"
)]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Of this check only, by name or id
    #[arg(long, value_name = "CHECK")]
    check: Option<String>,
    /// Taken apart by this
    #[arg(long, value_enum, default_value = "check")]
    by: By,
    #[command(flatten)]
    client: ClientArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    Check,
    /// For a token of the operator
    Tenant,
    /// The host that owned a slot first, whoever ran it
    Host,
    /// Why slots were missed
    Cause,
}

impl LedgerArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let (from, to) = self.period.at(Clock.wall().0)?;
        let mut path = format!("/v1/ledger?from={from}&to={to}");
        if let Some(check) = &self.check {
            path.push_str(&format!("&check={}", id_of(&client.connection, CHECK, check)?));
        }
        if self.by == By::Host {
            path.push_str("&by=host");
        }
        client.show(&client.connection.get(&path)?, |ledger, look| shown(ledger, self.by, look))
    }
}

const COUNTS: [&str; 5] = ["due", "on_time", "late", "missed", "pending"];

fn shown(ledger: &Value, by: By, look: Look) -> String {
    let mut head = format!("slots from {} to {}\n", moment(ledger, "from"), moment(ledger, "to"));
    if ledger["record_from"].as_i64() > ledger["from"].as_i64() {
        head.push_str(&record_of(ledger));
    }
    let mut table = Table::new(&["of", "due", "on time", "late", "missed", "pending"]);
    table.row(line("all", ledger));
    if ledger["unpromised"]["due"].as_u64().is_some_and(|due| due > 0) {
        table.row(line("not to be repeated, outside the promise", &ledger["unpromised"]));
    }
    for part in parts(ledger, by) {
        table.row(line(&name_of(part, by), part));
    }
    let mut shown = head + &table.shown(look, "nothing was due");
    for listed in [causes(ledger, look), missed(ledger, by, look)].into_iter().flatten() {
        shown.push('\n');
        shown.push_str(&listed);
    }
    shown
}

fn parts(ledger: &Value, by: By) -> impl Iterator<Item = &Value> {
    let field = match by {
        By::Check => "checks",
        By::Tenant => "tenants",
        By::Host => "hosts",
        By::Cause => return None.into_iter().flatten(),
    };
    ledger[field].as_array().into_iter().flatten()
}

/// What a part is called: by its name, by its id where it has none, and nobody's where it has neither.
fn name_of(part: &Value, by: By) -> String {
    let (name, id) = match by {
        By::Check | By::Cause => ("name", "check"),
        By::Tenant => ("name", "tenant"),
        By::Host => ("host_name", "host"),
    };
    let of = part[name].as_str().or_else(|| part[id].as_str());
    of.unwrap_or("nobody").to_owned()
}

/// Why slots were missed, if any were.
fn causes(ledger: &Value, look: Look) -> Option<String> {
    let mut table = Table::new(&["missed", "cause", "first", "last"]);
    for counted in ledger["causes"].as_array().filter(|causes| !causes.is_empty())? {
        table.row(vec![
            Cell::toned(text(counted, "missed"), Tone::Bad),
            cause(counted).into(),
            moment(counted, "first_slot").into(),
            moment(counted, "last_slot").into(),
        ]);
    }
    Some(table.shown(look, "none"))
}

/// A cause in words: what, by which host, and what that said.
pub(super) fn cause(told: &Value) -> String {
    let parts = [text(told, "cause").replace('_', " "), text(&told["host"], "host_name"), text(told, "code")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// What is said of a period that begins before slots are on record one by one.
fn record_of(ledger: &Value) -> String {
    let begins = moment(ledger, "record_from");
    if ledger["summed"].is_null() {
        return format!("the record begins at {begins}; what was before is not counted\n");
    }
    let (from, to) = (moment(&ledger["summed"], "from"), moment(&ledger["summed"], "to"));
    format!("slots are on record one by one since {begins}; from {from} to {to} the sums of whole days are counted\n")
}

fn line(of: &str, balance: &Value) -> Vec<Cell> {
    let counts = COUNTS.iter().map(|count| {
        let tone = match (*count, balance[count].as_u64()) {
            ("missed", Some(1..)) => Tone::Bad,
            ("late" | "pending", Some(1..)) => Tone::Doubtful,
            _ => Tone::Plain,
        };
        Cell::toned(text(balance, count), tone)
    });
    std::iter::once(Cell::plain(of)).chain(counts).collect()
}

/// The missed slots one by one, where it is not taken apart otherwise.
fn missed(ledger: &Value, by: By, look: Look) -> Option<String> {
    let slots = ledger["missed_slots"].as_array().filter(|slots| by == By::Check && !slots.is_empty())?;
    let mut table = Table::new(&["missed slot", "check", "cause", "owed by"]);
    for slot in slots {
        let owners: Vec<String> =
            slot["owners"].as_array().into_iter().flatten().map(|owner| text(owner, "host_name")).collect();
        table.row(vec![
            slot["slot"].as_i64().map_or_else(String::new, utc).into(),
            text(slot, "check").into(),
            cause(slot).into(),
            owners.join(", ").into(),
        ]);
    }
    let rest = match ledger["missed_unlisted"].as_u64() {
        Some(rest @ 1..) => format!("and {rest} more\n"),
        _ => String::new(),
    };
    Some(table.shown(look, "none") + &rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ledger() -> Value {
        json!({
            "from": 0, "to": 60_000, "due": 12, "on_time": 11, "late": 0, "missed": 1, "pending": 0,
            "unpromised": {"due": 0},
            "checks": [{"name": "shop", "check": "chk_1", "due": 12, "on_time": 11, "late": 0, "missed": 1, "pending": 0}],
            "missed_slots": [{"slot": 10_000, "check": "chk_1", "cause": "host_trouble", "code": "host-paused",
                              "host": {"host_name": "fra"}, "owners": [{"host_name": "fra"}, {"host_name": "ams"}]}],
            "missed_unlisted": 0,
            "causes": [{"cause": "host_trouble", "code": "host-paused", "host": {"host_name": "fra"}, "missed": 1,
                        "first_slot": 10_000, "last_slot": 10_000}],
            "hosts": [{"host": "hst_1", "host_name": "fra", "due": 11, "on_time": 11}, {"due": 1, "missed": 1}],
        })
    }

    #[test]
    fn it_says_where_the_record_begins() {
        let mut ledger = ledger();
        ledger["record_from"] = json!(30_000);
        let told = shown(&ledger, By::Check, Look::PLAIN);
        assert_eq!(
            told.lines().nth(1),
            Some("the record begins at 1970-01-01 00:00:30Z; what was before is not counted")
        );
        ledger["record_from"] = json!(0);
        assert!(!shown(&ledger, By::Check, Look::PLAIN).contains("record"));
    }

    #[test]
    fn the_balance_and_every_missed_slot_are_shown() {
        let shown = shown(&ledger(), By::Check, Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "OF    DUE  ON TIME  LATE  MISSED  PENDING");
        assert_eq!(lines[2], "all   12   11       0     1       0");
        assert_eq!(lines[3], "shop  12   11       0     1       0");
        let cause = "1       host trouble, fra, host-paused  1970-01-01 00:00:10Z  1970-01-01 00:00:10Z";
        assert_eq!(lines[6], cause);
        assert_eq!(lines[9], "1970-01-01 00:00:10Z  chk_1  host trouble, fra, host-paused  fra, ams");
    }

    #[test]
    fn it_is_taken_apart_by_who_owed_and_by_cause() {
        let by_host = shown(&ledger(), By::Host, Look::PLAIN);
        let names: Vec<&str> = by_host.lines().filter_map(|line| line.split_whitespace().next()).take(5).collect();
        assert_eq!(names, ["slots", "OF", "all", "fra", "nobody"]);
        let by_cause = shown(&ledger(), By::Cause, Look::PLAIN);
        assert_eq!(by_cause.lines().filter(|line| line.contains("host-paused")).count(), 1, "{by_cause}");
    }
}
