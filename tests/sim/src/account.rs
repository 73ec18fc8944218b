//! The account of a world that has come to its end: every slot, by the ledger of `core`, and what the audit says of it.

use std::collections::BTreeMap;

use farwatch_core::audit::{Books, audit};
use farwatch_core::ledger::{
    Balance, DueSlot, InForce, RunOnRecord, SlotState, canonical, due_slots, settled_at, slot_state,
};
use farwatch_core::placement::Subject;
use farwatch_core::revision::Cadence;
use farwatch_proto::fleet::View;
use farwatch_proto::id::HostId;
use farwatch_proto::time::{Stamp, UnixMs};

use crate::faults::Counts;
use crate::fleet::{BEGIN, HOSTS, Watched, index_of};
use crate::host::Found;
use crate::incidents::judge_incidents;
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
    pub(crate) violations: Vec<String>,
    pub(crate) faults: Counts,
}

impl Account {
    pub(crate) fn add(&mut self, other: &Self) {
        self.slots += other.slots;
        self.missed += other.missed;
        self.excused += other.excused;
        self.late_max_ms = self.late_max_ms.max(other.late_max_ms);
        self.doubled += other.doubled;
        self.by_standby += other.by_standby;
        self.takeovers += other.takeovers;
        self.lost_transactions += other.lost_transactions;
        self.outages += other.outages;
        self.incidents += other.incidents;
        self.confirmed_max_ms = self.confirmed_max_ms.max(other.confirmed_max_ms);
        self.told_again += other.told_again;
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
        ..Account::default()
    };
    let period = (UnixMs(BEGIN + CALM_MS / 2), UnixMs(BEGIN + world.lasts_ms() - CALM_MS));
    let views: Vec<View> = world.store.tables.in_force().cloned().collect();
    for index in 0..world.watched.len() {
        judge_stream(world, index, &views, period, &mut account);
    }
    judge_incidents(world, &mut account);
    check_views(world, &mut account);
    account
}

/// Once everything works again, all hosts hold the view that the database holds as the newest.
fn check_views(world: &World, account: &mut Account) {
    let newest = world.store.tables.in_force().next_back();
    for host in world.hosts.iter().filter(|host| host.is_up() && host.views().newest() != newest) {
        let (index, number) = (index_of(host.id), host.views().newest().map(|view| view.number));
        let told = format!("host {index} holds another view {number:?} than {:?}", newest.map(|view| view.number));
        account.violations.push(told);
    }
}

fn on_record((host, found): &(HostId, Found)) -> RunOnRecord {
    RunOnRecord { host: *host, view: Stamp::default(), started: found.started_at, status: found.status() }
}

fn judge_stream(world: &World, index: usize, views: &[View], (from, to): (UnixMs, UnixMs), account: &mut Account) {
    let watched = &world.watched[index];
    let to = to - watched.interval.ms();
    let definition = &watched.held.revisions()[0];
    let cadence =
        Cadence { activity: definition.activity, interval: definition.interval, streams: definition.placement.streams };
    let history = [InForce { from, cadence }];
    let mut runs: BTreeMap<UnixMs, Vec<RunOnRecord>> = BTreeMap::new();
    let (mut ledger, mut balance) = (BTreeMap::new(), Balance::default());
    for due in due_slots(watched.stream, &history, from, to) {
        let of_slot: Vec<RunOnRecord> = world.store.results(index, due.slot).iter().map(on_record).collect();
        let state = slot_state(due, &of_slot, settled_at(due), false);
        balance.count(state);
        ledger.insert(due.slot, state);
        judge(world, index, due, state, &of_slot, account);
        runs.insert(due.slot, of_slot);
    }
    account.slots += balance.due();
    let Balance { on_time, late, missed, pending } = balance;
    if on_time + late + missed + pending != ledger.len() as u64 || pending > 0 {
        account.violations.push(format!("the ledger of stream {index} does not balance: {balance:?}"));
    }
    let (tenant, wish, repeat) = (definition.tenant, &definition.placement, definition.repeat);
    let subject = Subject { check: definition.check, tenant, wish, repeat };
    let books = Books { subject, stream: watched.stream.number, history: &history, views, runs: &runs };
    for finding in audit(&books, &ledger, (from, to), to + CALM_MS) {
        account.violations.push(format!("the audit of stream {index} disagrees: {finding:?}"));
    }
}

/// Judges one slot. The record is by the clocks of hosts, and lateness by the true one.
fn judge(world: &World, index: usize, due: DueSlot, state: SlotState, runs: &[RunOnRecord], account: &mut Account) {
    let (watched, slot) = (&world.watched[index], due.slot);
    let completed = world.record.completed.get(&(index, slot.0)).map_or(0, Vec::len);
    account.doubled += u64::from(completed > 1);
    let owners = watched.owners(world.store.view_at(slot));
    let speaks = canonical(runs, &owners);
    let otherwise: Vec<RunOnRecord> = runs.iter().rev().copied().collect();
    if speaks.map(|run| run.host) != canonical(&otherwise, &owners).map(|run| run.host) {
        account.violations.push(format!("two results speak for slot {} of stream {index}", slot.0 - BEGIN));
    }
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
    let watched = &world.watched[index];
    account.missed += 1;
    let could = |host: &usize| world.record.could_have_run(*host, watched, slot, watched.timeout_ms + ROOM_MS);
    let able: Vec<usize> = (0..HOSTS).filter(could).collect();
    if able.is_empty() {
        account.excused += 1;
    } else {
        let (at, interval) = (slot.0 - BEGIN, watched.interval);
        let told = format!("slot {at} of stream {index} ({interval}) was missed; {able:?} owned and could have run it");
        account.violations.push(told);
    }
}

/// The latest start after one death: `max(d, timeout + 0.75 s) + 0.3 s`.
pub(crate) fn bound_after_one_death_ms(watched: &Watched) -> i64 {
    watched.interval.rank_delay_ms().max(watched.timeout_ms + ALLOWANCE_MS) + LATENESS_ROOM_MS
}
