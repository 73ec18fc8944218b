//! Evidence as the API shows it: of a check in pages, of an incident from its beginning, and to nobody else.

use farwatch_control::store::{EvidencePiece, Incident, IncidentState};
use farwatch_core::evidence::{Brought, Occasion};
use farwatch_core::incident::incident_id;
use farwatch_proto::check::StreamId;
use farwatch_proto::id::OrderId;
use farwatch_proto::outcome::{Attribute, Status, Value as Seen};
use farwatch_proto::time::UnixMs;
use http::Method;
use serde_json::{Value, json};

use super::house::{House, check_wish, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    a_check_shows_why_it_failed_in_pages,
    an_incident_shows_why_it_failed_from_its_beginning,
    evidence_is_shown_to_its_tenant_only,
);

/// What the run of this slot on this host brought.
fn piece(scribe: &Scribe<'_>, slot: UnixMs, host: usize, order: Option<OrderId>) -> EvidencePiece {
    EvidencePiece {
        tenant: scribe.tenant,
        stream: StreamId { check: scribe.check, number: 0 },
        slot,
        host: scribe.hosts[host],
        order,
        received: slot + 400,
        occasion: if order.is_some() { Occasion::Vote } else { Occasion::Change },
        revision: 1,
        started: slot + 4,
        duration_us: 250_000,
        latency_us: 0,
        status: Status::Down,
        brought: Brought {
            code: "connection-refused".to_owned(),
            message: "192.0.2.7:443 refused the connection".to_owned(),
            attributes: vec![Attribute { key: "time.connect-us".to_owned(), value: Seen::Integer(240_000) }],
            shown: Vec::new(),
            is_cut: false,
        },
    }
}

/// Commits pieces of these slots, the first with a vote of another host, and an outage that began with the second.
async fn outage(scribe: &mut Scribe<'_>, slots: &[UnixMs], state: IncidentState) -> String {
    let id = incident_id(scribe.check, slots[1]);
    let mut flush = scribe.flush(Vec::new());
    flush.evidence = slots.iter().map(|slot| piece(scribe, *slot, 0, None)).collect();
    flush.evidence.push(piece(scribe, slots[1] + 700, 1, Some(OrderId::from_bytes([7; 16]))));
    flush.incidents.push(Incident {
        id,
        tenant: scribe.tenant,
        check: scribe.check,
        state,
        first_failed_slot: slots[1],
        seen_since: slots[1],
        opened: slots[1] + 2_000,
        summary: "{}".to_owned(),
    });
    scribe.commit(&flush).await;
    id.to_string()
}

fn slots_of(page: &Value, list: &str) -> Vec<i64> {
    page[list].as_array().unwrap().iter().map(|piece| piece["slot"].as_i64().unwrap()).collect()
}

