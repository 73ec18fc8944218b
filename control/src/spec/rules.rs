//! What makes a wish acceptable. Everything wrong with it is told at once.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::confirm::VOTERS_MAX;
use farwatch_proto::check::{Location, PlacementWish, STREAMS_MAX};
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::interval::SHORTEST_TIMEOUT_MS;
use serde_json::Value;

use super::field::{FieldProblem, pointer_key};
use super::place::locate;
use super::{Wish, check_name, check_word};

/// The most labels a check may demand: each is compared with every host.
pub(super) const LABELS_MAX: usize = 16;
/// The most contacts a check may tell: each becomes rows in the transaction of every outage.
pub(super) const CONTACTS_MAX: usize = 20;

/// What follows from an acceptable wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// How long one run may take.
    pub timeout_ms: u32,
    /// Where it runs.
    pub placement: PlacementWish,
}

/// Judges everything of a wish but its module and config. `fleet` is the hosts that may run checks of this
/// tenant.
pub fn validate(wish: &Wish, fleet: &[HostFacts]) -> Result<Settled, Vec<FieldProblem>> {
    let mut problems = Problems::default();
    problems.note("/name", check_name(&wish.name).map_err(|what| format!("the name {what}")));
    let timeout_ms = problems.note("/timeout_ms", timeout(wish));
    problems.note("/streams", streams(wish));
    problems.note("/confirm/need", need(wish));
    problems.note("/contacts", contacts(wish));
    problems.note("/config", config(&wish.config));
    labels(&wish.labels, fleet, &mut problems);
    let location = problems.note("/location", location(wish.location.as_deref(), fleet));
    match (timeout_ms, location) {
        (Some(timeout_ms), Some(location)) if problems.0.is_empty() => Ok(Settled {
            timeout_ms,
            placement: PlacementWish { location, labels: wish.labels.clone(), streams: wish.streams },
        }),
        _ => Err(problems.0),
    }
}

/// What was found wrong so far.
#[derive(Default)]
pub(super) struct Problems(pub(super) Vec<FieldProblem>);

impl Problems {
    /// What was judged, if it is acceptable.
    pub(super) fn note<T>(&mut self, pointer: &str, judged: Result<T, String>) -> Option<T> {
        judged.map_err(|detail| self.0.push(FieldProblem::new(pointer, detail))).ok()
    }
}

/// The rule that leaves a standby time to finish within the slot's window.
fn timeout(wish: &Wish) -> Result<u32, String> {
    let (interval, largest_ms) = (wish.interval, wish.interval.largest_timeout_ms());
    let timeout_ms = long_enough(wish.timeout_ms.unwrap_or(interval.default_timeout_ms()))?;
    if timeout_ms > largest_ms {
        return Err(format!(
            "{timeout_ms} ms is too long for an interval of {interval}: a standby must still be able to run the \
             check when the first host fails; the largest timeout that fits is {largest_ms} ms"
        ));
    }
    Ok(timeout_ms)
}

/// Whether a run has time for anything.
pub(super) fn long_enough(timeout_ms: u32) -> Result<u32, String> {
    if timeout_ms < SHORTEST_TIMEOUT_MS {
        return Err(format!("{timeout_ms} ms is too short for any probe; use at least {SHORTEST_TIMEOUT_MS} ms"));
    }
    Ok(timeout_ms)
}

fn streams(wish: &Wish) -> Result<(), String> {
    if (1..=STREAMS_MAX).contains(&wish.streams) {
        return Ok(());
    }
    Err(format!("{} is no number of streams; use 1 to {STREAMS_MAX}", wish.streams))
}

fn need(wish: &Wish) -> Result<(), String> {
    match wish.confirm {
        Some(confirm) if !(1..=VOTERS_MAX).contains(&confirm.need) => Err(format!(
            "{} cannot be needed: at most {VOTERS_MAX} vantage points vote; use 1 to {VOTERS_MAX}",
            confirm.need
        )),
        _ => Ok(()),
    }
}

fn contacts(wish: &Wish) -> Result<(), String> {
    let distinct: BTreeSet<_> = wish.contacts.iter().collect();
    if distinct.len() < wish.contacts.len() {
        return Err("a contact is named twice; name each once".to_owned());
    }
    if wish.contacts.len() > CONTACTS_MAX {
        return Err(format!("{} contacts are too many; name at most {CONTACTS_MAX}", wish.contacts.len()));
    }
    Ok(())
}

