//! Contacts, channels, hosts, modules and tasks, as they are meant to be used.

use http::Method;
use serde_json::json;

use super::house::{House, host_wish};

on_both_engines!(
    a_contact_lives_and_dies_with_its_channels,
    a_list_is_read_page_by_page,
    a_host_is_registered_once_and_shows_whom_it_shares_with,
    a_host_is_drained_before_it_is_retired,
    modules_and_tasks_are_shown,
);

async fn a_contact_lives_and_dies_with_its_channels(house: House) {
    let id = house.made("/v1/contacts", json!({"name": "ops"})).await;
    let channels = format!("/v1/contacts/{id}/channels");
    let mail = house.post(&channels, json!({"kind": "email", "address": "ops@example.org"})).await.expect(201);
    assert!(mail.get("secret").is_none());
    let hook = house.post(&channels, json!({"kind": "webhook", "url": "https://a.example/h"})).await.expect(201);
    assert!(hook["secret"].as_str().unwrap().starts_with("whsec_"));
    let own = format!("whsec_{}", "A".repeat(32));
    let with_own = json!({"kind": "webhook", "url": "https://b.example/h", "secret": own});
    assert_eq!(house.post(&channels, with_own).await.expect(201)["secret"], own);

    let shown = house.get(&format!("/v1/contacts/{id}")).await.expect(200);
    assert_eq!(shown["channels"].as_array().unwrap().len(), 3);
    assert!(!shown.to_string().contains("whsec_"), "a secret is shown once only");
    let hook_path = format!("/v1/channels/{}", hook["id"].as_str().unwrap());
    assert_eq!(house.delete(&hook_path).await.status, 204);
    assert_eq!(house.delete(&hook_path).await.status, 204);
    let listed = house.get("/v1/contacts").await.expect(200);
    assert_eq!(listed["items"][0]["channels"].as_array().unwrap().len(), 2);

    assert_eq!(house.delete(&format!("/v1/contacts/{id}")).await.status, 204);
    assert_eq!(house.get(&format!("/v1/contacts/{id}")).await.status, 404);
    assert_eq!(house.post(&channels, json!({"kind": "email", "address": "a@b.org"})).await.status, 404);
    house.made("/v1/contacts", json!({"name": "ops"})).await;
}

async fn a_list_is_read_page_by_page(house: House) {
    for number in 0..5 {
        house.made("/v1/contacts", json!({"name": format!("contact {number}")})).await;
    }
    let mut names = Vec::new();
    let mut path = "/v1/contacts?limit=2".to_owned();
    loop {
        let page = house.get(&path).await.expect(200);
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/contacts?limit=2&cursor={next}");
    }
    names.sort();
    assert_eq!(names, (0..5).map(|number| format!("contact {number}")).collect::<Vec<_>>());
}

async fn a_host_is_registered_once_and_shows_whom_it_shares_with(house: House) {
    let id = format!("hst_{}", "0a".repeat(16));
    let mut wish = host_wish("fra-1");
    wish["id"] = json!(id);
    wish["shared_machine"] = json!("laptop");
    assert_eq!(house.post("/v1/hosts", wish.clone()).await.expect(201)["independent"], true);
    house.post("/v1/hosts", wish.clone()).await.expect(200);
    let mut moved = wish.clone();
    moved["region"] = json!("us-east");
    assert_eq!(house.post("/v1/hosts", moved).await.expect(409)["pointer"], "/id");

    let mut second = host_wish("fra-2");
    second["shared_machine"] = json!("laptop");
    house.made("/v1/hosts", second).await;
    let shown = house.get(&format!("/v1/hosts/{id}")).await.expect(200);
    assert_eq!(shown["not_independent_because"], "it shares the machine laptop with fra-2");
    assert_eq!((&shown["independent"], &shown["standing"]), (&json!(false), &json!(null)));
    let listed = house.get("/v1/hosts").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 2);
}

async fn a_host_is_drained_before_it_is_retired(house: House) {
    let path = format!("/v1/hosts/{}", house.host("fra-1").await);
    let verb = |verb: &str| format!("{path}/{verb}");
    let hasty = house.post(&verb("retire"), json!({})).await;
    assert_eq!((hasty.status.as_u16(), hasty.text("pointer")), (409, "/force".to_owned()));
    assert!(hasty.text("detail").contains("drain it first"), "{}", hasty.body);
    for (word, drained, revision) in [("drain", true, 2), ("drain", true, 2), ("undrain", false, 3), ("drain", true, 4)]
    {
        let told = house.post(&verb(word), json!({})).await.expect(200);
        assert_eq!((&told["drained"], &told["revision"]), (&json!(drained), &json!(revision)), "{word}");
    }
    let read = house.token("tenant").await;
    assert_eq!(house.ask(&read, Method::POST, &verb("undrain"), None).await.status, 403);
    assert!(house.post(&verb("retire"), json!({"now": true})).await.status.is_client_error());
    // No view has it, so it owns nothing.
    let retired = house.post(&verb("retire"), json!({})).await.expect(200);
    assert!(retired["retired"].is_i64());
    assert_eq!(house.post(&verb("retire"), json!({})).await.expect(200)["retired"], retired["retired"]);
    assert_eq!(house.post(&verb("drain"), json!({})).await.status, 409);
    assert_eq!(house.get("/v1/hosts").await.expect(200)["items"], json!([]));
    let in_use = format!("/v1/hosts/{}", house.host("fra-1").await);
    house.post(&format!("{in_use}/retire"), json!({"force": true})).await.expect(200);
}

async fn modules_and_tasks_are_shown(house: House) {
    let modules = house.get("/v1/modules").await.expect(200);
    let items = modules["items"].as_array().unwrap();
    let http = items.iter().find(|module| module["name"] == "http").unwrap();
    assert_eq!((&http["name"], &http["builtin"]), (&json!("http"), &json!(true)));
    assert_eq!(http["config_schema"]["required"], json!(["url"]));
    assert!(!http["summary"].as_str().unwrap().is_empty());
    assert_eq!(house.get("/v1/tasks").await.expect(200)["items"], json!([]));
    house.get("/v1/tasks?tenant=").await.expect(400);
}
