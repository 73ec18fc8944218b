//! Whether what the leader holds in memory is what anybody would load from the database.
//!
//! A takeover relies on that: whatever the two differ in would be lost with the process. Nothing is mended here.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;
use std::hash::Hash;

use farwatch_core::fleet::Proving;

use super::draft::Now;
use super::state::State;
use super::takeover;
use crate::store::Store;

/// Differences told at once; one is reason enough to look.
const DIFFERENCES_MAX: usize = 20;

/// Loads everything anew and names what differs. To be called with nothing drafted that is not committed, and with the
/// config log followed to its end.
pub(super) async fn run(store: &Store, live: &State, proving: Proving, now: Now) -> anyhow::Result<Vec<String>> {
    let mut rebuilt = takeover::load(store, live.epoch, live.head, proving, now).await?;
    rebuilt.tidy(now.wall);
    Ok(differences(live, &rebuilt))
}

fn differences(live: &State, rebuilt: &State) -> Vec<String> {
    let mut found = Vec::new();
    note(&mut found, "the config that was read", &live.config, &rebuilt.config);
    note(&mut found, "the hosts of the view", &live.newest.hosts, &rebuilt.newest.hosts);
    note(&mut found, "the start of the view", &live.newest.in_force_from, &rebuilt.newest.in_force_from);
    if !live.views.ends_like(&rebuilt.views) {
        found.push("the views of late".to_owned());
    }
    note_map(&mut found, "the detector of", &live.detectors, &rebuilt.detectors);
    note_map(&mut found, "the last slot of", &live.last_slots, &rebuilt.last_slots);
    note(&mut found, "the checks never judged", &live.never_judged, &rebuilt.never_judged);
    note(&mut found, "the checks by verdict", &live.census.verdicts(), &rebuilt.census.verdicts());
    note(&mut found, "the streams that are due", &live.census.streams(), &rebuilt.census.streams());
    note(&mut found, "the votes under way", &live.census.votes(), &rebuilt.census.votes());
    note_map(&mut found, "the evidence kept of", &live.evidence.codes, &rebuilt.evidence.codes);
    note_map(&mut found, "the evidence kept for", &live.evidence.used, &rebuilt.evidence.used);
    note_map(&mut found, "the page of", live.book.all(), rebuilt.book.all());
    found.truncate(DIFFERENCES_MAX);
    found
}

fn note<T: PartialEq + Debug>(found: &mut Vec<String>, what: &str, live: &T, rebuilt: &T) {
    if live != rebuilt {
        found.push(format!("{what}: {live:?} in memory, {rebuilt:?} in the database"));
    }
}

fn note_map<K: Hash + Eq + Ord + Copy + Debug, V: PartialEq + Debug>(
    found: &mut Vec<String>,
    what: &str,
    live: &HashMap<K, V>,
    rebuilt: &HashMap<K, V>,
) {
    let keys: BTreeSet<K> = live.keys().chain(rebuilt.keys()).copied().collect();
    for key in keys {
        note(found, &format!("{what} {key:?}"), &live.get(&key), &rebuilt.get(&key));
    }
}
