//! One process of a host takes over from another on the same machine, between two slots.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::ensure;
use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::{Pid, Signal};
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(40);
const SITES: [&str; 8] = ["shop", "blog", "api", "docs", "mail", "chat", "news", "wiki"];

/// Waits until this process has ended well.
fn ended_well(scene: &mut Scene, host: &str, pid: Pid) {
    let apart = scene.system.apart(host).unwrap();
    let status = eventually("the predecessor to end", LIMIT, || apart.ended(pid)).unwrap();
    assert!(status.success(), "{status}");
}

/// Every run of a due slot since then, by site, slot and host.
fn runs_since(scene: &Scene, from: UnixMs) -> BTreeMap<(String, i64, String), usize> {
    let mut runs = BTreeMap::new();
    for site in SITES {
        for result in scene.results(site).unwrap() {
            let slot = moment(&result["slot"]).unwrap();
            if slot >= from {
                *runs.entry((site.to_owned(), slot.0, text(&result["host_name"]))).or_default() += 1;
            }
        }
    }
    runs
}

fn slots_passed(since: UnixMs, slots: i64) {
    eventually("slots to pass", LIMIT, || Ok((now().since(since) > slots * 10_000 + 1_000).then_some(()))).unwrap();
}

fn nothing_missed(scene: &Scene, from: UnixMs) {
    let to = now();
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(from, to)?;
        Ok((now().since(to) > 10_000 && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!((&ledger["missed"], &ledger["late"]), (&Value::from(0), &Value::from(0)), "{ledger}");
    assert!(ledger["due"].as_u64().unwrap() >= SITES.len() as u64, "{ledger}");
}

#[test]
fn a_successor_takes_over_between_two_slots_and_each_is_run_once() {
    let mut scene = Scene::set(&SITES, System::builder().hosts_apart().flag("--warmup=2s")).unwrap();
    let began = now();
    let host = scene.runner_of("shop").unwrap();
    let apart = scene.system.apart(&host).unwrap();
    let first = apart.first();

    let without = apart.start_another("--run-places=64").unwrap();
    let refused = eventually("a second process to be refused", LIMIT, || apart.ended(without)).unwrap();
    assert!(!refused.success());
    assert!(scene.system.log(&host).contains("another host already runs on"), "the line says so");

    let second = scene.system.apart(&host).unwrap().start_another("--succeed").unwrap();
    ended_well(&mut scene, &host, first);
    scene.system.apart(&host).unwrap().start_another("--succeed").unwrap();
    ended_well(&mut scene, &host, second);
    let taken = now();
    slots_passed(taken, 1);
    assert_eq!(scene.host(&host).unwrap()["standing"], "active");
    assert_eq!(scene.runner_of("shop").unwrap(), host);
    nothing_missed(&scene, began);
    let doubled: Vec<_> = runs_since(&scene, began).into_iter().filter(|(_, runs)| *runs > 1).collect();
    assert!(doubled.is_empty(), "{doubled:?}");
    let slots: BTreeMap<(String, i64), usize> =
        runs_since(&scene, began).into_keys().fold(BTreeMap::new(), |mut slots, (site, slot, _)| {
            *slots.entry((site, slot)).or_default() += 1;
            slots
        });
    let doubled: Vec<_> = slots.into_iter().filter(|(_, hosts)| *hosts > 1).collect();
    assert!(doubled.is_empty(), "no standby stepped in: {doubled:?}");
    assert!(scene.incidents().unwrap().is_empty());
}

#[test]
fn whichever_of_the_two_dies_the_other_has_the_whole() {
    let mut scene = Scene::set(&SITES, System::builder().hosts_apart().flag("--warmup=2s")).unwrap();
    let began = now();
    let host = scene.runner_of("shop").unwrap();
    let first = scene.system.apart(&host).unwrap().first();

    let successor = scene.system.apart(&host).unwrap().start_another("--succeed").unwrap();
    eventually("the successor to take over", LIMIT, || {
        Ok(scene.system.log(&host).contains("handing over").then_some(()))
    })
    .unwrap();
    scene.system.apart(&host).unwrap().signal(successor, Signal::KILL).unwrap();
    eventually("the predecessor to carry on", LIMIT, || {
        let log = scene.system.log(&host);
        ensure!(!log.contains("stopping"), "it has ended");
        Ok(log.contains("this process carries on").then_some(()))
    })
    .unwrap();
    slots_passed(now(), 1);
    assert_eq!(scene.runner_of("shop").unwrap(), host);

    scene.system.apart(&host).unwrap().start_another("--succeed").unwrap();
    eventually("the next successor to take over", LIMIT, || {
        Ok((scene.system.log(&host).matches("handing over").count() == 2).then_some(()))
    })
    .unwrap();
    scene.system.apart(&host).unwrap().signal(first, Signal::KILL).unwrap();
    eventually("it to know that it is alone", LIMIT, || {
        Ok(scene.system.log(&host).contains("the predecessor has ended").then_some(()))
    })
    .unwrap();
    slots_passed(now(), 1);
    assert_eq!(scene.runner_of("shop").unwrap(), host);
    let to = now();
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(began, to)?;
        Ok((now().since(to) > 10_000 && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 0, "{ledger}");
    assert!(scene.incidents().unwrap().is_empty());
}
