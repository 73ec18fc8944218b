//! Modules that somebody brings: what is taken in, what is refused, and that nothing is left of that.

use std::path::PathBuf;

use axum::body::Body;
use farwatch_proto::id::ModuleHash;
use farwatch_sandbox::MODULE_BYTES_MAX;
use futures_util::stream;
use http::Request;
use serde_json::{Value, json};

use super::house::{House, Reply};

on_both_engines!(
    a_module_is_taken_in_once_and_is_its_tenants_own,
    one_version_is_one_module,
    what_breaks_a_rule_is_refused_by_its_code_and_leaves_nothing,
    what_is_no_upload_is_refused_before_anything_is_judged,
    a_version_is_taken_back_once_no_check_is_run_by_it,
    a_range_is_the_highest_version_that_there_is_when_a_check_is_written,
);

/// What the guest says of itself, as its data holds it.
const TOLD: &str = r#"hostile0.1.0Misbehaves as its config says.{"type": "object", "required": ["behaviour"]}"#;

/// A guest that is not built in.
pub(super) fn guest() -> Vec<u8> {
    let tests = std::env::current_exe().unwrap();
    let mut candidates = tests.ancestors().map(|above| above.join("modules/hostile.wasm"));
    let path: PathBuf = candidates.find(|path| path.exists()).expect("run make guests");
    std::fs::read(path).unwrap()
}

/// The guest, saying something else of itself that is as long.
pub(super) fn saying(words: &str, others: &str) -> Vec<u8> {
    let told = TOLD.replacen(words, others, 1);
    assert!(told != TOLD && told.len() == TOLD.len(), "{told}");
    let mut bytes = guest();
    let at = bytes.windows(TOLD.len()).position(|window| window == TOLD.as_bytes()).expect("it is in the data");
    bytes[at..at + told.len()].copy_from_slice(told.as_bytes());
    bytes
}

/// The same component with other bytes: one more section that means nothing.
pub(super) fn marked(mut bytes: Vec<u8>, mark: &str) -> Vec<u8> {
    let name = u8::try_from(mark.len()).unwrap();
    bytes.extend([0, name + 1, name]);
    bytes.extend(mark.as_bytes());
    bytes
}

pub(super) async fn push(house: &House, token: &str, bytes: impl Into<Body>) -> Reply {
    let request = Request::post("/v1/modules")
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/wasm");
    house.send(request.body(bytes.into()).unwrap()).await
}

async fn names(house: &House, path: &str) -> Vec<String> {
    let listed = house.get(path).await.expect(200);
    let own = listed["items"].as_array().unwrap().iter().filter(|module| module["builtin"] == false);
    own.map(|module| format!("{}@{}", module["name"].as_str().unwrap(), module["version"].as_str().unwrap())).collect()
}

async fn actions(house: &House) -> Vec<String> {
    let audit = house.get("/v1/audit?action=module.push").await.expect(200);
    audit["items"].as_array().unwrap().iter().map(|entry| entry["entity"].as_str().unwrap().to_owned()).collect()
}

async fn a_module_is_taken_in_once_and_is_its_tenants_own(house: House) {
    let token = house.post("/v1/tokens?tenant=main", json!({"name": "t", "scope": "tenant"})).await.text("secret");
    let bytes = guest();
    let hash = ModuleHash::of(&bytes).to_string();
    let module = push(&house, &token, bytes.clone()).await.expect(201);
    assert_eq!(
        (&module["name"], &module["version"], &module["hash"]),
        (&json!("hostile"), &json!("0.1.0"), &json!(hash))
    );
    assert_eq!((&module["builtin"], &module["capabilities"]), (&json!(false), &json!(["http"])));
    assert_eq!(module["config_schema"]["required"], json!(["behaviour"]));
    assert_eq!(push(&house, &token, bytes.clone()).await.expect(200), module, "the same bytes are the same module");
    assert_eq!(names(&house, "/v1/modules?tenant=main").await, ["hostile@0.1.0"]);
    assert_eq!(actions(&house).await, [hash]);
    assert_eq!(house.store.modules().bytes(ModuleHash::of(&bytes)).await.unwrap(), Some(bytes.clone()));

    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    assert_eq!(names(&house, "/v1/modules?tenant=umbrella").await, Vec::<String>::new());
    let stranger = house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await;
    let theirs = push(&house, &stranger.text("secret"), bytes).await.expect(201);
    assert_eq!(theirs["hash"], module["hash"], "whoever brings the same bytes has a module of its own");
    let reader = house.post("/v1/tokens?tenant=main", json!({"name": "r", "scope": "read"})).await.text("secret");
    assert_eq!(push(&house, &reader, guest()).await.status, 403);
}

