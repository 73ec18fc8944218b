//! A fleet under load is upgraded to another release by the command that an operator types, and nothing is missed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::{System, farwatch};
use farwatch_tests::wait::eventually;
use serde_json::Value;
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(60);
const SITES: [&str; 8] = ["shop", "blog", "api", "docs", "mail", "chat", "news", "wiki"];

/// The program under test without what helps to debug it: another release of the same version, as its hash says.
fn other_release(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("farwatch-stripped");
    let stripped =
        Command::new("strip").arg("-o").arg(&path).arg(farwatch()?).status().context("binutils are needed")?;
    ensure!(stripped.success(), "strip: {stripped}");
    Ok(path)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Pushes a file as a release and answers with its hash.
fn push(scene: &Scene, file: &Path, version: &str) -> String {
    let pushed = scene.system.client(&["release", "push", file.to_str().unwrap(), "--as", version, "--json"]).unwrap();
    assert!(pushed.status.success(), "{}", said(&pushed));
    text(&serde_json::from_slice::<Value>(&pushed.stdout).unwrap()["hash"])
}

fn hosts(scene: &Scene) -> Vec<Value> {
    scene.system.api().get("/v1/hosts").unwrap()["items"].as_array().unwrap().clone()
}

/// The ledger of every slot since then, once each is decided.
fn account(scene: &Scene, from: UnixMs) -> Value {
    let to = now();
    eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(from, to)?;
        Ok((now().since(to) > 10_000 && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap()
}

#[test]
fn five_hosts_are_upgraded_one_by_one_and_nothing_is_missed() {
    let folder = TempDir::new().unwrap();
    let scene = Scene::set(&SITES, System::builder().hosts_apart().flag("--warmup=2s")).unwrap();
    let began = now();
    let release = push(&scene, &other_release(folder.path()).unwrap(), "9.9.9");
    assert!(hosts(&scene).iter().all(|host| host["release"].is_string() && host["release"] != release.as_str()));

    let upgraded = scene.system.client(&["fleet", "upgrade", "--to", "9.9.9", "--max-unavailable", "2"]).unwrap();
    assert!(upgraded.status.success(), "{}", said(&upgraded));
    assert!(said(&upgraded).contains("done"), "{}", said(&upgraded));
    for host in hosts(&scene) {
        assert_eq!((&host["release"], &host["standing"]), (&Value::from(release.as_str()), &Value::from("active")));
    }
    let ledger = account(&scene, began);
    assert_eq!(ledger["missed"], 0, "{ledger}");
    assert!(ledger["due"].as_u64().unwrap() > 40, "{ledger}");
    assert!(scene.incidents().unwrap().is_empty());
    let shown = scene.system.client(&["fleet", "upgrade", "--status", "--json"]).unwrap();
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!((&shown["state"], &shown["done"]), (&Value::from("done"), &Value::from(5)), "{shown}");
}

#[test]
fn a_broken_release_stops_at_the_first_host_which_carries_on() {
    let folder = TempDir::new().unwrap();
    let scene = Scene::set(&SITES, System::builder().hosts_apart().flag("--warmup=2s")).unwrap();
    let began = now();
    let broken = folder.path().join("broken");
    fs::write(&broken, "#!/bin/sh\necho this release is broken >&2\nexit 3\n").unwrap();
    push(&scene, &broken, "6.6.6");
    let before: Vec<Value> = hosts(&scene).iter().map(|host| host["release"].clone()).collect();

    let stopped = scene.system.client(&["fleet", "upgrade", "--to", "6.6.6", "--max-unavailable", "5"]).unwrap();
    assert_eq!(stopped.status.code(), Some(70), "{}", said(&stopped));
    assert!(said(&stopped).contains("could not take the release: it ended with exit status: 3"), "{}", said(&stopped));
    let shown = scene.system.api().get("/v1/fleet/upgrade").unwrap();
    let tried = shown["hosts"].as_array().unwrap().iter().filter(|host| host["progress"] != "waiting").count();
    assert_eq!((&shown["state"], tried), (&Value::from("stopped"), 1), "{shown}");
    let after: Vec<Value> = hosts(&scene).iter().map(|host| host["release"].clone()).collect();
    assert_eq!(after, before);
    assert!(hosts(&scene).iter().all(|host| host["standing"] == "active" && host["connected"] == true));
    let ledger = account(&scene, began);
    assert_eq!((&ledger["missed"], &ledger["late"]), (&Value::from(0), &Value::from(0)), "{ledger}");
    assert!(scene.incidents().unwrap().is_empty());
}
