//! The database is lost and restored from a backup: hosts go on, and what the backup lacks comes back from them.

use std::fs;
use std::time::Duration;

use anyhow::ensure;
use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);
/// What lies between the end of control and its next start: the time in which an operator restores.
const RESTART_AFTER: &str = "--restart-after=12s";
/// A killed process is gone by then, long before the next one starts.
const GONE_LIMIT: Duration = Duration::from_secs(8);
/// The checks of a scene run that often.
const INTERVAL_MS: i64 = 10_000;

/// The latest slot of the site that has a result.
fn latest_slot(scene: &Scene) -> anyhow::Result<UnixMs> {
    scene.results("shop")?.last().map_or(Ok(UnixMs(0)), |result| moment(&result["slot"]))
}

fn told(system: &System, words: &[&str]) -> anyhow::Result<Value> {
    let output = system.client(words)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

#[test]
fn what_was_measured_after_the_backup_comes_back_from_the_hosts() {
    let scene = Scene::set(&["shop"], System::builder().flag(RESTART_AFTER)).unwrap();
    let data = scene.system.data();
    let file = data.join("of-now.backup");
    let (folder, backup) = (format!("--data={}", data.display()), file.display().to_string());
    let made = told(&scene.system, &["backup", &backup, &folder, "--json"]).unwrap();
    assert!(made["rows"].as_u64().unwrap() > 0 && made["history"] == true, "{made}");
    let again = scene.system.client(&["backup", &backup, &folder]).unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("overwrites nothing"));
    let in_use = scene.system.client(&["restore", &backup, &folder]).unwrap();
    assert!(String::from_utf8_lossy(&in_use.stderr).contains("stop it first"), "{in_use:?}");

    let backed_up = now();
    let lost = eventually("two more slots to be run", LIMIT, || {
        let latest = latest_slot(&scene)?;
        Ok((latest.since(backed_up) > INTERVAL_MS).then_some(latest))
    })
    .unwrap();
    scene.system.signal(scene.system.control_pid().unwrap(), Signal::KILL).unwrap();
    for name in ["farwatch.db", "farwatch.db-wal", "farwatch.db-shm"] {
        // Which of the two others there are depends on the moment of the kill.
        let removed = fs::remove_file(data.join(name));
        assert!(removed.is_ok() || name != "farwatch.db", "{removed:?}");
    }
    // The database is in use until the killed process is gone, which may be a moment after the kill.
    let restored = eventually("the restore", GONE_LIMIT, || {
        told(&scene.system, &["restore", &backup, &folder, "--json"]).map(Some)
    })
    .unwrap();
    assert!(restored["era"].as_u64().unwrap() > 1, "{restored}");
    assert_eq!(restored["rows"], made["rows"]);

    eventually("the lost slot to come back", LIMIT, || {
        let slots: Vec<UnixMs> =
            scene.results("shop")?.iter().map(|result| moment(&result["slot"])).collect::<Result<_, _>>()?;
        Ok(slots.contains(&lost).then_some(()))
    })
    .unwrap();
    let after = now();
    eventually("slots to be run on", LIMIT, || Ok((latest_slot(&scene)? > after).then_some(()))).unwrap();
    // Hosts take what a restored control says for newer than all they hold, so that a new check comes into force.
    let config = json!({ "url": scene.nginx.url(0, "/") });
    let wish = json!({ "name": "new", "module": "http", "interval": 10, "config": config });
    let id = text(&scene.system.api().post("/v1/checks", &wish).unwrap()["id"]);
    eventually("a new check to be up", LIMIT, || {
        Ok((scene.system.api().get(&format!("/v1/checks/{id}"))?["verdict"] == "up").then_some(()))
    })
    .unwrap();
    let ledger = scene.ledger(backed_up, after).unwrap();
    let count = |name: &str| ledger[name].as_i64().unwrap();
    assert_eq!((count("missed"), count("pending")), (0, 0), "{ledger}");
    assert_eq!(count("due"), count("on_time") + count("late"), "{ledger}");
}
