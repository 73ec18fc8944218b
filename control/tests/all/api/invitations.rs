//! Join tokens as an operator makes them.

use farwatch_proto::id::JoinTokenId;
use farwatch_proto::join::{AuthorityDigest, JoinToken};
use http::Method;
use serde_json::{Value, json};

use super::house::{AUTHORITY, House, LINK_ADDRESS, now};

on_both_engines!(
    a_token_says_all_a_machine_needs_and_is_stored_hashed,
    what_neighbours_are_known_by_need_not_be_said,
    what_cannot_be_is_refused_with_what_to_do,
);

fn least() -> Value {
    json!({"provider": "hetzner", "region": "eu-central", "country": "DE", "continent": "EU"})
}

async fn a_token_says_all_a_machine_needs_and_is_stored_hashed(house: House) {
    let made = house.post("/v1/hosts/join-tokens", least()).await.expect(201);
    let token: JoinToken = made["token"].as_str().unwrap().parse().unwrap();
    assert_eq!((token.authority, &token.controls[..]), (AuthorityDigest(AUTHORITY), &[LINK_ADDRESS.to_owned()][..]));
    assert_eq!(made["id"], token.id.to_string());
    let command = made["command"].as_str().unwrap();
    assert!(command.starts_with("farwatch host join --provider hetzner --region eu-central --token fwj_"), "{command}");
    assert!((590_000..=600_000).contains(&(made["expires"].as_i64().unwrap() - now().0)));
    let kept = house.store.join_tokens().get(token.id).await.unwrap().unwrap();
    assert_eq!((kept.hash, kept.facts.asn, kept.name), (token.secret.hash(), 0, None));
    let told = house.get(&format!("/v1/audit?entity={}", token.id)).await.expect(200);
    assert_eq!(told["items"][0]["action"], "join_token.create");
    assert!(!told.to_string().contains("fwj_"));

    let mut wish = least();
    wish["controls"] = json!(["control.example:1", "[2001:db8::1]:2"]);
    wish["name"] = json!("fra-9");
    let made = house.post("/v1/hosts/join-tokens", wish).await.expect(201);
    let token: JoinToken = made["token"].as_str().unwrap().parse().unwrap();
    assert_eq!((token.controls.len(), &made["name"]), (2, &json!("fra-9")));
}

async fn what_neighbours_are_known_by_need_not_be_said(house: House) {
    let bare = json!({"provider": "hetzner", "region": "eu-central"});
    let unknown = house.post("/v1/hosts/join-tokens", bare.clone()).await;
    assert_eq!((unknown.status.as_u16(), unknown.text("pointer")), (422, "/country".to_owned()));
    house.host("fra-1").await;
    let made = house.post("/v1/hosts/join-tokens", bare).await.expect(201);
    let id: JoinTokenId = made["id"].as_str().unwrap().parse().unwrap();
    let facts = house.store.join_tokens().get(id).await.unwrap().unwrap().facts;
    assert_eq!((facts.asn, facts.country.as_str(), facts.continent.as_str()), (24940, "DE", "EU"));
    let elsewhere = json!({"provider": "hetzner", "region": "us-east"});
    assert_eq!(house.post("/v1/hosts/join-tokens", elsewhere).await.status, 422);
}

async fn what_cannot_be_is_refused_with_what_to_do(house: House) {
    for (field, bad, pointer) in [
        ("provider", json!("a b"), "/provider"),
        ("country", json!("de"), "/country"),
        ("weight", json!(0), "/weight"),
        ("name", json!(""), "/name"),
        ("controls", json!(["nowhere"]), "/controls/0"),
        ("controls", json!(vec!["c:1"; 17]), "/controls"),
        ("colour", json!("red"), "/colour"),
    ] {
        let mut wish = least();
        wish[field] = bad;
        let refused = house.post("/v1/hosts/join-tokens", wish).await;
        assert_eq!((refused.status.as_u16(), refused.text("pointer")), (422, pointer.to_owned()), "{}", refused.body);
    }
    let tenant = house.token("tenant").await;
    let refused = house.ask(&tenant, Method::POST, "/v1/hosts/join-tokens", Some(least())).await;
    assert_eq!(refused.status, 403);
    let unreachable = house.with_entrance("0.0.0.0:8401", Some(AUTHORITY));
    let refused = unreachable.post("/v1/hosts/join-tokens", least()).await;
    assert!(refused.status == 409 && refused.text("detail").contains("--link-address"), "{}", refused.body);
    let unsigned = unreachable.with_entrance(LINK_ADDRESS, None);
    let refused = unsigned.post("/v1/hosts/join-tokens", least()).await;
    assert!(refused.status == 409 && refused.text("detail").contains("no ca.key"), "{}", refused.body);
}
