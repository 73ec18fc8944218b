//! Entity tags and merge patches: nobody undoes unknowingly what somebody else did.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::house::{House, Reply, check_wish, host_wish};

on_both_engines!(
    whatever_may_be_changed_shows_its_revision_as_a_tag,
    a_change_and_a_deletion_honour_if_match,
    a_patch_says_only_what_it_changes,
    a_channel_keeps_its_secret_unless_the_patch_speaks_of_it,
    a_host_is_renamed_relabelled_and_reweighted_and_nothing_else,
    of_two_changes_at_once_none_is_lost,
);

async fn seen(house: &House, method: Method, path: &str, tag: &str, body: Option<Value>) -> Reply {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {}", house.operator))
        .header("content-type", "application/merge-patch+json")
        .header("if-match", tag);
    house.send(request.body(body.map_or_else(Body::empty, |body| Body::from(body.to_string()))).unwrap()).await
}

/// One of everything that may be changed.
async fn everything(house: &House) -> Vec<String> {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let mail = json!({"kind": "email", "address": "ops@example.org"});
    let channel = house.made(&format!("/v1/contacts/{contact}/channels"), mail).await;
    let check = house.made("/v1/checks", check_wish("shop")).await;
    let host = house.made("/v1/hosts", host_wish("fra-1")).await;
    let tenant = house.get("/v1/tenants").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    vec![
        format!("/v1/channels/{channel}"),
        format!("/v1/checks/{check}"),
        format!("/v1/contacts/{contact}"),
        format!("/v1/hosts/{host}"),
        format!("/v1/tenants/{tenant}"),
    ]
}

/// A change of what is at this path.
fn change(path: &str) -> Value {
    if path.contains("channels") { json!({"address": "night@example.org"}) } else { json!({"name": "another name"}) }
}

async fn whatever_may_be_changed_shows_its_revision_as_a_tag(house: House) {
    for path in everything(&house).await {
        let before = house.get(&path).await;
        let tag = before.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(tag, format!("\"{}\"", before.body["revision"]), "{path}");
        let changed = house.patch(&path, change(&path)).await;
        let new_tag = changed.headers["etag"].to_str().unwrap().to_owned();
        let changed = changed.expect(200);
        assert_eq!(changed["revision"], before.body["revision"].as_i64().unwrap() + 1, "{path}");
        assert_eq!(house.get(&path).await.headers["etag"], new_tag.as_str(), "{path}");
        let again = house.patch(&path, change(&path)).await;
        assert_eq!(again.headers["etag"], new_tag.as_str(), "what changes nothing is no revision: {path}");
    }
}

async fn a_change_and_a_deletion_honour_if_match(house: House) {
    let paths = everything(&house).await;
    for path in &paths {
        let old = house.get(path).await.headers["etag"].to_str().unwrap().to_owned();
        seen(&house, Method::PATCH, path, &old, Some(change(path))).await.expect(200);
        let late = seen(&house, Method::PATCH, path, &old, Some(change(path))).await;
        assert_eq!((late.status.as_u16(), &late.body["type"]), (412, &json!("urn:farwatch:problem:stale")), "{path}");
        assert!(late.text("detail").contains("read it again"), "{path}");
    }
    let deletable = ["channels", "checks", "contacts"];
    for path in paths.iter().filter(|path| deletable.iter().any(|kind| path.contains(kind))) {
        let tag = house.get(path).await.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(seen(&house, Method::DELETE, path, "\"1000\"", None).await.status, 412, "{path}");
        assert_eq!(seen(&house, Method::DELETE, path, &format!("W/{tag}"), None).await.status, 412, "{path}");
        assert!(seen(&house, Method::DELETE, path, &tag, None).await.status.is_success(), "{path}");
    }
}

