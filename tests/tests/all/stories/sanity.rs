//! A host that has lost the world knows it by its references, and leaves its slots to those that see it; references that
//! nobody sees accuse nobody.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::references::References;
use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
const SITES: [&str; 3] = ["shop", "blog", "docs"];
/// The hosts of `farwatch up`, in the order of their flags.
const HOSTS: [&str; 5] = ["fra-1", "par-1", "nyc-1", "sfo-1", "sin-1"];

/// A scene whose hosts see three references, each host from an address of its own.
fn scene(references: &References, first: u8) -> (Scene, Vec<IpAddr>) {
    let addresses: Vec<IpAddr> = (first..first + 5).map(|last| Ipv4Addr::new(127, 0, 1, last).into()).collect();
    let builder = System::builder().flag("--warmup=2s").probe_bind(addresses.clone());
    let builder = references.flags().into_iter().fold(builder, farwatch_tests::system::SystemBuilder::flag);
    let scene = Scene::set(&SITES, builder).unwrap();
    await_sanity(&scene, &HOSTS, "sane");
    (scene, addresses)
}

fn await_sanity(scene: &Scene, hosts: &[&str], word: &str) {
    eventually(&format!("{hosts:?} to be {word}"), LIMIT, || {
        for host in hosts {
            if scene.host(host)?["sanity"] != word {
                return Ok(None);
            }
        }
        Ok(Some(()))
    })
    .unwrap();
}

fn reasons(scene: &Scene) -> anyhow::Result<Vec<String>> {
    let health = scene.system.api().get("/v1/health")?;
    Ok(health["reasons"].as_array().into_iter().flatten().map(|reason| text(&reason["code"])).collect())
}

/// Waits until health gives this reason, or no longer does.
fn await_reason(scene: &Scene, code: &str, is_there: bool) {
    eventually(&format!("{code} to be told: {is_there}"), LIMIT, || {
        Ok((reasons(scene)?.iter().any(|told| told == code) == is_there).then_some(()))
    })
    .unwrap();
}

/// Waits until one of these hosts has found the site up in a slot after that moment.
fn await_run(scene: &Scene, site: &str, after: UnixMs, is_by: impl Fn(&Value) -> bool) {
    eventually("the site to be run and up", LIMIT, || {
        let of_them = |result: &&Value| {
            result["status"] == "up"
                && is_by(&result["host_name"])
                && moment(&result["slot"]).is_ok_and(|at| at > after)
        };
        Ok(scene.results(site)?.iter().find(of_them).map(|_| ()))
    })
    .unwrap();
}

fn nothing_missed_since(scene: &Scene, from: UnixMs) {
    let to = now();
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(from, to)?;
        Ok((now().since(to) > 10_000 && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 0, "{ledger}");
    assert!(ledger["due"].as_u64().unwrap() > 0, "{ledger}");
}

#[test]
fn a_host_that_lost_the_world_leaves_its_slots_to_others_until_it_sees_it_again() {
    let references = References::start().unwrap();
    let (mut scene, addresses) = scene(&references, 11);
    let victim = scene.runner_of("shop").unwrap();
    let address = addresses[HOSTS.iter().position(|name| *name == victim).unwrap()];
    let began = now();
    references.shut_out(address).unwrap();
    SITES.iter().for_each(|site| scene.deny(site, address).unwrap());
    await_sanity(&scene, &[&victim], "insane");
    await_reason(&scene, "hosts-insane", true);
    await_run(&scene, "shop", began, |host| *host != json!(victim));
    await_run(&scene, "shop", now(), |host| *host != json!(victim));
    for site in SITES {
        for result in scene.results(site).unwrap() {
            assert!(result["status"] != "down", "the victim saw nothing, and nothing was down: {result}");
        }
        assert_eq!(scene.check(site).unwrap()["verdict"], "up");
    }
    SITES.iter().for_each(|site| scene.repair_site(site).unwrap());
    references.let_in().unwrap();
    await_sanity(&scene, &[&victim], "sane");
    await_run(&scene, "shop", now(), |host| *host == json!(victim));
    await_reason(&scene, "hosts-insane", false);
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty() && scene.webhooks.requests().is_empty());
    assert!(scene.system.log("control").contains("host insane") && scene.system.log("control").contains("host sane"));
}

#[test]
fn references_that_nobody_sees_are_ignored_and_outages_are_told_all_the_same() {
    let references = References::start().unwrap();
    let (mut scene, _) = scene(&references, 21);
    let began = now();
    references.shut_all_out().unwrap();
    await_reason(&scene, "references-broken", true);
    await_sanity(&scene, &HOSTS, "doubtful");
    scene.break_site("shop").unwrap();
    eventually("the outage to be told", LIMIT, || Ok((scene.webhooks.requests().len() == 1).then_some(()))).unwrap();
    let shown = scene.system.client(&["status"]).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("ignored: 5 hosts do not see them"), "{shown}");
    references.let_in().unwrap();
    await_reason(&scene, "references-broken", false);
    await_sanity(&scene, &HOSTS, "sane");
    assert!(!reasons(&scene).unwrap().contains(&"hosts-insane".to_owned()));
    nothing_missed_since(&scene, began);
    assert_eq!(scene.incidents().unwrap().len(), 1);
}

#[test]
fn without_references_it_is_said_that_nobody_can_tell() {
    let system = System::builder().hosts(1).start().unwrap();
    // What only the leader knows is there once it has shown how it stands.
    eventually("the host to be shown", LIMIT, || {
        let host = system.api().get("/v1/hosts")?["items"][0].clone();
        Ok(host["sanity"].is_string().then_some(host))
    })
    .map(|host| assert_eq!(host["sanity"], "off", "{host}"))
    .unwrap();
    let health = system.api().get("/v1/health").unwrap();
    assert_eq!(health["references"]["configured"], 0, "{health}");
    let shown = system.client(&["status"]).unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("none: a host that has lost the world is not known by it"), "{shown}");
}
