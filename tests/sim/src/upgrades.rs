//! The upgrade of a simulated fleet, as its leader takes it further: what is seen goes to `core`, which decides.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_core::ledger::{SlotState, settled_at};
use farwatch_core::upgrade::{Progress, Seen, Sight, State, Upgrade};
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

use crate::books::Kept;
use crate::fleet::{BEGIN, HOSTS, first_view, host_id};
use crate::leader::Leader;
use crate::program::Program;
use crate::world::World;

/// It is taken further this often.
pub(crate) const PERIOD_MS: i64 = 1_000;
/// Hosts at once, once the first is proven.
const AT_ONCE: u32 = 3;
/// Slots so old were looked at before.
const LOOK_BACK_MS: i64 = 60_000;

/// What this leadership has seen of hosts' programs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Upgrades {
    hosts: BTreeMap<HostId, (Program, Option<UnixMs>)>,
    refuted: BTreeMap<HostId, u64>,
    looked_at: i64,
}

impl Upgrades {
    pub(crate) fn hear(&mut self, host: HostId, program: Program, failed: Option<UnixMs>) {
        self.hosts.insert(host, (program, failed));
    }

    /// Rounds that these hosts began came to nothing.
    pub(crate) fn count(&mut self, refuted: &[HostId]) {
        refuted.iter().for_each(|host| *self.refuted.entry(*host).or_default() += 1);
    }

    /// Whether it is looked at now.
    pub(crate) const fn is_due(&mut self, now: i64) -> bool {
        let is_due = now - self.looked_at >= PERIOD_MS;
        if is_due {
            self.looked_at = now;
        }
        is_due
    }

    fn sight(&self, leader: &Leader, missed: u64) -> Sight {
        let seen = |host: usize| {
            let known = self.hosts.get(&host_id(host));
            let seen = Seen {
                region: first_view().hosts[host].facts.region.clone(),
                is_linked: leader.is_linked(host),
                can_upgrade: true,
                release: known.map(|(program, _)| program.release()),
                refuted: self.refuted.get(&host_id(host)).copied().unwrap_or(0),
                failure: known.and_then(|(_, failed)| Some(((*failed)?, "its successor has ended".to_owned()))),
            };
            (host_id(host), seen)
        };
        Sight { hosts: (0..HOSTS).map(seen).collect(), missed }
    }
}

/// The upgrade taken further by what this leader sees and the database holds, and whom to tell of which order.
pub(crate) fn further(world: &World, leader: &Leader) -> Option<(Upgrade, Vec<(HostId, UnixMs)>)> {
    let now = UnixMs(BEGIN + world.now);
    let mut upgrade = world.store.tables.upgrade.clone().filter(Upgrade::is_running)?;
    let sight = leader.upgrades.sight(leader, missed(world, leader, &upgrade, now));
    let told = upgrade.step(&sight, now);
    let order = |host: HostId| match upgrade.hosts.get(&host) {
        Some(Progress::Ordered { at }) => Some((host, *at)),
        _ => None,
    };
    let orders = told.into_iter().filter_map(order).collect();
    Some((upgrade, orders))
}

/// What an operator makes of it who wants the fleet to run the new program.
pub(crate) fn wanted(before: Option<&Upgrade>, now: UnixMs) -> Upgrade {
    let begun = || Upgrade::begin(Program::New.release(), "2".to_owned(), AT_ONCE, now);
    let mut upgrade =
        before.filter(|upgrade| !matches!(upgrade.state, State::Done { .. })).cloned().unwrap_or_else(begun);
    upgrade.resume(now);
    upgrade
}

/// Slots that were missed for all this leader can tell, since the upgrade began or was resumed.
fn missed(world: &World, leader: &Leader, upgrade: &Upgrade, now: UnixMs) -> u64 {
    let from = upgrade.watched_from.max(now - LOOK_BACK_MS);
    let silent: BTreeSet<usize> = (0..HOSTS).filter(|host| !leader.is_linked(*host)).collect();
    let missed = |index: usize| {
        let kept = Kept::of(world, index, (from, now), |_| (now, !silent.is_empty()));
        let is_missed = |state: SlotState, settled: UnixMs| state == SlotState::Missed && settled < now;
        kept.slots.iter().filter(|(due, state, _)| is_missed(*state, settled_at(*due))).count() as u64
    };
    (0..world.watched.len()).map(missed).sum()
}
