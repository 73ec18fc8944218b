//! How much anybody may ask, and what tokens die of.

use axum::body::Body;
use farwatch_control::api::ApiLimits;
use farwatch_control::store::NewToken;
use farwatch_core::rate::Rate;
use farwatch_proto::id::TokenId;
use http::{Method, Request};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::house::{House, now};

on_both_engines!(
    a_token_may_ask_so_often,
    an_address_may_fail_so_often_and_good_tokens_do_not_suffer,
    a_token_shows_its_expiry_and_last_use_and_ends_with_it,
);

async fn a_token_may_ask_so_often(house: House) {
    let limits = ApiLimits { of_token: Rate { burst: 3, one_more_ms: 3_600_000 }, ..ApiLimits::GENEROUS };
    let other = house.token("read").await;
    let house = house.limited(limits);
    for _ in 0..3 {
        house.get("/v1/checks").await.expect(200);
    }
    let refused = house.get("/v1/checks").await;
    assert_eq!(
        (refused.status.as_u16(), &refused.body["type"]),
        (429, &json!("urn:farwatch:problem:too-many-requests"))
    );
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(refused.headers["retry-after"], "3600");
    assert!(refused.text("detail").contains("ask again in 3600 s"));
    house.ask(&other, Method::GET, "/v1/checks", None).await.expect(200);
}

async fn an_address_may_fail_so_often_and_good_tokens_do_not_suffer(house: House) {
    let house = house.limited(ApiLimits { failures: Rate { burst: 2, one_more_ms: 1_000_000 }, ..ApiLimits::GENEROUS });
    let unknown = format!("fw_{}", "0".repeat(64));
    for _ in 0..2 {
        assert_eq!(house.ask(&unknown, Method::GET, "/v1/checks", None).await.status, 401);
    }
    let refused = house.ask(&unknown, Method::GET, "/v1/checks", None).await;
    assert_eq!((refused.status.as_u16(), refused.headers["retry-after"].to_str().unwrap()), (429, "1000"));
    let silent = house.send(Request::get("/v1/checks").body(Body::empty()).unwrap()).await;
    assert_eq!(silent.status, 429);
    house.get("/v1/checks").await.expect(200);
    let anybody = house.send(Request::get("/v1/health").body(Body::empty()).unwrap()).await;
    assert_eq!(anybody.status, 503, "who asks for no more than anybody may is not counted");
}

async fn a_token_shows_its_expiry_and_last_use_and_ends_with_it(house: House) {
    let expires = now() + 3_600_000;
    let wish = json!({"name": "short", "scope": "operator", "expires": expires.0});
    let made = house.post("/v1/tokens", wish).await.expect(201);
    assert_eq!((&made["expires"], &made["last_used"]), (&json!(expires.0), &json!(null)));
    let secret = made["secret"].as_str().unwrap();
    house.ask(secret, Method::GET, "/v1/checks", None).await.expect(200);
    let listed = house.get("/v1/tokens").await.expect(200);
    let shown = listed["items"].as_array().unwrap().iter().find(|token| token["id"] == made["id"]).unwrap();
    assert_eq!(shown["expires"], json!(expires.0));
    assert!(shown["last_used"].as_i64().is_some_and(|at| at <= now().0));

    let text = format!("fw_{}", "ab".repeat(32));
    let ended = NewToken {
        id: TokenId::new(now(), [7; 10]),
        tenant: None,
        name: "ended".to_owned(),
        scope: "operator".to_owned(),
        hash: Sha256::digest(&text).into(),
        expires: Some(now() - 1),
    };
    house.store.tokens().create(&ended, now()).await.unwrap();
    let refused = house.ask(&text, Method::GET, "/v1/checks", None).await;
    assert_eq!(refused.status, 401);
    assert!(refused.text("detail").contains("has expired"));
    let past = json!({"name": "past", "scope": "read", "expires": 1});
    assert_eq!(house.post("/v1/tokens", past).await.expect(422)["pointer"], "/expires");
}
