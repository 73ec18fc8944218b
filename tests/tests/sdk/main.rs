//! What `make sdk` tries: in each language a module is begun, tested, built and pushed as its author would do it, is run by
//! five hosts, and tells an outage by its own words.
//!
//! It is no part of `cargo test`, for it needs the tools of all three languages, which `setup/sdk.sh` has fetched.

#![allow(clippy::unwrap_used, reason = "an error fails the test that meets it")]

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use farwatch_tests::authored::{self, LANGS, Lang};
use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

/// Six processes compile two interpreters each, on a machine that may be small.
const LIMIT: Duration = Duration::from_secs(600);
/// What a module in Rust may have, in bytes: every host fetches it.
const RUST_BYTES_MAX: u64 = 150_000;
/// What is wanted of the languages, in the order in which there are any.
const WANTED: [Wanted; 3] = [
    Wanted { tier: "small", needs: &["http"], test: &["cargo", "test"] },
    Wanted { tier: "large", needs: &["http"], test: &["npm", "test"] },
    Wanted { tier: "large", needs: &["http", "sockets"], test: &["python3", "-m", "unittest"] },
];

/// What a module of a language is to be, and how its project tests itself.
struct Wanted {
    tier: &'static str,
    needs: &'static [&'static str],
    test: &'static [&'static str],
}

/// Begins a project, runs its own test, and builds it.
fn built(lang: Lang, wanted: &Wanted, above: &Path) -> Value {
    let folder = authored::begin(lang, above).unwrap();
    let mut test = Command::new(wanted.test[0]);
    test.args(&wanted.test[1..]).current_dir(&folder);
    let mut test = authored::with_tools(test).unwrap();
    // It is for this machine, whose standard library is there.
    test.env_remove("CARGO_UNSTABLE_BUILD_STD");
    authored::done(test).unwrap();
    authored::build(&folder).unwrap()
}

/// What the command line says in JSON.
fn said(system: &System, words: &[&str]) -> Value {
    let output = system.client(&[words, &["--json"]].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A check of a module that was pushed, of the site of its language.
fn watched(scene: &Scene, index: usize, module: &Value, contact: &Value) -> String {
    let name = text(&module["name"]);
    let wish = json!({
        "name": name, "module": name, "interval": 10, "contacts": [contact],
        "config": { "url": scene.nginx.url(index, "/"), "contains": "welcome" },
    });
    text(&scene.system.api().post("/v1/checks", &wish).unwrap()["id"]).to_owned()
}

fn await_verdict(scene: &Scene, check: &str, wanted: &str) {
    eventually(&format!("{check} to be {wanted}"), LIMIT, || {
        let check = scene.system.api().get(&format!("/v1/checks/{check}"))?;
        Ok((check["verdict"] == wanted).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_module_of_each_language_is_begun_built_pushed_and_tells_an_outage() {
    let above = tempfile::tempdir().unwrap();
    let each = LANGS.iter().zip(&WANTED);
    let built: Vec<Value> = each.map(|(lang, wanted)| built(*lang, wanted, above.path())).collect();
    for (wanted, built) in WANTED.iter().zip(&built) {
        assert_eq!((&built["tier"], &built["capabilities"]), (&json!(wanted.tier), &json!(wanted.needs)), "{built}");
    }
    assert!(built[0]["bytes"].as_u64().unwrap() < RUST_BYTES_MAX, "{}", built[0]["bytes"]);

    let names = LANGS.each_ref().map(|lang| lang.name);
    let mut scene = Scene::set(&names, System::builder()).unwrap();
    let contact = scene.system.api().get("/v1/contacts").unwrap()["items"][0]["id"].clone();
    let mut checks = Vec::new();
    for (index, (lang, built)) in LANGS.iter().zip(&built).enumerate() {
        let folder = above.path().join(lang.name).display().to_string();
        let pushed = said(&scene.system, &["module", "push", "--path", &folder]);
        assert_eq!((&pushed["hash"], &pushed["config_schema"]), (&built["hash"], &built["config_schema"]));
        checks.push(watched(&scene, index, &pushed, &contact));
    }
    for check in &checks {
        await_verdict(&scene, check, "up");
    }
    for name in names {
        scene.break_site(name).unwrap();
    }
    for check in &checks {
        await_verdict(&scene, check, "down");
        let incidents = scene.incidents().unwrap();
        let incident = incidents.iter().find(|incident| incident["check"] == check.as_str());
        let incident = incident.unwrap_or_else(|| panic!("{incidents:?}"));
        assert!(text(&incident["message"]).contains("the page is not there, by status 503"), "{incident}");
        assert_eq!((&incident["need"], &incident["of"]), (&json!(4), &json!(5)), "five hosts were asked");
        let told = || scene.webhooks.requests().iter().any(|told| told.json().unwrap().to_string().contains(check));
        eventually("it to be told", LIMIT, || Ok(told().then_some(()))).unwrap();
    }
}
