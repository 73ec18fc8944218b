//! `farwatch status`: one screen on which the first line says whether all is well, and the rest says why.

use std::fmt::Write;
use std::time::Duration;

use clap::Args;
use farwatch_control::clock::Clock;
use serde_json::{Value, json};

use super::answer::refusal;
use super::fields::{items, length, text};
use super::{Client, ClientArgs};
use crate::duration::seconds;
use crate::exit::{Failure, UNAVAILABLE};
use crate::output::{self, Cell, Look, Table, Tone};

/// The period of the ledger that is shown.
const LEDGER_MS: i64 = 86_400_000;
/// Open incidents that are listed; all are counted.
const INCIDENTS_LISTED_MAX: usize = 10;
/// Wipes the screen of a terminal, and goes to its upper left.
const FRESH_SCREEN: &str = "\x1b[2J\x1b[H";

/// All of Farwatch on one screen, what is wrong first
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  farwatch status\n  farwatch status --watch 5s\n\nIt needs a token of the operator. It \
                        ends with 0 when all is well, and with 69 when something is wrong."
)]
pub(crate) struct StatusArgs {
    #[command(flatten)]
    client: ClientArgs,
    /// Show it again and again, this often
    #[arg(long, value_parser = seconds, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s")]
    watch: Option<Duration>,
}

impl StatusArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        loop {
            let status = gathered(&client)?;
            let Some(period) = self.watch else {
                client.show(&status, shown)?;
                return verdict_of(&status);
            };
            if !client.json {
                output::print(FRESH_SCREEN)?;
            }
            client.show(&status, shown)?;
            std::thread::sleep(period);
        }
    }
}

/// Everything that is shown, asked for in a few questions.
fn gathered(client: &Client) -> Result<Value, Failure> {
    let api = &client.connection;
    let (answered, health) = api.look("/v1/health")?;
    if !health["status"].is_string() {
        return Err(refusal(answered.as_u16(), &health));
    }
    let to = Clock.wall().0;
    Ok(json!({
        "health": health,
        "hosts": api.get("/v1/hosts")?["items"],
        "incidents": open_incidents(client)?,
        "ledger": api.get(&format!("/v1/ledger?from={}&to={to}", to - LEDGER_MS))?,
        "tasks": api.get("/v1/tasks")?["items"],
        "at": to,
    }))
}

/// The exit code says the same as the first line.
fn verdict_of(status: &Value) -> Result<(), Failure> {
    match wrongs(status) {
        0 => Ok(()),
        1 => Err(Failure::new(UNAVAILABLE, "one thing is wrong")),
        several => Err(Failure::new(UNAVAILABLE, format_args!("{several} things are wrong"))),
    }
}

/// How many things are wrong with Farwatch itself. An outage of what is watched is not one of them.
fn wrongs(status: &Value) -> usize {
    status["health"]["reasons"].as_array().map_or(0, Vec::len) + usize::from(missed(status) > 0)
}

fn missed(status: &Value) -> u64 {
    status["ledger"]["missed"].as_u64().unwrap_or(0)
}

/// The newest that go on; none are listed where an operator of several tenants names none of them.
fn open_incidents(client: &Client) -> Result<Value, Failure> {
    let (answered, page) = client.connection.look(&format!("/v1/incidents?state=open&limit={INCIDENTS_LISTED_MAX}"))?;
    match answered.as_u16() {
        200 => Ok(page["items"].clone()),
        400 => Ok(json!([])),
        refused => Err(refusal(refused, &page)),
    }
}

fn shown(status: &Value, look: Look) -> String {
    let mut screen = headline(status, look);
    screen.push_str(&reasons(status, look));
    screen.push('\n');
    screen.push_str(&summary(status, look));
    if status["incidents"].as_array().is_some_and(|open| !open.is_empty()) {
        screen.push('\n');
        screen.push_str(&incidents(status, look));
    }
    screen
}

/// The first line: whether all is well.
fn headline(status: &Value, look: Look) -> String {
    let (says, tone) = match (status["health"]["status"].as_str(), wrongs(status)) {
        (Some("failing"), _) => ("Farwatch does not do its work".to_owned(), Tone::Bad),
        (_, 0) => ("All is well".to_owned(), Tone::Good),
        (_, 1) => ("One thing is wrong".to_owned(), Tone::Doubtful),
        (_, several) => (format!("{several} things are wrong"), Tone::Doubtful),
    };
    output::facts(&[("Farwatch", Cell::toned(says, tone))], look)
}

