//! Everything that can be said wrongly: a clear refusal that points to it, and nothing written.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::house::{House, Reply, check_wish, host_wish};

on_both_engines!(
    every_bad_field_of_a_check_is_pointed_to,
    every_bad_patch_is_refused_and_changes_nothing,
    bad_bodies_of_other_resources_are_pointed_to,
    bad_parameters_are_pointed_to,
    bodies_that_are_none_are_refused,
    names_are_unique_within_a_tenant,
    several_things_wrong_are_told_at_once,
);

/// Whether it is a whole problem document of this status that points there and says this.
#[track_caller]
fn assert_problem(answer: &Reply, status: u16, pointer: &str, words: &str) {
    let body = &answer.body;
    assert_eq!(answer.status.as_u16(), status, "{body}");
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{body}");
    assert_eq!(body["status"], status, "{body}");
    assert!(body["type"].as_str().unwrap().starts_with("urn:farwatch:problem:"), "{body}");
    assert!(!body["title"].as_str().unwrap().is_empty(), "{body}");
    assert_eq!(body["pointer"], pointer, "{body}");
    assert!(body["detail"].as_str().unwrap().contains(words), "{words:?} is not in {body}");
}

fn changed(mut wish: Value, changes: &Value) -> Value {
    farwatch_control::spec::merge_patch(&mut wish, changes);
    wish
}

/// What is wrong, where it is, and words of the answer.
fn bad_check_fields() -> Vec<(Value, &'static str, &'static str)> {
    vec![
        (json!({"colour": "red"}), "/colour", "unknown field"),
        (json!({"name": null}), "/name", "is missing"),
        (json!({"name": 5}), "/name", "expected a text"),
        (json!({"name": ""}), "/name", "must not be empty"),
        (json!({"name": "a\nb"}), "/name", "one line"),
        (json!({"module": null}), "/module", "is missing"),
        (json!({"module": "teapot"}), "/module", "known are amqp@"),
        (json!({"module": "http@99.0.0"}), "/module", "known are http@"),
        (json!({"module": "http@newest"}), "/module", "write a module as"),
        (json!({"module": "a b"}), "/module", "write a module as"),
        (json!({"module": format!("mod_{}", "0".repeat(64))}), "/module", "there is no module"),
        (json!({"interval": 11}), "/interval", "use one of 10, 15"),
        (json!({"interval": "10 parsecs"}), "/interval", "is no interval"),
        (json!({"interval": true}), "/interval", "expected seconds"),
        (json!({"timeout_ms": 5000}), "/timeout_ms", "the largest timeout that fits is 3875 ms"),
        (json!({"timeout_ms": 10}), "/timeout_ms", "at least 100 ms"),
        (json!({"timeout_ms": "3s"}), "/timeout_ms", "a whole number"),
        (json!({"timeout_ms": -1}), "/timeout_ms", "a whole number"),
        (json!({"location": "mars"}), "/location", "known are the regions eu-central"),
        (json!({"labels": {"net": 6}}), "/labels/net", "a text"),
        (json!({"labels": {"net": "v6"}}), "/labels", "no registered host carries"),
        (json!({"streams": 0}), "/streams", "use 1 to 8"),
        (json!({"streams": 9}), "/streams", "use 1 to 8"),
        (json!({"repeat": "maybe"}), "/repeat", "unknown variant"),
        (json!({"confirm": {"need": 9}}), "/confirm/need", "use 1 to 5"),
        (json!({"confirm": {"quorum": 2}}), "/confirm/quorum", "unknown field"),
        (json!({"contacts": ["ops"]}), "/contacts/0", "con_"),
        (json!({"contacts": [format!("con_{}", "0".repeat(32))]}), "/contacts/0", "there is no contact"),
        (json!({"paused": "yes"}), "/paused", "true or false"),
        (json!({"config": []}), "/config", "must be an object"),
        (json!({"config": {"url": null}}), "/config/url", "say what to fetch"),
        (json!({"config": {"url": "ftp://shop.example"}}), "/config/url", ""),
        (json!({"config": {"url": "https://"}}), "/config/url", ""),
        (json!({"config": {"urll": "x"}}), "/config/urll", "is no field of this module"),
        (json!({"config": {"body_regex": "("}}), "/config/body_regex", "no regular expression"),
        (json!({"config": {"expected_status": 700}}), "/config/expected_status", ""),
        (json!({"config": {"body": "x".repeat(65_530)}}), "/config", "prepared, it may have"),
    ]
}

