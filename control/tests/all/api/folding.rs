//! Hours that are over become blocks, late results are entered into them, and nothing is forgotten before.

use std::collections::BTreeSet;

use farwatch_control::clock::Clock;
use farwatch_control::fold::Folding;
use farwatch_control::ledger::{LedgerRequest, account};
use farwatch_control::retention::forget;
use farwatch_control::store::{DAY_MS, Flush, LedgerScope, StoredBlock};
use farwatch_control::tail::Tail;
use farwatch_core::block::{Block, BlockKey, HOUR_MS, Hour, Latency, Rank, Runner, SlotRun};
use farwatch_core::ledger::{Balance, DueSlot, SlotState};
use farwatch_core::uptime::Period;
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::HostId;
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};

use super::house::{House, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    an_hour_becomes_blocks_that_agree_with_the_ledger,
    so_does_one_that_this_process_holds,
    a_row_that_cannot_be_read_is_named_whatever_is_held,
    a_half_folded_hour_is_folded_whole,
    a_late_result_rewrites_its_row_without_the_journal,
    nothing_is_forgotten_before_it_is_folded,
    the_ledger_tells_old_days_by_their_sums,
    what_a_silent_host_may_bring_is_settled_later,
);

/// The hour that goes on: its check has been in force since before it began.
pub(super) fn this_hour() -> Hour {
    Hour::of(now())
}

/// Folds until there is nothing left to fold at that moment.
pub(super) async fn fold(scribe: &Scribe<'_>, at: UnixMs, silent: &[HostId]) {
    let silent: BTreeSet<HostId> = silent.iter().copied().collect();
    let folding = Folding::new(&scribe.house.store, scribe.epoch, silent, at);
    while folding.run().await.unwrap() {}
}

pub(super) async fn blocks(scribe: &Scribe<'_>, hour: Hour) -> Vec<StoredBlock> {
    scribe.house.store.blocks().of_check(scribe.check, (hour.start(), hour.end()), None, 10).await.unwrap()
}

/// Commits a good result for each of these slots, in one row.
async fn all_good(scribe: &mut Scribe<'_>, slots: &[UnixMs]) {
    let results: Vec<RunResult> = slots.iter().map(|slot| scribe.result(*slot, Outcome::up(1_000))).collect();
    let flush = scribe.flush(results);
    scribe.commit(&flush).await;
}

/// Has the journal deleted, once all of it is folded.
async fn forget_journal(scribe: &mut Scribe<'_>, at: UnixMs) {
    // The newest row always stays, so that one with results must not be it.
    let empty = scribe.flush(Vec::new());
    scribe.commit(&empty).await;
    fold(scribe, at, &[]).await;
    forget(&scribe.house.store, at).await.unwrap();
    let left = scribe.house.store.journal().read_after(0, 10).await.unwrap();
    assert_eq!(left.iter().map(|row| row.seq).collect::<Vec<_>>(), [scribe.head.seq]);
}

/// Folds by what this tail holds, as long as there is something to fold at that moment.
async fn fold_held(scribe: &Scribe<'_>, tail: Tail, at: UnixMs) {
    let folding = Folding::new(&scribe.house.store, scribe.epoch, [].into(), at).by(tail);
    while folding.run().await.unwrap() {}
}

async fn an_hour_becomes_blocks_that_agree_with_the_ledger(house: House) {
    agrees_with_the_ledger(&house, None).await;
}

async fn so_does_one_that_this_process_holds(house: House) {
    let tail = Tail::new(house.store.clone(), Clock);
    agrees_with_the_ledger(&house, Some(tail)).await;
}

/// A tail holds nothing of such a row and does not know which hour it is of, so the journal is read again.
async fn a_row_that_cannot_be_read_is_named_whatever_is_held(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots[..10]).await;
    let damaged = Flush { body: vec![1, 2, 3], ..scribe.flush(vec![scribe.result(slots[10], Outcome::up(1_000))]) };
    scribe.commit(&damaged).await;
    let tail = Tail::new(house.store.clone(), Clock);
    let folding = Folding::new(&house.store, scribe.epoch, [].into(), hour.folds_at()).by(tail.clone());
    while folding.run().await.unwrap() {}
    let named: Vec<u64> = folding.unreadable.lock().unwrap().iter().copied().collect();
    assert_eq!(named, [scribe.head.seq]);
    assert_eq!(tail.status().unwrap().unreadable, 1);
    assert_eq!(blocks(&scribe, hour).await[0].totals.balance.on_time, 10);
}

