//! Outages that nobody could judge while they lasted, from the journal to what the API shows of them.

use farwatch_control::leader::afterwards::Afterwards;
use farwatch_control::leader::journal_body::{self, HostResults};
use farwatch_control::store::{Incident, IncidentState, SlotRange};
use farwatch_core::incident::incident_id;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::BootId;
use farwatch_proto::outcome::{Outcome, Status};
use farwatch_proto::time::UnixMs;
use serde_json::{Value, json};

use super::house::{House, check_wish, now};
use super::scribe::{MINUTE_MS, Scribe};

on_both_engines!(
    an_outage_found_in_late_results_is_told_once_as_such,
    one_host_alone_proves_nothing_afterwards,
    what_worked_from_elsewhere_was_no_outage,
    what_led_up_to_a_live_incident_amends_it,
    a_deleted_check_is_not_looked_back_at,
);

impl Scribe<'_> {
    /// Somebody to tell of the check.
    async fn with_somebody_to_tell(&self) {
        let contact = self.house.made("/v1/contacts", json!({"name": "ops"})).await;
        let mail = json!({"kind": "email", "address": "ops@example.org"});
        self.house.made(&format!("/v1/contacts/{contact}/channels"), mail).await;
        self.house.patch(&format!("/v1/checks/{}", self.check), json!({"contacts": [contact]})).await.expect(200);
    }

    /// A host's spool comes back with these slots.
    async fn late(&mut self, host: usize, slots: &[UnixMs], status: Status) {
        let found = |slot: &UnixMs| self.result(*slot, Outcome::told(status, 1, "timeout", "no answer in 3 s"));
        let results: Vec<_> = slots.iter().map(found).collect();
        let section = HostResults { host: self.hosts[host], boot: BootId::from_bytes([9; 16]), results };
        let mut flush = self.flush(Vec::new());
        let (first, last) = (slots[0], *slots.last().unwrap());
        flush.slots = Some(SlotRange { first, last });
        flush.results = u32::try_from(slots.len()).unwrap();
        flush.body = journal_body::encode(&[section]);
        if status == Status::Down {
            flush.late = [(self.check, SlotRange { first, last })].into();
        }
        self.commit(&flush).await;
    }

    /// Looks back once nothing more comes.
    async fn look_back(&self) -> usize {
        let afterwards = Afterwards { store: &self.house.store, leader: self.epoch, now: now() + MINUTE_MS };
        afterwards.run().await.unwrap()
    }

    async fn incidents(&self) -> Vec<Value> {
        self.house.get("/v1/incidents").await.expect(200)["items"].as_array().unwrap().clone()
    }
}

async fn world(house: &House) -> (Scribe<'_>, Vec<UnixMs>) {
    let scribe = Scribe::new(house).await;
    scribe.view(&[Standing::Active; 3]).await;
    let slots = scribe.slots(now() - 10 * MINUTE_MS, now() - 8 * MINUTE_MS);
    (scribe, slots)
}

