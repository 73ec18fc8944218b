//! Requests that are sent twice make one thing and get one answer.

use axum::body::Body;
use farwatch_control::api::routes;
use http::Request;
use serde_json::{Value, json};

use super::house::{House, Reply, check_wish, host_wish};

on_both_engines!(
    whatever_makes_something_makes_it_once,
    twins_at_the_same_time_make_one_thing,
    a_key_is_of_one_request_and_one_token,
    what_failed_may_be_tried_again_under_its_key,
    a_bad_key_is_refused,
);

async fn keyed(house: &House, token: &str, key: &str, path: &str, body: &Value) -> Reply {
    let request = Request::post(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()));
    house.send(request.unwrap()).await
}

/// A body for every path that makes something.
async fn wishes(house: &House) -> Vec<(String, &'static str, Value)> {
    let contact = house.made("/v1/contacts", json!({"name": "first"})).await;
    let hook = json!({"kind": "webhook", "url": "https://a.example/h"});
    vec![
        ("/v1/checks".to_owned(), "/v1/checks", check_wish("shop")),
        ("/v1/contacts".to_owned(), "/v1/contacts", json!({"name": "ops"})),
        (format!("/v1/contacts/{contact}/channels"), "/v1/contacts/{id}/channels", hook),
        ("/v1/hosts".to_owned(), "/v1/hosts", host_wish("fra-1")),
        (
            "/v1/hosts/join-tokens".to_owned(),
            "/v1/hosts/join-tokens",
            json!({"provider": "hetzner", "region": "eu-central", "country": "DE", "continent": "EU"}),
        ),
        ("/v1/tokens".to_owned(), "/v1/tokens", json!({"name": "t", "scope": "operator"})),
        ("/v1/tenants".to_owned(), "/v1/tenants", json!({"name": "acme"})),
    ]
}

async fn whatever_makes_something_makes_it_once(house: House) {
    let wishes = wishes(&house).await;
    let makes_nothing = [
        "/heartbeat/{id}",
        "/heartbeat/{id}/{word}",
        "/v1/checks/{id}/heartbeat/renew",
        "/v1/checks/test",
        "/v1/checks/{id}/test",
        "/v1/deliveries/{id}/drop",
        "/v1/deliveries/{id}/release",
        "/v1/deliveries/{id}/retry",
        "/v1/fleet/upgrade",
        "/v1/fleet/upgrade/resume",
        "/v1/fleet/upgrade/stop",
        "/v1/hosts/{id}/drain",
        "/v1/hosts/{id}/retire",
        "/v1/hosts/{id}/undrain",
        "/v1/modules",
        "/v1/releases",
        "/v1/self-check",
    ];
    for route in routes().iter().filter(|route| route.method == "POST") {
        let is_known = wishes.iter().any(|(_, path, _)| *path == route.path) || makes_nothing.contains(&route.path);
        assert!(is_known, "what does {} make?", route.path);
    }
    for (key, (path, _, body)) in wishes.iter().enumerate() {
        let key = key.to_string();
        let first = keyed(&house, &house.operator, &key, path, body).await;
        assert_eq!((first.status.as_u16(), first.headers.get("idempotent-replayed")), (201, None), "{path}");
        let again = keyed(&house, &house.operator, &key, path, body).await;
        assert_eq!(again.headers["idempotent-replayed"], "true", "{path}");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        for header in ["etag", "location", "content-type"] {
            assert_eq!(again.headers.get(header), first.headers.get(header), "{header} of {path}");
        }
    }
}

async fn twins_at_the_same_time_make_one_thing(house: House) {
    let wish = json!({"name": "twin", "scope": "read"});
    let twins = (0..6).map(|_| keyed(&house, &house.operator, "twin", "/v1/tokens", &wish));
    let replies = futures_util::future::join_all(twins).await;
    for reply in &replies {
        assert_eq!((reply.status.as_u16(), &reply.body), (201, &replies[0].body));
    }
    let listed = house.get("/v1/tokens?tenant=main").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let audit = house.get("/v1/audit?tenant=main").await.expect(200);
    let made = audit["items"].as_array().unwrap().iter().filter(|entry| entry["action"] == "token.create").count();
    assert_eq!(made, 1, "and it is told once");
}

async fn a_key_is_of_one_request_and_one_token(house: House) {
    let ops = json!({"name": "ops"});
    keyed(&house, &house.operator, "k", "/v1/contacts", &ops).await.expect(201);
    for (path, body) in [
        ("/v1/contacts", json!({"name": "boss"})),
        ("/v1/contacts?tenant=main", ops.clone()),
        ("/v1/tenants", ops.clone()),
    ] {
        let refused = keyed(&house, &house.operator, "k", path, &body).await;
        assert_eq!(
            (refused.status.as_u16(), &refused.body["type"]),
            (422, &json!("urn:farwatch:problem:bad-key")),
            "{path}"
        );
        assert!(refused.text("detail").contains("name a new one"));
    }
    let other = house.token("tenant").await;
    keyed(&house, &other, "k", "/v1/contacts", &json!({"name": "boss"})).await.expect(201);
    assert_eq!(house.get("/v1/contacts").await.expect(200)["items"].as_array().unwrap().len(), 2);
}

async fn what_failed_may_be_tried_again_under_its_key(house: House) {
    let first = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let ops = json!({"name": "ops"});
    assert_eq!(keyed(&house, &house.operator, "k", "/v1/contacts", &ops).await.status, 409);
    house.delete(&format!("/v1/contacts/{first}")).await;
    let made = keyed(&house, &house.operator, "k", "/v1/contacts", &ops).await.expect(201);
    assert_eq!(keyed(&house, &house.operator, "k", "/v1/contacts", &ops).await.expect(201), made);
}

async fn a_bad_key_is_refused(house: House) {
    let long = "k".repeat(256);
    for key in ["", long.as_str()] {
        let refused = keyed(&house, &house.operator, key, "/v1/contacts", &json!({"name": "ops"})).await;
        assert_eq!((refused.status.as_u16(), &refused.body["type"]), (422, &json!("urn:farwatch:problem:bad-key")));
    }
    let body = json!({"name": "x".repeat(1_100_000)});
    assert_eq!(keyed(&house, &house.operator, "k", "/v1/contacts", &body).await.status, 413);
}
