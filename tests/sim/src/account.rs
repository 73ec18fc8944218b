//! The account of a world that has come to its end: every slot, by the ledger of `core`, and what the audit says of it.

use farwatch_core::ledger::{DueSlot, RunOnRecord, SlotState, canonical, settled_at};
use farwatch_core::slot::window_end;
use farwatch_core::upgrade::State;
use farwatch_proto::fleet::View;
use farwatch_proto::time::UnixMs;

use crate::books::Kept;
use crate::faults::Counts;
use crate::fleet::{BEGIN, HOSTS, Watched, index_of};
use crate::host::Host;
use crate::incidents::judge_incidents;
use crate::program::NEXT_RULE;
use crate::world::{CALM_MS, World};

/// Who was able to run for the timeout and this much longer had the time to run a slot.
const ROOM_MS: i64 = 1_000;
/// What the bound on lateness after one death leaves to links and loops.
const LATENESS_ROOM_MS: i64 = 300;
/// The allowance of the second rule.
const ALLOWANCE_MS: i64 = 750;

/// The account of one world, or of several.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) slots: u64,
    pub(crate) missed: u64,
    /// Missed where nobody who owned the slot was able to run it.
    pub(crate) excused: u64,
    /// Missed where the database had lost the result after it had acknowledged it, and then its host lost its disk.
    pub(crate) lost_twice: u64,
    pub(crate) late_max_ms: i64,
    pub(crate) doubled: u64,
    pub(crate) by_standby: u64,
    pub(crate) takeovers: u64,
    pub(crate) lost_transactions: u64,
    pub(crate) outages: u64,
    pub(crate) incidents: u64,
    /// The longest time from the beginning of an outage that could be judged to its incident.
    pub(crate) confirmed_max_ms: i64,
    /// Outages that people were told of under two names, for the database had lost the first.
    pub(crate) told_again: u64,
    /// Incidents of outages that were over before anybody could judge them.
    pub(crate) seen_afterwards: u64,
    /// Hosts that handed over from one process to the next, and those of which one of the two was killed.
    pub(crate) handovers: u64,
    pub(crate) half_crashes: u64,
    /// Times that a host knew that it had lost the world.
    pub(crate) insane: u64,
    /// Worlds at whose end a later rule of placement was in force than at their beginning.
    pub(crate) rules_raised: u64,
    pub(crate) violations: Vec<String>,
    pub(crate) faults: Counts,
}

impl Account {
    pub(crate) fn add(&mut self, other: &Self) {
        self.slots += other.slots;
        self.missed += other.missed;
        self.excused += other.excused;
        self.lost_twice += other.lost_twice;
        self.late_max_ms = self.late_max_ms.max(other.late_max_ms);
        self.doubled += other.doubled;
        self.by_standby += other.by_standby;
        self.takeovers += other.takeovers;
        self.lost_transactions += other.lost_transactions;
        self.outages += other.outages;
        self.incidents += other.incidents;
        self.confirmed_max_ms = self.confirmed_max_ms.max(other.confirmed_max_ms);
        self.told_again += other.told_again;
        self.seen_afterwards += other.seen_afterwards;
        self.handovers += other.handovers;
        self.half_crashes += other.half_crashes;
        self.insane += other.insane;
        self.rules_raised += other.rules_raised;
        self.faults.add(&other.faults);
    }
}

/// The account of a world that has come to its end.
pub(crate) fn account(world: &World) -> Account {
    let record = &world.record;
    let mut account = Account {
        violations: record.violations.clone(),
        faults: record.faults.clone(),
        takeovers: record.takeovers,
        lost_transactions: record.lost_transactions,
        handovers: record.handovers,
        half_crashes: record.half_crashes,
        insane: record.insane,
        ..Account::default()
    };
    if !account.violations.is_empty() {
        return account;
    }
    let period = (UnixMs(BEGIN + CALM_MS / 2), UnixMs(BEGIN + world.lasts_ms() - CALM_MS));
    let views: Vec<View> = world.store.tables.in_force().cloned().collect();
    for index in 0..world.watched.len() {
        judge_stream(world, index, &views, period, &mut account);
    }
    judge_incidents(world, &mut account);
    check_views(world, &mut account);
    check_upgrade(world, &mut account);
    account
}

/// A fleet that nothing hinders is upgraded, host after host, and goes over to the next rule.
fn check_upgrade(world: &World, account: &mut Account) {
    let is_raised = world.store.tables.in_force().next_back().is_some_and(|view| view.placement_version == NEXT_RULE);
    let is_done =
        world.store.tables.upgrade.as_ref().is_some_and(|upgrade| matches!(upgrade.state, State::Done { .. }));
    if world.is_rolling() && !(is_raised && is_done) {
        account.violations.push(format!("the upgrade has not come to its end: {:?}", world.store.tables.upgrade));
    }
}