async fn a_patch_says_only_what_it_changes(house: House) {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    house.made("/v1/contacts", json!({"name": "boss"})).await;
    let path = format!("/v1/contacts/{contact}");
    let channels = format!("{path}/channels");
    let mail = house.made(&channels, json!({"kind": "email", "address": "ops@example.org"})).await;
    let shown = house.patch(&path, json!({"name": "night shift"})).await.expect(200);
    assert_eq!((&shown["name"], &shown["revision"]), (&json!("night shift"), &json!(3)));
    assert_eq!(shown["channels"][0]["address"], "ops@example.org");
    for (patch, status, pointer) in [
        (json!({"name": "boss"}), 409, "/name"),
        (json!({"name": null}), 422, "/name"),
        (json!({"name": ""}), 422, "/name"),
        (json!({"colour": "red"}), 422, "/colour"),
    ] {
        let refused = house.patch(&path, patch.clone()).await;
        assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (status, &json!(pointer)), "{patch}");
    }
    let path = format!("/v1/channels/{mail}");
    let turned = json!({"kind": "webhook", "url": "https://a.example", "address": null});
    assert_eq!(house.patch(&path, turned).await.expect(422)["pointer"], "/kind");
    assert_eq!(house.patch(&path, json!({"address": null})).await.expect(422)["pointer"], "/address");
}

async fn a_channel_keeps_its_secret_unless_the_patch_speaks_of_it(house: House) {
    let contact = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let hook = json!({"kind": "webhook", "url": "https://a.example/h"});
    let made = house.post(&format!("/v1/contacts/{contact}/channels"), hook).await.expect(201);
    let path = format!("/v1/channels/{}", made["id"].as_str().unwrap());
    let id = made["id"].as_str().unwrap().parse().unwrap();
    let sealed = async || house.store.contacts().channel(id).await.unwrap().unwrap().sealed_secret;
    let first = sealed().await;

    let moved = house.patch(&path, json!({"url": "https://b.example/h"})).await.expect(200);
    assert_eq!((&moved["url"], moved.get("secret")), (&json!("https://b.example/h"), None));
    assert_eq!(sealed().await, first);
    let renewed = house.patch(&path, json!({"secret": null})).await.expect(200);
    assert!(renewed["secret"].as_str().unwrap().starts_with("whsec_") && renewed["secret"] != made["secret"]);
    assert_ne!(sealed().await, first);
    let own = format!("whsec_{}", "A".repeat(32));
    assert_eq!(house.patch(&path, json!({"secret": own})).await.expect(200)["secret"], own);
    assert!(house.get(&path).await.expect(200).get("secret").is_none());
}

async fn a_host_is_renamed_relabelled_and_reweighted_and_nothing_else(house: House) {
    let mut wish = host_wish("fra-1");
    wish["labels"] = json!({"disk": "ssd", "tier": "one"});
    let path = format!("/v1/hosts/{}", house.made("/v1/hosts", wish).await);
    let patch = json!({"name": "fra-one", "labels": {"tier": null, "net": "fast"}, "weight": 3});
    let changed = house.patch(&path, patch).await.expect(200);
    assert_eq!((&changed["name"], &changed["weight"]), (&json!("fra-one"), &json!(3)));
    assert_eq!(changed["labels"], json!({"disk": "ssd", "net": "fast"}));
    assert_eq!((&changed["provider"], &changed["revision"]), (&json!("hetzner"), &json!(2)));
    for (patch, pointer) in [
        (json!({"provider": "ovh"}), "/provider"),
        (json!({"weight": 0}), "/weight"),
        (json!({"labels": {"a b": "c"}}), "/labels/a b"),
    ] {
        assert_eq!(house.patch(&path, patch).await.expect(422)["pointer"], pointer);
    }
    let tenant = house.token("tenant").await;
    let refused = house.ask(&tenant, Method::PATCH, &path, Some(json!({"weight": 2}))).await;
    assert_eq!(refused.status, 403);
}

async fn of_two_changes_at_once_none_is_lost(house: House) {
    let path = format!("/v1/contacts/{}", house.made("/v1/contacts", json!({"name": "ops"})).await);
    let names: Vec<String> = (0..8).map(|number| format!("shift {number}")).collect();
    let changes = names.iter().map(|name| house.patch(&path, json!({ "name": name })));
    let mut done = 0;
    for reply in futures_util::future::join_all(changes).await {
        match reply.status.as_u16() {
            200 => done += 1,
            status => assert_eq!(status, 412, "{}", reply.body),
        }
    }
    let left = house.get(&path).await.expect(200);
    assert!(done >= 1 && left["revision"] == 1 + done, "{done} changes were answered as done, and {left} is left");
}
