//! A module that a customer brings is run by every host like any other, and tells of an outage by its own words.

use std::time::Duration;

use farwatch_tests::brought;
use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

/// The component that is no built-in module.
fn component() -> String {
    brought::component().unwrap().display().to_string()
}

/// What the command line says in JSON.
pub(super) fn said(system: &System, words: &[&str]) -> Value {
    let output = system.client(&[words, &["--json"]].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The words by which a command is refused.
fn refused(system: &System, words: &[&str]) -> String {
    let output = system.client(words).unwrap();
    assert!(!output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_module_that_is_pushed_runs_at_every_host_and_tells_an_outage() {
    let mut scene = Scene::set(&["shop"], System::builder()).unwrap();
    let component = component();
    let pushed = said(&scene.system, &["module", "push", &component]);
    assert_eq!(
        (&pushed["name"], &pushed["version"], &pushed["builtin"]),
        (&json!("page"), &json!("1.2.0"), &json!(false))
    );
    assert_eq!(said(&scene.system, &["module", "push", &component]), pushed, "the same bytes are the same module");
    let cut = scene.system.data().join("cut.wasm");
    std::fs::write(&cut, &std::fs::read(&component).unwrap()[..20_000]).unwrap();
    let why = refused(&scene.system, &["module", "push", &cut.display().to_string()]);
    assert!(why.contains("module-invalid: "), "{why}");

    let contact = scene.system.api().get("/v1/contacts").unwrap()["items"][0]["id"].clone();
    let wish = json!({
        "name": "page", "module": "page@^1", "interval": 10, "contacts": [contact],
        "config": { "url": scene.nginx.url(0, "/") },
    });
    let made = scene.system.api().post("/v1/checks", &wish).unwrap();
    assert_eq!((&made["module_version"], &made["module_hash"]), (&json!("1.2.0"), &pushed["hash"]));
    let path = format!("/v1/checks/{}", text(&made["id"]));
    let verdict = |wanted: &str| {
        eventually(&format!("the page to be {wanted}"), LIMIT, || {
            let check = scene.system.api().get(&path)?;
            Ok((check["verdict"] == wanted).then_some(()))
        })
        .unwrap();
    };
    verdict("up");
    let in_use = refused(&scene.system, &["module", "delete", "page", "1.2.0"]);
    assert!(in_use.contains("page@1.2.0 is run for page"), "{in_use}");

    scene.nginx.replace(0, "location / { return 503 'out of order'; }").unwrap();
    verdict("down");
    let incidents = scene.incidents().unwrap();
    let incident = incidents.iter().find(|incident| incident["check"] == made["id"]);
    let incident = incident.unwrap_or_else(|| panic!("{incidents:?}"));
    assert!(text(&incident["message"]).contains("the page is not there, by status 503"), "{incident}");
    assert_eq!((&incident["need"], &incident["of"]), (&json!(4), &json!(5)), "five hosts were asked");
    let told =
        || scene.webhooks.requests().iter().any(|told| told.json().unwrap().to_string().contains("is not there"));
    eventually("it to be told", LIMIT, || Ok(told().then_some(()))).unwrap();
}
