//! Accounts of small histories, entered by hand.

use farwatch_core::block::{BlockKey, Hour, Latency, Rank, Runner, SlotRun};
use farwatch_core::hash::hash64;
use farwatch_core::ledger::{CauseCount, MissCause};
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::run::{RunCost, Terms};
use farwatch_proto::time::Stamp;

use super::*;
use crate::ledger::SLOTS_MAX;

const PERIOD: (UnixMs, UnixMs) = (UnixMs(1_000_000), UnixMs(1_100_000));
const LONG_AFTER: UnixMs = UnixMs(9_000_000);

fn revision(check: u8, number: u32, activity: Activity, from: i64) -> LedgerRevision {
    LedgerRevision {
        check: CheckId::from_bytes([check; 16]),
        tenant: TenantId::from_bytes([1; 16]),
        revision: number,
        activity,
        interval: Interval::from_seconds(10).unwrap(),
        streams: 1,
        repeat: Repeat::Safe,
        module: ModuleHash::of(b"module"),
        in_force_from: UnixMs(from),
    }
}

fn host(n: u8) -> HostId {
    HostId::from_bytes([n; 16])
}

fn slots(check: u8, revisions: &[LedgerRevision]) -> Vec<UnixMs> {
    let stream = StreamId { check: CheckId::from_bytes([check; 16]), number: 0 };
    let history: Vec<InForce> = revisions.iter().map(in_force).collect();
    due_slots(stream, &history, PERIOD.0, PERIOD.1).into_iter().map(|due| due.slot).collect()
}

fn run(check: u8, slot: UnixMs, delay: i64, status: Status) -> RunResult {
    RunResult {
        stream: StreamId { check: CheckId::from_bytes([check; 16]), number: 0 },
        purpose: Purpose::Slot,
        slot,
        terms: Terms { revision: 1, module: ModuleHash([0; 32]), view: Stamp { era: 1, n: 1 } },
        started: slot + delay,
        duration_us: 1,
        cost: RunCost::default(),
        outcome: Outcome::told(status, 0, "host-paused", ""),
    }
}

fn balance_of(ledger: &Ledger) -> [u64; 4] {
    let Balance { on_time, late, missed, pending } = ledger.promised;
    [on_time, late, missed, pending]
}

#[test]
fn ten_slots_stand_as_their_best_runs_say() {
    let revisions = [revision(1, 1, Activity::Active, 0)];
    let due = slots(1, &revisions);
    assert_eq!(due.len(), 10);
    let mut account = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
    for slot in &due[..7] {
        account.enter(host(1), &run(1, *slot, 5, Status::Up));
        account.enter(host(2), &run(1, *slot, 6_000, Status::Up));
    }
    account.enter(host(1), &run(1, due[7], 5_000, Status::Down));
    account.enter(host(1), &run(1, due[8], 5, Status::Unknown(Blame::Host)));
    let ledger = account.close(LONG_AFTER, |_, _| false);
    assert_eq!(balance_of(&ledger), [7, 1, 2, 0]);
    assert_eq!(ledger.checks[0].balance, ledger.promised);
    let causes: Vec<&MissCause> = ledger.missed.iter().map(|missed| &missed.cause).collect();
    let trouble = MissCause::HostTrouble { host: host(1), code: "host-paused".to_owned() };
    assert_eq!(causes, [&trouble, &MissCause::NoRun]);
    let of = |cause, slot| CauseCount { cause, missed: 1, first: slot, last: slot };
    assert_eq!(ledger.causes, [of(MissCause::NoRun, due[9]), of(trouble.clone(), due[8])]);
}

#[test]
fn a_run_that_is_on_record_twice_counts_once() {
    let revisions = [revision(1, 1, Activity::Active, 0)];
    let due = slots(1, &revisions);
    let mut account = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
    for slot in due.iter().chain(&due) {
        account.enter(host(1), &run(1, *slot, 5, Status::Up));
    }
    let ledger = account.close(LONG_AFTER, |_, _| false);
    assert_eq!((balance_of(&ledger), ledger.extra), ([10, 0, 0, 0], 0));
}

#[test]
fn what_somebody_may_still_bring_is_pending() {
    let revisions = [revision(1, 1, Activity::Active, 0)];
    let last = *slots(1, &revisions).last().unwrap();
    let account = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
    let just_after = last + 60_000;
    let undecided = account.undecided(just_after);
    assert_eq!(undecided.len(), 10);
    assert_eq!(account.undecided(last).len(), 8, "the last two windows are still open or just closed");
    let ledger = account.close(just_after, |_, slot| slot == last);
    assert_eq!(balance_of(&ledger), [0, 0, 9, 1]);
}