async fn every_bad_field_of_a_check_is_pointed_to(house: House) {
    house.host("fra-1").await;
    for (changes, pointer, words) in bad_check_fields() {
        let answer = house.post("/v1/checks", changed(check_wish("shop"), &changes)).await;
        assert_problem(&answer, 422, pointer, words);
    }
    assert_eq!(house.get("/v1/checks").await.expect(200)["items"], json!([]));
}

async fn every_bad_patch_is_refused_and_changes_nothing(house: House) {
    house.host("fra-1").await;
    let id = house.made("/v1/checks", check_wish("shop")).await;
    let path = format!("/v1/checks/{id}");
    for (changes, pointer, words) in bad_check_fields() {
        assert_problem(&house.patch(&path, changes).await, 422, pointer, words);
    }
    assert_problem(&house.patch(&path, json!([1])).await, 422, "", "must be an object");
    assert_eq!(house.get(&path).await.expect(200)["revision"], 1);
}

async fn bad_bodies_of_other_resources_are_pointed_to(house: House) {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let channels = format!("/v1/contacts/{contact}/channels");
    let no_tenant = format!("ten_{}", "0".repeat(32));
    let cases: Vec<(&str, Value, &str, &str)> = vec![
        ("/v1/tenants", json!({}), "/name", "is missing"),
        ("/v1/tenants", json!({"name": " a"}), "/name", "space"),
        ("/v1/tokens", json!({"name": "a", "scope": "root"}), "/scope", "unknown variant"),
        ("/v1/tokens", json!({"name": "a", "scope": "read", "expires": 5}), "/expires", "is past"),
        ("/v1/contacts", json!({"name": "a", "email": "a@b.org"}), "/email", "unknown field"),
        (&channels, json!({"kind": "pigeon"}), "/kind", "unknown variant"),
        (&channels, json!({"kind": "email"}), "/address", "needs the address"),
        (&channels, json!({"kind": "email", "address": "nobody"}), "/address", "mail address"),
        (&channels, json!({"kind": "email", "address": "a@b.org", "url": "https://a"}), "/url", "no such field"),
        (&channels, json!({"kind": "webhook"}), "/url", "needs the URL"),
        (&channels, json!({"kind": "webhook", "url": "example.org"}), "/url", ""),
        (&channels, json!({"kind": "webhook", "url": "https://a.example", "secret": "x"}), "/secret", "whsec_"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"weight": 0})), "/weight", "1 to 16"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"country": "Germany"})), "/country", "two capitals"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"continent": "XX"})), "/continent", "use one of AF"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"asn": "AS1"})), "/asn", "a whole number"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"tenant": no_tenant})), "/tenant", "there is no tenant"),
        ("/v1/hosts", changed(host_wish("a"), &json!({"id": "hst_1"})), "/id", "hst_"),
    ];
    for (path, body, pointer, words) in cases {
        assert_problem(&house.post(path, body).await, 422, pointer, words);
    }
}

async fn bad_parameters_are_pointed_to(house: House) {
    let id = house.made("/v1/checks", check_wish("shop")).await;
    let contact_cursor = "Y29uXzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAw";
    let day_too_long = format!("/v1/checks/{id}/results?from=0&to={}", 91 * 24 * 3_600_000_i64);
    let hour_too_long = format!("/v1/checks/{id}/results?all=true&from=0&to={}", 49 * 3_600_000);
    let cases = [
        ("/v1/checks?limit=0".to_owned(), "/limit", "1 to 200"),
        ("/v1/checks?limit=x".to_owned(), "/limit", "1 to 200"),
        ("/v1/checks?cursor=!".to_owned(), "/cursor", "no cursor of this list"),
        (format!("/v1/checks?cursor={contact_cursor}"), "/cursor", "no cursor of this list"),
        ("/v1/checks?colour=red".to_owned(), "/colour", "known are name, paused, module"),
        ("/v1/checks?limit=1&limit=2".to_owned(), "/limit", "given twice"),
        ("/v1/checks?paused=maybe".to_owned(), "/paused", "use one of"),
        ("/v1/contacts?cursor=AAAA".to_owned(), "/cursor", "no cursor"),
        ("/v1/tenants?cursor=AAAA".to_owned(), "/cursor", "no cursor"),
        ("/v1/tokens?cursor=AAAA".to_owned(), "/cursor", "no cursor"),
        ("/v1/incidents?cursor=AAAA".to_owned(), "/cursor", "no cursor"),
        ("/v1/incidents?state=ajar".to_owned(), "/state", "use one of open, resolved"),
        ("/v1/incidents?check=shop".to_owned(), "/check", "chk_"),
        ("/v1/deliveries".to_owned(), "/incident", "state=dead"),
        ("/v1/deliveries?state=dead&cursor=x".to_owned(), "/cursor", "no cursor"),
        (format!("/v1/checks/{id}/results?cursor=x"), "/cursor", "no cursor"),
        (format!("/v1/checks/{id}/results?from=5&to=4"), "/from", "must be before"),
        (day_too_long, "/from", "90 days"),
        (hour_too_long, "/from", "48 hours"),
        (format!("/v1/checks/{id}/results?status=fine"), "/status", "use one of up, degraded"),
        (format!("/v1/checks/{id}/results?host=fra"), "/host", "hst_"),
        (format!("/v1/checks/{id}/latency?from=5&to=4"), "/from", "must be before"),
        (format!("/v1/checks/{id}/latency?from=0&to={}", 401 * 24 * 3_600_000_i64), "/from", "400 days"),
        (format!("/v1/checks/{id}/latency?step=day"), "/step", "such as 300, or auto"),
        (format!("/v1/checks/{id}/latency?step=5"), "/step", "at least 10"),
        (format!("/v1/checks/{id}/latency?from=0&to={}&step=60", 48 * 3_600_000), "/step", "at least 173"),
        (format!("/v1/checks/{id}/explain?stream=1"), "/stream", "1 streams"),
        ("/v1/ledger?from=yesterday".to_owned(), "/from", "Unix milliseconds"),
        ("/v1/ledger?from=5&to=5".to_owned(), "/to", "400 days"),
        (format!("/v1/ledger?from=0&to={}", 401 * 24 * 3_600_000_i64), "/to", "400 days"),
        ("/v1/ledger?check=shop".to_owned(), "/check", "chk_"),
    ];
    for (path, pointer, words) in cases {
        let answer = house.get(&path).await;
        assert_problem(&answer, 400, pointer, words);
        assert_eq!(answer.body["in"], "query", "{path}");
    }
}