/// What is wrong, each with what to do.
fn reasons(status: &Value, look: Look) -> String {
    let mut lines = Vec::new();
    for reason in status["health"]["reasons"].as_array().into_iter().flatten() {
        let word = reason["severity"].as_str().unwrap_or_default();
        lines.push((word.to_owned(), Cell::toned(text(reason, "says"), Tone::of(word))));
        lines.push(("do".to_owned(), Cell::plain(text(reason, "remedy"))));
    }
    if missed(status) > 0 {
        let says = format!("{} slots were missed in the last 24 h", missed(status));
        lines.push(("missed".to_owned(), Cell::toned(says, Tone::Bad)));
        lines.push(("do".to_owned(), Cell::plain("see which and why by `farwatch ledger --since 24h`")));
    }
    let lines: Vec<(&str, Cell)> = lines.iter().map(|(word, cell)| (word.as_str(), cell.clone())).collect();
    output::facts(&lines, look)
}

fn summary(status: &Value, look: Look) -> String {
    let health = &status["health"];
    let leads = if health["leads"] == json!(true) { "this process" } else { "another process, or none" };
    let facts = [
        ("leader", Cell::plain(format!("{leads}; journal row {}", text(health, "journal_seq")))),
        ("version", text(health, "version").into()),
        ("hosts", hosts(status)),
        ("references", references(&health["references"])),
        ("checks", checks(health)),
        ("incidents", counted(health, "open_incidents", "open", Tone::Bad)),
        ("last 24 h", ledger(&status["ledger"])),
        ("messages", messages(health)),
        ("tasks", tasks(status)),
    ];
    output::facts(&facts, look)
}

fn hosts(status: &Value) -> Cell {
    let all: Vec<&Value> = status["hosts"].as_array().into_iter().flatten().collect();
    let active = all.iter().filter(|host| host["standing"] == json!("active")).count();
    let tone = if active == all.len() { Tone::Good } else { Tone::Doubtful };
    Cell::toned(format!("{active} of {} active", all.len()), tone)
}

/// Whether hosts can tell that they have lost the world.
fn references(references: &Value) -> Cell {
    let (lost, ignored) = (references["lost_by"].as_u64().unwrap_or(0), references["ignored"] == json!(true));
    match references["configured"].as_u64() {
        None => Cell::plain("not known to this process"),
        Some(0) => Cell::plain("none: a host that has lost the world is not known by it"),
        Some(_) if ignored => Cell::toned(format!("ignored: {lost} hosts do not see them"), Tone::Doubtful),
        Some(some) if lost == 0 => {
            Cell::toned(format!("{some}, seen by {} hosts", text(references, "seen_by")), Tone::Good)
        }
        Some(some) => Cell::toned(format!("{some}, lost by {lost} hosts"), Tone::Doubtful),
    }
}

/// How many checks have each verdict that any has.
fn checks(health: &Value) -> Cell {
    let verdicts = health["checks"].as_object().into_iter().flatten();
    let some: Vec<(&String, u64)> =
        verdicts.filter_map(|(word, count)| Some((word, count.as_u64().filter(|count| *count > 0)?))).collect();
    let mut says = String::new();
    for (word, count) in &some {
        let comma = if says.is_empty() { "" } else { ", " };
        // A text takes whatever is written to it.
        let _ = write!(says, "{comma}{count} {word}");
    }
    let all_up = some.iter().all(|(word, _)| *word == "up");
    let tone = if some.iter().any(|(word, _)| *word == "down") { Tone::Bad } else { Tone::Doubtful };
    match (says.is_empty(), all_up) {
        (true, _) => Cell::plain("none that this process knows of"),
        (false, true) => Cell::toned(says, Tone::Good),
        (false, false) => Cell::toned(says, tone),
    }
}

fn counted(value: &Value, field: &str, what: &str, tone: Tone) -> Cell {
    match value[field].as_u64() {
        None => Cell::plain("not known"),
        Some(0) => Cell::toned(format!("none {what}"), Tone::Good),
        Some(some) => Cell::toned(format!("{some} {what}"), tone),
    }
}

fn ledger(ledger: &Value) -> Cell {
    let counts = ["due", "on_time", "late", "missed", "pending"]
        .map(|count| format!("{} {}", text(ledger, count), count.replace('_', " ")));
    let tone = if ledger["missed"].as_u64() == Some(0) { Tone::Good } else { Tone::Bad };
    Cell::toned(counts.join(", "), tone)
}

