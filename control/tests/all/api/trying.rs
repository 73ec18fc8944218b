//! Configs that no check has: judged like those of checks, asked by whoever may write, and not without end.

use farwatch_control::api::ApiLimits;
use farwatch_core::rate::Rate;
use http::Method;
use serde_json::{Value, json};

use super::house::{House, Reply, host_wish};

on_both_engines!(
    whatever_is_wrong_is_told_with_its_field,
    hosts_that_are_named_must_be_there_for_the_tenant,
    only_who_may_write_may_try,
    a_tenant_does_not_try_without_end,
);

fn wish(changes: &Value) -> Value {
    let mut wish = json!({"module": "http", "config": {"url": "https://shop.example"}});
    for (key, value) in changes.as_object().unwrap() {
        wish[key] = value.clone();
    }
    wish
}

async fn tried(house: &House, changes: Value) -> Reply {
    house.post("/v1/checks/test", wish(&changes)).await
}

/// Every pointer that a refusal names.
fn pointers(refused: &Reply) -> Vec<String> {
    let errors = refused.body["errors"].as_array().cloned().unwrap_or_default();
    let first = refused.body["pointer"].as_str().map(str::to_owned);
    let all = errors.iter().filter_map(|error| error["pointer"].as_str().map(str::to_owned));
    if errors.is_empty() { first.into_iter().collect() } else { all.collect() }
}

async fn whatever_is_wrong_is_told_with_its_field(house: House) {
    house.host("fra-1").await;
    for (changes, pointer) in [
        (json!({"module": "nonsense"}), "/module"),
        (json!({"config": {"url": "shop"}}), "/config/url"),
        (
            json!({"config": {"url": "https://a.example", "headers": {"x-key": {"secret": "key"}}}}),
            "/config/headers/x-key",
        ),
        (json!({"timeout_ms": 60_001}), "/timeout_ms"),
        (json!({"location": "mars"}), "/location"),
        (json!({"count": 6}), "/count"),
    ] {
        let refused = tried(&house, changes).await;
        assert_eq!((refused.status.as_u16(), pointers(&refused)), (422, vec![pointer.to_owned()]), "{}", refused.body);
    }
    let several = tried(&house, json!({"timeout_ms": 1, "config": {"url": "shop"}, "count": 0})).await;
    assert_eq!(pointers(&several), ["/timeout_ms", "/count", "/config/url"]);
    assert_eq!(tried(&house, json!({"interval": 10})).await.status, 422, "a try has no schedule");
    let accepted = tried(&house, json!({"location": "EU"})).await;
    assert_eq!(accepted.status, 503, "it is acceptable, and nobody leads: {}", accepted.body);
    assert_eq!(house.get("/v1/checks").await.expect(200)["items"], json!([]));
}

async fn hosts_that_are_named_must_be_there_for_the_tenant(house: House) {
    let acme = house.made("/v1/tenants", json!({"name": "acme"})).await;
    let open = house.host("fra-1").await;
    let mut private = host_wish("acme-1");
    private["tenant"] = json!(acme);
    let private = house.made("/v1/hosts", private).await;
    let retired = house.host("fra-2").await;
    house.post(&format!("/v1/hosts/{retired}/retire"), json!({"force": true})).await.expect(200);
    let unknown = format!("hst_{}", "9".repeat(32));
    let hosts = json!({"hosts": [unknown, open, private, retired]});
    let refused = house.post("/v1/checks/test?tenant=main", wish(&hosts)).await;
    assert_eq!(pointers(&refused), ["/hosts/0", "/hosts/2", "/hosts/3"], "{}", refused.body);
    assert!(refused.text("detail").contains("see /v1/hosts"), "{}", refused.body);
    let of_acme = house.post("/v1/checks/test?tenant=acme", wish(&json!({"hosts": [open, private]}))).await;
    assert_eq!(of_acme.status, 503, "{}", of_acme.body);
}

async fn only_who_may_write_may_try(house: House) {
    let reader = house.token("read").await;
    let refused = house.ask(&reader, Method::POST, "/v1/checks/test", Some(wish(&json!({})))).await;
    assert_eq!(refused.status, 403, "{}", refused.body);
}

async fn a_tenant_does_not_try_without_end(house: House) {
    let house = house.limited(ApiLimits { tries: Rate { burst: 1, one_more_ms: 3_600_000 }, ..ApiLimits::GENEROUS });
    assert_eq!(tried(&house, json!({"count": 6})).await.status, 422, "what is refused is no try");
    assert_eq!(tried(&house, json!({})).await.status, 503);
    let refused = tried(&house, json!({})).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.headers.contains_key("retry-after") && refused.text("detail").contains("tried too many"));
}
