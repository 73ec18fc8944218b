//! Checks that jobs call for: made like any other, called by a path that opens nothing else.

use axum::body::Body;
use http::{Method, Request};
use serde_json::{Value, json};

use super::house::{House, Reply, check_wish};

on_both_engines!(
    a_job_calls_and_its_check_says_how_it_is,
    a_heartbeat_is_a_check_like_any_other_and_no_host_runs_it,
    a_path_is_shown_to_those_who_may_write_and_can_be_renewed,
    whoever_tries_paths_or_calls_without_end_is_made_to_wait,
);

fn wish(name: &str) -> Value {
    json!({"name": name, "module": "heartbeat", "config": {"period_s": 86_400, "grace_s": 600}})
}

async fn call(house: &House, path: &str, body: &str) -> Reply {
    let request = Request::builder().method(Method::POST).uri(path).header("user-agent", "curl/8");
    house.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

/// A heartbeat, and by which path its job calls.
async fn made(house: &House, name: &str) -> (String, String) {
    let id = house.made("/v1/checks", wish(name)).await;
    let shown = house.get(&format!("/v1/checks/{id}/heartbeat")).await.expect(200);
    (id, shown["path"].as_str().unwrap().to_owned())
}

async fn a_job_calls_and_its_check_says_how_it_is(house: House) {
    let (id, path) = made(&house, "backup").await;
    let standing = async || house.get(&format!("/v1/checks/{id}")).await.expect(200)["heartbeat"].clone();
    assert_eq!((&standing().await["standing"], &standing().await["signals"]), (&json!("unheard"), &json!(0)));
    assert_eq!(call(&house, &format!("{path}/start"), "").await.expect(200), json!("OK\n"));
    assert_eq!(standing().await["standing"], "running");
    let get = Request::builder().uri(&path).body(Body::empty()).unwrap();
    house.send(get).await.expect(200);
    let well = standing().await;
    assert_eq!(well["standing"], "good");
    let (succeeded, due) = (well["succeeded"].as_i64().unwrap(), well["due"].as_i64().unwrap());
    assert_eq!((due - succeeded, well["deadline"].as_i64().unwrap() - due), (86_400_000, 600_000));
    call(&house, &format!("{path}/3"), "writing\nNo space left on device\n").await.expect(200);
    assert_eq!(standing().await["standing"], "down");
    // What is too long is left out, and the call counts.
    call(&house, &format!("{path}/log"), &"x".repeat(2 * 1024 * 1024)).await.expect(200);
    let signals = house.get(&format!("/v1/checks/{id}/signals?limit=3")).await.expect(200);
    let said: Vec<(&Value, &Value)> =
        signals["items"].as_array().unwrap().iter().map(|one| (&one["kind"], &one["exit_status"])).collect();
    assert_eq!(said, [(&json!("log"), &Value::Null), (&json!("fail"), &json!(3)), (&json!("success"), &Value::Null)]);
    assert_eq!((&signals["items"][0]["body"], &signals["items"][0]["agent"]), (&json!(""), &json!("curl/8")));
    assert_eq!(signals["items"][1]["body"], "writing\nNo space left on device\n");
    assert!(signals["items"][2]["took_ms"].is_i64());
    let refused = call(&house, &format!("{path}/hello"), "").await;
    assert_eq!(refused.status, 404);
    assert!(refused.text("detail").contains("use start, success, fail, log or an exit status"), "{}", refused.body);

    let pause = async |paused: bool| house.patch(&format!("/v1/checks/{id}"), json!({ "paused": paused })).await;
    pause(true).await.expect(200);
    assert_eq!(standing().await["standing"], "paused");
    pause(false).await.expect(200);
    assert_eq!(standing().await["standing"], "good", "what was said before the pause does not count");
}

async fn a_heartbeat_is_a_check_like_any_other_and_no_host_runs_it(house: House) {
    let (id, _) = made(&house, "backup").await;
    let check = house.get(&format!("/v1/checks/{id}")).await.expect(200);
    assert_eq!((&check["module"], &check["verdict"]), (&json!("heartbeat"), &json!("pending")));
    assert_eq!(check["independently_confirmed"], false);
    let modules = house.get("/v1/modules").await.expect(200);
    let module = modules["items"].as_array().unwrap().iter().find(|one| one["name"] == "heartbeat").unwrap();
    assert_eq!((&module["is_called"], &module["config_schema"]["type"]), (&json!(true), &json!("object")));
    let explained = house.get(&format!("/v1/checks/{id}/explain")).await.expect(200);
    assert_eq!((&explained["owners"], &explained["hosts"]), (&json!([]), &json!([])));
    assert!(explained["warnings"][0].as_str().unwrap().contains("a job calls control"), "{explained}");
    assert_eq!(house.get(&format!("/v1/checks/{id}/explain?stream=1")).await.status, 400);
    let tried = house.post(&format!("/v1/checks/{id}/test"), json!({})).await;
    assert_eq!(tried.status, 409, "{}", tried.body);
    let tried = house.post("/v1/checks/test", json!({"module": "heartbeat", "config": {"period_s": 60}})).await;
    assert_eq!((tried.status.as_u16(), &tried.body["pointer"]), (422, &json!("/module")), "{}", tried.body);
    for path in ["results", "latency", "uptime", "evidence"] {
        house.get(&format!("/v1/checks/{id}/{path}")).await.expect(200);
    }

    let mut meaningless = wish("other");
    meaningless["streams"] = json!(2);
    meaningless["config"] = json!({"cron": "61 * * * *"});
    let refused = house.post("/v1/checks", meaningless).await;
    assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!("/config/cron")), "{}", refused.body);
    let mut meaningless = wish("other");
    meaningless["location"] = json!("EU");
    let refused = house.post("/v1/checks", meaningless).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    for (path, module, config) in [
        (format!("/v1/checks/{id}"), "http", json!({"url": "https://a.example", "period_s": null, "grace_s": null})),
        (
            format!("/v1/checks/{}", house.made("/v1/checks", check_wish("shop")).await),
            "heartbeat",
            json!({"period_s": 60, "url": null}),
        ),
    ] {
        let refused = house.patch(&path, json!({"module": module, "config": config})).await;
        assert_eq!((refused.status.as_u16(), &refused.body["pointer"]), (422, &json!("/module")), "{}", refused.body);
    }
}

