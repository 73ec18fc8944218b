//! What is kept is changed from the command line, whoever must act on it does, and the audit log tells of it.

use std::time::Duration;

use anyhow::ensure;
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

/// Hosts warm up, and a planned view is announced ten seconds ahead.
const LIMIT: Duration = Duration::from_secs(60);

/// What the program answers as JSON.
fn told(system: &System, words: &[&str]) -> anyhow::Result<Value> {
    let output = system.client(&[words, &["--json"]].concat())?;
    ensure!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn a_host_that_is_reweighted_gets_a_view_of_its_own_and_the_audit_log_tells_who_did_it() {
    let system = System::builder().start().unwrap();
    told(&system, &["contact", "create", "ops"]).unwrap();
    let contact = told(&system, &["contact", "edit", "ops", "name=night"]).unwrap();
    assert_eq!((&contact["name"], &contact["revision"]), (&json!("night"), &json!(2)));

    let standing = || {
        let hosts = system.api().get("/v1/hosts")?;
        let hosts = hosts["items"].as_array().cloned().unwrap_or_default();
        let is_steady = !hosts.is_empty() && hosts.iter().all(|host| host["standing"] == "active");
        Ok(is_steady.then_some(hosts))
    };
    let hosts = eventually("every host to stand in a view", LIMIT, standing).unwrap();
    let health = system.api().get("/v1/health").unwrap();
    let (view, host) = (text(&health["view"]), text(&hosts[0]["name"]));
    let edited = told(&system, &["host", "edit", &host, "weight=3", "labels.disk=ssd"]).unwrap();
    assert_eq!((&edited["weight"], &edited["labels"]["disk"]), (&json!(3), &json!("ssd")));
    eventually("a view with the new weight", LIMIT, || {
        let newer = text(&system.api().get("/v1/health")?["view"]);
        Ok((newer != view).then_some(()))
    })
    .unwrap();

    let audit = told(&system, &["audit", "--limit", "5"]).unwrap();
    let entries: Vec<&Value> = audit["items"].as_array().unwrap().iter().collect();
    let actions: Vec<String> = entries.iter().map(|entry| text(&entry["action"])).collect();
    assert_eq!(actions[..3], ["host.change", "contact.change", "contact.create"]);
    assert_eq!((&entries[0]["entity"], &entries[0]["detail"]["address"]), (&edited["id"], &json!("127.0.0.1")));
    let shown = system.client(&["audit"]).unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("contact.change"));
}
