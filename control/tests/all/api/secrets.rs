//! Secrets: what goes in never comes out, and what is named must be there.

use http::Method;
use serde_json::{Value, json};

use super::house::{House, check_wish};

on_both_engines!(a_value_goes_in_and_never_comes_out, a_config_names_only_what_is_there);

const VALUE: &str = "correct horse battery staple";

async fn set(house: &House, name: &str, value: &str) -> super::house::Reply {
    let body = json!({ "value": value });
    house.ask(&house.operator, Method::PUT, &format!("/v1/secrets/{name}"), Some(body)).await
}

async fn a_value_goes_in_and_never_comes_out(house: House) {
    let first = set(&house, "mail", VALUE).await.expect(200);
    assert_eq!((&first["name"], &first["version"], &first["checks"]), (&json!("mail"), &json!(1), &json!([])));
    assert_eq!(set(&house, "mail", "another value").await.expect(200)["version"], 2);
    let listed = house.get("/v1/secrets").await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(1));
    let audit = house.get("/v1/audit").await.expect(200);
    let deeds: Vec<&Value> = audit["items"].as_array().unwrap().iter().map(|entry| &entry["action"]).collect();
    assert_eq!(deeds.iter().filter(|deed| **deed == "secret.set").count(), 2, "{deeds:?}");
    for shown in [&first, &listed, &audit] {
        assert!(!shown.to_string().contains("horse"), "{shown}");
    }
    for (name, value, pointer) in [("mail", "", "/value"), ("mail", &"x".repeat(4_097), "/value")] {
        let refused = set(&house, name, value).await;
        assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!(pointer)));
    }
    assert_eq!(set(&house, "Mail", VALUE).await.status, 404);
    let delete =
        async |name: &str| house.ask(&house.operator, Method::DELETE, &format!("/v1/secrets/{name}"), None).await;
    assert_eq!(delete("mail").await.status, 204);
    assert_eq!(delete("mail").await.status, 404);
}

async fn a_config_names_only_what_is_there(house: House) {
    let mut wish = check_wish("shop");
    wish["config"]["headers"] = json!({ "x-key": { "secret": "key" } });
    let refused = house.post("/v1/checks", wish.clone()).await;
    assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!("/config/headers/x-key")));
    assert!(refused.text("detail").contains("farwatch secret set key"), "{}", refused.body);

    set(&house, "key", VALUE).await.expect(200);
    let check = house.made("/v1/checks", wish).await;
    let path = format!("/v1/checks/{check}");
    assert_eq!(house.get(&path).await.expect(200)["revision"], 1);
    let again = set(&house, "key", "another value").await.expect(200);
    assert_eq!(again["checks"], json!([check]));
    assert_eq!(house.get(&path).await.expect(200)["revision"], 2, "it runs by the new value from a new revision on");
    let refused = house.ask(&house.operator, Method::DELETE, "/v1/secrets/key", None).await;
    assert_eq!(refused.status, 409);
    assert!(refused.text("detail").contains(&check), "{}", refused.body);
}