async fn an_outage_found_in_late_results_is_told_once_as_such(house: House) {
    let (mut scribe, slots) = world(&house).await;
    scribe.with_somebody_to_tell().await;
    scribe.late(0, &slots[2..4], Status::Down).await;
    let early = Afterwards { store: &house.store, leader: scribe.epoch, now: now() };
    assert_eq!(early.run().await.unwrap(), 0, "more may come");
    scribe.late(1, &slots[3..6], Status::Down).await;
    scribe.late(2, &slots[6..9], Status::Up).await;
    assert_eq!(scribe.look_back().await, 1);

    let [incident] = &scribe.incidents().await[..] else { panic!("one incident") };
    let id = incident_id(scribe.check, slots[2]);
    assert_eq!((&incident["id"], &incident["first_failed_slot"]), (&json!(id), &json!(slots[2])));
    assert_eq!((&incident["resolved"], &incident["state"]), (&json!(slots[6]), &json!("resolved")));
    assert_eq!(
        (&incident["seen_afterwards"], &incident["independently_confirmed"], &incident["code"]),
        (&json!(true), &json!(true), &json!("timeout"))
    );
    let shown = house.get(&format!("/v1/incidents/{id}")).await.expect(200);
    assert_eq!(shown["events"].as_array().unwrap().len(), 2);
    assert_eq!(shown["events"][0]["voices"].as_array().unwrap().len(), 2);
    let [delivery] = &shown["deliveries"].as_array().unwrap()[..] else { panic!("one message: {shown}") };
    assert_eq!(delivery["step"], "resolved");
    let uptime = house.get(&format!("/v1/checks/{}/uptime", scribe.check)).await.expect(200);
    assert_eq!(uptime["down_ms"], 40_000);

    for host in [0, 1] {
        scribe.late(host, &slots[2..6], Status::Down).await;
    }
    assert_eq!(scribe.look_back().await, 0, "what comes again is nothing new");
    scribe.late(2, &slots[1..3], Status::Down).await;
    assert_eq!(scribe.look_back().await, 0);
    let [amended] = &scribe.incidents().await[..] else { panic!("still one") };
    assert_eq!((&amended["id"], &amended["seen_since"]), (&json!(id), &json!(slots[1])));
    assert_eq!(house.get(&format!("/v1/incidents/{id}")).await.expect(200)["deliveries"].as_array().unwrap().len(), 1);
}

async fn one_host_alone_proves_nothing_afterwards(house: House) {
    let (mut scribe, slots) = world(&house).await;
    scribe.late(0, &slots, Status::Down).await;
    assert_eq!(scribe.look_back().await, 0);
    assert_eq!(scribe.incidents().await, [] as [Value; 0]);
    scribe.late(1, &slots[4..5], Status::Down).await;
    assert_eq!(scribe.look_back().await, 1, "what a second spool brings later is put beside it");
}

async fn what_worked_from_elsewhere_was_no_outage(house: House) {
    let (mut scribe, slots) = world(&house).await;
    for host in [0, 1] {
        scribe.late(host, &slots[..4], Status::Down).await;
    }
    for alternate in [slots[0], slots[2]] {
        scribe.late(2, &[alternate], Status::Up).await;
    }
    assert_eq!(scribe.look_back().await, 0);
    assert_eq!(scribe.incidents().await, [] as [Value; 0]);
}

async fn what_led_up_to_a_live_incident_amends_it(house: House) {
    let (mut scribe, slots) = world(&house).await;
    let id = incident_id(scribe.check, slots[8]);
    let mut flush = scribe.flush(Vec::new());
    flush.incidents.push(Incident {
        id,
        tenant: scribe.tenant,
        check: scribe.check,
        state: IncidentState::Open,
        first_failed_slot: slots[8],
        seen_since: slots[8],
        opened: slots[8] + 2_000,
        summary: "{}".to_owned(),
    });
    scribe.commit(&flush).await;
    scribe.late(0, &slots[3..8], Status::Down).await;
    assert_eq!(scribe.look_back().await, 0);
    let [incident] = &scribe.incidents().await[..] else { panic!("one incident") };
    assert_eq!((&incident["id"], &incident["seen_since"]), (&json!(id), &json!(slots[3])));
    assert_eq!((&incident["first_failed_slot"], &incident["state"]), (&json!(slots[8]), &json!("open")));
}

async fn a_deleted_check_is_not_looked_back_at(house: House) {
    let (mut scribe, slots) = world(&house).await;
    for host in [0, 1] {
        scribe.late(host, &slots[..4], Status::Down).await;
    }
    house.delete(&format!("/v1/checks/{}", scribe.check)).await.expect(202);
    assert_eq!(scribe.look_back().await, 0);
    house.post("/v1/checks", check_wish("shop")).await.expect(201);
    assert_eq!(scribe.look_back().await, 0, "and the row is forgotten");
}
