//! Quotas as operators say them and customers meet them: what is too much is refused with what to do, and nothing that
//! runs is stopped.

use farwatch_proto::check::StreamId;
use farwatch_proto::id::{CheckId, ModuleHash};
use farwatch_proto::outcome::Outcome;
use farwatch_proto::run::{RunCost, RunResult, Terms};
use http::Method;
use serde_json::{Value, json};

use super::house::{House, check_wish, now};
use super::modules::{guest, push, saying};
use super::scribe::Scribe;

on_both_engines!(
    an_operator_says_what_a_tenant_may_have,
    a_module_without_room_is_refused_with_what_to_do,
    more_runs_than_there_may_be_are_refused,
    modules_that_took_too_much_go_on_and_no_more_are_run,
);

/// The path of the quotas of the only tenant.
async fn path(house: &House) -> String {
    let tenants = house.get("/v1/tenants").await.expect(200);
    format!("/v1/tenants/{}/quota", tenants["items"][0]["id"].as_str().unwrap())
}

async fn an_operator_says_what_a_tenant_may_have(house: House) {
    let path = path(&house).await;
    let given = house.get(&path).await.expect(200);
    assert_eq!(given["modules"], json!({"most": 200, "used": 0, "said": false}));
    assert_eq!(given["reached"], json!([]));
    let said = house.patch(&path, json!({"modules": 3, "module_bytes": 1_i64 << 40})).await.expect(200);
    assert_eq!(said["modules"], json!({"most": 3, "used": 0, "said": true}));
    assert_eq!(said["module_bytes"]["most"], 1_i64 << 40);
    let back = house.patch(&path, json!({"modules": null})).await.expect(200);
    assert_eq!((&back["modules"]["most"], &back["module_bytes"]["said"]), (&json!(200), &json!(true)));
    for (bad, status) in [
        (json!({"modules": -1}), 422),
        (json!({"modules": "many"}), 422),
        (json!({"module_bytes": 1_u64 << 60}), 422),
        (json!({"seats": 1}), 422),
    ] {
        assert_eq!(house.patch(&path, bad.clone()).await.status.as_u16(), status, "{bad}");
    }
    let own = house.token("tenant").await;
    house.ask(&own, Method::GET, &path, None).await.expect(200);
    let refused = house.ask(&own, Method::PATCH, &path, Some(json!({"modules": 9}))).await;
    assert_eq!(refused.status, 403);
    house.made("/v1/tenants", json!({"name": "umbrella"})).await;
    let stranger = house.post("/v1/tokens?tenant=umbrella", json!({"name": "t", "scope": "tenant"})).await;
    assert_eq!(house.ask(&stranger.text("secret"), Method::GET, &path, None).await.status, 404);
    let audit = house.get("/v1/audit?action=tenant.quota").await.expect(200);
    assert_eq!(audit["items"].as_array().unwrap().len(), 2, "{audit}");
}

/// What a refusal says of its quota.
fn quota_of(refused: &super::house::Reply) -> &Value {
    assert_eq!((refused.status.as_u16(), &refused.body["type"]), (409, &json!("urn:farwatch:problem:quota-reached")));
    &refused.body["quota"]
}

async fn a_module_without_room_is_refused_with_what_to_do(house: House) {
    let path = path(&house).await;
    house.patch(&path, json!({"modules": 1})).await.expect(200);
    push(&house, &house.operator, guest()).await.expect(201);
    let other = saying("0.1.0", "0.2.0");
    let refused = push(&house, &house.operator, other.clone()).await;
    assert_eq!(quota_of(&refused), &json!({"name": "modules", "most": 1, "used": 1, "wanted": 1}));
    assert!(refused.text("detail").contains("farwatch module delete"), "{}", refused.body);
    assert_eq!(house.store.modules().bytes(ModuleHash::of(&other)).await.unwrap(), None);
    push(&house, &house.operator, guest()).await.expect(200);
    house.patch(&path, json!({"modules": null, "module_bytes": guest().len()})).await.expect(200);
    let refused = push(&house, &house.operator, other.clone()).await;
    let length = other.len();
    let expected = json!({"name": "module-bytes", "most": length, "used": length, "wanted": length});
    assert_eq!(quota_of(&refused), &expected);
    assert_eq!(house.get(&path).await.expect(200)["reached"], json!(["module-bytes"]));
    assert_eq!(house.delete("/v1/modules/hostile/0.1.0").await.status, 204);
    push(&house, &house.operator, other).await.expect(201);
}

