//! What a customer says of a config that is to be tried, and what makes that acceptable.
//!
//! Its words are those of a check, and so are the rules. Whether the hosts it names are there is judged where hosts are known.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::check::PlacementWish;
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::{LONGEST_TIMEOUT_MS, SHORTEST_TIMEOUT_MS};
use farwatch_proto::trying::TRY_HOSTS_MAX;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::field::FieldProblem;
use super::names::labels_schema;
use super::rules::{LABELS_MAX, Problems, Settled, config, labels, location, long_enough};
use super::wish::empty_object;

/// How long a run may take where nothing is said: somebody waits for it.
const TIMEOUT_MS: u32 = 10_000;
/// From how many hosts where nothing is said: enough to tell a bad place from a bad target.
const HOSTS: usize = 3;

/// A config that no check has, and where it is to be run now.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TryWish {
    /// Which module runs: `http`, `http@latest`, `http@0.1.0`, a range such as `http@^0.1`, or `mod_<hash>`.
    #[schemars(length(min = 1, max = 129), pattern(r"^[A-Za-z0-9_.+@-]+$"), example = &"http")]
    pub module: String,
    /// What the module is told.
    #[serde(default = "empty_object")]
    #[schemars(with = "Map<String, Value>")]
    pub config: Value,
    /// How long one run may take; 10 s when absent.
    #[serde(default)]
    #[schemars(range(min = SHORTEST_TIMEOUT_MS, max = LONGEST_TIMEOUT_MS))]
    pub timeout_ms: Option<u32>,
    /// A region, country or continent of the fleet; the world when absent.
    #[serde(default)]
    pub location: Option<String>,
    /// Labels that a host must carry, all of them.
    #[serde(default)]
    #[schemars(schema_with = "labels_schema::<LABELS_MAX>")]
    pub labels: BTreeMap<String, String>,
    /// These very hosts; those that are least alike when absent.
    #[serde(default)]
    #[schemars(length(min = 1, max = TRY_HOSTS_MAX), extend("uniqueItems" = true))]
    pub hosts: Option<Vec<HostId>>,
    /// From how many hosts, where none is named; 3 when absent.
    #[serde(default)]
    #[schemars(range(min = 1, max = TRY_HOSTS_MAX))]
    pub count: Option<usize>,
}

impl TryWish {
    /// From how many hosts, where none is named.
    pub fn count(&self) -> usize {
        self.count.unwrap_or(HOSTS)
    }
}

/// Judges everything of a try but its module, its config and whether its hosts are there. `fleet` is the hosts that may run
/// checks of this tenant.
pub fn validate_try(wish: &TryWish, fleet: &[HostFacts]) -> Result<Settled, Vec<FieldProblem>> {
    let mut problems = Problems::default();
    let timeout_ms = problems.note("/timeout_ms", timeout(wish));
    problems.note("/config", config(&wish.config));
    problems.note("/hosts", hosts(wish));
    problems.note("/count", count(wish));
    labels(&wish.labels, fleet, &mut problems);
    let location = problems.note("/location", location(wish.location.as_deref(), fleet));
    match (timeout_ms, location) {
        (Some(timeout_ms), Some(location)) if problems.0.is_empty() => {
            let placement = PlacementWish { location, labels: wish.labels.clone(), streams: 1 };
            Ok(Settled { timeout_ms, placement })
        }
        _ => Err(problems.0),
    }
}

fn timeout(wish: &TryWish) -> Result<u32, String> {
    let timeout_ms = long_enough(wish.timeout_ms.unwrap_or(TIMEOUT_MS))?;
    if timeout_ms > LONGEST_TIMEOUT_MS {
        return Err(format!("{timeout_ms} ms is longer than any run may take; use at most {LONGEST_TIMEOUT_MS} ms"));
    }
    Ok(timeout_ms)
}

fn hosts(wish: &TryWish) -> Result<(), String> {
    let Some(named) = &wish.hosts else { return Ok(()) };
    if named.is_empty() || named.len() > TRY_HOSTS_MAX {
        return Err(format!("{} hosts are named; name 1 to {TRY_HOSTS_MAX}, or leave them away", named.len()));
    }
    if named.iter().collect::<BTreeSet<_>>().len() < named.len() {
        return Err("a host is named twice; name each once".to_owned());
    }
    Ok(())
}

fn count(wish: &TryWish) -> Result<(), String> {
    match wish.count {
        Some(_) if wish.hosts.is_some() => Err("say how many hosts, or which, and not both".to_owned()),
        Some(count) if !(1..=TRY_HOSTS_MAX).contains(&count) => {
            Err(format!("{count} is no number of hosts for a try; use 1 to {TRY_HOSTS_MAX}"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::place::tests::host;
    use super::*;

    fn judged(changes: &Value) -> Result<Settled, Vec<(String, String)>> {
        let mut said = json!({"module": "http", "config": {}});
        super::super::merge_patch(&mut said, changes);
        let wish: TryWish = serde_json::from_value(said).unwrap();
        validate_try(&wish, &[host("a", "eu-central", "DE", "EU")])
            .map_err(|problems| problems.into_iter().map(|problem| (problem.pointer, problem.detail)).collect())
    }

    #[test]
    fn a_plain_wish_has_ten_seconds_and_the_world() {
        let settled = judged(&json!({})).unwrap();
        assert_eq!((settled.timeout_ms, settled.placement.streams), (10_000, 1));
        assert_eq!(judged(&json!({"timeout_ms": 60_000, "count": 5})).unwrap().timeout_ms, 60_000);
    }

    #[test]
    fn every_rule_points_to_its_field_and_says_what_fits() {
        let id = |n: usize| format!("hst_{n:032x}");
        let cases = [
            (json!({"timeout_ms": 60_001}), "/timeout_ms", "use at most 60000 ms"),
            (json!({"timeout_ms": 99}), "/timeout_ms", "use at least 100 ms"),
            (json!({"config": [1]}), "/config", "must be an object"),
            (json!({"location": "mars"}), "/location", "known are the regions eu-central"),
            (json!({"labels": {"net": "v4"}}), "/labels", "no registered host carries"),
            (json!({"hosts": []}), "/hosts", "name 1 to 5"),
            (json!({"hosts": (0..6).map(id).collect::<Vec<_>>()}), "/hosts", "name 1 to 5"),
            (json!({"hosts": [id(1), id(1)]}), "/hosts", "twice"),
            (json!({"hosts": [id(1)], "count": 1}), "/count", "not both"),
            (json!({"count": 0}), "/count", "use 1 to 5"),
            (json!({"count": 6}), "/count", "use 1 to 5"),
        ];
        for (changes, pointer, words) in cases {
            let problems = judged(&changes).unwrap_err();
            let found = problems.iter().any(|(at, detail)| at == pointer && detail.contains(words));
            assert!(found, "{changes}: {problems:?}");
        }
    }
}
