//! Another tenant's things are not there: every route is walked with ids of somebody else.

use farwatch_control::api::{Route, routes};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, check_wish, host_wish};
use super::modules::{guest, push};

on_both_engines!(no_route_shows_or_changes_what_is_another_tenants);

/// One tenant with one of everything, and a token of another tenant.
struct Neighbours {
    /// What stands for the id in a path, by the path's beginning.
    ids: Vec<(&'static str, String)>,
    /// Parameters that name things of the other tenant.
    check: String,
    stranger: String,
}

async fn neighbours(house: &House) -> Neighbours {
    let acme = house.made("/v1/tenants", json!({"name": "acme"})).await;
    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let contact = house.made("/v1/contacts?tenant=acme", json!({"name": "ops"})).await;
    let channel = json!({"kind": "email", "address": "ops@acme.example"});
    let channel = house.made(&format!("/v1/contacts/{contact}/channels?tenant=acme"), channel).await;
    let check = house.made("/v1/checks?tenant=acme", check_wish("shop")).await;
    let token = house.made("/v1/tokens?tenant=acme", json!({"name": "t", "scope": "tenant"})).await;
    let mut private = host_wish("acme-1");
    private["tenant"] = json!(acme);
    let host = house.made("/v1/hosts", private).await;
    let stranger = house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await;
    let owner = house.post("/v1/tokens?tenant=acme", json!({"name": "o", "scope": "tenant"})).await.text("secret");
    push(house, &owner, guest()).await.expect(201);
    let secret = json!({"value": "hunter2"});
    house.ask(&house.operator, Method::PUT, "/v1/secrets/acme-mail?tenant=acme", Some(secret)).await.expect(200);
    let incident = format!("inc_{}", "0".repeat(32));
    let delivery = format!("dlv_{}", "0".repeat(32));
    Neighbours {
        ids: vec![
            // Who knows its key may speak for a job, whoever that is; this is none.
            ("/heartbeat", "0".repeat(32)),
            ("/v1/channels", channel),
            ("/v1/checks", check.clone()),
            ("/v1/contacts", contact),
            ("/v1/deliveries", delivery),
            ("/v1/hosts", host),
            ("/v1/incidents", incident),
            ("/v1/modules", "hostile".to_owned()),
            ("/v1/releases", format!("rel_{}", "0".repeat(64))),
            ("/v1/secrets", "acme-mail".to_owned()),
            ("/v1/tenants", acme),
            ("/v1/tokens", token),
        ],
        check,
        stranger: stranger.text("secret"),
    }
}

fn body_of(route: &Route) -> Option<Value> {
    match (route.method, route.path) {
        ("POST", "/v1/contacts/{id}/channels") => Some(json!({"kind": "email", "address": "a@b.org"})),
        ("POST", "/v1/hosts/{id}/retire") => Some(json!({})),
        ("PATCH", _) => Some(json!({"name": "mine now"})),
        _ => None,
    }
}

async fn no_route_shows_or_changes_what_is_another_tenants(house: House) {
    let neighbours = neighbours(&house).await;
    for route in routes().iter().filter(|route| route.method == "GET" && !route.path.contains('{')) {
        let listed = house.ask(&neighbours.stranger, Method::GET, route.path, None).await.body.to_string();
        let shown = neighbours.ids.iter().find(|(_, id)| listed.contains(id));
        assert_eq!(shown, None, "{} shows what is another tenant's: {listed}", route.path);
    }
    // Names that callers choose are their own: what is put there makes something new, and touches nobody else's.
    for route in routes().iter().filter(|route| route.path.contains('{') && route.method != "PUT") {
        let found = neighbours.ids.iter().find(|(beginning, _)| route.path.starts_with(beginning));
        let (_, id) = found.unwrap_or_else(|| panic!("what is another tenant's under {}?", route.path));
        let path = route.path.replace("{id}", id).replace("{word}", "start").replace("{version}", "0.1.0");
        let method: Method = route.method.parse().unwrap();
        let answer = house.ask(&neighbours.stranger, method, &path, body_of(route)).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{} {path}: {}", route.method, answer.body);
    }
    for path in ["/v1/checks", "/v1/contacts", "/v1/incidents", "/v1/hosts", "/v1/deliveries?state=dead"] {
        let listed = house.ask(&neighbours.stranger, Method::GET, path, None).await.expect(200);
        assert_eq!(listed["items"], json!([]), "{path}");
    }
    let tokens = house.ask(&neighbours.stranger, Method::GET, "/v1/tokens", None).await.expect(200);
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1, "its own");
    let ledger = format!("/v1/ledger?check={}", neighbours.check);
    assert_eq!(house.ask(&neighbours.stranger, Method::GET, &ledger, None).await.status, 404);
    let named = house.ask(&neighbours.stranger, Method::GET, "/v1/checks?tenant=acme", None).await;
    assert_eq!(named.status, 404);
    let foreign_contact = &neighbours.ids[2].1;
    let mut wish = check_wish("spy");
    wish["contacts"] = json!([foreign_contact]);
    let refused = house.ask(&neighbours.stranger, Method::POST, "/v1/checks", Some(wish)).await;
    assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!("/contacts/0")));
    assert_nothing_changed(&house, &neighbours).await;
}

async fn assert_nothing_changed(house: &House, neighbours: &Neighbours) {
    let mine = Some(json!({"value": "mine"}));
    house.ask(&neighbours.stranger, Method::PUT, "/v1/secrets/acme-mail", mine).await.expect(200);
    let secrets = house.get("/v1/secrets?tenant=acme").await.expect(200);
    assert_eq!(secrets["items"][0]["version"], 1);
    let modules = house.get("/v1/modules/hostile?tenant=acme").await.expect(200);
    assert_eq!(modules["items"][0]["version"], "0.1.0");
    let check = house.get(&format!("/v1/checks/{}?tenant=acme", neighbours.check)).await.expect(200);
    assert_eq!((&check["name"], &check["revision"], &check["activity"]), (&json!("shop"), &json!(1), &json!("active")));
    let contacts = house.get("/v1/contacts?tenant=acme").await.expect(200);
    assert_eq!(contacts["items"][0]["channels"].as_array().unwrap().len(), 1);
    let tokens = house.get("/v1/tokens?tenant=acme").await.expect(200);
    assert!(tokens["items"].as_array().unwrap().iter().all(|token| token["revoked"].is_null()));
}
