//! What the leader has written, as the API tells it: results, the ledger, incidents and deliveries.

use farwatch_control::store::{DetectorChange, Enforcement, Incident, IncidentEvent, IncidentState, NewDelivery, Step};
use farwatch_core::confirm::Answer;
use farwatch_core::detect::{Detector, Verdict};
use farwatch_core::incident::{IncidentEvent as CoreEvent, Voice, delivery_id, incident_id};
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::{ChannelId, ContactId};
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::time::UnixMs;
use http::Method;
use serde_json::json;

use super::house::{House, check_wish, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    the_ledger_balances_and_a_lost_row_is_a_missed_slot,
    a_silent_owner_keeps_a_slot_pending,
    an_incident_is_told_with_its_votes_and_deliveries,
    a_check_has_no_verdict_before_its_first_result,
    uptime_is_counted_from_incidents_while_it_was_watched,
    a_placement_is_explained_by_the_newest_view,
    too_many_slots_are_refused_with_what_to_do,
);

async fn the_ledger_balances_and_a_lost_row_is_a_missed_slot(house: House) {
    let mut scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let (from, to) = (now() - 10 * MINUTE_MS, now() - 5 * MINUTE_MS);
    let slots = scribe.slots(from, to);
    let lost = slots[3];
    let kept: Vec<UnixMs> = slots.iter().copied().filter(|slot| *slot != lost).collect();
    scribe.all_good(&kept).await;
    let path = format!("/v1/ledger?from={from}&to={to}&tenant=main");
    let ledger = house.get(&path).await.expect(200);
    assert_eq!((&ledger["due"], &ledger["on_time"]), (&json!(slots.len()), &json!(slots.len() - 1)));
    assert_eq!((&ledger["late"], &ledger["missed"], &ledger["pending"]), (&json!(0), &json!(1), &json!(0)));
    let missed = &ledger["missed_slots"][0];
    assert_eq!((&missed["slot"], &missed["cause"]), (&json!(lost), &json!("no_run")));
    assert_eq!(missed["owners"].as_array().unwrap().len(), 3);
    assert_eq!(ledger["checks"][0]["name"], "shop");
    let of_fleet = house.get(&format!("/v1/ledger?from={from}&to={to}")).await.expect(200);
    assert_eq!(of_fleet["missed"], 1);
    let of_check = house.get(&format!("{path}&check={}", scribe.check)).await.expect(200);
    assert_eq!(of_check["due"], ledger["due"]);
    let read = house.token("read").await;
    let of_reader = house.ask(&read, Method::GET, &format!("/v1/ledger?from={from}&to={to}"), None).await.expect(200);
    assert_eq!(of_reader["due"], ledger["due"]);
}

async fn a_silent_owner_keeps_a_slot_pending(house: House) {
    let scribe = Scribe::new(&house).await;
    let (from, to) = (now() - 3 * MINUTE_MS, now() - MINUTE_MS);
    let path = format!("/v1/ledger?from={from}&to={to}");
    scribe.view(&[Standing::Active; 3]).await;
    let without = house.get(&path).await.expect(200);
    assert_eq!((&without["missed"], &without["pending"]), (&without["due"], &json!(0)));
    scribe.view(&[Standing::Away, Standing::Active, Standing::Active]).await;
    let with = house.get(&path).await.expect(200);
    assert_eq!((&with["missed"], &with["pending"]), (&json!(0), &with["due"]));
}