async fn one_version_is_one_module(house: House) {
    push(&house, &house.operator, guest()).await.expect(201);
    let other = marked(guest(), "other bytes");
    let refused = push(&house, &house.operator, other.clone()).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text("detail").contains("another version"), "{}", refused.body);
    assert_eq!(house.store.modules().bytes(ModuleHash::of(&other)).await.unwrap(), None, "nothing is left of it");
    let next = push(&house, &house.operator, saying("0.1.0", "0.2.0")).await.expect(201);
    assert_eq!(next["version"], "0.2.0");
    assert_eq!(names(&house, "/v1/modules").await, ["hostile@0.2.0", "hostile@0.1.0"]);
}

async fn what_breaks_a_rule_is_refused_by_its_code_and_leaves_nothing(house: House) {
    let cut = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() / 2);
        bytes
    };
    let cases: [(Vec<u8>, &str); 9] = [
        (Vec::new(), "module-invalid"),
        (b"#!/bin/sh".to_vec(), "module-invalid"),
        (cut(guest()), "module-invalid"),
        (b"\0asm\x0d\0\x01\0".to_vec(), "module-export-missing"),
        (saying("hostile", "Hostile"), "module-name-bad"),
        (saying("hostile0.1.0", "hostile0.1.x"), "module-version-bad"),
        (saying("its config", "its\u{7}config"), "module-summary-bad"),
        (saying(r#""object""#, r#""objekt""#), "module-schema-bad"),
        (saying(r#"{"type""#, r#"["type""#), "module-schema-bad"),
    ];
    for (bytes, code) in cases {
        let hash = ModuleHash::of(&bytes);
        let refused = push(&house, &house.operator, bytes).await;
        assert_eq!((refused.status.as_u16(), &refused.body["code"]), (422, &json!(code)), "{}", refused.body);
        assert_eq!(refused.body["type"], "urn:farwatch:problem:module-refused");
        assert_eq!(house.store.modules().bytes(hash).await.unwrap(), None, "{code}");
    }
    assert_eq!(names(&house, "/v1/modules").await, Vec::<String>::new());
    assert_eq!(actions(&house).await, Vec::<String>::new());
}

async fn what_is_no_upload_is_refused_before_anything_is_judged(house: House) {
    let as_json = house.post("/v1/modules", json!({})).await;
    assert_eq!((as_json.status.as_u16(), &as_json.body["type"]), (415, &json!("urn:farwatch:problem:not-wasm")));
    let most = Value::from(MODULE_BYTES_MAX);
    let refused = push(&house, &house.operator, vec![0; MODULE_BYTES_MAX + 1]).await;
    assert_eq!(refused.status, 413);
    assert!(refused.text("detail").contains(&most.to_string()), "{}", refused.body);
    let piece = || Ok::<_, std::io::Error>(vec![0_u8; 1 << 20]);
    let endless = Body::from_stream(stream::iter(std::iter::repeat_with(piece)));
    assert_eq!(push(&house, &house.operator, endless).await.status, 413);
    let broken = vec![piece(), Err(std::io::Error::other("gone"))];
    assert_eq!(push(&house, &house.operator, Body::from_stream(stream::iter(broken))).await.status, 400);
    push(&house, &house.operator, guest()).await.expect(201);
}

/// A check that is run by the guest.
fn guest_wish(name: &str, module: &str) -> Value {
    json!({"name": name, "module": module, "config": {"behaviour": "nothing"}, "interval": 10})
}

async fn a_version_is_taken_back_once_no_check_is_run_by_it(house: House) {
    push(&house, &house.operator, guest()).await.expect(201);
    push(&house, &house.operator, saying("0.1.0", "0.2.0")).await.expect(201);
    assert_eq!(names(&house, "/v1/modules/hostile").await, ["hostile@0.2.0", "hostile@0.1.0"]);
    let mut checks = Vec::new();
    for number in 0..21 {
        let name = format!("shop {number:02}");
        checks.push(house.made("/v1/checks", guest_wish(&name, "hostile@0.1.0")).await);
    }
    let refused = house.delete("/v1/modules/hostile/0.1.0").await;
    assert_eq!(refused.status, 409);
    let detail = refused.text("detail");
    assert!(detail.contains("shop 00, shop 01") && detail.contains("shop 19, others"), "{detail}");
    assert!(!detail.contains("shop 20"), "{detail}");
    assert_eq!(house.delete("/v1/modules/hostile/0.2.0").await.status, 204, "nobody is run by that one");
    for check in checks {
        house.delete(&format!("/v1/checks/{check}")).await;
    }
    assert_eq!(house.delete("/v1/modules/hostile/0.1.0").await.status, 204);
    for path in [
        "/v1/modules/hostile/0.1.0",
        "/v1/modules/hostile/0.2.0",
        "/v1/modules/nothing/1.0.0",
        "/v1/modules/a%00b/1%00",
    ] {
        assert_eq!(house.delete(path).await.status, 404, "{path}");
    }
    for path in ["/v1/modules/hostile", "/v1/modules/a%00b", "/v1/modules/%20"] {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
    let kept = house.store.modules().bytes(ModuleHash::of(&guest())).await.unwrap();
    assert!(kept.is_some(), "revisions of checks that were name it");
    let gone = ModuleHash::of(&saying("0.1.0", "0.2.0"));
    assert_eq!(house.store.modules().bytes(gone).await.unwrap(), None);
    push(&house, &house.operator, guest()).await.expect(201);

    let builtin = house.get("/v1/modules/http").await.expect(200)["items"][0]["version"].as_str().unwrap().to_owned();
    let refused = house.delete(&format!("/v1/modules/http/{builtin}")).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text("detail").contains("comes with Farwatch"), "{}", refused.body);
}

async fn a_range_is_the_highest_version_that_there_is_when_a_check_is_written(house: House) {
    let version =
        async |check: &str| house.get(&format!("/v1/checks/{check}")).await.expect(200)["module_version"].clone();
    for (from, to) in [("0.1.0", "0.1.0"), ("0.1.0", "0.1.4"), ("0.1.0", "0.2.0")] {
        let bytes = if from == to { guest() } else { saying(from, to) };
        push(&house, &house.operator, bytes).await.expect(201);
    }
    let mut checks = Vec::new();
    for (said, runs) in [
        ("hostile", "0.2.0"),
        ("hostile@latest", "0.2.0"),
        ("hostile@0.1.0", "0.1.0"),
        ("hostile@^0.1", "0.1.4"),
        ("hostile@>=0.1, <0.1.3", "0.1.0"),
    ] {
        let made = house.post("/v1/checks", guest_wish(said, said)).await.expect(201);
        assert_eq!((&made["module"], &made["module_version"]), (&json!(said), &json!(runs)), "{made}");
        checks.push(made["id"].as_str().unwrap().to_owned());
    }
    let refused = house.post("/v1/checks", guest_wish("none", "hostile@^1")).await;
    assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!("/module")));
    assert!(refused.text("detail").contains("known are hostile@0.1.0, hostile@0.1.4"), "{}", refused.body);

    push(&house, &house.operator, saying("0.1.0", "0.1.9")).await.expect(201);
    let path = format!("/v1/checks/{}", checks[3]);
    house.patch(&path, json!({"interval": 30})).await.expect(200);
    assert_eq!(version(&checks[3]).await, "0.1.4", "a change that says nothing of the module keeps it");
    house.patch(&path, json!({"module": "hostile@^0.1"})).await.expect(200);
    assert_eq!(version(&checks[3]).await, "0.1.9");

    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let foreign = house.post("/v1/checks?tenant=umbrella", guest_wish("spy", "hostile")).await;
    assert_eq!((foreign.status.as_u16(), &foreign.body["pointer"]), (422, &json!("/module")));
}