async fn bodies_that_are_none_are_refused(house: House) {
    let post = |content_type: Option<&str>, body: Vec<u8>| {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri("/v1/checks")
            .header("authorization", format!("Bearer {}", house.operator));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        house.send(request.body(Body::from(body)).unwrap())
    };
    let json_type = Some("application/json; charset=utf-8");
    let large = json!({"name": "x".repeat(1024 * 1024)}).to_string().into_bytes();
    let too_large = post(json_type, large).await;
    assert_eq!((too_large.status.as_u16(), &too_large.body["title"]), (413, &json!("The body is too large")));
    for body in ["", "{", "{\"name\": }", "nonsense", "\u{0}"] {
        assert_problem(&post(json_type, body.as_bytes().to_vec()).await, 400, "", "body");
    }
    for body in ["[]", "5", "null", "\"shop\""] {
        assert_eq!(post(json_type, body.as_bytes().to_vec()).await.status, 422, "{body}");
    }
    for content_type in [None, Some("text/plain"), Some("application/x-www-form-urlencoded")] {
        let answer = post(content_type, b"{}".to_vec()).await;
        assert_eq!(answer.status, 415);
        assert!(answer.text("detail").contains("Content-Type: application/json"));
    }
}

async fn names_are_unique_within_a_tenant(house: House) {
    house.host("fra-1").await;
    house.made("/v1/checks", check_wish("shop")).await;
    let other = house.made("/v1/checks", check_wish("blog")).await;
    assert_problem(&house.post("/v1/checks", check_wish("shop")).await, 409, "/name", "a check of this name");
    let rename = house.patch(&format!("/v1/checks/{other}"), json!({"name": "shop"})).await;
    assert_problem(&rename, 409, "/name", "a check of this name");
    assert_problem(&house.post("/v1/hosts", host_wish("fra-1")).await, 409, "/name", "a host of this name");
    house.made("/v1/contacts", json!({"name": "ops"})).await;
    assert_problem(&house.post("/v1/contacts", json!({"name": "ops"})).await, 409, "/name", "a contact of this name");
    assert_problem(&house.post("/v1/tenants", json!({"name": "main"})).await, 409, "/name", "a tenant of this name");
    house.made("/v1/tenants", json!({"name": "acme"})).await;
    house.post("/v1/checks?tenant=acme", check_wish("shop")).await.expect(201);
}

async fn several_things_wrong_are_told_at_once(house: House) {
    let wish = json!({"name": "", "module": "http", "config": {"urll": 1}, "interval": 10, "streams": 0});
    let answer = house.post("/v1/checks", wish).await;
    assert_problem(&answer, 422, "/name", "must not be empty");
    let pointers: Vec<&str> =
        answer.body["errors"].as_array().unwrap().iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    for pointer in ["/name", "/streams", "/config/url", "/config/urll"] {
        assert!(pointers.contains(&pointer), "{pointer} is not in {pointers:?}");
    }
}
