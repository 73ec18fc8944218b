//! When the simulated targets fail: outages of one check now and then, and of most at once.

use std::collections::BTreeMap;

use farwatch_proto::id::CheckId;

use crate::fleet::{CHECKS, check_id};
use crate::random::Random;
use crate::world::CALM_MS;

/// So many outages of single checks are in every world.
pub(super) const OUTAGES: usize = 6;

/// One outage of one check, by the true clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Outage {
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Whether runs wait in vain until their timeout, or fail at once.
    pub(crate) hangs: bool,
}

/// The outages of all checks, in the order in which they begin; those of one check do not overlap.
pub(crate) struct Targets(BTreeMap<CheckId, Vec<Outage>>);

impl Targets {
    pub(super) fn new(lasts_ms: i64, random: &mut Random) -> Self {
        let mut targets = Self(BTreeMap::new());
        for _ in 0..OUTAGES {
            let check = check_id(random.index(usize::from(CHECKS)) as u8);
            let from = random.between(CALM_MS, lasts_ms - 6 * CALM_MS);
            let to = from + random.between(5_000, 2 * CALM_MS);
            targets.add(check, Outage { from, to, hangs: random.chance(300) });
        }
        targets
    }

    /// One more outage; those it meets become one with it.
    pub(super) fn add(&mut self, check: CheckId, mut outage: Outage) {
        let outages = self.0.entry(check).or_default();
        let meets = |other: &Outage| other.from <= outage.to && outage.from <= other.to;
        let (met, mut others): (Vec<Outage>, Vec<Outage>) = outages.iter().partition(|other| meets(other));
        outage.from = met.iter().map(|other| other.from).chain([outage.from]).min().unwrap_or(outage.from);
        outage.to = met.iter().map(|other| other.to).chain([outage.to]).max().unwrap_or(outage.to);
        others.push(outage);
        others.sort_by_key(|outage| outage.from);
        *outages = others;
    }

    /// Whether the target of a check fails now and, where it does, whether runs hang.
    pub(super) fn failing(&self, check: CheckId, now: i64) -> Option<bool> {
        let mut outages = self.0.get(&check)?.iter();
        outages.find(|outage| outage.from <= now && now < outage.to).map(|outage| outage.hangs)
    }

    pub(crate) fn of(&self, check: CheckId) -> &[Outage] {
        self.0.get(&check).map_or(&[], Vec::as_slice)
    }
}
