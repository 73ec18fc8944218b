//! Who did what and who was refused, as the audit log tells it.

use farwatch_control::api::ApiLimits;
use farwatch_core::rate::Rate;
use http::Method;
use serde_json::{Value, json};

use super::house::{House, check_wish, host_wish};

on_both_engines!(
    every_change_has_its_row_in_its_own_transaction,
    what_fails_is_not_told_as_done,
    refusals_are_told_and_only_so_many,
    a_tenant_reads_its_own_page_by_page,
    entries_are_found_by_who_what_and_when,
);

/// Action and entity of every entry, oldest first.
async fn told(house: &House) -> Vec<(String, String)> {
    let listed = house.get("/v1/audit?limit=200").await.expect(200);
    let field = |entry: &Value, field: &str| entry[field].as_str().unwrap().to_owned();
    let mut all: Vec<_> = listed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (field(entry, "action"), field(entry, "entity")))
        .collect();
    all.reverse();
    all
}

async fn every_change_has_its_row_in_its_own_transaction(house: House) {
    let before = told(&house).await;
    let actions: Vec<&str> = before.iter().map(|(action, _)| action.as_str()).collect();
    assert!(actions.contains(&"token.create") && actions.contains(&"tenant.create"), "the first start: {actions:?}");
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let channels = format!("/v1/contacts/{contact}/channels");
    let channel = house.made(&channels, json!({"kind": "email", "address": "ops@example.org"})).await;
    let check = house.made("/v1/checks", check_wish("shop")).await;
    house.patch(&format!("/v1/checks/{check}"), json!({"paused": true})).await.expect(200);
    house.delete(&format!("/v1/checks/{check}")).await.expect(202);
    house.delete(&format!("/v1/channels/{channel}")).await;
    house.delete(&format!("/v1/contacts/{contact}")).await;
    let host = house.made("/v1/hosts", host_wish("fra-1")).await;
    let token = house.made("/v1/tokens", json!({"name": "second", "scope": "operator"})).await;
    house.delete(&format!("/v1/tokens/{token}")).await;
    let tenant = house.made("/v1/tenants", json!({"name": "acme"})).await;

    let expected = [
        ("contact.create", &contact),
        ("channel.create", &channel),
        ("check.create", &check),
        ("check.change", &check),
        ("check.delete", &check),
        ("channel.delete", &channel),
        ("contact.delete", &contact),
        ("host.register", &host),
        ("token.create", &token),
        ("token.revoke", &token),
        ("tenant.create", &tenant),
    ];
    let expected: Vec<_> = expected.iter().map(|(action, entity)| ((*action).to_owned(), (*entity).clone())).collect();
    assert_eq!(told(&house).await[before.len()..], expected);
}

async fn what_fails_is_not_told_as_done(house: House) {
    house.made("/v1/contacts", json!({"name": "ops"})).await;
    let before = told(&house).await;
    assert_eq!(house.post("/v1/contacts", json!({"name": "ops"})).await.status, 409);
    let nobody = format!("/v1/contacts/con_{}", "0".repeat(32));
    assert_eq!(house.delete(&nobody).await.status, 404);
    assert_eq!(told(&house).await, before);
}

