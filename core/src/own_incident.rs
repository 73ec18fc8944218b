//! Our own incidents: a slot that was missed is nobody's outage but ours, and every cause of misses is one of them.
//!
//! One begins with the first slot that was missed for its cause, goes on while more are, and is over once none has come
//! for ten minutes. Time is that of the looks, each of which sees what settled since the one before, so that a leader
//! that catches up comes to the same. A cause and its first slot name an incident; nothing is drawn.

use farwatch_proto::time::UnixMs;

use crate::ledger::{CauseCount, MissCause};

/// After so long without another miss for its cause an incident is over.
pub const CALM_MS: i64 = 600_000;

/// Slots that were missed for one cause, without ten minutes of calm in between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnIncident {
    /// Why they were missed.
    pub cause: MissCause,
    /// The earliest that the look saw which opened it.
    pub first_slot: UnixMs,
    /// The latest.
    pub last_slot: UnixMs,
    /// How many, as the record stood when they were looked at.
    pub missed: u64,
    /// When it was opened.
    pub opened: UnixMs,
    /// When the last of them was seen.
    pub last_seen: UnixMs,
    /// When it was over.
    pub resolved: Option<UnixMs>,
}

/// What became of an incident by a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It began.
    Opened,
    /// More was missed for its cause.
    WentOn,
    /// It is over.
    Resolved,
}

/// What a look at all that settled until then changes, given the incidents that are open and what it saw missed.
pub fn look(open: &[OwnIncident], missed: &[CauseCount], until: UnixMs) -> Vec<(OwnIncident, Step)> {
    let mut changed = Vec::new();
    for seen in missed {
        let goes_on = open.iter().find(|incident| incident.cause == seen.cause && !is_calm(incident, until));
        changed.push(match goes_on {
            Some(incident) => (gone_on(incident, seen, until), Step::WentOn),
            None => (opened(seen, until), Step::Opened),
        });
    }
    for incident in open {
        let goes_on = changed.iter().any(|(other, _)| is_same(other, incident));
        if is_calm(incident, until) && !goes_on {
            changed.push((OwnIncident { resolved: Some(until), ..incident.clone() }, Step::Resolved));
        }
    }
    changed
}

const fn is_calm(incident: &OwnIncident, until: UnixMs) -> bool {
    until.since(incident.last_seen) >= CALM_MS
}

fn is_same(one: &OwnIncident, other: &OwnIncident) -> bool {
    one.cause == other.cause && one.first_slot == other.first_slot
}

fn opened(seen: &CauseCount, until: UnixMs) -> OwnIncident {
    OwnIncident {
        cause: seen.cause.clone(),
        first_slot: seen.first,
        last_slot: seen.last,
        missed: seen.missed,
        opened: until,
        last_seen: until,
        resolved: None,
    }
}

fn gone_on(incident: &OwnIncident, seen: &CauseCount, until: UnixMs) -> OwnIncident {
    OwnIncident {
        last_slot: incident.last_slot.max(seen.last),
        missed: incident.missed + seen.missed,
        last_seen: until,
        ..incident.clone()
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::HostId;

    use super::*;

    const MINUTE_MS: i64 = 60_000;

    fn trouble(code: &str) -> MissCause {
        MissCause::HostTrouble { host: HostId::from_bytes([1; 16]), code: code.to_owned() }
    }

    fn seen(cause: &MissCause, missed: u64, first: i64, last: i64) -> CauseCount {
        CauseCount { cause: cause.clone(), missed, first: UnixMs(first), last: UnixMs(last) }
    }

    /// Looks each minute at what was missed by then, and returns every incident there was and what was told.
    fn history(minutes: &[&[CauseCount]]) -> (Vec<OwnIncident>, Vec<(i64, Step)>) {
        let (mut all, mut told): (Vec<OwnIncident>, Vec<(i64, Step)>) = (Vec::new(), Vec::new());
        for (minute, missed) in (1..).zip(minutes) {
            let open: Vec<OwnIncident> = all.iter().filter(|incident| incident.resolved.is_none()).cloned().collect();
            for (incident, step) in look(&open, missed, UnixMs(minute * MINUTE_MS)) {
                all.retain(|known| !is_same(known, &incident));
                all.push(incident);
                told.push((minute, step));
            }
        }
        (all, told)
    }

    #[test]
    fn one_cause_is_one_incident_while_it_goes_on() {
        let none = MissCause::NoRun;
        let (first, more) = ([seen(&none, 2, 100, 200)], [seen(&none, 5, 300, 700)]);
        let mut minutes: Vec<&[CauseCount]> = vec![&first[..], &[][..], &more[..]];
        minutes.extend(std::iter::repeat_n(&[][..], 10));
        let (all, told) = history(&minutes);
        let [incident] = &all[..] else { panic!("{all:?}") };
        assert_eq!((incident.first_slot, incident.last_slot, incident.missed), (UnixMs(100), UnixMs(700), 7));
        assert_eq!((incident.opened, incident.resolved), (UnixMs(MINUTE_MS), Some(UnixMs(13 * MINUTE_MS))));
        assert_eq!(told, [(1, Step::Opened), (3, Step::WentOn), (13, Step::Resolved)]);
    }

    #[test]
    fn causes_are_told_apart_and_what_comes_after_the_calm_is_another() {
        let one = [seen(&trouble("host-paused"), 1, 1, 1), seen(&trouble("no-place"), 1, 2, 2)];
        let other = [seen(&trouble("no-place"), 1, 900_000, 900_000)];
        let mut minutes: Vec<&[CauseCount]> = vec![&one[..]];
        minutes.extend(std::iter::repeat_n(&[][..], 9));
        minutes.push(&other[..]);
        let (all, told) = history(&minutes);
        let open: Vec<_> = all.iter().filter(|incident| incident.resolved.is_none()).collect();
        assert_eq!((all.len(), open.len(), open[0].first_slot), (3, 1, UnixMs(900_000)));
        assert_eq!(told.iter().filter(|(minute, _)| *minute == 11).count(), 3, "{told:?}");
    }

    #[test]
    fn a_look_that_sees_nothing_changes_nothing() {
        assert_eq!(look(&[], &[], UnixMs(5)), []);
    }
}
