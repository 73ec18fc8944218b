//! Whether every outage of a world became one incident, and nothing else did.

use farwatch_core::incident::IncidentEvent;
use farwatch_proto::id::CheckId;
use farwatch_proto::interval::Interval;
use farwatch_proto::time::UnixMs;

use crate::account::Account;
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
    for watched in world.watched.iter().filter(|watched| watched.stream.number == 0) {
        let check = watched.stream.check;
        let of_check = world.store.tables.incidents.values().filter(|incident| incident.check == check);
        let mut incidents: Vec<&Incident> = of_check.collect();
        incidents.sort_by_key(|incident| incident.first_failed_slot);
        let judged = Judged { world, check, interval: watched.interval, outages: world.targets.of(check), incidents };
        account.outages += judged.outages.len() as u64;
        account.incidents += judged.incidents.len() as u64;
        judged.is_none_false(account);
        judged.is_none_doubled(account);
        judged.outages.iter().for_each(|outage| judged.is_not_lost(outage, account));
    }
    count_told_again(world, account);
}

fn of_world(moment: UnixMs) -> i64 {
    moment.since(UnixMs(BEGIN))
}

impl Judged<'_> {
    fn complain(&self, account: &mut Account, what: &str, incident: &Incident) {
        let (slot, opened) = (of_world(incident.first_failed_slot), of_world(incident.opened));
        let check = self.check.as_bytes()[0];
        account.violations.push(format!("a {what} incident of check {check:02x}, of slot {slot}, opened at {opened}"));
    }

    /// The target failed at some moment from the slot that names the incident until it was opened.
    fn is_none_false(&self, account: &mut Account) {
        for incident in &self.incidents {
            let (from, to) = (of_world(incident.first_failed_slot), of_world(incident.opened));
            if !self.outages.iter().any(|outage| outage.from <= to && from <= outage.to) {
                self.complain(account, "false", incident);
            }
        }
    }

    /// No incident opens while another one is open, and none of an outage that had one already.
    fn is_none_doubled(&self, account: &mut Account) {
        for (before, incident) in self.incidents.iter().zip(self.incidents.iter().skip(1)) {
            let is_open = before.resolved.is_none_or(|resolved| resolved > incident.opened);
            let is_in = |outage: &&Outage, incident: &Incident| {
                (outage.from..outage.to).contains(&of_world(incident.first_failed_slot))
            };
            let same = self.outages.iter().any(|outage| is_in(&outage, before) && is_in(&outage, incident));
            if is_open || same {
                self.complain(account, "doubled", incident);
            }
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
        let incident = self.incidents.iter().find(overlaps);
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
