//! `farwatch ledger`: the account of every slot of a period.

use clap::Args;
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
#[command(after_help = "Examples:\n  farwatch ledger\n  farwatch ledger --since 24h --check shop")]
pub(crate) struct LedgerArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Of this check only, by name or id
    #[arg(long, value_name = "CHECK")]
    check: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
}

impl LedgerArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        let (from, to) = self.period.at(Clock.wall().0)?;
        let mut path = format!("/v1/ledger?from={from}&to={to}");
        if let Some(check) = &self.check {
            path.push_str(&format!("&check={}", id_of(&client.connection, CHECK, check)?));
        }
        client.show(&client.connection.get(&path)?, shown)
    }
}

const COUNTS: [&str; 5] = ["due", "on_time", "late", "missed", "pending"];

fn shown(ledger: &Value, look: Look) -> String {
    let mut head = format!("slots from {} to {}\n", moment(ledger, "from"), moment(ledger, "to"));
    if ledger["record_from"].as_i64() > ledger["from"].as_i64() {
        head.push_str(&record_of(ledger));
    }
    let mut table = Table::new(&["of", "due", "on time", "late", "missed", "pending"]);
    table.row(line("all", ledger));
    if ledger["unpromised"]["due"].as_u64().is_some_and(|due| due > 0) {
        table.row(line("not to be repeated, outside the promise", &ledger["unpromised"]));
    }
    for check in ledger["checks"].as_array().into_iter().flatten() {
        let name = check["name"].as_str().map_or_else(|| text(check, "check"), str::to_owned);
        table.row(line(&name, check));
    }
    let mut shown = head + &table.shown(look, "nothing was due");
    if ledger["missed_slots"].as_array().is_some_and(|missed| !missed.is_empty()) {
        shown.push('\n');
        shown.push_str(&missed(ledger, look));
    }
    shown
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

fn missed(ledger: &Value, look: Look) -> String {
    let mut table = Table::new(&["missed slot", "check", "cause", "owed by"]);
    for slot in ledger["missed_slots"].as_array().into_iter().flatten() {
        let owners: Vec<String> =
            slot["owners"].as_array().into_iter().flatten().map(|owner| text(owner, "host_name")).collect();
        let by = text(&slot["host"], "host_name");
        let cause = [text(slot, "cause").replace('_', " "), by, text(slot, "code")];
        table.row(vec![
            slot["slot"].as_i64().map_or_else(String::new, utc).into(),
            text(slot, "check").into(),
            cause.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ").into(),
            owners.join(", ").into(),
        ]);
    }
    let rest = match ledger["missed_unlisted"].as_u64() {
        Some(rest @ 1..) => format!("and {rest} more\n"),
        _ => String::new(),
    };
    table.shown(look, "none") + &rest
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
        })
    }

    #[test]
    fn it_says_where_the_record_begins() {
        let mut ledger = ledger();
        ledger["record_from"] = json!(30_000);
        let told = shown(&ledger, Look::PLAIN);
        assert_eq!(
            told.lines().nth(1),
            Some("the record begins at 1970-01-01 00:00:30Z; what was before is not counted")
        );
        ledger["record_from"] = json!(0);
        assert!(!shown(&ledger, Look::PLAIN).contains("record"));
    }

    #[test]
    fn the_balance_and_every_missed_slot_are_shown() {
        let shown = shown(&ledger(), Look::PLAIN);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[1], "OF    DUE  ON TIME  LATE  MISSED  PENDING");
        assert_eq!(lines[2], "all   12   11       0     1       0");
        assert_eq!(lines[3], "shop  12   11       0     1       0");
        assert_eq!(lines[6], "1970-01-01 00:00:10Z  chk_1  host trouble, fra, host-paused  fra, ams");
    }
}
