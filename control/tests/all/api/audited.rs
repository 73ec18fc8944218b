//! The ledger held against the record: they agree whatever happened, and whoever changes a row is found out.

use std::collections::BTreeSet;

use farwatch_control::ledger::{LedgerAudit, LedgerRequest, SlotDiffers, account, audit_ledger};
use farwatch_control::store::{Enforcement, Flush, LedgerScope, StoredBlock};
use farwatch_core::audit::Difference;
use farwatch_core::block::{Block, Hour, Latency, Rank, Runner, SlotRun};
use farwatch_core::hash::hash64;
use farwatch_core::ledger::SlotState;
use farwatch_core::slot::Schedule;
use farwatch_proto::check::StreamId;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::interval::Interval;
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::{Stamp, UnixMs};
use http::Method;
use serde_json::json;

use super::folding::{blocks, fold, this_hour};
use super::house::{House, check_wish, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    a_random_history_agrees_before_and_after_it_is_folded,
    a_block_that_somebody_changed_is_named_by_its_slot,
    a_block_that_is_gone_is_named_by_every_slot_that_was_run,
    a_journal_row_that_is_gone_is_named_by_its_slot,
    what_the_journal_forgot_is_no_difference_and_is_said,
    it_is_asked_of_the_api_by_whom_it_concerns,
    too_much_at_once_is_refused_with_what_to_do,
);

/// Numbers that follow from a seed.
struct Draws(u64, u64);

impl Draws {
    fn of(&mut self, many: u64) -> u64 {
        self.1 += 1;
        hash64(&[self.0.to_be_bytes(), self.1.to_be_bytes()].concat()) % many
    }
}

fn request_of(hour: Hour) -> LedgerRequest {
    LedgerRequest {
        scope: LedgerScope::Fleet,
        from: hour.start(),
        to: hour.end(),
        silent: BTreeSet::new(),
        by_host: false,
    }
}

async fn audited(scribe: &Scribe<'_>, hour: Hour, at: UnixMs) -> LedgerAudit {
    audit_ledger(&scribe.house.store, &scribe.house.tail(), &request_of(hour), at).await.unwrap()
}

/// A check that is watched from some places for a part of the hour, then otherwise or not at all.
async fn random_check(scribe: &Scribe<'_>, name: &str, draws: &mut Draws) -> CheckId {
    let hour = this_hour();
    let mut wish = check_wish(name);
    wish["streams"] = json!(2 + draws.of(2));
    let check: CheckId = scribe.house.made("/v1/checks", wish).await.parse().unwrap();
    let changes = [json!({"interval": 30}), json!({"paused": true}), json!({"streams": 1}), json!({"interval": 60})];
    let (first, second) = (draws.of(1_200_000) as i64, draws.of(1_200_000) as i64);
    let mut in_force = vec![Enforcement { check, revision: 1, from: hour.start() + (first - 300_000) }];
    let change = changes[draws.of(4) as usize].clone();
    let changed = scribe.house.patch(&format!("/v1/checks/{check}"), change).await;
    assert!(changed.status.is_success(), "{}", changed.body);
    in_force.push(Enforcement { check, revision: 2, from: hour.start() + 1_000_000 + second });
    scribe.house.store.checks().put_in_force(scribe.epoch, &in_force, now()).await.unwrap();
    check
}

/// The moments at which a stream of some cadence may have a slot: few of those that are not due are run by anybody.
fn moments_of(stream: StreamId, hour: Hour) -> Vec<UnixMs> {
    let of = |seconds: u32, streams: u16| {
        let interval = Interval::from_seconds(seconds).unwrap();
        Schedule::of(stream, interval, streams).slots_between(hour.start(), hour.end())
    };
    let some =
        [(10, 1), (10, 2), (10, 3), (30, 1), (60, 1)].into_iter().flat_map(|(seconds, streams)| of(seconds, streams));
    let moments: BTreeSet<UnixMs> = some.collect();
    moments.into_iter().collect()
}

/// What became of some moments of a stream: runs on time, late, outside, in trouble, twice, or of no slot at all.
fn random_runs(scribe: &Scribe<'_>, stream: StreamId, due: &[UnixMs], draws: &mut Draws) -> Vec<(HostId, RunResult)> {
    let mut runs = Vec::new();
    for slot in due {
        for _ in 0..[0, 1, 1, 1, 2][draws.of(5) as usize] {
            let outcome = match draws.of(8) {
                0 => Outcome::told(Status::Unknown(Blame::Host), 0, "host-paused", ""),
                1 => Outcome::told(Status::Down, 0, "timeout", "no answer in 3 s"),
                _ => Outcome::up(1_000),
            };
            let delay_ms = [5, 40, 1_999, 2_000, 6_000, 9_949, 9_950, 40_000][draws.of(8) as usize];
            let slot = *slot + i64::from(draws.of(40) == 0);
            let result = RunResult { stream, started: slot + delay_ms, ..scribe.result(slot, outcome) };
            runs.push((scribe.hosts[draws.of(3) as usize], result));
        }
    }
    runs
}