async fn refusals_are_told_and_only_so_many(house: House) {
    let limits = ApiLimits { noted: Rate { burst: 4, one_more_ms: 3_600_000 }, ..ApiLimits::GENEROUS };
    let house = house.limited(limits);
    let read = house.token("read").await;
    house.made("/v1/tenants", json!({"name": "acme"})).await;
    let check = house.made("/v1/checks?tenant=acme", check_wish("shop")).await;
    let foreign = format!("/v1/checks/{check}");
    let nobodys = format!("/v1/checks/chk_{}", "0".repeat(32));
    let before = told(&house).await.len();

    assert_eq!(house.ask(&read, Method::POST, "/v1/hosts", Some(host_wish("fra-1"))).await.status, 403);
    assert_eq!(house.ask(&read, Method::GET, &foreign, None).await.status, 404);
    assert_eq!(house.ask(&read, Method::GET, &nobodys, None).await.status, 404);
    assert_eq!(house.ask(&read, Method::GET, "/v1/checks?tenant=acme", None).await.status, 404);
    assert_eq!(house.ask("fw_0", Method::GET, "/v1/checks", None).await.status, 401);
    let told_now = told(&house).await;
    let expected = [
        ("refused.scope", "/v1/hosts"),
        ("refused.foreign", foreign.as_str()),
        ("refused.foreign", "/v1/checks"),
        ("refused.unauthenticated", "/v1/checks"),
    ];
    let shown: Vec<_> = told_now[before..].iter().map(|(action, path)| (action.as_str(), path.as_str())).collect();
    assert_eq!(shown, expected);

    for _ in 0..5 {
        assert_eq!(house.ask(&read, Method::GET, &foreign, None).await.status, 404);
    }
    assert_eq!(told(&house).await.len(), before + 5, "four of one token, and no more");
    assert_eq!(house.ask("fw_0", Method::GET, "/v1/checks", None).await.status, 401);
    let newest = house.get("/v1/audit?limit=1").await.expect(200);
    assert_eq!(newest["items"][0]["detail"]["left_out_before"], 4);
}

async fn a_tenant_reads_its_own_page_by_page(house: House) {
    house.made("/v1/tenants", json!({"name": "acme"})).await;
    let acme = house.post("/v1/tokens?tenant=acme", json!({"name": "t", "scope": "tenant"})).await.text("secret");
    let read = house.post("/v1/tokens?tenant=acme", json!({"name": "r", "scope": "read"})).await.text("secret");
    house.made("/v1/contacts?tenant=main", json!({"name": "not theirs"})).await;
    for number in 0..3 {
        let wish = json!({"name": format!("contact {number}")});
        house.ask(&acme, Method::POST, "/v1/contacts", Some(wish)).await.expect(201);
    }
    let mut seen = Vec::new();
    let mut path = "/v1/audit?limit=2".to_owned();
    loop {
        let page = house.ask(&acme, Method::GET, &path, None).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/audit?limit=2&cursor={next}");
    }
    let made = ["contact.create", "contact.create", "contact.create", "token.create", "token.create", "tenant.create"];
    assert_eq!(seen, made);
    assert_eq!(house.ask(&read, Method::GET, "/v1/audit", None).await.status, 403);
    let foreign_cursor = house.get("/v1/contacts?tenant=acme&limit=1").await.expect(200)["next"].clone();
    let refused = house.get(&format!("/v1/audit?cursor={}", foreign_cursor.as_str().unwrap())).await;
    assert_eq!(refused.status, 400);
}

async fn entries_are_found_by_who_what_and_when(house: House) {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    house.delete(&format!("/v1/contacts/{contact}")).await;
    let reader = house.token("read").await;
    assert_eq!(house.ask(&reader, Method::GET, "/v1/audit", None).await.status, 403);
    let found = async |query: &str| {
        let listed = house.get(&format!("/v1/audit?{query}")).await.expect(200);
        let entries = listed["items"].as_array().unwrap().clone();
        entries.iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found(&format!("entity={contact}")).await, ["contact.delete", "contact.create"]);
    assert_eq!(found("action=contact.create").await, ["contact.create"]);
    assert_eq!(found("action=contact.").await, ["contact.delete", "contact.create"]);
    assert_eq!(found("action=refused.").await, ["refused.scope"]);
    assert_eq!(found("action=contact").await, [""; 0]);
    assert_eq!(found("actor=farwatch&action=tenant.create").await, ["tenant.create"]);
    assert_eq!(found("to=1").await, [""; 0]);
    assert_eq!(found("from=1&action=contact.create").await, ["contact.create"]);
    assert_eq!(house.get("/v1/audit?who=me").await.status, 400);
}
