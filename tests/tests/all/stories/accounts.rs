//! The ledger counts what was due by itself: a result that is lost shows up as missed.

use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;

const LIMIT: Duration = Duration::from_secs(60);

/// Deletes one journal row that holds exactly one result of that slot, behind the product's back.
const DELETE_ONE: &str = "
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], timeout=10)
deleted = database.execute(
    'delete from journal where results = 1 and slot_from_ms = ? and slot_to_ms = ?', (sys.argv[2], sys.argv[2])).rowcount
database.commit()
print(deleted)
";

#[test]
fn a_journal_row_that_is_lost_is_a_missed_slot() {
    let scene = Scene::set(&["shop"], System::builder()).unwrap();
    let began = now();
    eventually("three more slots", LIMIT, || {
        let later = scene
            .results("shop")?
            .iter()
            .filter(|result| moment(&result["slot"]).is_ok_and(|slot| slot > began))
            .count();
        Ok((later >= 3).then_some(()))
    })
    .unwrap();
    let to = now();
    let results = scene.results("shop").unwrap();
    let victim = results.iter().find(|result| moment(&result["slot"]).is_ok_and(|slot| slot > began)).unwrap();
    let (ended, told) = audit(&scene).unwrap();
    assert!(ended == Some(0) && told.contains("ledger and record agree"), "{told}");
    let deleted = delete_row(&scene, &victim["slot"].to_string()).unwrap();
    assert_eq!(deleted, "1");
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(began, to)?;
        Ok((ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 1, "{ledger}");
    let due = ledger["due"].as_u64().unwrap();
    assert_eq!(due, 1 + ledger["on_time"].as_u64().unwrap() + ledger["late"].as_u64().unwrap());
    assert_eq!(ledger["missed_slots"][0]["slot"], victim["slot"]);
    // Of an open hour ledger and record read the same rows: both say that it is missed, and the audit that a row is gone.
    let (ended, told) = audit(&scene).unwrap();
    assert!(ended == Some(70) && told.contains("missing    1 rows of the journal"), "{told}");
    assert!(told.contains("differing  none"), "{told}");
}

/// How `farwatch audit ledger` ends, and what it says.
fn audit(scene: &Scene) -> anyhow::Result<(Option<i32>, String)> {
    let audited = scene.system.client(&["audit", "ledger", "--since", "5m"])?;
    Ok((audited.status.code(), String::from_utf8(audited.stdout)?))
}

fn delete_row(scene: &Scene, slot: &str) -> anyhow::Result<String> {
    let database = scene.system.data().join("farwatch.db");
    let output = Command::new("/usr/bin/python3").args(["-c", DELETE_ONE]).arg(database).arg(slot).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