#[test]
fn a_pause_makes_nothing_due_and_its_runs_are_extra() {
    let revisions = [revision(1, 1, Activity::Active, 0), revision(1, 2, Activity::Paused, 1_050_000)];
    let due = slots(1, &revisions);
    let mut account = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
    due.iter().for_each(|slot| account.enter(host(1), &run(1, *slot, 1, Status::Up)));
    account.enter(host(1), &run(1, *due.last().unwrap() + 10_000, 1, Status::Up));
    account.enter(host(1), &run(1, PERIOD.1 + 10_000, 1, Status::Up));
    let ledger = account.close(LONG_AFTER, |_, _| false);
    assert_eq!((balance_of(&ledger), ledger.extra), ([due.len() as u64, 0, 0, 0], 1));
}

#[test]
fn what_must_not_run_twice_is_counted_apart_and_strangers_not_at_all() {
    let unsafe_check = LedgerRevision { repeat: Repeat::Unsafe, ..revision(1, 1, Activity::Active, 0) };
    let revisions = [unsafe_check, revision(2, 1, Activity::Active, 0)];
    let mut account = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
    account.enter(host(1), &run(3, PERIOD.0, 1, Status::Up));
    let ledger = account.close(LONG_AFTER, |_, _| false);
    assert_eq!((ledger.promised.due(), ledger.unpromised.due(), ledger.extra), (10, 10, 0));
    assert_eq!(ledger.checks.len(), 2);
}

#[test]
fn every_slot_under_the_promise_settles_within_one_look_whatever_its_interval() {
    let unsafe_check = LedgerRevision { repeat: Repeat::Unsafe, ..revision(2, 1, Activity::Active, 0) };
    let slow = LedgerRevision { interval: Interval::from_seconds(60).unwrap(), ..revision(3, 1, Activity::Active, 0) };
    let revisions = [revision(1, 1, Activity::Active, 0), unsafe_check, slow];
    let mut seen: Vec<(CheckId, UnixMs)> = Vec::new();
    for minute in 0..10 {
        let from = PERIOD.0 + minute * 60_000;
        let account = Account::open_settling(&revisions, (from, from + 60_000), SLOTS_MAX).unwrap();
        for (stream, slots) in account.states(LONG_AFTER, |_, _| false) {
            seen.extend(slots.into_keys().map(|slot| (stream.check, slot)));
        }
    }
    let mut once = seen.clone();
    once.sort_unstable();
    once.dedup();
    assert_eq!((once.len(), seen.len()), (60 + 10, 70));
}

#[test]
fn a_period_with_too_many_slots_is_refused() {
    let many: Vec<LedgerRevision> =
        (0..120_u8).map(|check| LedgerRevision { streams: 8, ..revision(check, 1, Activity::Active, 0) }).collect();
    let day = Account::open(&many, (UnixMs(0), UnixMs(48 * 3_600_000)), SLOTS_MAX);
    assert!(day.is_err_and(|error| matches!(error, LedgerError::TooManySlots { most: SLOTS_MAX })));
}

/// Runs of some slots, on time, late and outside, and now and then of a moment that is no slot.
fn some_runs(seed: u64, due: &[UnixMs]) -> Vec<(HostId, RunResult)> {
    let draw = |n: u64, of: u64| hash64(&[seed.to_be_bytes(), n.to_be_bytes()].concat()) % of;
    let one = |n: u64| {
        let slot = due[draw(n, 10) as usize] + i64::from(draw(n + 1, 12) == 0);
        let delay = [5, 6_000, 9_990][draw(n + 2, 3) as usize];
        let status = Status::from_code(draw(n + 3, 5) as u8).unwrap();
        (host(draw(n + 4, 3) as u8), run(1, slot, delay, status))
    };
    (0..draw(0, 25)).map(|n| one(1 + n * 5)).collect()
}

#[test]
fn the_account_of_blocks_is_that_of_the_raw_results() {
    let revisions = [revision(1, 1, Activity::Active, 0)];
    let history: Vec<InForce> = revisions.iter().map(in_force).collect();
    let stream = StreamId { check: revisions[0].check, number: 0 };
    let hour = Hour::of(PERIOD.0);
    let of_hour = due_slots(stream, &history, hour.start(), hour.end());
    let due = slots(1, &revisions);
    for seed in 0..500 {
        let mut raw = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
        let mut folded = Account::open(&revisions, PERIOD, SLOTS_MAX).unwrap();
        let mut block = Block::open(BlockKey { stream, hour }, &of_hour).unwrap();
        for (host, result) in some_runs(seed, &due) {
            raw.enter(host, &result);
            let runner = Runner { host, view: result.terms.view, rank: Rank(0) };
            let (started, status, latency) = (result.started, result.outcome.status, Latency::of_us(1));
            block.enter(result.slot, SlotRun { runner, started, latency, status, code: result.outcome.code() });
        }
        block.settle(LONG_AFTER, |_| false);
        folded.enter_block(&block);
        let [raw, folded] = [raw, folded].map(|account| account.close(LONG_AFTER, |_, _| false));
        assert_eq!((balance_of(&raw), raw.extra), (balance_of(&folded), folded.extra), "seed {seed}");
        let missed = |ledger: &Ledger| ledger.missed.iter().map(|missed| missed.slot).collect::<Vec<_>>();
        assert_eq!(missed(&raw), missed(&folded), "seed {seed}");
    }
}
