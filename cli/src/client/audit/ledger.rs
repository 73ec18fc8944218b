//! `farwatch audit ledger`: whether the ledger is what revisions, views and raw results come to; the exit code says the
//! same.

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::Value;

use crate::client::Client;
use crate::client::fields::{moment, text};
use crate::client::period::PeriodArgs;
use crate::client::reference::{CHECK, id_of};
use crate::exit::{FAILED, Failure};
use crate::output::{self, Cell, Look, Table, Tone};

/// Whether the ledger is what the record comes to, slot by slot
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  farwatch audit ledger\n  farwatch audit ledger --since 24h --check shop\n\nWhat was due is computed a second time from revisions and views, and what was run from the raw results of the\njournal, which go back about two days. It ends with 0 when both agree, and with 70 when they do not."
)]
pub(super) struct LedgerArgs {
    #[command(flatten)]
    period: PeriodArgs,
    /// Of this check only, by name or id
    #[arg(long, value_name = "CHECK")]
    check: Option<String>,
}

impl LedgerArgs {
    pub(super) fn run(&self, client: &Client) -> Result<(), Failure> {
        let (from, to) = self.period.at(Clock.wall().0)?;
        let mut path = format!("/v1/ledger/audit?from={from}&to={to}");
        if let Some(check) = &self.check {
            path.push_str(&format!("&check={}", id_of(&client.connection, CHECK, check)?));
        }
        let found = client.connection.get(&path)?;
        client.show(&found, shown)?;
        if found["agrees"] == true {
            return Ok(());
        }
        Err(Failure::new(FAILED, "the ledger and the record differ; what holds is the record"))
    }
}

fn shown(found: &Value, look: Look) -> String {
    let screen = output::facts(&facts(found), look);
    if found["differences"] == 0 {
        return screen;
    }
    let rest = match found["unlisted"].as_u64() {
        Some(rest @ 1..) => format!("and {rest} more\n"),
        _ => String::new(),
    };
    format!("{screen}\n{}{rest}", differing(found, look))
}

fn facts(found: &Value) -> Vec<(&'static str, Cell)> {
    let verdict = match (found["agrees"] == true, found["compared"].is_null()) {
        (true, true) => Cell::toned("nothing of this period can be audited", Tone::Doubtful),
        (true, false) => Cell::toned("ledger and record agree", Tone::Good),
        (false, _) => Cell::toned("ledger and record differ", Tone::Bad),
    };
    let mut facts = vec![("audit", verdict)];
    if !found["compared"].is_null() {
        let (from, to) = (moment(&found["compared"], "from"), moment(&found["compared"], "to"));
        let (slots, streams) = (text(found, "slots"), text(found, "streams"));
        facts.push(("compared", format!("{slots} slots of {streams} streams, from {from} to {to}").into()));
    }
    if found["auditable_from"].as_i64() > found["from"].as_i64() {
        let says = format!("what was due before {} cannot be audited any more", moment(found, "auditable_from"));
        facts.push(("record", says.into()));
    }
    facts.push(("differing", counted(found["differences"].as_u64(), "slots")));
    let unreadable = found["rows_unreadable"].as_array().map(|rows| rows.len() as u64);
    for (word, rows) in [("missing", found["rows_missing"].as_u64()), ("unreadable", unreadable)] {
        if rows > Some(0) {
            facts.push((word, counted(rows, "rows of the journal")));
        }
    }
    facts
}

fn counted(count: Option<u64>, of: &str) -> Cell {
    match count {
        None | Some(0) => Cell::toned("none", Tone::Good),
        Some(some) => Cell::toned(format!("{some} {of}"), Tone::Bad),
    }
}

fn differing(found: &Value, look: Look) -> String {
    let mut table = Table::new(&["slot", "check", "stream", "ledger", "record", "owed by"]);
    for slot in found["differing_slots"].as_array().into_iter().flatten() {
        let owners = slot["owed_by"].as_array().into_iter().flatten().map(|owner| text(owner, "host_name"));
        let name = slot["check_name"].as_str().map_or_else(|| text(slot, "check"), str::to_owned);
        table.row(vec![
            moment(slot, "slot").into(),
            name.into(),
            text(slot, "stream").into(),
            Cell::word(slot["ledger"].as_str().unwrap_or_default()),
            Cell::word(slot["record"].as_str().unwrap_or_default()),
            owners.collect::<Vec<_>>().join(", ").into(),
        ]);
    }
    table.shown(look, "none")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found() -> Value {
        json!({
            "from": 0, "to": 60_000, "agrees": true, "compared": {"from": 10_000, "to": 60_000},
            "auditable_from": 10_000, "streams": 2, "slots": 10, "rows_missing": 0, "rows_unreadable": [],
            "differences": 0, "differing_slots": [], "unlisted": 0,
        })
    }

    #[test]
    fn it_says_that_both_agree_and_of_how_much() {
        let screen = shown(&found(), Look::PLAIN);
        let lines: Vec<&str> = screen.lines().collect();
        assert_eq!(lines[0], "audit      ledger and record agree");
        assert!(lines[1].starts_with("compared   10 slots of 2 streams, from 1970-01-01 00:00:10Z"), "{screen}");
        assert!(lines[2].ends_with("before 1970-01-01 00:00:10Z cannot be audited any more"), "{screen}");
        assert_eq!(lines[3..], ["differing  none"]);
    }

    #[test]
    fn a_slot_on_which_they_differ_is_named_with_who_owed_it() {
        let mut found = found();
        found["agrees"] = json!(false);
        found["differences"] = json!(3);
        found["rows_missing"] = json!(1);
        found["unlisted"] = json!(2);
        found["differing_slots"] = json!([{
            "slot": 20_000, "check": "chk_1", "check_name": "shop", "stream": 0, "ledger": "on_time",
            "record": "missed", "owed_by": [{"host_name": "fra"}, {"host_name": "ams"}],
        }]);
        let screen = shown(&found, Look::PLAIN);
        assert!(screen.contains("missing    1 rows of the journal"), "{screen}");
        assert!(screen.contains("1970-01-01 00:00:20Z  shop   0       on time  missed  fra, ams"), "{screen}");
        assert!(screen.ends_with("and 2 more\n"), "{screen}");
    }
}
