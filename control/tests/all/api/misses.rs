//! What was missed is an incident of our own, one per cause, and is shown to whoever runs the house.

use std::collections::BTreeSet;

use farwatch_control::misses::Looking;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::HostId;
use farwatch_proto::outcome::{Blame, Outcome, Status};
use farwatch_proto::run::RunResult;
use farwatch_proto::time::UnixMs;
use http::Method;
use serde_json::json;

use super::house::{House, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    each_cause_of_misses_is_one_incident_until_it_is_calm,
    what_a_silent_owner_may_bring_is_looked_at_later,
    the_ledger_is_taken_apart_by_cause_host_and_tenant,
);

/// Looks at that moment, as long as there is something to look at.
async fn looked(scribe: &Scribe<'_>, at: UnixMs, silent: &[HostId]) {
    let (store, tail) = (&scribe.house.store, scribe.house.tail());
    let silent: BTreeSet<HostId> = silent.iter().copied().collect();
    let looking = Looking { store, tail: &tail, leader: scribe.epoch, silent, now: at };
    while looking.run().await.unwrap() {}
}

/// Slots of the last twenty minutes that were run well but for two that nobody ran and one on which a host was paused.
async fn three_misses(scribe: &mut Scribe<'_>, begin: UnixMs) -> [UnixMs; 3] {
    scribe.view(&[Standing::Active; 3]).await;
    let slots = scribe.slots(begin - MINUTE_MS, now() - MINUTE_MS);
    let missed = [slots[12], slots[13], slots[15]];
    let mut results: Vec<RunResult> = slots
        .iter()
        .filter(|slot| !missed.contains(slot))
        .map(|slot| scribe.result(*slot, Outcome::up(1_000)))
        .collect();
    results.push(scribe.result(missed[2], Outcome::told(Status::Unknown(Blame::Host), 0, "host-paused", "")));
    let flush = scribe.flush(results);
    scribe.commit(&flush).await;
    missed
}

async fn each_cause_of_misses_is_one_incident_until_it_is_calm(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let begin = now() - 20 * MINUTE_MS;
    let missed = three_misses(&mut scribe, begin).await;
    looked(&scribe, begin, &[]).await;
    assert_eq!(house.get("/v1/own-incidents").await.expect(200)["items"], json!([]));
    for _ in 0..2 {
        looked(&scribe, begin + 5 * MINUTE_MS, &[]).await;
    }
    let listed = house.get("/v1/own-incidents").await.expect(200)["items"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 2, "{listed}");
    let of = |cause: &str| listed.as_array().unwrap().iter().find(|incident| incident["cause"] == cause).unwrap();
    let (none, trouble) = (of("no_run"), of("host_trouble"));
    assert_eq!(
        (&none["missed"], &none["first_slot"], &none["last_slot"]),
        (&json!(2), &json!(missed[0]), &json!(missed[1]))
    );
    assert_eq!((&trouble["missed"], &trouble["code"]), (&json!(1), &json!("host-paused")));
    assert_eq!((&trouble["host"]["host_name"], &trouble["state"]), (&json!("fra-1"), &json!("open")));
    let reasons = house.get("/v1/health").await.body["reasons"].to_string();
    assert!(reasons.contains("slots-missed") && reasons.contains("3 slots were missed for 2 causes"), "{reasons}");

    // Steps of five minutes: the last that saw a miss ended at five minutes, so that it is calm at fifteen.
    looked(&scribe, begin + 14 * MINUTE_MS, &[]).await;
    assert_eq!(house.store.own_incidents().open().await.unwrap().len(), 2);
    looked(&scribe, begin + 16 * MINUTE_MS, &[]).await;
    assert_eq!(house.store.own_incidents().open().await.unwrap(), []);
    let newest = house.get("/v1/own-incidents?limit=1").await.expect(200);
    assert_eq!(newest["items"][0]["state"], "resolved");
    assert!(!house.get("/v1/health").await.body["reasons"].to_string().contains("slots-missed"));
    let tenant = house.token("tenant").await;
    assert_eq!(house.ask(&tenant, Method::GET, "/v1/own-incidents", None).await.status, 403);
}

async fn what_a_silent_owner_may_bring_is_looked_at_later(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let begin = now() - 20 * MINUTE_MS;
    three_misses(&mut scribe, begin).await;
    looked(&scribe, begin, &[]).await;
    let silent = scribe.hosts.clone();
    looked(&scribe, begin + 5 * MINUTE_MS, &silent).await;
    let own = house.store.own_incidents();
    assert_eq!((own.looked_until().await.unwrap(), own.open().await.unwrap()), (begin, Vec::new()));
    // A quarter of an hour after they settled nobody is waited for any more.
    looked(&scribe, begin + 18 * MINUTE_MS, &silent).await;
    assert_eq!(own.newest(10).await.unwrap().len(), 2);
}

async fn the_ledger_is_taken_apart_by_cause_host_and_tenant(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let begin = now() - 20 * MINUTE_MS;
    let missed = three_misses(&mut scribe, begin).await;
    let path = format!("/v1/ledger?from={begin}&to={}", begin + 15 * MINUTE_MS);
    let ledger = house.get(&format!("{path}&by=host")).await.expect(200);
    assert_eq!((&ledger["missed"], &ledger["due"]), (&json!(3), &json!(90)));
    let none = json!({"cause": "no_run", "missed": 2, "first_slot": missed[0], "last_slot": missed[1]});
    assert_eq!((&ledger["causes"][0], &ledger["causes"][1]["code"]), (&none, &json!("host-paused")));
    assert_eq!((&ledger["tenants"][0]["name"], &ledger["tenants"][0]["missed"]), (&json!("main"), &json!(3)));
    let hosts = ledger["hosts"].as_array().unwrap();
    // One check is one host's as long as the view stays.
    assert_eq!((hosts.len(), &hosts[0]["due"], &hosts[0]["missed"]), (1, &json!(90), &json!(3)));
    assert!(hosts[0]["host_name"].as_str().unwrap().starts_with("fra-"), "{hosts:?}");
    let of_tenant = house.get(&format!("{path}&tenant=main")).await.expect(200);
    assert_eq!((of_tenant.get("tenants"), of_tenant.get("hosts")), (None, None));
    let refused = house.get(&format!("{path}&by=moon")).await;
    assert_eq!((refused.status.as_u16(), refused.text("pointer")), (400, "/by".to_owned()));
}