async fn agrees_with_the_ledger(house: &House, tail: Option<Tail>) {
    let mut scribe = Scribe::new(house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots[..300]).await;
    let mut others: Vec<RunResult> = slots[300..350]
        .iter()
        .map(|slot| RunResult {
            started: *slot + 6_000,
            ..scribe.result(*slot, Outcome::told(Status::Down, 0, "timeout", "no answer in 3 s"))
        })
        .collect();
    others.push(scribe.result(slots[0] + 1, Outcome::up(1)));
    let flush = scribe.flush(others);
    scribe.commit(&flush).await;
    fold(&scribe, hour.folds_at() - 1, &[]).await;
    assert_eq!(blocks(&scribe, hour).await, [], "the hour is not yet over for long enough");

    let at = hour.folds_at() + 10 * MINUTE_MS;
    let request = LedgerRequest {
        scope: LedgerScope::Check(scribe.tenant, scribe.check),
        from: hour.start(),
        to: hour.end(),
        silent: BTreeSet::new(),
        by_host: false,
    };
    let ledger = account(&house.store, &house.tail(), &request, at).await.unwrap();
    match tail.clone() {
        Some(tail) => fold_held(&scribe, tail, at).await,
        None => fold(&scribe, at, &[]).await,
    }
    let folded = blocks(&scribe, hour).await;
    assert_eq!(folded.len(), 1);
    let totals = folded[0].totals;
    assert_eq!(totals.balance, ledger.promised);
    assert_eq!(
        account(&house.store, &house.tail(), &request, at).await.unwrap(),
        ledger,
        "by blocks and not by the journal"
    );
    assert_eq!((totals.balance.on_time, totals.balance.late, totals.balance.missed), (300, 50, 10));
    assert_eq!((totals.outcomes.up, totals.outcomes.down), (300, 50));
    let block = folded[0].read().unwrap();
    assert_eq!(block.extra().len() as u64, ledger.extra);
    let down = block.slots().nth(320).unwrap();
    assert_eq!((down.state, down.run.unwrap().code), (SlotState::Late, "timeout"));
    assert!(down.run.unwrap().runner.rank <= Rank(2), "it is that of one of three owners");

    fold(&scribe, at, &[]).await;
    assert_eq!(blocks(&scribe, hour).await, folded);
    let mark = house.store.blocks().fold_mark().await.unwrap();
    assert_eq!((mark.until, mark.seq), (hour.end(), scribe.head.seq));

    let of_fleet = LedgerRequest { scope: LedgerScope::Fleet, from: hour.start() - 30 * MINUTE_MS, ..request.clone() };
    let over_the_border = account(&house.store, &house.tail(), &of_fleet, at).await.unwrap();
    forget_journal(&mut scribe, at + 50 * HOUR_MS).await;
    assert_eq!(account(&house.store, &house.tail(), &request, at).await.unwrap(), ledger, "the journal is gone");
    assert_eq!(account(&house.store, &house.tail(), &of_fleet, at).await.unwrap(), over_the_border);
}

async fn a_half_folded_hour_is_folded_whole(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots[..100]).await;
    // A row of a fold that was killed, with a result whose journal row is gone.
    let interval = Interval::from_seconds(10).unwrap();
    let due: Vec<DueSlot> = slots.iter().map(|slot| DueSlot { slot: *slot, interval }).collect();
    let key = BlockKey { stream: StreamId { check: scribe.check, number: 0 }, hour };
    let mut half = Block::open(key, &due).unwrap();
    let runner = Runner { host: scribe.hosts[1], view: Stamp { era: 1, n: 1 }, rank: Rank(0) };
    let run = SlotRun { runner, started: slots[200], latency: Latency::of_us(9), status: Status::Up, code: "" };
    half.enter(slots[200], run);
    house.store.blocks().put(scribe.epoch, &[StoredBlock::of(&half, hour.end())]).await.unwrap();
    fold(&scribe, hour.folds_at() + 10 * MINUTE_MS, &[]).await;
    let folded = blocks(&scribe, hour).await;
    assert_eq!((folded[0].totals.balance.on_time, folded[0].totals.balance.missed), (101, 259));
    assert_eq!(folded[0].read().unwrap().slots().nth(200).unwrap().run, Some(run));
}

