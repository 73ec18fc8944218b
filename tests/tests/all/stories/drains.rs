//! Hosts are taken out and back in as an operator does it, and nothing is missed meanwhile.

use std::process::Output;
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(40);
const SITES: [&str; 4] = ["shop", "blog", "api", "docs"];

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn runs_after(scene: &Scene, host: &str, after: UnixMs) -> usize {
    let of_site = |site: &&str| {
        let results = scene.results(site).unwrap();
        let later =
            |result: &&Value| result["host_name"] == host && moment(&result["slot"]).is_ok_and(|slot| slot > after);
        results.iter().filter(later).count()
    };
    SITES.iter().map(of_site).sum()
}

#[test]
fn a_drained_host_owns_nothing_and_may_be_retired() {
    let scene = Scene::set(&SITES, System::builder().flag("--warmup=2s")).unwrap();
    let began = now();
    let victim = scene.runner_of("shop").unwrap();

    let hasty = scene.system.client(&["host", "retire", &victim]).unwrap();
    assert_eq!(hasty.status.code(), Some(65), "{}", said(&hasty));
    assert!(said(&hasty).contains("drain it first"), "{}", said(&hasty));
    let impatient = scene.system.client(&["host", "drain", &victim, "--limit", "1s"]).unwrap();
    assert_eq!(impatient.status.code(), Some(69), "{}", said(&impatient));
    assert!(said(&impatient).contains("left"), "{}", said(&impatient));

    let drained = scene.system.client(&["host", "drain", &victim, "--json"]).unwrap();
    assert!(drained.status.success(), "{}", said(&drained));
    let shown: Value = serde_json::from_slice(&drained.stdout).unwrap();
    assert_eq!((&shown["standing"], &shown["owns"]), (&Value::from("away"), &Value::from(0)), "{shown}");
    let idle = now();
    eventually("a slot of every site", LIMIT, || Ok((now().since(idle) > 11_000).then_some(()))).unwrap();
    assert_eq!(runs_after(&scene, &victim, idle), 0, "it owns nothing");

    let back = scene.system.client(&["host", "undrain", &victim]).unwrap();
    assert!(back.status.success(), "{}", said(&back));
    eventually("it to own again", LIMIT, || Ok((scene.host(&victim)?["standing"] == "active").then_some(()))).unwrap();
    assert!(scene.system.client(&["host", "drain", &victim]).unwrap().status.success());
    let retired = scene.system.client(&["host", "retire", &victim]).unwrap();
    assert!(retired.status.success(), "{}", said(&retired));
    assert!(scene.host(&victim).is_err(), "a retired host is listed no more");

    let to = now();
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(began, to)?;
        Ok((now().since(to) > 10_000 && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 0, "{ledger}");
}
