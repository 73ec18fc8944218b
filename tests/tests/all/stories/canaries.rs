//! A newer version of a module runs beside the one that a check is run by: a good one takes over without a slot being
//! missed, a broken one is held back and nobody hears of it but its author.

use std::time::Duration;

use farwatch_tests::brought;
use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

use super::brought::said;

/// Five slots at ten seconds, and what begins and ends around them.
const LIMIT: Duration = Duration::from_secs(150);

/// Pushes the module under another version.
fn push(system: &System, version: &str) -> Value {
    let path = system.data().join(format!("page-{version}.wasm"));
    std::fs::write(&path, brought::under_version(version).unwrap()).unwrap();
    let pushed = said(system, &["module", "push", &path.display().to_string()]);
    assert_eq!(pushed["version"], version);
    pushed
}

/// A page that is watched by whatever the newest version is, once it has been seen.
fn watch(scene: &Scene) -> String {
    let wish =
        json!({ "name": "page", "module": "page", "interval": 10, "config": { "url": scene.nginx.url(0, "/") } });
    let made = scene.system.api().post("/v1/checks", &wish).unwrap();
    let path = format!("/v1/checks/{}", text(&made["id"]));
    eventually("the page to be up", LIMIT, || Ok((scene.system.api().get(&path)?["verdict"] == "up").then_some(())))
        .unwrap();
    path
}

/// The same version at every slot so far, none of which was missed.
fn modules_of_slots(scene: &Scene, path: &str) -> Vec<Value> {
    let results = scene.system.api().get(&format!("{path}/results")).unwrap();
    let mut modules: Vec<Value> = Vec::new();
    for result in results["items"].as_array().unwrap().iter().rev() {
        assert_eq!((&result["status"], &result["timing"]), (&json!("up"), &json!("on_time")), "{result}");
        if modules.last() != Some(&result["module"]) {
            modules.push(result["module"].clone());
        }
    }
    modules
}

#[test]
fn a_check_moves_to_a_newer_version_that_finds_the_same() {
    let scene = Scene::set(&["shop"], System::builder()).unwrap();
    let older = push(&scene.system, "1.2.0");
    let path = watch(&scene);
    let newer = push(&scene.system, "1.3.0");
    eventually("a slot of the newer version", LIMIT, || Ok((modules_of_slots(&scene, &path).len() == 2).then_some(())))
        .unwrap();
    assert_eq!(modules_of_slots(&scene, &path), [older["hash"].clone(), newer["hash"].clone()]);
    let check = scene.system.api().get(&path).unwrap();
    assert_eq!((&check["module_version"], &check["module"]), (&json!("1.3.0"), &json!("page")));
    let audit = scene.system.api().get("/v1/audit").unwrap();
    let moved = audit["items"].as_array().unwrap().iter().find(|entry| entry["action"] == "check.move");
    assert_eq!(moved.unwrap_or_else(|| panic!("{audit}"))["actor"], "farwatch");
    assert_eq!(scene.incidents().unwrap(), Vec::<Value>::new());
}

#[test]
fn a_version_that_traps_is_held_back_until_it_is_wanted_again() {
    let scene = Scene::set(&["shop"], System::builder()).unwrap();
    let older = push(&scene.system, "1.2.0");
    let path = watch(&scene);
    push(&scene.system, "1.3.9");
    let hold = || {
        let versions = scene.system.api().get("/v1/modules/page")?;
        let broken = versions["items"].as_array().unwrap().iter().find(|module| module["version"] == "1.3.9");
        Ok(broken.and_then(|broken| broken["held"]["why"].as_str()).map(str::to_owned))
    };
    let why = eventually("the version to be held back", LIMIT, hold).unwrap();
    assert!(why.contains("it gave no answer for page, where 1.2.0 did"), "{why}");
    assert_eq!(modules_of_slots(&scene, &path), [older["hash"].clone()]);
    assert_eq!(scene.incidents().unwrap(), Vec::<Value>::new());

    let other = json!({ "name": "other", "module": "page@^1", "config": { "url": scene.nginx.url(0, "/") } });
    let made = scene.system.api().post("/v1/checks", &other).unwrap();
    assert_eq!(made["module_version"], "1.2.0", "a range means none that is held back");
    said(&scene.system, &["module", "retry", "page", "1.3.9"]);
    eventually("the version to be held back once more", LIMIT, hold).unwrap();
}