pub(super) fn config(config: &Value) -> Result<(), String> {
    if config.is_object() { Ok(()) } else { Err("the config must be an object".to_owned()) }
}

pub(super) fn labels(labels: &BTreeMap<String, String>, fleet: &[HostFacts], problems: &mut Problems) {
    if labels.len() > LABELS_MAX {
        let detail = format!("{} labels are too many; demand at most {LABELS_MAX}", labels.len());
        problems.0.push(FieldProblem::new("/labels", detail));
        return;
    }
    for (key, value) in labels {
        let pointer = format!("/labels/{}", pointer_key(key));
        problems.note(&pointer, check_word(key).map_err(|what| format!("the label {key:?} {what}")));
        problems.note(&pointer, check_word(value).map_err(|what| format!("the value {value:?} {what}")));
    }
    let carries = |host: &&HostFacts| labels.iter().all(|(key, value)| host.labels.get(key) == Some(value));
    if !labels.is_empty() && !fleet.iter().any(|host| carries(&host)) {
        let detail = "no registered host carries all these labels; see the labels in /v1/hosts, or leave them away";
        problems.0.push(FieldProblem::new("/labels", detail));
    }
}

pub(super) fn location(word: Option<&str>, fleet: &[HostFacts]) -> Result<Location, String> {
    word.map_or(Ok(Location::default()), |word| locate(word, fleet))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::place::tests::host;
    use super::*;

    fn judged(changes: &Value) -> Result<Settled, Vec<(String, String)>> {
        let mut said = json!({"name": "shop", "module": "http", "config": {}, "interval": 10});
        super::super::merge_patch(&mut said, changes);
        let wish: Wish = serde_json::from_value(said).unwrap();
        let mut fleet = vec![host("a", "eu-central", "DE", "EU"), host("b", "us-east", "US", "NA")];
        fleet[0].labels.insert("net".to_owned(), "v6".to_owned());
        validate(&wish, &fleet)
            .map_err(|problems| problems.into_iter().map(|problem| (problem.pointer, problem.detail)).collect())
    }

    #[test]
    fn a_plain_wish_gets_the_default_timeout_and_the_world() {
        let settled = judged(&json!({})).unwrap();
        assert_eq!(settled.timeout_ms, 3000);
        assert_eq!(settled.placement, PlacementWish { streams: 1, ..PlacementWish::default() });
        let settled = judged(&json!({"labels": {"net": "v6"}, "location": "DE", "streams": 8})).unwrap();
        assert_eq!(settled.placement.location.continent.as_deref(), Some("EU"));
    }

    #[test]
    fn every_rule_points_to_its_field_and_says_what_fits() {
        let cases = [
            (json!({"timeout_ms": 3876}), "/timeout_ms", "the largest timeout that fits is 3875 ms"),
            (json!({"timeout_ms": 99}), "/timeout_ms", "use at least 100 ms"),
            (json!({"streams": 0}), "/streams", "use 1 to 8"),
            (json!({"streams": 9}), "/streams", "use 1 to 8"),
            (json!({"confirm": {"need": 6}}), "/confirm/need", "use 1 to 5"),
            (json!({"confirm": {"need": 0}}), "/confirm/need", "use 1 to 5"),
            (json!({"name": ""}), "/name", "must not be empty"),
            (json!({"config": [1]}), "/config", "must be an object"),
            (json!({"location": "mars"}), "/location", "known are the regions eu-central, us-east"),
            (json!({"labels": {"a b": "c"}}), "/labels/a b", "letters, digits"),
            (json!({"labels": {"net": "v4"}}), "/labels", "no registered host carries"),
        ];
        for (changes, pointer, words) in cases {
            let problems = judged(&changes).unwrap_err();
            let found = problems.iter().any(|(at, detail)| at == pointer && detail.contains(words));
            assert!(found, "{changes}: {problems:?}");
        }
    }

    #[test]
    fn contacts_are_named_once_and_not_too_many() {
        let id = |n: usize| format!("con_{n:032x}");
        assert!(judged(&json!({"contacts": [id(1), id(1)]})).unwrap_err()[0].1.contains("twice"));
        let many: Vec<String> = (0..21).map(id).collect();
        assert!(judged(&json!({"contacts": many})).unwrap_err()[0].1.contains("at most 20"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let problems = judged(&json!({"name": "", "streams": 0, "timeout_ms": 9000})).unwrap_err();
        assert_eq!(problems.len(), 3);
    }
}