async fn an_incident_is_told_with_its_votes_and_deliveries(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let contact: ContactId = house.made("/v1/contacts", json!({"name": "ops"})).await.parse().unwrap();
    let mail = json!({"kind": "email", "address": "ops@example.org"});
    let channel: ChannelId = house.made(&format!("/v1/contacts/{contact}/channels"), mail).await.parse().unwrap();
    let slot = *scribe.slots(now() - 2 * MINUTE_MS, now() - MINUTE_MS).first().unwrap();
    let id = incident_id(scribe.check, slot);
    let voice = |host: usize, answer| Voice {
        host: scribe.hosts[host],
        answer,
        code: "timeout".to_owned(),
        message: "no answer in 3 s".to_owned(),
    };
    let opened = CoreEvent::Opened {
        incident: id,
        first_failed_slot: slot,
        at: slot + 2_000,
        code: "timeout".to_owned(),
        message: "no answer in 3 s".to_owned(),
        need: 2,
        of: 3,
        voices: vec![voice(0, Answer::Bad), voice(1, Answer::Bad), voice(2, Answer::Void)],
        seen_afterwards: false,
    };
    let body = serde_json::to_string(&opened).unwrap();
    let failed = Outcome::told(Status::Down, 0, "timeout", "no answer in 3 s");
    let mut flush = scribe.flush(vec![scribe.result(slot, failed)]);
    flush.incidents.push(Incident {
        id,
        tenant: scribe.tenant,
        check: scribe.check,
        state: IncidentState::Open,
        first_failed_slot: slot,
        seen_since: slot,
        opened: slot + 2_000,
        summary: body.clone(),
    });
    flush.events.push(IncidentEvent { incident: id, n: 0, at: slot + 2_000, kind: "opened".to_owned(), body });
    let detector = Detector { verdict: Verdict::Down, since: slot, incident: Some(id), ..Detector::default() };
    flush.detectors.insert(scribe.check, DetectorChange::Put(serde_json::to_string(&detector).unwrap()));
    let step = farwatch_core::incident::Step::Opened;
    flush.deliveries.push(NewDelivery {
        id: delivery_id(id, step, contact, channel),
        tenant: scribe.tenant,
        incident: id,
        step: Step::Opened,
        contact,
        channel,
        due: now(),
        created: now(),
        event: "{}".to_owned(),
    });
    scribe.commit(&flush).await;

    let listed = house.get("/v1/incidents?state=open").await.expect(200);
    assert_eq!((&listed["items"][0]["id"], &listed["items"][0]["code"]), (&json!(id), &json!("timeout")));
    assert_eq!(listed["items"][0]["check_name"], "shop");
    assert_eq!(house.get("/v1/incidents?state=resolved").await.expect(200)["items"], json!([]));
    let shown = house.get(&format!("/v1/incidents/{id}")).await.expect(200);
    assert_eq!((&shown["check_name"], &shown["need"], &shown["of"]), (&json!("shop"), &json!(2), &json!(3)));
    assert_eq!(shown["events"][0]["voices"][1]["host_name"], "fra-2");
    assert_eq!(
        (&shown["deliveries"][0]["state"], &shown["deliveries"][0]["step"]),
        (&json!("pending"), &json!("opened"))
    );
    let told = house.get(&format!("/v1/deliveries?incident={id}")).await.expect(200);
    assert_eq!(told["items"], shown["deliveries"]);
    let check = house.get(&format!("/v1/checks/{}", scribe.check)).await.expect(200);
    assert_eq!((&check["open_incident"], &check["verdict"]), (&json!(id), &json!("down")));
    assert_eq!(house.get("/v1/checks").await.expect(200)["items"][0]["open_incident"], json!(id));

    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let stranger =
        house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await.text("secret");
    for path in [format!("/v1/incidents/{id}"), format!("/v1/checks/{}/results", scribe.check)] {
        assert_eq!(house.ask(&stranger, Method::GET, &path, None).await.status, 404, "{path}");
    }
    let told = house.ask(&stranger, Method::GET, &format!("/v1/deliveries?incident={id}"), None).await;
    assert_eq!(told.expect(200)["items"], json!([]));
}

async fn uptime_is_counted_from_incidents_while_it_was_watched(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let slots = scribe.slots(now() - 50 * MINUTE_MS, now() - MINUTE_MS);
    let mut flush = scribe.flush(Vec::new());
    for (slot, resolved) in [(slots[0], Some(slots[0] + 6 * MINUTE_MS)), (slots[60], None)] {
        flush.incidents.push(Incident {
            id: incident_id(scribe.check, slot),
            tenant: scribe.tenant,
            check: scribe.check,
            state: resolved
                .map_or(IncidentState::Open, |at| IncidentState::Resolved { at, reason: "recovered".to_owned() }),
            first_failed_slot: slot,
            seen_since: slot,
            opened: slot + 2_000,
            summary: "{}".to_owned(),
        });
    }
    scribe.commit(&flush).await;
    let uptime = async |from: UnixMs, to: UnixMs| {
        house.get(&format!("/v1/checks/{}/uptime?from={from}&to={to}", scribe.check)).await.expect(200)
    };
    let of_first = uptime(slots[0] - MINUTE_MS, slots[0] + 11 * MINUTE_MS).await;
    assert_eq!((&of_first["watched_ms"], &of_first["down_ms"]), (&json!(12 * MINUTE_MS), &json!(7 * MINUTE_MS)));
    let open = uptime(slots[60], slots[66]).await;
    assert_eq!((&open["uptime"], &open["incidents"]), (&json!(0.0), &json!(1)));
    let before = uptime(now() - 100 * MINUTE_MS, now() - 90 * MINUTE_MS).await;
    assert_eq!((&before["watched_ms"], &before["uptime"]), (&json!(0), &json!(null)));
    let since_long = uptime(now() - 100 * MINUTE_MS, now() + 100 * MINUTE_MS).await;
    assert!(since_long["watched_ms"].as_i64().unwrap() <= 61 * MINUTE_MS, "neither before it was in force nor to come");
    let too_long = house.get(&format!("/v1/checks/{}/uptime?from=0", scribe.check)).await;
    assert_eq!((too_long.status.as_u16(), too_long.text("pointer")), (400, "/from".to_owned()));
}

