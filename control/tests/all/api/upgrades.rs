//! Releases, and the upgrade of the fleet to one of them, as an operator asks for them.

use axum::body::Body;
use farwatch_proto::id::ReleaseHash;
use http::{Method, Request};
use serde_json::{Value, json};

use super::house::{House, Reply};

on_both_engines!(
    a_release_is_taken_in_and_verified,
    an_upgrade_is_begun_stopped_and_resumed,
    hosts_are_upgraded_by_operators_alone,
);

async fn push(house: &House, token: &str, version: &str, hash: &str, bytes: Vec<u8>) -> Reply {
    let request = Request::post(format!("/v1/releases?version={version}&hash={hash}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/octet-stream");
    house.send(request.body(Body::from(bytes)).unwrap()).await
}

async fn pushed(house: &House, version: &str, bytes: &[u8]) -> Value {
    let hash = ReleaseHash::of(bytes).to_string();
    push(house, &house.operator, version, &hash, bytes.to_vec()).await.expect(200)
}

async fn a_release_is_taken_in_and_verified(house: House) {
    // Larger than a part and than any other body.
    let program: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    let release = pushed(&house, "1.4.0", &program).await;
    assert_eq!((&release["version"], &release["size_bytes"]), (&json!("1.4.0"), &json!(3_000_000)));
    assert_eq!(pushed(&house, "other", &program).await["version"], "1.4.0", "the same bytes are one release");
    let listed = house.get("/v1/releases").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let stored = house.store.releases().list().await.unwrap().remove(0);
    let mut bytes = Vec::new();
    for number in 0.. {
        let Some(part) = house.store.releases().part(stored.upload, number).await.unwrap() else { break };
        bytes.extend(part);
    }
    assert_eq!(bytes, program);

    let hash = ReleaseHash::of(b"another").to_string();
    let damaged = push(&house, &house.operator, "1.5.0", &hash, program).await;
    assert_eq!((damaged.status.as_u16(), damaged.text("pointer")), (400, "/hash".to_owned()));
    let empty = push(&house, &house.operator, "1.5.0", &hash, Vec::new()).await;
    assert_eq!(empty.status, 400);
    let nameless = push(&house, &house.operator, "a%20b", &hash, b"another".to_vec()).await;
    assert_eq!(nameless.text("pointer"), "/version");
    assert_eq!(house.get("/v1/releases").await.expect(200)["items"].as_array().unwrap().len(), 1);

    let path = format!("/v1/releases/{}", release["hash"].as_str().unwrap());
    assert_eq!(house.delete(&path).await.status, 204);
    assert_eq!(house.delete(&path).await.status, 404);
    let audit = house.get("/v1/audit?action=release.").await.expect(200);
    let actions: Vec<&str> =
        audit["items"].as_array().unwrap().iter().filter_map(|row| row["action"].as_str()).collect();
    assert_eq!(actions, ["release.delete", "release.push"]);
}

async fn an_upgrade_is_begun_stopped_and_resumed(house: House) {
    let path = "/v1/fleet/upgrade";
    assert_eq!(house.get(path).await.status, 404);
    assert_eq!(house.post("/v1/fleet/upgrade/stop", json!({})).await.status, 404);
    let unknown = house.post(path, json!({"to": "1.4.0"})).await;
    assert_eq!((unknown.status.as_u16(), unknown.text("pointer")), (422, "/to".to_owned()));
    let release = pushed(&house, "1.4.0", b"program").await;
    let too_many = house.post(path, json!({"to": "1.4.0", "max_unavailable": 0})).await;
    assert_eq!(too_many.text("pointer"), "/max_unavailable");
    let begun = house.post(path, json!({"to": "1.4.0", "max_unavailable": 2})).await.expect(200);
    assert_eq!((&begun["state"], &begun["release"]), (&json!("running"), &release["hash"]));
    assert_eq!(house.post(path, json!({"to": release["hash"]})).await.status, 409, "one is going on");
    let stopped = house.post("/v1/fleet/upgrade/stop", json!({})).await.expect(200);
    assert_eq!((&stopped["state"], &stopped["stopped_because"]), (&json!("stopped"), &json!("an operator stopped it")));
    let resumed = house.post("/v1/fleet/upgrade/resume", json!({})).await.expect(200);
    assert_eq!((&resumed["state"], &resumed["stopped_because"]), (&json!("running"), &json!(null)));
    assert_eq!(house.get(path).await.expect(200)["max_unavailable"], 2);
    house.post("/v1/fleet/upgrade/stop", json!({})).await.expect(200);
    let hash = ReleaseHash::of(b"program").hex();
    house.post(path, json!({"to": hash})).await.expect(200);
}

async fn hosts_are_upgraded_by_operators_alone(house: House) {
    let tenant = house.token("tenant").await;
    for (method, path, body) in [
        (Method::GET, "/v1/releases", None),
        (Method::GET, "/v1/fleet/upgrade", None),
        (Method::POST, "/v1/fleet/upgrade", Some(json!({"to": "1"}))),
        (Method::POST, "/v1/fleet/upgrade/stop", None),
        (Method::POST, "/v1/fleet/upgrade/resume", None),
    ] {
        let refused = house.ask(&tenant, method, path, body).await;
        assert_eq!(refused.status, 403, "{path}");
    }
    let hash = ReleaseHash::of(b"program").to_string();
    assert_eq!(push(&house, &tenant, "1", &hash, b"program".to_vec()).await.status, 403);
    assert_eq!(house.get("/v1/releases").await.expect(200)["items"], json!([]));
}