async fn more_runs_than_there_may_be_are_refused(house: House) {
    let path = path(&house).await;
    house.patch(&path, json!({"runs_per_minute": 6})).await.expect(200);
    let check = house.made("/v1/checks", check_wish("shop")).await;
    let refused = house.post("/v1/checks", check_wish("other")).await;
    assert_eq!(quota_of(&refused), &json!({"name": "runs-per-minute", "most": 6, "used": 6, "wanted": 6}));
    assert!(refused.text("detail").contains("longer intervals"), "{}", refused.body);
    let of_check = format!("/v1/checks/{check}");
    house.patch(&of_check, json!({"paused": true})).await.expect(200);
    let other = house.made("/v1/checks", check_wish("other")).await;
    assert_eq!(quota_of(&house.patch(&of_check, json!({"paused": false})).await)["name"], "runs-per-minute");
    house.patch(&format!("/v1/checks/{other}"), json!({"interval": 20})).await.expect(200);
    house.patch(&of_check, json!({"paused": false, "interval": 20})).await.expect(200);
    assert_eq!(house.get(&path).await.expect(200)["runs_per_minute"]["used"], 6);
}

async fn modules_that_took_too_much_go_on_and_no_more_are_run(house: House) {
    let path = path(&house).await;
    push(&house, &house.operator, guest()).await.expect(201);
    let wish =
        |name: &str| json!({"name": name, "module": "hostile", "config": {"behaviour": "nothing"}, "interval": 60});
    let made = house.post("/v1/checks", wish("own")).await.expect(201);
    let check: CheckId = made["id"].as_str().unwrap().parse().unwrap();
    let mut scribe = Scribe::new(&house).await;
    let module = ModuleHash::of(&guest());
    let result = |cost: RunCost| RunResult {
        stream: StreamId { check, number: 0 },
        terms: Terms { module, ..scribe.result(now() - 60_000, Outcome::up(1)).terms },
        cost,
        ..scribe.result(now() - 60_000, Outcome::up(1_000))
    };
    let costs = [(1_500_000, 17), (500_000, 33)].map(|(cpu_us, memory_pages)| RunCost { cpu_us, memory_pages });
    let flush = scribe.flush(costs.map(result).to_vec());
    scribe.commit(&flush).await;

    let runs = house.get(&format!("/v1/checks/{check}/results?all=true")).await.expect(200);
    assert_eq!((&runs["items"][0]["cpu_us"], &runs["items"][0]["memory_bytes"]), (&json!(1_500_000), &json!(17 << 16)));
    let module = house.get("/v1/modules/hostile").await.expect(200);
    let cost = json!({"runs": 2, "cpu_us": 2_000_000, "cpu_us_mean": 1_000_000, "cpu_us_max": 1_500_000,
                      "memory_bytes_max": 33 << 16});
    assert_eq!(module["items"][0]["cost"], cost);
    let quota = house.get(&path).await.expect(200);
    assert_eq!(quota["cpu_seconds_per_hour"], json!({"most": 3_600, "used": 2, "said": false}));

    house.patch(&path, json!({"cpu_seconds_per_hour": 2})).await.expect(200);
    let refused = house.post("/v1/checks", wish("more")).await;
    assert_eq!(quota_of(&refused), &json!({"name": "cpu-seconds-per-hour", "most": 2, "used": 2, "wanted": 0}));
    assert!(refused.text("detail").contains("what runs goes on"), "{}", refused.body);
    assert_eq!(
        quota_of(&push(&house, &house.operator, saying("0.1.0", "0.2.0")).await)["name"],
        "cpu-seconds-per-hour"
    );
    let of_check = format!("/v1/checks/{check}");
    assert_eq!(quota_of(&house.patch(&of_check, json!({"interval": 30})).await)["name"], "cpu-seconds-per-hour");
    house.patch(&of_check, json!({"name": "still there", "interval": 300})).await.expect(200);
    assert_eq!(house.get(&of_check).await.expect(200)["activity"], "active");
    house.made("/v1/checks", check_wish("by a built-in module")).await;
}
