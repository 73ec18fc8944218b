//! Who may ask: tokens good and bad, scopes, and what an operator names.

use axum::body::Body;
use farwatch_control::api::token::create_first_admin;
use http::{Method, Request};
use serde_json::json;

use super::house::{House, check_wish, host_wish, now};

on_both_engines!(
    without_a_good_token_nothing_opens,
    scopes_are_demanded_by_name,
    the_first_admin_is_made_once,
    a_token_dies_by_revocation_and_never_by_itself,
    an_operator_names_a_tenant_when_there_are_several,
    health_is_for_anybody_and_its_reasons_for_operators,
    what_is_not_there_is_said_in_the_same_form,
);

async fn without_a_good_token_nothing_opens(house: House) {
    let unknown = format!("Bearer fw_{}", "0".repeat(64));
    let cut = format!("Bearer {}", &house.operator[..40]);
    let basic = format!("Basic {}", house.operator);
    for header in [None, Some("Bearer"), Some("Bearer hunter2"), Some(&unknown), Some(&cut), Some(&basic)] {
        let mut request = Request::get("/v1/checks");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = house.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status, 401, "{header:?}");
        assert_eq!(answer.headers["www-authenticate"], "Bearer realm=\"farwatch\"");
        assert_eq!(answer.body["type"], "urn:farwatch:problem:unauthenticated");
        assert!(!answer.text("detail").contains("hunter2"));
    }
}

async fn scopes_are_demanded_by_name(house: House) {
    let (read, tenant) = (house.token("read").await, house.token("tenant").await);
    let refused = house.ask(&read, Method::POST, "/v1/checks", Some(check_wish("shop"))).await;
    assert_eq!(refused.status, 403);
    assert_eq!(refused.text("detail"), "this token has the scope `read`; this needs the scope `tenant`");
    house.ask(&read, Method::GET, "/v1/checks", None).await.expect(200);
    house.ask(&tenant, Method::POST, "/v1/checks", Some(check_wish("shop"))).await.expect(201);
    for (method, path, body) in [
        (Method::POST, "/v1/hosts", Some(host_wish("fra-1"))),
        (Method::POST, "/v1/tenants", Some(json!({"name": "acme"}))),
        (Method::GET, "/v1/tenants", None),
        (Method::GET, "/v1/tasks", None),
        (Method::POST, "/v1/tokens", Some(json!({"name": "root", "scope": "operator"}))),
    ] {
        let refused = house.ask(&tenant, method, path, body).await;
        assert_eq!(refused.status, 403, "{path}");
        assert!(refused.text("detail").ends_with("this needs the scope `operator`"), "{path}");
    }
    let own = house.ask(&tenant, Method::POST, "/v1/tokens", Some(json!({"name": "b", "scope": "read"}))).await;
    assert_eq!(own.expect(201)["scope"], "read");
}

async fn the_first_admin_is_made_once(house: House) {
    assert_eq!(create_first_admin(&house.store, now()).await.unwrap(), None);
    let tenants = house.get("/v1/tenants").await.expect(200);
    assert_eq!(tenants["items"][0]["name"], "main");
    let tokens = house.get("/v1/tokens").await.expect(200);
    assert_eq!(tokens["items"].as_array().unwrap().len(), 1);
    assert!(tokens["items"][0]["last_used"].is_i64() && tokens["items"][0].get("secret").is_none());
}

async fn a_token_dies_by_revocation_and_never_by_itself(house: House) {
    let made = house.post("/v1/tokens", json!({"name": "second", "scope": "operator"})).await.expect(201);
    let (id, secret) = (made["id"].as_str().unwrap(), made["secret"].as_str().unwrap());
    let path = format!("/v1/tokens/{id}");
    let suicide = house.ask(secret, Method::DELETE, &path, None).await;
    assert_eq!(suicide.status, 409);
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.ask(secret, Method::GET, "/v1/checks", None).await.status, 401);
    let read = house.post("/v1/tokens", json!({"name": "r", "scope": "read"})).await.expect(201);
    let path = format!("/v1/tokens/{}", read["id"].as_str().unwrap());
    assert!(house.delete(&path).await.text("detail").contains("?tenant="));
    assert_eq!(house.delete(&format!("{path}?tenant=main")).await.status, 204);
}

async fn an_operator_names_a_tenant_when_there_are_several(house: House) {
    house.get("/v1/checks").await.expect(200);
    let acme = house.made("/v1/tenants", json!({"name": "acme"})).await;
    let unsaid = house.get("/v1/checks").await;
    assert_eq!((unsaid.status.as_u16(), unsaid.text("pointer")), (400, "/tenant".to_owned()));
    house.get("/v1/checks?tenant=acme").await.expect(200);
    house.get(&format!("/v1/checks?tenant={acme}")).await.expect(200);
    assert_eq!(house.get("/v1/checks?tenant=umbrella").await.status, 404);
    let request = Request::get("/v1/checks")
        .header("authorization", format!("Bearer {}", house.operator))
        .header("farwatch-tenant", "acme");
    house.send(request.body(Body::empty()).unwrap()).await.expect(200);
    let fleet_wide = house.get("/v1/ledger").await.expect(200);
    assert_eq!(fleet_wide["due"], 0);
    house.get("/v1/hosts").await.expect(200);
}

async fn health_is_for_anybody_and_its_reasons_for_operators(house: House) {
    let anybody = house.send(Request::get("/v1/health").body(Body::empty()).unwrap()).await;
    assert_eq!(anybody.expect(503), json!({"status": "failing"}));
    let read = house.token("read").await;
    assert_eq!(house.ask(&read, Method::GET, "/v1/health", None).await.expect(503), json!({"status": "failing"}));
    let told = house.get("/v1/health").await.expect(503);
    assert_eq!(told["reasons"][0]["code"], "no-leader");
    assert!(told["reasons"][0]["remedy"].is_string(), "{told}");
    let bad = house.ask("fw_0", Method::GET, "/v1/health", None).await;
    assert_eq!(bad.status, 401);
}

async fn what_is_not_there_is_said_in_the_same_form(house: House) {
    for path in ["/", "/v1", "/v1/chekcs", "/v1/checks/shop", "/v1/checks/chk_1", "/v1/incidents/inc_2"] {
        let answer = house.get(path).await;
        assert_eq!((answer.status.as_u16(), &answer.body["type"]), (404, &json!("urn:farwatch:problem:not-found")));
        assert_eq!(answer.headers["content-type"], "application/problem+json");
    }
    let wrong_method = house.ask(&house.operator, Method::PUT, "/v1/checks", Some(json!({}))).await;
    assert_eq!(wrong_method.status, 405);
    assert_eq!(wrong_method.body["type"], "urn:farwatch:problem:method-not-allowed");
    assert!(wrong_method.headers["allow"].to_str().unwrap().contains("POST"));
}
