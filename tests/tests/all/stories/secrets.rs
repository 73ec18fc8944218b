//! A secret is named by a check, reaches the site through its hosts, is changed, and stands nowhere in plain text.

use std::fs;
use std::path::Path;
use std::time::Duration;

use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);
const FIRST: &str = "open-sesame-4711";
const SECOND: &str = "shibboleth-0815";

/// A site that lets in whoever shows this key, and tells everybody else what was shown.
fn site(key: &str) -> String {
    format!("if ($http_x_key = '{key}') {{ return 200 'in'; }} return 403 'not by $http_x_key';")
}

fn check(system: &System) -> anyhow::Result<Value> {
    Ok(system.api().get("/v1/checks")?["items"][0].clone())
}

fn await_verdict(system: &System, wanted: &str) {
    eventually(&format!("the check to be {wanted}"), LIMIT, || {
        let check = check(system)?;
        anyhow::ensure!(text(&check["verdict"]) == wanted, "{check}");
        Ok(Some(()))
    })
    .unwrap();
}

/// The files below a folder that hold one of these words.
pub(super) fn holding(folder: &Path, words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(holding(&entry, words));
        } else if let Ok(bytes) = fs::read(&entry) {
            let holds = |word: &&str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
            found.extend(words.iter().filter(|word| holds(word)).map(|word| format!("{}: {word}", entry.display())));
        }
    }
    found
}

#[test]
fn a_secret_reaches_the_site_is_changed_and_stands_nowhere_in_plain_text() {
    let mut nginx = Nginx::start(&[Server::http(&site(FIRST))]).unwrap();
    let system = System::builder().start().unwrap();
    system.api().put("/v1/secrets/site-key", &json!({ "value": FIRST })).unwrap();
    let config = json!({
        "url": nginx.url(0, "/"),
        "headers": { "x-key": { "secret": "site-key" } },
        "body_contains": "in",
        "expected_status": "200",
    });
    let wish = json!({ "name": "site", "module": "http", "interval": 10, "config": config });
    system.api().post("/v1/checks", &wish).unwrap();
    await_verdict(&system, "up");

    nginx.replace(0, &site(SECOND)).unwrap();
    await_verdict(&system, "down");
    let set = system.api().put("/v1/secrets/site-key", &json!({ "value": SECOND })).unwrap();
    assert_eq!((set["version"].as_u64(), set["checks"].as_array().map(Vec::len)), (Some(2), Some(1)));
    await_verdict(&system, "up");
    assert_eq!(check(&system).unwrap()["revision"], 2);

    let id = text(&check(&system).unwrap()["id"]);
    for path in ["/v1/audit", "/v1/secrets", "/v1/incidents", "/v1/checks", &format!("/v1/checks/{id}/results")] {
        let shown = system.api().get(path).unwrap().to_string();
        assert!(!shown.contains(FIRST) && !shown.contains(SECOND), "{path}: {shown}");
    }
    let made = system.client(&["secret", "list"]).unwrap();
    assert!(String::from_utf8_lossy(&made.stdout).contains("site-key"), "{made:?}");
    assert_eq!(holding(system.data(), &[FIRST, SECOND]), Vec::<String>::new());
    assert!(holding(system.data(), &["site-key"]).len() > 1, "the files of control and hosts were looked through");
}