async fn a_late_result_rewrites_its_row_without_the_journal(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots[..359]).await;
    fold(&scribe, hour.folds_at() + 10 * MINUTE_MS, &[]).await;
    assert_eq!(blocks(&scribe, hour).await[0].totals.balance.missed, 1);

    let later = now() + 50 * HOUR_MS;
    forget_journal(&mut scribe, later).await;

    all_good(&mut scribe, &slots[359..]).await;
    fold(&scribe, later, &[]).await;
    let rewritten = blocks(&scribe, hour).await;
    assert_eq!((rewritten[0].totals.balance.on_time, rewritten[0].totals.balance.missed), (360, 0));
    assert_eq!(rewritten[0].totals.outcomes.up, 360);
    all_good(&mut scribe, &slots[300..]).await;
    fold(&scribe, later, &[]).await;
    assert_eq!(blocks(&scribe, hour).await, rewritten, "results that come again change nothing");
    forget(&house.store, later + 90 * 24 * HOUR_MS).await.unwrap();
    assert_eq!(blocks(&scribe, hour).await, []);
}

async fn nothing_is_forgotten_before_it_is_folded(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots).await;
    let much_later = now() + 100 * HOUR_MS;
    let rows = async || house.store.journal().read_after(0, 10).await.unwrap().len();
    let before = rows().await;
    forget(&house.store, much_later).await.unwrap();
    assert_eq!(rows().await, before, "nothing was ever folded");
    // The leader was away for days after a first fold.
    fold(&scribe, hour.start(), &[]).await;
    forget(&house.store, much_later).await.unwrap();
    assert_eq!(rows().await, before, "this hour is not folded");
    fold(&scribe, much_later, &[]).await;
    assert_eq!(blocks(&scribe, hour).await[0].totals.balance.on_time, 360);
    forget(&house.store, much_later).await.unwrap();
    assert_eq!(rows().await, 1);
}

async fn what_a_silent_host_may_bring_is_settled_later(house: House) {
    let scribe = Scribe::new(&house).await;
    let hour = this_hour();
    fold(&scribe, hour.folds_at(), &scribe.hosts[..1]).await;
    let balance = blocks(&scribe, hour).await[0].totals.balance;
    assert!((1..=2).contains(&balance.pending), "the last windows closed less than a quarter of an hour ago");
    assert_eq!(balance.missed + balance.pending, 360);
    fold(&scribe, hour.folds_at() + MINUTE_MS, &scribe.hosts[..1]).await;
    let balance = blocks(&scribe, hour).await[0].totals.balance;
    assert_eq!((balance.missed, balance.pending), (360, 0));
}

async fn the_ledger_tells_old_days_by_their_sums(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    all_good(&mut scribe, &slots[..300]).await;
    fold(&scribe, hour.folds_at() + 10 * MINUTE_MS, &[]).await;
    let day = UnixMs(hour.start().0 - hour.start().0.rem_euclid(DAY_MS));
    let held = house.store.blocks().of_check(scribe.check, (day, day + DAY_MS), None, 50).await.unwrap();
    let on_record: Balance = held.iter().map(|block| block.totals.balance).sum();
    assert_eq!(on_record.on_time, 300);

    let later = day + 95 * DAY_MS;
    let asked = async |from: UnixMs, to: UnixMs| {
        let scope = LedgerScope::Check(scribe.tenant, scribe.check);
        let request = LedgerRequest { scope, from, to, silent: BTreeSet::new(), by_host: false };
        account(&house.store, &house.tail(), &request, later).await.unwrap()
    };
    let before = asked(day, day + 2 * DAY_MS).await;
    assert_eq!((before.promised, before.checks[0].balance), (on_record, on_record));
    assert_eq!(before.summed, Some(Period { from: day, to: day + 2 * DAY_MS }));
    assert!(before.missed.is_empty(), "what was missed is counted, and not told one by one");
    forget(&house.store, later).await.unwrap();
    assert_eq!(house.store.blocks().of_check(scribe.check, (day, day + DAY_MS), None, 50).await.unwrap(), []);
    assert_eq!(asked(day, day + 2 * DAY_MS).await, before, "by days as by their blocks");
    let part = asked(day + 1, day + DAY_MS).await;
    assert_eq!((part.promised, part.summed), (Balance::default(), None), "of a day that is not whole nothing is told");
}
