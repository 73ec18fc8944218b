//! What the API says of who confirms an outage, of places that fail alone, of messages that were given up, and of a
//! check that was paused.

use farwatch_control::store::{
    ClaimId, ClaimRequest, DetectorChange, Enforcement, Incident, IncidentState, NewDelivery, Step,
};
use farwatch_core::detect::{Detector, REFUTED_MAX, Verdict};
use farwatch_core::incident::{Step as CoreStep, delivery_id, incident_id};
use farwatch_proto::id::{ChannelId, ContactId};
use farwatch_proto::outcome::Outcome;
use http::Method;
use serde_json::{Value, json};

use super::house::{House, check_wish, host_wish, now};
use super::scribe::Scribe;

on_both_engines!(
    a_check_says_whether_anybody_else_confirms_it,
    a_place_that_fails_alone_is_shown_by_its_name,
    what_was_given_up_is_tried_again,
    a_resumed_check_has_no_verdict_until_it_is_run,
);

async fn a_check_says_whether_anybody_else_confirms_it(house: House) {
    let check = format!("/v1/checks/{}", house.made("/v1/checks", check_wish("shop")).await);
    let independent = async || house.get(&check).await.expect(200)["independently_confirmed"].clone();
    let on_laptop = |name: &str| {
        let mut wish = host_wish(name);
        wish["shared_machine"] = json!("laptop");
        wish
    };
    house.made("/v1/hosts", on_laptop("fra-1")).await;
    house.made("/v1/hosts", on_laptop("fra-2")).await;
    assert_eq!(independent().await, false, "two hosts on one machine are no two opinions");
    house.host("ams-1").await;
    assert_eq!(independent().await, true);
    house.patch(&check, json!({"labels": {"disk": "ssd"}})).await;
    house.patch(&check, json!({"repeat": "unsafe"})).await.expect(200);
    assert_eq!(independent().await, false, "what may not be repeated is asked of nobody else");
}

async fn a_place_that_fails_alone_is_shown_by_its_name(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let detector = Detector {
        verdict: Verdict::Degraded,
        since: now(),
        reason: "fails from fra-2 (hetzner, eu-central, DE) only".to_owned(),
        refuted: [(scribe.hosts[1], REFUTED_MAX), (scribe.hosts[2], 1)].into(),
        ..Detector::default()
    };
    let mut flush = scribe.flush(Vec::new());
    flush.detectors.insert(scribe.check, DetectorChange::Put(serde_json::to_string(&detector).unwrap()));
    scribe.commit(&flush).await;
    let shown = house.get(&format!("/v1/checks/{}", scribe.check)).await.expect(200);
    let place = json!({
        "host": scribe.hosts[1], "name": "fra-2", "provider": "hetzner", "region": "eu-central", "country": "DE",
    });
    assert_eq!((&shown["verdict"], &shown["failing_from"]), (&json!("degraded"), &json!([place])));
    let listed = house.get("/v1/checks").await.expect(200);
    assert_eq!(listed["items"][0]["failing_from"], shown["failing_from"]);
}

/// A message that was given up.
async fn given_up(scribe: &mut Scribe<'_>, house: &House) -> String {
    let contact: ContactId = house.made("/v1/contacts", json!({"name": "ops"})).await.parse().unwrap();
    let hook = json!({"kind": "webhook", "url": "https://a.example/h"});
    let channel: ChannelId = house.made(&format!("/v1/contacts/{contact}/channels"), hook).await.parse().unwrap();
    let slot = now();
    let incident = incident_id(scribe.check, slot);
    let id = delivery_id(incident, CoreStep::Opened, contact, channel);
    let mut flush = scribe.flush(Vec::new());
    flush.incidents.push(Incident {
        id: incident,
        tenant: scribe.tenant,
        check: scribe.check,
        state: IncidentState::Open,
        first_failed_slot: slot,
        seen_since: slot,
        opened: slot,
        summary: "{}".to_owned(),
    });
    flush.deliveries.push(NewDelivery {
        id,
        tenant: scribe.tenant,
        incident,
        step: Step::Opened,
        contact,
        channel,
        due: slot,
        created: slot,
        event: "{}".to_owned(),
    });
    scribe.commit(&flush).await;
    let (now, claim) = (now(), ClaimId([7; 16]));
    let request = ClaimRequest { claim, now, until: now + 60_000, limit: 9, per_tenant: 9, per_channel: 9 };
    let claimed = house.store.deliveries().claim_due(&request).await.unwrap();
    house.store.deliveries().record_gone(&claimed[0], "410 Gone", now).await.unwrap();
    id.to_string()
}

async fn what_was_given_up_is_tried_again(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let id = given_up(&mut scribe, &house).await;
    let dead = house.get("/v1/deliveries?state=dead").await.expect(200);
    assert_eq!((&dead["items"][0]["id"], &dead["items"][0]["last_answer"]), (&json!(id), &json!("410 Gone")));
    let channel = format!("/v1/channels/{}", dead["items"][0]["channel"].as_str().unwrap());
    let disabled = house.get(&channel).await.expect(200);
    assert!(disabled["disabled"].is_i64() && disabled["disabled_because"] == "410 Gone", "{disabled}");
    let enabled = house.patch(&channel, json!({"url": "https://a.example/h"})).await.expect(200);
    assert!(enabled.get("disabled").is_none() && enabled["revision"] == 2, "{enabled}");

    let path = format!("/v1/deliveries/{id}/retry");
    let read = house.token("read").await;
    assert_eq!(house.ask(&read, Method::POST, &path, None).await.status, 403);
    let retried = house.ask(&house.operator, Method::POST, &path, None).await.expect(200);
    assert_eq!((&retried["state"], &retried["attempts"]), (&json!("pending"), &json!(0)));
    assert_eq!(house.get("/v1/deliveries?state=dead").await.expect(200)["items"], json!([]));
    let again = house.ask(&house.operator, Method::POST, &path, None).await;
    assert_eq!(again.status, 409, "{}", again.body);
    let nothing = format!("/v1/deliveries/dlv_{}/retry", "0".repeat(32));
    assert_eq!(house.ask(&house.operator, Method::POST, &nothing, None).await.status, 404);
    let audit = house.get("/v1/audit?limit=200").await.expect(200);
    let retries = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "delivery.retry");
    assert_eq!(retries.map(|entry| entry["entity"].clone()).collect::<Vec<Value>>(), [json!(id)]);
}

async fn a_resumed_check_has_no_verdict_until_it_is_run(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let path = format!("/v1/checks/{}", scribe.check);
    let judged = async |scribe: &mut Scribe<'_>| {
        let mut flush = scribe.flush(vec![scribe.result(now(), Outcome::up(1))]);
        flush.first_judged.insert(scribe.check, now());
        scribe.commit(&flush).await;
    };
    judged(&mut scribe).await;
    assert_eq!(house.get(&path).await.expect(200)["verdict"], "up");
    for (paused, verdict) in [(true, json!(null)), (false, json!("pending"))] {
        let revision = house.patch(&path, json!({"paused": paused})).await.expect(200)["revision"].as_u64().unwrap();
        let in_force = Enforcement { check: scribe.check, revision: revision as u32, from: now() };
        house.store.checks().put_in_force(scribe.epoch, &[in_force], now()).await.unwrap();
        assert_eq!(house.get(&path).await.expect(200)["verdict"], verdict);
    }
    assert_eq!(house.store.judged_checks().missing().await.unwrap(), [scribe.check]);
    judged(&mut scribe).await;
    assert_eq!(house.get(&path).await.expect(200)["verdict"], "up");
}