async fn a_random_history_agrees_before_and_after_it_is_folded(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let hour = this_hour();
    let mut draws = Draws(7, 0);
    let mut runs = Vec::new();
    for n in 0..4 {
        let check = random_check(&scribe, &format!("random {n}"), &mut draws).await;
        for number in 0..3 {
            let stream = StreamId { check, number };
            let moments = moments_of(stream, hour);
            runs.extend(random_runs(&scribe, stream, &moments, &mut draws));
        }
    }
    for host in scribe.hosts.clone() {
        let of_host = runs.iter().filter(|(by, _)| *by == host).map(|(_, result)| result.clone());
        let flush = scribe.flush_of(host, of_host.collect());
        scribe.commit(&flush).await;
    }
    let at = hour.folds_at() + 10 * MINUTE_MS;
    let open = audited(&scribe, hour, at).await;
    assert_eq!((open.agrees(), open.differences), (true, 0), "{open:?}");
    fold(&scribe, at, &[]).await;
    let folded = audited(&scribe, hour, at).await;
    assert_eq!(folded, open);
    let ledger = account(&house.store, &house.tail(), &request_of(hour), at).await.unwrap();
    assert_eq!(folded.slots, ledger.promised.due());
    assert!(ledger.promised.late > 50 && ledger.promised.missed > 50 && ledger.extra > 5, "{:?}", ledger.promised);
}

