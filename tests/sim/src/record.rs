//! What really happened in a world, which no machine in it knows, and the account made of it.

use std::collections::{BTreeMap, HashMap};

use farwatch_core::slot::{EARLY_MS, Schedule, window_end};
use farwatch_proto::check::StreamId;
use farwatch_proto::time::UnixMs;

use crate::faults::Counts;
use crate::fleet::{BEGIN, HOSTS, Watched, by_stream, index_of};
use crate::host::Found;
use crate::world::{CALM_MS, LASTS_MS, World};

/// Clocks of hosts follow each other to within this: a slot may be started this much outside its window by the true one.
const CLOCKS_DIFFER_MS: i64 = 100;
/// Who was able to run for the timeout and this much longer had the time to run a slot.
const ROOM_MS: i64 = 1_000;
/// What the bound on lateness after one death leaves to links and loops.
const LATENESS_ROOM_MS: i64 = 300;
/// The allowance of the second rule.
const ALLOWANCE_MS: i64 = 750;

/// The account of one world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) slots: u64,
    pub(crate) missed: u64,
    /// Missed where nobody who owned the slot was able to run it.
    pub(crate) excused: u64,
    pub(crate) late_max_ms: i64,
    pub(crate) doubled: u64,
    pub(crate) by_standby: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) faults: Counts,
}

/// What really happened.
pub(crate) struct Record {
    pub(crate) faults: Counts,
    streams: HashMap<StreamId, usize>,
    timeouts_ms: Vec<i64>,
    /// By host: when it began and ceased to be able to run anything.
    able: Vec<Vec<(i64, i64)>>,
    completed: BTreeMap<(usize, i64), Vec<usize>>,
    violations: Vec<String>,
}

impl Record {
    pub(crate) fn new(watched: &[Watched]) -> Self {
        Self {
            faults: Counts::default(),
            streams: by_stream(watched),
            timeouts_ms: watched.iter().map(|watched| watched.timeout_ms).collect(),
            able: vec![Vec::new(); HOSTS],
            completed: BTreeMap::new(),
            violations: Vec::new(),
        }
    }

    pub(crate) fn watched_of(&self, stream: StreamId) -> usize {
        self.streams[&stream]
    }

    pub(crate) fn timeout_ms(&self, stream: StreamId) -> i64 {
        self.timeouts_ms[self.watched_of(stream)]
    }

    /// The host begins or ceases to be able to run.
    pub(crate) fn is_able(&mut self, host: usize, is_able: bool, now: i64) {
        let spans = &mut self.able[host];
        match spans.last_mut() {
            Some((_, to)) if *to == i64::MAX && !is_able => *to = now,
            Some((_, to)) if *to == i64::MAX => {}
            _ if is_able => spans.push((now, i64::MAX)),
            _ => {}
        }
    }

    /// A host starts a slot; by the true clock that must lie in the slot's window.
    pub(crate) fn begins(&mut self, watched: &Watched, host: usize, slot: UnixMs, now: i64) {
        let at = UnixMs(BEGIN + now);
        let is_early = at.since(slot) < -EARLY_MS - CLOCKS_DIFFER_MS;
        if is_early || at.since(window_end(slot, watched.interval)) > CLOCKS_DIFFER_MS {
            self.violations.push(format!("host {host} ran slot {} at {now}, outside its window", slot.0 - BEGIN));
        }
    }

    /// A run of a host has covered a slot.
    pub(crate) fn covers(&mut self, host: usize, found: &Found) {
        let watched = self.watched_of(found.stream);
        self.completed.entry((watched, found.slot.0)).or_default().push(host);
    }

    /// Whether the host was able to run for so long without a break within this time.
    fn was_able(&self, host: usize, from: i64, to: i64, for_ms: i64) -> bool {
        self.able[host].iter().any(|(began, ceased)| (*ceased).min(to) - (*began).max(from) >= for_ms)
    }
}

/// The account of a world that has come to its end.
pub(crate) fn account(world: &World) -> Account {
    let record = &world.record;
    let mut account =
        Account { violations: record.violations.clone(), faults: record.faults.clone(), ..Account::default() };
    for (index, watched) in world.watched.iter().enumerate() {
        let schedule = Schedule::of(watched.stream, watched.interval, streams_of(world, watched));
        let (from, to) = (UnixMs(BEGIN + CALM_MS / 2), UnixMs(BEGIN + LASTS_MS - CALM_MS) - watched.interval.ms());
        for slot in schedule.slots_between(from, to) {
            judge(world, index, slot, &mut account);
        }
    }
    account
}

fn streams_of(world: &World, watched: &Watched) -> u16 {
    world.watched.iter().filter(|other| other.stream.check == watched.stream.check).count() as u16
}

fn judge(world: &World, index: usize, slot: UnixMs, account: &mut Account) {
    let watched = &world.watched[index];
    account.slots += 1;
    let completed = world.record.completed.get(&(index, slot.0)).map_or(0, Vec::len);
    account.doubled += u64::from(completed > 1);
    let owners = watched.owners(world.control.view_at(slot));
    let covering = world.control.results(index, slot).iter().filter(|(_, found)| found.covers);
    let Some((host, first)) = covering.min_by_key(|(_, found)| found.started) else {
        account.missed += 1;
        let (from, to) = (slot.since(UnixMs(BEGIN)), window_end(slot, watched.interval).since(UnixMs(BEGIN)));
        let able = owners.iter().map(|owner| index_of(*owner));
        let able: Vec<usize> =
            able.filter(|host| world.record.was_able(*host, from, to, watched.timeout_ms + ROOM_MS)).collect();
        if able.is_empty() {
            account.excused += 1;
        } else {
            let owners: Vec<usize> = owners.iter().map(|owner| index_of(*owner)).collect();
            account.violations.push(format!(
                "slot {from} of stream {index} ({}) was missed; owners {owners:?}, of whom {able:?} could have run it",
                watched.interval
            ));
        }
        return;
    };
    account.by_standby += u64::from(owners.first() != Some(host));
    let late_ms = BEGIN + first.started - slot.0;
    account.late_max_ms = account.late_max_ms.max(late_ms);
    if let Some(bound_ms) = world.lateness_bound_ms(watched).filter(|bound_ms| late_ms > *bound_ms) {
        let at = slot.0 - BEGIN;
        account
            .violations
            .push(format!("slot {at} of stream {index} was run {late_ms} ms late; the bound is {bound_ms}"));
    }
}

/// The latest start after one death: `max(d, timeout + 0.75 s) + 0.3 s`.
pub(crate) fn bound_after_one_death_ms(watched: &Watched) -> i64 {
    watched.interval.rank_delay_ms().max(watched.timeout_ms + ALLOWANCE_MS) + LATENESS_ROOM_MS
}