/// Once everything works again, all hosts hold the view that the database holds as the newest.
fn check_views(world: &World, account: &mut Account) {
    let newest = world.store.tables.in_force().next_back();
    account.rules_raised += u64::from(newest.is_some_and(|view| view.placement_version == NEXT_RULE));
    let can_read = |host: &&Host| newest.is_some_and(|view| host.can_read(view));
    let up = world.hosts.iter().filter(|host| host.is_up()).filter(can_read);
    for host in up.filter(|host| host.views().newest() != newest) {
        let (index, number) = (index_of(host.id), host.views().newest().map(|view| view.number));
        let told = format!("host {index} holds another view {number:?} than {:?}", newest.map(|view| view.number));
        account.violations.push(told);
    }
}

fn judge_stream(world: &World, index: usize, views: &[View], period: (UnixMs, UnixMs), account: &mut Account) {
    let interval = world.watched[index].interval;
    let period = (period.0, period.1 - interval.ms());
    let kept = Kept::of(world, index, period, |due| (settled_at(due), false));
    kept.slots.iter().for_each(|(due, state, runs)| judge(world, index, *due, *state, runs, account));
    account.slots += kept.balance().due();
    account.violations.extend(kept.differences(world, index, views, period, period.1 + CALM_MS));
    if kept.balance().pending > 0 {
        account.violations.push(format!("slots of stream {index} are pending for ever: {:?}", kept.balance()));
    }
}

/// Judges one slot. The record is by the clocks of hosts, and lateness by the true one.
fn judge(world: &World, index: usize, due: DueSlot, state: SlotState, runs: &[RunOnRecord], account: &mut Account) {
    let (watched, slot) = (&world.watched[index], due.slot);
    let completed = world.record.completed.get(&(index, slot.0)).map_or(0, Vec::len);
    account.doubled += u64::from(completed > 1);
    let owners = watched.owners(world.store.view_at(slot));
    let speaks = canonical(runs, &owners);
    let covering = world.store.results(index, slot).iter().filter(|(_, found)| found.covers);
    let (Some(speaks), Some(first)) = (speaks, covering.map(|(_, found)| found.started).min()) else {
        return missed(world, index, slot, account);
    };
    if state == SlotState::Missed {
        return missed(world, index, slot, account);
    }
    account.by_standby += u64::from(owners.first() != Some(&speaks.host));
    let late_ms = BEGIN + first - slot.0;
    account.late_max_ms = account.late_max_ms.max(late_ms);
    if let Some(bound_ms) = world.lateness_bound_ms(watched).filter(|bound_ms| late_ms > *bound_ms) {
        let at = slot.0 - BEGIN;
        let told = format!("slot {at} of stream {index} was run {late_ms} ms late; the bound is {bound_ms}");
        account.violations.push(told);
    }
}

/// A slot that nobody covered is excused where nobody who owned it, by the newest view that was delivered to it, was able
/// to run it.
fn missed(world: &World, index: usize, slot: UnixMs, account: &mut Account) {
    account.missed += 1;
    // The database had acknowledged it and lost it, and so did the disk that was to send it again.
    if world.record.committed.contains(&(index, slot.0)) && world.record.lost_transactions > 0 {
        account.lost_twice += 1;
        return;
    }
    match owed(world, index, slot) {
        None => account.excused += 1,
        Some(told) => account.violations.push(told),
    }
}

/// What is to be said of a slot that nobody covered, where somebody should have.
pub(crate) fn owed(world: &World, index: usize, slot: UnixMs) -> Option<String> {
    let watched = &world.watched[index];
    let (from, to) = (slot.0 - BEGIN, window_end(slot, watched.interval).0 - BEGIN);
    let fails = world.targets.of(watched.stream.check).iter().any(|outage| outage.from <= to && from <= outage.to);
    let could = |host: &usize| world.record.could_have_run(*host, watched, slot, watched.timeout_ms + ROOM_MS, fails);
    let able: Vec<usize> = (0..HOSTS).filter(could).collect();
    let (at, interval) = (slot.0 - BEGIN, watched.interval);
    let told = || format!("slot {at} of stream {index} ({interval}) was missed; {able:?} owned and could have run it");
    (!able.is_empty()).then(told)
}

/// The latest start after one death: `max(d, timeout + 0.75 s) + 0.3 s`.
pub(crate) fn bound_after_one_death_ms(watched: &Watched) -> i64 {
    watched.interval.rank_delay_ms().max(watched.timeout_ms + ALLOWANCE_MS) + LATENESS_ROOM_MS
}