async fn a_check_shows_why_it_failed_in_pages(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let slots = scribe.slots(now() - 5 * MINUTE_MS, now() - 4 * MINUTE_MS);
    let incident = outage(&mut scribe, &slots[..4], IncidentState::Open).await;
    let path = format!("/v1/checks/{}/evidence", scribe.check);
    let all = house.get(&path).await.expect(200);
    let newest_first = [slots[3].0, slots[2].0, slots[1].0 + 700, slots[1].0, slots[0].0];
    assert_eq!(slots_of(&all, "items"), newest_first);
    let (vote, change) = (&all["items"][2], &all["items"][3]);
    assert_eq!((&vote["kept_as"], &vote["host_name"]), (&json!("vote"), &json!("fra-2")));
    assert_eq!((&change["kept_as"], &change["order"]), (&json!("change"), &json!(null)));
    assert_eq!(change["attributes"], json!([{"key": "time.connect-us", "value": 240_000}]));
    assert_eq!((&change["status"], &change["code"]), (&json!("down"), &json!("connection-refused")));

    let mut found = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = house.get(&format!("{path}?limit=2{cursor}")).await.expect(200);
        found.extend(slots_of(&page, "items"));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(found, newest_first);
    let within = house.get(&format!("{path}?from={}&to={}", slots[0], slots[1])).await.expect(200);
    assert_eq!(slots_of(&within, "items"), [slots[0].0]);
    let of_incident = house.get(&format!("{path}?incident={incident}")).await.expect(200);
    assert_eq!(slots_of(&of_incident, "items"), newest_first[..4], "what came before it is not of it");
    let both = house.get(&format!("{path}?incident={incident}&from={}", slots[3])).await.expect(200);
    assert_eq!(slots_of(&both, "items"), [slots[3].0]);

    for (query, pointer) in [
        (format!("from={}&to={}", slots[1], slots[1]), "/from"),
        (format!("incident=inc_{}", "0".repeat(32)), "/incident"),
        ("incident=shop".to_owned(), "/incident"),
        ("cursor=abc".to_owned(), "/cursor"),
    ] {
        let refused = house.get(&format!("{path}?{query}")).await;
        assert_eq!(refused.status.as_u16(), 400, "{query}: {}", refused.body);
        assert_eq!(refused.body["pointer"], pointer, "{}", refused.body);
    }
}

async fn an_incident_shows_why_it_failed_from_its_beginning(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let slots = scribe.slots(now() - 9 * MINUTE_MS, now() - MINUTE_MS);
    let resolved = IncidentState::Resolved { at: slots[3], reason: "recovered".to_owned() };
    let incident = outage(&mut scribe, &slots[..5], resolved).await;
    let shown = house.get(&format!("/v1/incidents/{incident}")).await.expect(200);
    assert_eq!(slots_of(&shown, "evidence"), [slots[1].0, slots[1].0 + 700, slots[2].0]);
    assert_eq!((&shown["more_evidence"], &shown["state"]), (&json!(false), &json!("resolved")));

    let second = house.made("/v1/checks", check_wish("blog")).await;
    let foreign = house.get(&format!("/v1/checks/{second}/evidence?incident={incident}")).await;
    assert_eq!(foreign.status.as_u16(), 400, "an incident of another check: {}", foreign.body);

    let mut flush = scribe.flush(Vec::new());
    flush.evidence = slots[5..30].iter().map(|slot| piece(&scribe, *slot, 0, None)).collect();
    scribe.commit(&flush).await;
    let other = outage(&mut scribe, &slots[4..6], IncidentState::Open).await;
    let shown = house.get(&format!("/v1/incidents/{other}")).await.expect(200);
    assert_eq!((slots_of(&shown, "evidence").len(), &shown["more_evidence"]), (20, &json!(true)));
    assert_eq!(slots_of(&shown, "evidence")[0], slots[5].0, "how it began");
}

async fn evidence_is_shown_to_its_tenant_only(house: House) {
    let mut scribe = Scribe::new(&house).await;
    let slots = scribe.slots(now() - 5 * MINUTE_MS, now() - 4 * MINUTE_MS);
    let incident = outage(&mut scribe, &slots[..3], IncidentState::Open).await;
    let evidence = format!("/v1/checks/{}/evidence", scribe.check);
    let read = house.token("read").await;
    let shown = house.ask(&read, Method::GET, &evidence, None).await.expect(200);
    assert_eq!(slots_of(&shown, "items").len(), 4);
    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let stranger =
        house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await.text("secret");
    for path in [evidence.clone(), format!("{evidence}?incident={incident}"), format!("/v1/incidents/{incident}")] {
        assert_eq!(house.ask(&stranger, Method::GET, &path, None).await.status, 404, "{path}");
    }
    let own = check_wish("theirs");
    let own = house.ask(&stranger, Method::POST, "/v1/checks", Some(own)).await.text("id");
    let path = format!("/v1/checks/{own}/evidence?incident={incident}");
    assert_eq!(house.ask(&stranger, Method::GET, &path, None).await.status, 400);
}
