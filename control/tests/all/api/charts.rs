//! Results and latencies of a check, at any zoom, before an hour is folded and after.

use farwatch_control::fold::Folding;
use farwatch_control::retention::forget;
use farwatch_core::block::{HOUR_MS, Hour};
use farwatch_proto::fleet::Standing;
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::UnixMs;
use serde_json::{Value, json};

use super::house::{House, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    results_are_paged_newest_first_and_each_slot_is_once,
    results_are_found_by_what_they_say,
    latencies_are_the_same_before_folding_and_after,
    old_days_have_sums_and_say_so,
    the_ledger_says_where_the_record_begins,
    a_damaged_row_stops_neither_reading_nor_folding,
);

async fn commit(scribe: &mut Scribe<'_>, results: Vec<RunResult>) {
    let flush = scribe.flush(results);
    scribe.commit(&flush).await;
}

async fn fold(scribe: &Scribe<'_>, at: UnixMs) {
    let folding = Folding::new(&scribe.house.store, scribe.epoch, [].into(), at);
    while folding.run().await.unwrap() {}
}

fn results(scribe: &Scribe<'_>, slots: &[UnixMs], outcome: &Outcome) -> Vec<RunResult> {
    slots.iter().map(|slot| scribe.result(*slot, outcome.clone())).collect()
}

fn slots_of(page: &Value) -> Vec<UnixMs> {
    page["items"].as_array().unwrap().iter().map(|item| UnixMs(item["slot"].as_i64().unwrap())).collect()
}

/// Every page of these results, one after the other.
async fn all_pages(house: &House, path: &str) -> Vec<UnixMs> {
    let (mut seen, mut next) = (Vec::new(), path.to_owned());
    loop {
        let page = house.get(&next).await.expect(200);
        seen.extend(slots_of(&page));
        let Some(cursor) = page["next"].as_str() else { return seen };
        next = format!("{path}&cursor={cursor}");
    }
}

async fn results_are_paged_newest_first_and_each_slot_is_once(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let (from, to) = (now() - 10 * MINUTE_MS, now() - 5 * MINUTE_MS);
    let mut slots = scribe.slots(from, to);
    let good = results(&scribe, &slots, &Outcome::up(1_000));
    commit(&mut scribe, good.clone()).await;
    commit(&mut scribe, good).await;
    slots.reverse();
    let path = format!("/v1/checks/{}/results?from={from}&to={to}&limit=7", scribe.check);
    assert_eq!(all_pages(&house, &path).await, slots);
    let one = &house.get(&path).await.expect(200)["items"][0];
    assert_eq!((&one["status"], &one["timing"], &one["host_name"]), (&json!("up"), &json!("on_time"), &json!("fra-1")));
    assert!(one.get("code").is_none(), "a good result has nothing to say: {one}");
    let every_run = house.get(&format!("{path}&all=true").replace("limit=7", "limit=200")).await.expect(200);
    assert_eq!(every_run["items"].as_array().unwrap().len(), 2 * slots.len());
    fold(&scribe, Hour::of(now()).folds_at()).await;
    assert_eq!(all_pages(&house, &path).await, slots, "by blocks");
}

async fn results_are_found_by_what_they_say(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let (from, to) = (now() - 10 * MINUTE_MS, now() - 5 * MINUTE_MS);
    let slots = scribe.slots(from, to);
    let good = results(&scribe, &slots[..20], &Outcome::up(1_000));
    let bad = results(&scribe, &slots[20..25], &Outcome::told(Status::Down, 0, "timeout", "no answer in 3 s"));
    let lame = Outcome::told(Status::Unknown(Blame::Host), 0, "host-paused", "");
    let lame = results(&scribe, &slots[25..26], &lame);
    commit(&mut scribe, [good, bad, lame].concat()).await;
    for at in [None, Some(Hour::of(now()).folds_at())] {
        if let Some(at) = at {
            fold(&scribe, at).await;
        }
        let path = format!("/v1/checks/{}/results?from={from}&to={to}&limit=2", scribe.check);
        let down = all_pages(&house, &format!("{path}&status=down")).await;
        assert_eq!(down, slots[20..25].iter().rev().copied().collect::<Vec<_>>());
        let first = &house.get(&format!("{path}&status=down")).await.expect(200)["items"][0];
        assert_eq!(first["code"], "timeout");
        let unknown = &house.get(&format!("{path}&status=unknown")).await.expect(200)["items"][0];
        assert_eq!((&unknown["blame"], &unknown["code"]), (&json!("host"), &json!("host-paused")));
        assert_eq!(all_pages(&house, &format!("{path}&host={}", scribe.hosts[0])).await.len(), 26);
        assert_eq!(all_pages(&house, &format!("{path}&host={}", scribe.hosts[1])).await, []);
        assert_eq!(all_pages(&house, &format!("{path}&stream=1")).await, []);
    }
}