/// A check whose first slots were run well, the last but one of them by a row of its own, and whose hour is folded.
async fn folded_hour<'h>(house: &'h House, at: UnixMs) -> (Scribe<'h>, Vec<UnixMs>, u64) {
    let mut scribe = Scribe::new(house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let hour = this_hour();
    let slots = scribe.slots(hour.start(), hour.end());
    let good = |slots: &[UnixMs]| slots.iter().map(|slot| scribe.result(*slot, Outcome::up(1_000))).collect();
    let (most, one, last) = (good(&slots[..100]), good(&slots[100..101]), good(&slots[101..102]));
    let mut seqs = Vec::new();
    for results in [most, one, last] {
        let flush: Flush = scribe.flush(results);
        scribe.commit(&flush).await;
        seqs.push(scribe.head.seq);
    }
    fold(&scribe, at, &[]).await;
    let found = audited(&scribe, hour, at).await;
    assert!(found.agrees() && found.slots == 360 && found.streams == 1, "{found:?}");
    (scribe, slots, seqs[1])
}

fn assert_names(found: &LedgerAudit, slot: UnixMs, ledger: SlotState, record: SlotState) {
    let [SlotDiffers { slot: named, difference, owed_by, .. }] = &found.listed[..] else { panic!("{found:?}") };
    assert_eq!((found.differences, *named, *difference), (1, slot, Difference::Otherwise { ledger, record }));
    assert_eq!(owed_by.len(), 3);
}

async fn a_block_that_somebody_changed_is_named_by_its_slot(house: House) {
    let hour = this_hour();
    let at = hour.folds_at() + 10 * MINUTE_MS;
    let (scribe, slots, _) = folded_hour(&house, at).await;
    let stored = blocks(&scribe, hour).await.remove(0);
    // The detail of a row is changed, so that a slot that nobody ran looks covered.
    let mut changed: Block = stored.read().unwrap();
    let runner = Runner { host: scribe.hosts[0], view: Stamp { era: 1, n: 1 }, rank: Rank(0) };
    let faked = SlotRun { runner, started: slots[200] + 4, latency: Latency::of_us(9), status: Status::Up, code: "" };
    changed.enter(slots[200], faked);
    let changed = StoredBlock { totals: stored.totals, ..StoredBlock::of(&changed, at) };
    house.store.blocks().put(scribe.epoch, &[changed]).await.unwrap();
    assert_names(&audited(&scribe, hour, at).await, slots[200], SlotState::OnTime, SlotState::Missed);
    house.store.blocks().put(scribe.epoch, &[stored]).await.unwrap();
    assert!(audited(&scribe, hour, at).await.agrees());
}

async fn a_block_that_is_gone_is_named_by_every_slot_that_was_run(house: House) {
    let hour = this_hour();
    let at = hour.folds_at() + 10 * MINUTE_MS;
    let (scribe, slots, _) = folded_hour(&house, at).await;
    assert_eq!(house.run(&format!("delete from block where hour_ms = {}", hour.start())).await, 1);
    let found = audited(&scribe, hour, at).await;
    assert_eq!((found.differences, found.listed.len()), (102, 100));
    let difference = Difference::Otherwise { ledger: SlotState::Missed, record: SlotState::OnTime };
    let named: Vec<(UnixMs, Difference)> =
        found.listed.iter().map(|differs| (differs.slot, differs.difference)).collect();
    assert_eq!(named, slots[..100].iter().map(|slot| (*slot, difference)).collect::<Vec<_>>());
}

async fn a_journal_row_that_is_gone_is_named_by_its_slot(house: House) {
    let hour = this_hour();
    let at = hour.folds_at() + 10 * MINUTE_MS;
    let (scribe, slots, seq) = folded_hour(&house, at).await;
    assert_eq!(
        house
            .run(&format!("update journal set body = (select body from journal where seq = 0) where seq = {seq}"))
            .await,
        1
    );
    let found = audited(&scribe, hour, at).await;
    assert_names(&found, slots[100], SlotState::OnTime, SlotState::Missed);
    assert_eq!((found.rows_missing, &found.rows_unreadable[..]), (0, &[seq][..]));
    assert_eq!(house.run(&format!("delete from journal where seq = {seq}")).await, 1);
    let found = audited(&scribe, hour, at).await;
    assert_names(&found, slots[100], SlotState::OnTime, SlotState::Missed);
    assert_eq!((found.rows_missing, found.rows_unreadable.len()), (1, 0));
}

async fn what_the_journal_forgot_is_no_difference_and_is_said(house: House) {
    let hour = this_hour();
    let at = hour.folds_at() + 10 * MINUTE_MS;
    let (mut scribe, slots, seq) = folded_hour(&house, at).await;
    house.run(&format!("delete from journal where seq < {seq}")).await;
    let found = audited(&scribe, hour, at).await;
    assert!(found.agrees(), "{found:?}");
    assert!(found.auditable_from > slots[100], "what a row before this one held is not known");
    let empty = scribe.flush(Vec::new());
    scribe.commit(&empty).await;
    house.run(&format!("delete from journal where seq < {}", scribe.head.seq)).await;
    let request = LedgerRequest { to: hour.start() + 1, ..request_of(hour) };
    let found = audit_ledger(&house.store, &house.tail(), &request, at).await.unwrap();
    assert_eq!((found.compared, found.slots, found.agrees()), (None, 0, true));
}

async fn it_is_asked_of_the_api_by_whom_it_concerns(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let (from, to) = (now() - 10 * MINUTE_MS, now() - 5 * MINUTE_MS);
    let slots = scribe.slots(from, to);
    scribe.all_good(&slots).await;
    let path = format!("/v1/ledger/audit?from={from}&to={to}");
    let found = house.get(&path).await.expect(200);
    assert_eq!((&found["agrees"], &found["slots"], &found["streams"]), (&json!(true), &json!(slots.len()), &json!(1)));
    assert_eq!(found["compared"], json!({"from": from, "to": to}));

    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let stranger =
        house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await.text("secret");
    let theirs = house.ask(&stranger, Method::GET, &path, None).await.expect(200);
    assert_eq!((&theirs["agrees"], &theirs["slots"]), (&json!(true), &json!(0)));
    let foreign = house.ask(&stranger, Method::GET, &format!("{path}&check={}", scribe.check), None).await;
    assert_eq!(foreign.status, 404);

    // The open hours are read from the journal by both sides: what is gone from it is missed, and said to be gone.
    house.run(&format!("delete from journal where slot_from_ms = {}", slots[3])).await;
    let found = house.get(&path).await.expect(200);
    assert_eq!(
        (&found["agrees"], &found["differences"], &found["rows_missing"]),
        (&json!(false), &json!(0), &json!(1))
    );
    let ledger = house.get(&format!("/v1/ledger?from={from}&to={to}")).await.expect(200);
    assert_eq!((&ledger["missed"], &ledger["missed_slots"][0]["slot"]), (&json!(1), &json!(slots[3])));
}

async fn too_much_at_once_is_refused_with_what_to_do(house: House) {
    let scribe = Scribe::new(&house).await;
    let (from, to) = (now() - 47 * 60 * MINUTE_MS, now());
    let mut enforcements = Vec::new();
    for number in 0..4 {
        let mut wish = check_wish(&format!("shop {number}"));
        wish["streams"] = json!(8);
        let check = house.made("/v1/checks", wish).await.parse().unwrap();
        enforcements.push(Enforcement { check, revision: 1, from });
    }
    house.store.checks().put_in_force(scribe.epoch, &enforcements, now()).await.unwrap();
    let refused = house.get(&format!("/v1/ledger/audit?from={from}&to={to}")).await;
    assert_eq!((refused.status.as_u16(), refused.text("pointer")), (400, "/from".to_owned()));
    assert!(refused.text("detail").contains("more than 500000 slots were due in this period; ask for a shorter one"));
    let one = house.get(&format!("/v1/ledger/audit?from={from}&to={to}&check={}", enforcements[0].check)).await;
    assert_eq!(one.expect(200)["agrees"], json!(true));
}