async fn a_check_has_no_verdict_before_its_first_result(house: House) {
    let made = house.post("/v1/checks", check_wish("fresh")).await.expect(201);
    assert_eq!(made["verdict"], "pending");
    let mut scribe = Scribe::new(&house).await;
    let path = format!("/v1/checks/{}", scribe.check);
    let before = house.get(&path).await.expect(200);
    assert_eq!((&before["state"], &before["verdict"]), (&json!("in_force"), &json!("pending")));
    let slot = now();
    let mut flush = scribe.flush(vec![scribe.result(slot, Outcome::up(1))]);
    flush.first_judged.insert(scribe.check, slot);
    scribe.commit(&flush).await;
    assert_eq!(house.get(&path).await.expect(200)["verdict"], "up");
    let listed = house.get("/v1/checks").await.expect(200);
    let verdicts = listed["items"].as_array().unwrap().iter().map(|check| (&check["name"], &check["verdict"]));
    assert_eq!(verdicts.collect::<Vec<_>>(), [(&json!("fresh"), &json!("pending")), (&json!("shop"), &json!("up"))]);
    house.patch(&path, json!({"paused": true})).await.expect(200);
    assert_eq!(house.get(&path).await.expect(200)["verdict"], json!(null));
}

async fn a_placement_is_explained_by_the_newest_view(house: House) {
    let scribe = Scribe::new(&house).await;
    scribe.view(&[Standing::Active, Standing::Away, Standing::Active]).await;
    let explained = house.get(&format!("/v1/checks/{}/explain?stream=0", scribe.check)).await.expect(200);
    assert_eq!((&explained["view"], explained["hosts"].as_array().unwrap().len()), (&json!("1.1"), 3));
    assert_eq!(explained["owners"].as_array().unwrap().len(), 2);
    let warnings = explained["warnings"].to_string();
    assert!(warnings.contains("2 of 3 owners") && warnings.contains("share the provider hetzner"), "{warnings}");
    let check = house.get(&format!("/v1/checks/{}", scribe.check)).await.expect(200);
    assert_eq!((&check["state"], &check["in_force_revision"]), (&json!("in_force"), &json!(1)));
    let host = house.get(&format!("/v1/hosts/{}", scribe.hosts[1])).await.expect(200);
    assert_eq!(host["standing"], "away");
}

async fn too_many_slots_are_refused_with_what_to_do(house: House) {
    let scribe = Scribe::new(&house).await;
    let to = now();
    let from = to - 48 * 60 * MINUTE_MS;
    let within = house.get(&format!("/v1/ledger?from={from}&to={to}")).await.expect(200);
    assert_eq!(within["checks_due"], 1);
    let mut enforcements = Vec::new();
    for number in 0..15 {
        let mut wish = check_wish(&format!("shop {number}"));
        wish["streams"] = json!(8);
        let check = house.made("/v1/checks", wish).await.parse().unwrap();
        enforcements.push(Enforcement { check, revision: 1, from });
    }
    house.store.checks().put_in_force(scribe.epoch, &enforcements, now()).await.unwrap();
    let refused = house.get(&format!("/v1/ledger?from={from}&to={to}")).await;
    assert_eq!((refused.status.as_u16(), refused.text("pointer")), (400, "/from".to_owned()));
    assert!(refused.text("detail").contains("ask for a shorter one, or for one check"));
}
