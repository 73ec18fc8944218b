//! Whether every outage of a world became one incident, and nothing else did.

use std::collections::BTreeMap;

use farwatch_core::afterwards::Finding;
use farwatch_core::incident::IncidentEvent;
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::account::Account;
use crate::afterwards::findings;
use crate::fleet::BEGIN;
use crate::store::Incident;
use crate::world::World;
use crate::world::targets::Outage;

/// Besides its slots, the confirmation of an outage needs the time of its round, and that of a host which has died or is
/// cut off until its streams have moved.
const ROUND_MS: i64 = 25_000;
/// A recovery needs its slots and its round, which may be asked for twice.
const RECOVERY_MS: i64 = 25_000;

/// One check of a world.
struct Judged<'w> {
    world: &'w World,
    check: CheckId,
    interval: Interval,
    outages: &'w [Outage],
    incidents: Vec<&'w Incident>,
}

pub(crate) fn judge_incidents(world: &World, account: &mut Account) {
    for judged in all_judged(world) {
        account.outages += judged.outages.len() as u64;
        account.incidents += judged.incidents.len() as u64;
        let afterwards = judged.incidents.iter().filter(|incident| incident.seen_afterwards);
        account.seen_afterwards += afterwards.count() as u64;
        judged.is_looked_back_at(account);
        judged.outages.iter().for_each(|outage| judged.is_not_lost(outage, account));
    }
    account.violations.extend(complain_of_incidents(world));
    count_told_again(world, account);
}

/// What is wrong with the incidents that there are, whatever is still to come.
pub(crate) fn complain_of_incidents(world: &World) -> Vec<String> {
    all_judged(world).iter().flat_map(|judged| judged.false_ones().into_iter().chain(judged.doubled_ones())).collect()
}

fn all_judged(world: &World) -> Vec<Judged<'_>> {
    let mut by_check: BTreeMap<CheckId, Vec<&Incident>> = BTreeMap::new();
    for incident in world.store.tables.incidents.values() {
        by_check.entry(incident.check).or_default().push(incident);
    }
    let first_streams = world.watched.iter().filter(|watched| watched.stream.number == 0);
    let judged = first_streams.map(|watched| {
        let check = watched.stream.check;
        let mut incidents = by_check.remove(&check).unwrap_or_default();
        incidents.sort_by_key(|incident| incident.first_failed_slot);
        Judged { world, check, interval: watched.interval, outages: world.targets.of(check), incidents }
    });
    judged.collect()
}

fn of_world(moment: UnixMs) -> i64 {
    moment.since(UnixMs(BEGIN))
}

impl Judged<'_> {
    fn complaint(&self, what: &str, incident: &Incident) -> String {
        let (slot, opened) = (of_world(incident.first_failed_slot), of_world(incident.opened));
        let check = self.check.as_bytes()[0];
        format!("a {what} incident of check {check:02x}, of slot {slot}, opened at {opened}")
    }

    /// The target failed at some moment from the slot that names the incident until it was opened. Afterwards two hosts that
    /// agree are believed, and two that have lost the world do: nobody can ask others then.
    fn false_ones(&self) -> Vec<String> {
        let is_false = |incident: &&&Incident| {
            let seen =
                if incident.seen_afterwards { incident.resolved.unwrap_or(incident.opened) } else { incident.opened };
            let (from, to) = (of_world(incident.seen_since), of_world(seen));
            let has_panel = self.world.has_panel();
            let is_seen_by_blind =
                !has_panel && incident.seen_afterwards && self.world.record.blind_between(from, to) > 1;
            !is_seen_by_blind && !self.outages.iter().any(|outage| outage.from <= to && from <= outage.to)
        };
        self.incidents.iter().filter(is_false).map(|incident| self.complaint("false", incident)).collect()
    }

    /// No incident opens while another one is open, and none of an outage that had one already.
    fn doubled_ones(&self) -> Vec<String> {
        let pairs = self.incidents.iter().zip(self.incidents.iter().skip(1));
        let is_doubled = |(before, incident): &(&&Incident, &&Incident)| {
            let is_open = before.resolved.is_none_or(|resolved| resolved > incident.opened);
            let is_in = |outage: &Outage, incident: &Incident| {
                (outage.from..outage.to).contains(&of_world(incident.first_failed_slot))
            };
            // What nobody could judge may be followed by what somebody could, with a slot between that nobody can tell of.
            let is_known = before.seen_afterwards == incident.seen_afterwards;
            is_open || is_known && self.outages.iter().any(|outage| is_in(outage, before) && is_in(outage, incident))
        };
        pairs.filter(is_doubled).map(|(_, incident)| self.complaint("doubled", incident)).collect()
    }

    /// Once everything has worked for long enough, nothing is left of which the record shows that it was an outage.
    fn is_looked_back_at(&self, account: &mut Account) {
        let world = self.world;
        let now = UnixMs(BEGIN + world.lasts_ms());
        let found = findings(&world.store.tables, &world.watched, self.check, now);
        if found.iter().any(|finding| matches!(finding, Finding::Outage { .. })) {
            let check = self.check.as_bytes()[0];
            account.violations.push(format!("an outage of check {check:02x} was never seen afterwards: {found:?}"));
        }
    }

    /// An outage that could be judged for long enough has an incident, which ends when the outage is over for as long.
    fn is_not_lost(&self, outage: &Outage, account: &mut Account) {
        let check = self.check.as_bytes()[0];
        let needs_ms = 3 * self.interval.ms() + ROUND_MS;
        let overlaps = |incident: &&&Incident| {
            let ended = incident.resolved.map_or(i64::MAX, of_world);
            of_world(incident.opened) >= outage.from && of_world(incident.first_failed_slot) <= outage.to
                || of_world(incident.opened) <= outage.from && ended >= outage.from
        };
        let incident = self.incidents.iter().filter(|incident| !incident.seen_afterwards).find(overlaps);
        if self.world.record.could_judge(outage.from, outage.to, needs_ms) {
            match incident {
                None => account.violations.push(format!("an outage of check {check:02x} is lost: {outage:?}")),
                Some(incident) => {
                    let took_ms = of_world(incident.opened) - outage.from;
                    account.confirmed_max_ms = account.confirmed_max_ms.max(took_ms);
                }
            }
        }
        let next = self.outages.iter().map(|other| other.from).find(|from| *from > outage.to);
        let until = next.unwrap_or(self.world.lasts_ms());
        let rest_ms = 3 * self.interval.ms() + RECOVERY_MS;
        let is_open = incident.is_some_and(|incident| incident.resolved.is_none_or(|at| of_world(at) > until));
        if is_open && self.world.record.could_judge(outage.to, until, rest_ms) {
            account.violations.push(format!("the incident of check {check:02x} does not end: {outage:?}"));
        }
    }
}

/// Counts incidents that people were told of and that the database does not hold: it lost them, and what was told again
/// of the same outage has the name of a later slot where the results came too late to be judged.
fn count_told_again(world: &World, account: &mut Account) {
    let mut unknown: Vec<_> = world
        .record
        .told
        .iter()
        .filter_map(|(_, event)| match event {
            IncidentEvent::Opened { incident, .. } if !world.store.tables.incidents.contains_key(incident) => {
                Some(*incident)
            }
            _ => None,
        })
        .collect();
    unknown.sort_unstable();
    unknown.dedup();
    account.told_again += unknown.len() as u64;
}