fn messages(health: &Value) -> Cell {
    match health["deliveries_dead"].as_u64() {
        Some(dead @ 1..) => {
            Cell::toned(format!("{dead} given up, {} waiting", text(health, "deliveries_waiting")), Tone::Bad)
        }
        _ => counted(health, "deliveries_waiting", "waiting", Tone::Plain),
    }
}

fn tasks(status: &Value) -> Cell {
    let all: Vec<&Value> = status["tasks"].as_array().into_iter().flatten().collect();
    let failing: Vec<String> =
        all.iter().filter(|task| task["last_error"].is_string()).map(|task| text(task, "name")).collect();
    if failing.is_empty() {
        return Cell::toned(format!("{} run", all.len()), Tone::Good);
    }
    Cell::toned(format!("failing: {}", failing.join(", ")), Tone::Doubtful)
}

fn incidents(status: &Value, look: Look) -> String {
    let now = status["at"].as_i64().unwrap_or(0);
    let mut table = Table::new(&["open incident", "for", "code", "message", "id"]);
    for incident in items(&json!({"items": status["incidents"]})) {
        let since = incident["first_failed_slot"].as_i64().unwrap_or(now);
        table.row(vec![
            text(incident, "check_name").into(),
            length(now - since).into(),
            text(incident, "code").into(),
            text(incident, "message").into(),
            text(incident, "id").into(),
        ]);
    }
    table.shown(look, "none")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn well() -> Value {
        json!({
            "at": 100_000,
            "health": {
                "status": "ok", "reasons": [], "leads": true, "version": "0.1.0", "journal_seq": 7, "open_incidents": 0,
                "deliveries_waiting": 0, "deliveries_dead": 0, "checks": {"down": 0, "up": 3},
            },
            "hosts": [{"standing": "active"}, {"standing": "active"}],
            "incidents": [],
            "ledger": {"due": 12, "on_time": 12, "late": 0, "missed": 0, "pending": 0},
            "tasks": [{"name": "tell", "last_error": null}],
        })
    }

    #[test]
    fn the_first_line_says_that_all_is_well() {
        let screen = shown(&well(), Look::PLAIN);
        assert_eq!(screen.lines().next(), Some("Farwatch  All is well"));
        for line in ["hosts       2 of 2 active", "checks      3 up", "incidents   none open", "tasks       1 run"] {
            assert!(screen.contains(line), "{line:?} is not in:\n{screen}");
        }
        assert!(verdict_of(&well()).is_ok());
    }

    #[test]
    fn whether_hosts_can_tell_that_they_lost_the_world_is_said() {
        let says = |references: Value| {
            let mut status = well();
            status["health"]["references"] = references;
            shown(&status, Look::PLAIN).lines().find(|line| line.starts_with("references")).unwrap().to_owned()
        };
        assert!(says(json!({"configured": 0})).contains("none: a host"));
        assert!(says(json!({"configured": 3, "seen_by": 5, "lost_by": 0})).contains("3, seen by 5 hosts"));
        assert!(says(json!({"configured": 3, "seen_by": 4, "lost_by": 1})).contains("3, lost by 1 hosts"));
        assert!(says(json!({"configured": 3, "lost_by": 5, "ignored": true})).contains("ignored: 5 hosts"));
    }

    #[test]
    fn what_is_wrong_comes_with_what_to_do_and_fails_the_command() {
        let mut status = well();
        status["health"]["status"] = json!("degraded");
        status["health"]["reasons"] = json!([{"severity": "degraded", "code": "hosts-silent", "says": "1 of 2 hosts are not heard", "remedy": "start it"}]);
        status["ledger"]["missed"] = json!(2);
        let screen = shown(&status, Look::PLAIN);
        assert_eq!(screen.lines().next(), Some("Farwatch  2 things are wrong"));
        for line in ["1 of 2 hosts are not heard", "start it", "2 slots were missed in the last 24 h"] {
            assert!(screen.contains(line), "{line:?} is not in:\n{screen}");
        }
        assert!(verdict_of(&status).is_err());
    }

    #[test]
    fn an_outage_of_what_is_watched_is_shown_and_is_not_ours() {
        let mut status = well();
        status["health"]["checks"] = json!({"down": 1, "up": 2});
        status["incidents"] = json!([{"check_name": "shop", "first_failed_slot": 10_000, "code": "refused",
                                      "message": "nobody listens", "id": "inc_1"}]);
        let screen = shown(&status, Look::PLAIN);
        assert!(screen.contains("checks      1 down, 2 up"), "{screen}");
        assert!(screen.contains("shop           1 min 30 s  refused  nobody listens  inc_1"), "{screen}");
        assert!(verdict_of(&status).is_ok());
    }
}