async fn a_path_is_shown_to_those_who_may_write_and_can_be_renewed(house: House) {
    let (id, path) = made(&house, "backup").await;
    let shop = house.made("/v1/checks", check_wish("shop")).await;
    for what in ["heartbeat", "signals"] {
        assert_eq!(house.get(&format!("/v1/checks/{shop}/{what}")).await.status, 404, "{what}");
    }
    let reader = house.token("read").await;
    let asked = house.ask(&reader, Method::GET, &format!("/v1/checks/{id}/heartbeat"), None).await;
    assert_eq!(asked.status, 403);
    let shown = house.ask(&reader, Method::GET, &format!("/v1/checks/{id}"), None).await.expect(200).to_string();
    let key = path.rsplit('/').next().unwrap();
    assert!(!shown.contains(key));
    let renewed = house.post(&format!("/v1/checks/{id}/heartbeat/renew"), json!({})).await.expect(200);
    assert_ne!(renewed["path"], json!(path));
    assert_eq!(call(&house, &path, "").await.status, 404);
    call(&house, renewed["path"].as_str().unwrap(), "").await.expect(200);
    let audit = house.get("/v1/audit").await.expect(200);
    assert!(audit["items"].as_array().unwrap().iter().any(|entry| entry["action"] == "heartbeat.renew"));
    assert!(!audit.to_string().contains(key));
}

async fn whoever_tries_paths_or_calls_without_end_is_made_to_wait(house: House) {
    let (_, path) = made(&house, "backup").await;
    let mut statuses = Vec::new();
    for n in 0..200 {
        statuses.push(call(&house, &format!("/heartbeat/{n:032x}"), "").await.status.as_u16());
    }
    assert!(statuses.starts_with(&[404]) && statuses.ends_with(&[429]), "{statuses:?}");
    call(&house, &path, "").await.expect(200);
    let mut last = 200;
    for _ in 0..200 {
        last = call(&house, &path, "").await.status.as_u16();
    }
    assert_eq!(last, 429, "and the calls before are heard");
}