async fn latencies_are_the_same_before_folding_and_after(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let from = UnixMs((now().0 - 20 * MINUTE_MS) / 60_000 * 60_000);
    let slots = scribe.slots(from, from + 3 * MINUTE_MS);
    let timed = slots[..12].iter().zip(1..).map(|(slot, n)| scribe.result(*slot, Outcome::up(n * 10))).collect();
    commit(&mut scribe, timed).await;
    let down = results(&scribe, &slots[12..], &Outcome::told(Status::Down, 0, "timeout", ""));
    commit(&mut scribe, down).await;
    let path = format!("/v1/checks/{}/latency?from={from}&to={}&step=60", scribe.check, from + 4 * MINUTE_MS);
    let before = house.get(&path).await.expect(200);
    let buckets = before["buckets"].as_array().unwrap();
    assert_eq!((buckets.len(), &before["step"]), (4, &json!(60)));
    let first = &buckets[0];
    assert_eq!((&first["at"], &first["count"], &first["up"]), (&json!(from), &json!(6), &json!(6)));
    assert_eq!((&first["min_us"], &first["mean_us"], &first["max_us"]), (&json!(10), &json!(35), &json!(60)));
    assert_eq!((&first["p50_us"], &first["p95_us"], &first["p99_us"]), (&json!(30), &json!(60), &json!(60)));
    assert_eq!(
        (&buckets[2]["down"], &buckets[2]["count"], &buckets[2]["p50_us"]),
        (&json!(6), &json!(0), &json!(null))
    );
    assert_eq!(buckets[3]["mean_us"], json!(null));
    fold(&scribe, Hour::of(now()).folds_at()).await;
    assert_eq!(house.get(&path).await.expect(200)["buckets"], before["buckets"]);
    let auto = house.get(&path.replace("&step=60", "")).await.expect(200);
    assert_eq!((&auto["step"], auto["buckets"].as_array().unwrap().len()), (&json!(10), 24));
}

/// Ages what was folded by so many days, which no test can wait for.
async fn old_days_have_sums_and_say_so(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let hour = Hour::of(now());
    let slots = scribe.slots(hour.start(), hour.end());
    let good = results(&scribe, &slots, &Outcome::up(1_000));
    commit(&mut scribe, good).await;
    fold(&scribe, hour.folds_at()).await;
    let made_at = now() + 92 * 24 * HOUR_MS;
    forget(&house.store, made_at).await.unwrap();
    let days = house.store.days();
    let day = UnixMs(hour.start().0 - hour.start().0.rem_euclid(24 * HOUR_MS));
    let made = days.of_check(scribe.check, (day, day + 24 * HOUR_MS)).await.unwrap();
    assert_eq!(made[0].totals.outcomes.up, 360);
    let blocks = house.store.blocks().of_check(scribe.check, (UnixMs(0), hour.end()), None, 10).await.unwrap();
    assert_eq!(blocks, [], "the sums of the day are all that is left");
    let (from, to) = (now() - 95 * 24 * HOUR_MS, now() - 94 * 24 * HOUR_MS);
    let path = format!("/v1/checks/{}/latency?from={from}&to={to}", scribe.check);
    let old = house.get(&path).await.expect(200);
    assert_eq!(old["step"], 86_400);
    let refused = house.get(&format!("{path}&step=3600")).await;
    assert_eq!((refused.status.as_u16(), refused.text("pointer")), (400, "/step".to_owned()));
    assert!(refused.text("detail").contains("only the sums of days"));
}

async fn the_ledger_says_where_the_record_begins(house: House) {
    let scribe = Scribe::new(&house).await;
    let (from, to) = (now() - 72 * HOUR_MS, now() - MINUTE_MS);
    let never_folded = house.get(&format!("/v1/ledger?from={from}&to={to}")).await.expect(200);
    let begins = never_folded["record_from"].as_i64().unwrap();
    assert!(from.0 < begins && begins <= now().0 - 47 * HOUR_MS, "what the journal is kept for: {begins}");
    fold(&scribe, now()).await;
    let folded = house.get(&format!("/v1/ledger?from={from}&to={to}")).await.expect(200);
    assert_eq!((&folded["record_from"], &folded["due"]), (&json!(begins), &never_folded["due"]));
    let before = house.get(&format!("/v1/ledger?from={from}&to={begins}")).await.expect(200);
    assert_eq!((&before["due"], &before["missed"]), (&json!(0), &json!(0)));
}

async fn a_damaged_row_stops_neither_reading_nor_folding(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let hour = Hour::of(now());
    let slots = scribe.slots(hour.start(), hour.end());
    let first = results(&scribe, &slots[..100], &Outcome::up(1_000));
    commit(&mut scribe, first).await;
    let lost = results(&scribe, &slots[100..110], &Outcome::up(1_000));
    let mut damaged = scribe.flush(lost);
    damaged.body.truncate(10);
    scribe.commit(&damaged).await;
    let rest = results(&scribe, &slots[110..], &Outcome::up(1_000));
    commit(&mut scribe, rest).await;
    let folding = Folding::new(&house.store, scribe.epoch, [].into(), hour.folds_at() + MINUTE_MS);
    while folding.run().await.unwrap() {}
    let unreadable = folding.unreadable.lock().unwrap().clone();
    assert_eq!(unreadable, [scribe.head.seq - 1].into());
    let blocks = house.store.blocks().of_check(scribe.check, (hour.start(), hour.end()), None, 10).await.unwrap();
    let balance = blocks[0].totals.balance;
    assert_eq!((balance.on_time, balance.missed), (350, 10), "what is lost is missed, and nothing else");
}
