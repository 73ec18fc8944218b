//! A check can be run by hand as soon as hosts hold it, however far its first slot is.

use std::time::Duration;

use anyhow::ensure;
use farwatch_tests::clock::now;
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::{moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

/// Hosts fetch and compile the module before they hold the check.
const LIMIT: Duration = Duration::from_secs(60);

/// What `farwatch check test` found.
fn tested(system: &System, check: &str) -> anyhow::Result<Vec<Value>> {
    let output = system.client(&["check", "test", check, "--json"])?;
    // It ends with 1 where the target is down, and shows that all the same.
    ensure!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    let trial: Value = serde_json::from_slice(&output.stdout)?;
    Ok(trial["results"].as_array().cloned().unwrap_or_default())
}

#[test]
fn a_check_that_was_just_made_is_tested_long_before_its_first_slot() {
    let mut nginx = Nginx::start(&[Server::http("location / { return 200 'welcome to shop'; }")]).unwrap();
    let system = System::builder().start().unwrap();
    let wish = json!({
        "name": "shop", "module": "http", "interval": 86_400,
        "config": { "url": nginx.url(0, "/"), "body_contains": "shop" },
    });
    let made = system.api().post("/v1/checks", &wish).unwrap();
    let results = eventually("a host to hold the check", LIMIT, || tested(&system, "shop").map(Some)).unwrap();
    assert!(!results.is_empty() && results.iter().all(|result| result["status"] == "up"), "{results:?}");

    let check = system.api().get(&format!("/v1/checks/{}", text(&made["id"]))).unwrap();
    assert!(check["in_force_from"].is_null() || moment(&check["in_force_from"]).unwrap() > now(), "{check}");
    assert_eq!(check["verdict"], "pending", "what was run by hand is judged by nobody");

    nginx.replace(0, "location / { return 503 'out of order'; }").unwrap();
    let results = tested(&system, "shop").unwrap();
    assert!(!results.is_empty() && results.iter().all(|result| result["status"] == "down"), "{results:?}");
    assert!(system.api().get("/v1/incidents").unwrap()["items"].as_array().unwrap().is_empty());
}
