//! The life of a check, as a customer sees it.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::house::{House, check_wish};

on_both_engines!(
    a_check_is_made_changed_paused_and_deleted,
    a_change_says_only_what_it_changes,
    two_people_do_not_undo_each_other,
    a_location_and_its_wish_are_stored_for_placement,
    only_the_leader_runs_checks_by_hand,
    a_placement_is_explained_before_there_is_a_view,
);

async fn a_check_is_made_changed_paused_and_deleted(house: House) {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let mut wish = check_wish("shop");
    wish["contacts"] = json!([contact]);
    wish["interval"] = json!("10s");
    let made = house.post("/v1/checks", wish).await;
    assert_eq!((made.status.as_u16(), made.headers["etag"].to_str().unwrap()), (201, "\"1\""));
    let path = made.headers["location"].to_str().unwrap().to_owned();
    assert_eq!((&made.body["state"], &made.body["timeout_ms"]), (&json!("pending"), &json!(3000)));
    assert_eq!((&made.body["interval"], &made.body["in_force_from"]), (&json!(10), &json!(null)));

    let paused = house.patch(&path, json!({"paused": true})).await.expect(200);
    assert_eq!((&paused["revision"], &paused["activity"]), (&json!(2), &json!("paused")));
    let listed = house.get("/v1/checks?paused=true&name=SHO").await.expect(200);
    assert_eq!(listed["items"][0]["id"], made.body["id"]);
    assert_eq!(house.get("/v1/checks?paused=false").await.expect(200)["items"], json!([]));

    let deleted = house.delete(&path).await.expect(202);
    assert_eq!((&deleted["activity"], &deleted["state"]), (&json!("deleted"), &json!("pending")));
    house.delete(&path).await.expect(202);
    assert_eq!(house.get(&path).await.expect(200)["activity"], "deleted");
    assert_eq!(house.patch(&path, json!({"paused": false})).await.status, 404);
    assert_eq!(house.get("/v1/checks").await.expect(200)["items"], json!([]));
    house.made("/v1/checks", check_wish("shop")).await;
}

async fn a_change_says_only_what_it_changes(house: House) {
    let mut wish = check_wish("shop");
    wish["config"]["body_contains"] = json!("welcome");
    let made = house.post("/v1/checks", wish).await.expect(201);
    let path = format!("/v1/checks/{}", made["id"].as_str().unwrap());
    let same = house.patch(&path, json!({"name": "shop"})).await.expect(200);
    assert_eq!(same["revision"], 1, "what changes nothing is no revision");

    let changed = house.patch(&path, json!({"config": {"method": "HEAD"}, "interval": "1min"})).await.expect(200);
    let config = json!({"url": "https://shop.example", "method": "HEAD", "body_contains": "welcome"});
    assert_eq!((&changed["config"], &changed["revision"]), (&config, &json!(2)));
    assert_eq!(changed["timeout_ms"], 20_000, "an unsaid timeout follows the interval");

    let removed = house.patch(&path, json!({"config": {"body_contains": null}, "timeout_ms": 5000})).await.expect(200);
    assert_eq!((removed["config"].get("body_contains"), &removed["timeout_ms"]), (None, &json!(5000)));
    assert_eq!(removed["module_hash"], made["module_hash"]);
}

async fn two_people_do_not_undo_each_other(house: House) {
    let id = house.made("/v1/checks", check_wish("shop")).await;
    let path = format!("/v1/checks/{id}");
    let patch_seen = |seen: &'static str, body: Value| {
        let request = Request::builder()
            .method(Method::PATCH)
            .uri(&path)
            .header("authorization", format!("Bearer {}", house.operator))
            .header("content-type", "application/merge-patch+json")
            .header("if-match", seen);
        house.send(request.body(Body::from(body.to_string())).unwrap())
    };
    patch_seen("\"1\"", json!({"name": "shop eu"})).await.expect(200);
    let late = patch_seen("\"1\"", json!({"name": "shop us"})).await;
    assert_eq!((late.status.as_u16(), &late.body["type"]), (412, &json!("urn:farwatch:problem:stale")));
    assert!(late.text("detail").contains("revision 2"));
    patch_seen("*", json!({"name": "shop us"})).await.expect(200);
}

async fn a_location_and_its_wish_are_stored_for_placement(house: House) {
    house.host("fra-1").await;
    let mut wish = check_wish("shop");
    wish["location"] = json!("eu-central");
    wish["streams"] = json!(2);
    let made = house.post("/v1/checks", wish).await.expect(201);
    let (tenant, check) = {
        let tenant = house.store.tenants().named("main").await.unwrap().unwrap().id;
        (tenant, made["id"].as_str().unwrap().parse().unwrap())
    };
    let stored = house.store.checks().get(tenant, check).await.unwrap().unwrap();
    let spec = farwatch_control::spec::Spec::parse(&stored.latest.spec).unwrap();
    let location = &spec.placement.location;
    assert_eq!((location.region.as_deref(), location.country.as_deref()), (Some("eu-central"), Some("DE")));
    assert_eq!((spec.placement.streams, stored.latest.streams), (2, 2));
    assert!(!stored.latest.prepared.is_empty());
}

async fn only_the_leader_runs_checks_by_hand(house: House) {
    let id = house.made("/v1/checks", check_wish("shop")).await;
    let refused = house.ask(&house.operator, Method::POST, &format!("/v1/checks/{id}/test"), None).await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().unwrap()), (503, "2"));
    assert!(refused.text("detail").contains("no process leads just now"));
}

async fn a_placement_is_explained_before_there_is_a_view(house: House) {
    let id = house.made("/v1/checks", check_wish("shop")).await;
    let explained = house.get(&format!("/v1/checks/{id}/explain")).await.expect(200);
    assert_eq!((&explained["view"], &explained["hosts"]), (&json!(null), &json!([])));
    assert_eq!(explained["warnings"], json!(["no view is in force yet: no host has been heard"]));
}
