//! The OpenAPI document: that it tells of every route, and what callers go by in it.

use std::collections::BTreeSet;

use farwatch_control::api::{Route, routes};
use http::{Request, StatusCode};
use serde_json::{Value, json};

use super::house::House;

async fn document(house: &House) -> Value {
    let asked = Request::get("/v1/openapi.json").body(axum::body::Body::empty()).unwrap();
    house.send(asked).await.expect(200)
}

#[tokio::test]
async fn it_tells_of_every_route_and_of_no_other() {
    let house = House::on_sqlite().await;
    let document = document(&house).await;
    let paths = document["paths"].as_object().unwrap();
    let told: BTreeSet<(String, String)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            methods.as_object().unwrap().keys().map(move |method| (method.to_uppercase(), path.clone()))
        })
        .collect();
    let served: BTreeSet<(String, String)> =
        routes().into_iter().map(|Route { method, path }| (method.to_owned(), path.to_owned())).collect();
    assert_eq!(told, served);
    for (path, methods) in paths {
        for (method, operation) in methods.as_object().unwrap() {
            assert_ne!(operation["summary"], json!(""), "{method} {path} says nothing of itself: add .about(…)");
            let answers = operation["responses"].as_object().unwrap();
            assert!(answers.keys().any(|status| status.starts_with('2')), "{method} {path} has no success");
            let is_problem = |answer: &Value| answer["content"].get("application/problem+json").is_some();
            assert!(is_problem(&answers["500"]) && is_problem(&answers["429"]), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn what_a_request_must_be_follows_from_what_reads_it() {
    let house = House::on_sqlite().await;
    let document = document(&house).await;
    let of = |pointer: &str| document.pointer(pointer).unwrap_or_else(|| panic!("nothing at {pointer}")).clone();
    let wish = of("/paths/~1v1~1checks/post/requestBody/content/application~1json/schema");
    assert_eq!(wish["required"], json!(["name", "module"]));
    assert_eq!(wish["additionalProperties"], json!(false));
    assert_eq!(
        (&wish["properties"]["streams"]["minimum"], &wish["properties"]["streams"]["maximum"]),
        (&json!(1), &json!(8))
    );
    let patch = of("/paths/~1v1~1checks~1{id}/patch/requestBody/content/application~1merge-patch+json/schema");
    assert_eq!(patch.get("required"), None);
    let parameters = of("/paths/~1v1~1checks~1{id}/patch/parameters");
    let names: Vec<&str> = parameters.as_array().unwrap().iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(names, ["tenant", "farwatch-tenant", "id", "If-Match"]);
    assert_eq!(parameters[2]["schema"]["pattern"], "^chk_[0-9a-f]{32}$");
    assert_eq!(of("/paths/~1v1~1checks~1{id}/patch/x-farwatch-scope"), "tenant");
    assert!(of("/paths/~1v1~1checks~1{id}/patch/responses").get("412").is_some());
    assert!(of("/paths/~1v1~1checks/post/responses/201/headers").get("Location").is_some());
    assert!(of("/paths/~1v1~1checks/get/responses/429/headers").get("Retry-After").is_some());
    assert_eq!(of("/openapi"), "3.1.0");
}

#[tokio::test]
async fn metrics_need_a_token_of_their_own_scope_and_name_routes_not_callers() {
    let house = House::on_sqlite().await;
    let made = house.post("/v1/tokens", json!({"name": "prometheus", "scope": "metrics"})).await;
    let metrics = made.text("secret");
    let reader = house.token("read").await;
    for path in ["/v1/checks", "/v1/hosts", "/v1/audit", "/v1/tokens", "/v1/tasks", "/v1/ledger"] {
        let refused = house.ask(&metrics, http::Method::GET, path, None).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(house.ask(&reader, http::Method::GET, "/metrics", None).await.status, StatusCode::FORBIDDEN);
    assert_eq!(
        house
            .ask(
                &house.token("tenant").await,
                http::Method::POST,
                "/v1/tokens",
                Some(json!({"name": "mine", "scope": "metrics"}))
            )
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    let text = house.text_of(&metrics, "/metrics").await;
    assert!(
        text.contains("farwatch_api_requests_total{route=\"/v1/checks\",method=\"GET\",status=\"403\"} 1"),
        "{text}"
    );
    assert!(text.contains("# TYPE farwatch_api_request_duration_seconds histogram"), "{text}");
    assert!(text.contains("farwatch_database_up 1") && text.contains("farwatch_leader 0"), "{text}");
    assert!(text.contains("process_resident_memory_bytes ") && !text.contains("fw_"), "{text}");
}
