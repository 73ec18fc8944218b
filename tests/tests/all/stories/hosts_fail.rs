//! A host that dies, stops or is cut off is replaced, and nothing is missed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::ports::free_address;
use farwatch_tests::relay::Relay;
use farwatch_tests::scene::{Scene, moment};
use farwatch_tests::system::{System, farwatch};
use farwatch_tests::wait::eventually;
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

const LIMIT: Duration = Duration::from_secs(40);
/// Warm-up, notice, and a slot.
const RETURN_LIMIT: Duration = Duration::from_secs(60);
const SITES: [&str; 4] = ["shop", "blog", "api", "docs"];
/// The hosts of `farwatch up`, in the order of their flags.
const HOSTS: [&str; 5] = ["fra-1", "par-1", "nyc-1", "sfo-1", "sin-1"];

/// Waits until every host hears others: only then do they stand by for each other without control.
fn linked(scene: &Scene) {
    eventually("hosts to hear each other", LIMIT, || {
        let hosts = scene.system.api().get("/v1/hosts")?;
        let all = hosts["items"].as_array().cloned().unwrap_or_default();
        let hears = |host: &serde_json::Value| host["hears"].as_array().is_some_and(|hears| !hears.is_empty());
        Ok((!all.is_empty() && all.iter().all(hears)).then_some(()))
    })
    .unwrap();
}

/// Waits until another host than this one has run the site after that moment.
fn taken_over(scene: &Scene, site: &str, from: &str, after: UnixMs) {
    eventually("a neighbour to run it", LIMIT, || {
        let results = scene.results(site)?;
        let by_another = |result: &&serde_json::Value| {
            result["host_name"] != from && moment(&result["started"]).is_ok_and(|at| at > after)
        };
        Ok(results.iter().find(by_another).map(|_| ()))
    })
    .unwrap();
}

/// Waits until the fleet goes on without this host: standbys do not wait for that.
fn given_up(scene: &Scene, host: &str) {
    eventually("the host to be away", LIMIT, || Ok((scene.host(host)?["standing"] == "away").then_some(()))).unwrap();
}

/// Waits until this host runs the site again, in a slot after this moment.
fn returned(scene: &Scene, site: &str, host: &str, after: UnixMs) {
    eventually("the check to return", RETURN_LIMIT, || {
        let results = scene.results(site)?;
        let again = |result: &&serde_json::Value| {
            result["host_name"] == host
                && result["status"] == "up"
                && moment(&result["slot"]).is_ok_and(|slot| slot > after)
        };
        Ok(results.iter().find(again).map(|_| ()))
    })
    .unwrap();
    assert_eq!(scene.host(host).unwrap()["standing"], "active");
}

/// Waits until the ledger has decided every slot since that moment, and demands that none was missed.
fn nothing_missed_since(scene: &Scene, from: UnixMs) {
    let to = now();
    let ledger = eventually("the ledger to decide", LIMIT, || {
        let ledger = scene.ledger(from, to)?;
        let closed = now().since(to) > 10_000;
        Ok((closed && ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 0, "{ledger}");
    assert!(ledger["due"].as_u64().unwrap() > 0, "{ledger}");
}

#[test]
fn a_killed_host_is_replaced_and_gets_its_checks_back() {
    let builder = System::builder().flag("--warmup=2s").flag("--restart-after=12s");
    let scene = Scene::set(&SITES, builder).unwrap();
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    scene.system.signal(scene.system.host_pid(&victim).unwrap(), Signal::KILL).unwrap();
    taken_over(&scene, "shop", &victim, began);
    given_up(&scene, &victim);
    returned(&scene, "shop", &victim, now());
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty());
}

#[test]
fn a_standby_runs_the_slots_of_a_dead_host_while_control_is_away() {
    let builder = System::builder().flag("--warmup=2s").flag("--restart-after=40s");
    let scene = Scene::set(&SITES, builder).unwrap();
    linked(&scene);
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    let control = scene.system.control_pid().unwrap();
    scene.system.signal(control, Signal::STOP).unwrap();
    scene.system.signal(scene.system.host_pid(&victim).unwrap(), Signal::KILL).unwrap();
    // Two slots of every site, while nobody can declare anybody dead.
    let away = now();
    eventually("two slots to pass", LIMIT, || Ok((now().since(away) > 21_000).then_some(()))).unwrap();
    scene.system.signal(control, Signal::CONT).unwrap();
    let back = now();
    eventually("what a standby ran meanwhile", LIMIT, || {
        let results = scene.results("shop")?;
        let by_another = |result: &&serde_json::Value| {
            result["host_name"] != victim.as_str()
                && moment(&result["started"]).is_ok_and(|at| at > away && at < back)
                && result["status"] == "up"
        };
        Ok((results.iter().filter(by_another).count() >= 2).then_some(()))
    })
    .unwrap();
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty());
}

#[test]
fn a_stopped_host_counts_as_dead_and_runs_nothing_late_when_it_wakes() {
    let scene = Scene::set(&SITES, System::builder().flag("--warmup=2s")).unwrap();
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    let pid = scene.system.host_pid(&victim).unwrap();
    scene.system.signal(pid, Signal::STOP).unwrap();
    taken_over(&scene, "shop", &victim, began);
    scene.system.signal(pid, Signal::CONT).unwrap();
    returned(&scene, "shop", &victim, now());
    nothing_missed_since(&scene, began);
    for site in SITES {
        for result in scene.results(site).unwrap() {
            let covers = result["status"] != "unknown";
            assert!(!covers || result["timing"] != "outside", "a run outside its window covers nothing: {result}");
        }
    }
    assert!(scene.incidents().unwrap().is_empty());
}

/// Waits until control has so many results of the site that this host started between these moments.
fn ran(scene: &Scene, site: &str, host: &str, (from, to): (UnixMs, UnixMs), at_least: usize) {
    eventually("what the host ran", LIMIT, || {
        let results = scene.results(site)?;
        let meanwhile = |result: &&serde_json::Value| {
            result["host_name"] == host
                && result["status"] == "up"
                && moment(&result["started"]).is_ok_and(|at| from < at && at < to)
        };
        Ok((results.iter().filter(meanwhile).count() >= at_least).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_host_that_control_alone_does_not_hear_runs_on_and_its_neighbours_bring_its_results() {
    let link = free_address().unwrap();
    let relays: Vec<Relay> = HOSTS.iter().map(|_| Relay::start(link).unwrap()).collect();
    let builder = System::builder().flag("--warmup=2s").link(link);
    let builder = relays.iter().fold(builder, |builder, relay| builder.flag(format!("--link-via={}", relay.address())));
    let scene = Scene::set(&SITES, builder).unwrap();
    linked(&scene);
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    let relay = &relays[HOSTS.iter().position(|host| *host == victim).unwrap()];
    relay.cut();
    eventually("its neighbours to contradict its silence", LIMIT, || {
        Ok((scene.host(&victim)?["contradicted"] == true).then_some(()))
    })
    .unwrap();
    ran(&scene, "shop", &victim, (now(), UnixMs(i64::MAX)), 2);
    assert_eq!(scene.host(&victim).unwrap()["standing"], "active", "nobody accuses a host that others hear");
    let health = scene.system.api().get("/v1/health").unwrap();
    assert!(health.to_string().contains("hosts-cut-off"), "{health}");
    relay.heal();
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty());
}

#[test]
fn what_a_host_ran_outlives_it_and_its_disk_where_a_neighbour_was_told() {
    let builder = System::builder().flag("--warmup=2s").flag("--restart-after=60s");
    let scene = Scene::set(&SITES, builder).unwrap();
    linked(&scene);
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    let control = scene.system.control_pid().unwrap();
    scene.system.signal(control, Signal::STOP).unwrap();
    let away = now();
    eventually("two slots to pass", LIMIT, || Ok((now().since(away) > 21_000).then_some(()))).unwrap();
    scene.system.signal(scene.system.host_pid(&victim).unwrap(), Signal::KILL).unwrap();
    let died = now();
    fs::remove_dir_all(scene.system.data().join("hosts").join(&victim).join("spool")).unwrap();
    scene.system.signal(control, Signal::CONT).unwrap();
    ran(&scene, "shop", &victim, (away, died), 2);
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty());
}

/// Lets a process write no byte to any file, as on a full disk, or all it wants.
fn let_write(pid: Pid, may: bool) {
    let current = if may { None } else { Some(0) };
    prlimit(Some(pid), Resource::Fsize, Rlimit { current, maximum: None }).unwrap();
}

#[test]
fn a_host_whose_disk_is_full_runs_on_says_so_and_writes_again_once_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    // A real disk sends no signal when it is full. Who is told to pass over this one hands that on to all it starts.
    let deaf = folder.path().join("deaf");
    let farwatch = farwatch().unwrap();
    fs::write(&deaf, format!("#!/bin/sh\ntrap '' XFSZ\nexec {} \"$@\"\n", farwatch.display())).unwrap();
    fs::set_permissions(&deaf, fs::Permissions::from_mode(0o755)).unwrap();
    let scene = Scene::set(&SITES, System::builder().flag("--warmup=2s").program(&deaf)).unwrap();
    linked(&scene);
    let began = now();
    let victim = scene.runner_of("shop").unwrap();
    let pid = scene.system.host_pid(&victim).unwrap();
    let says_full =
        || scene.system.api().get("/v1/health").map(|health| health.to_string().contains("host-disks-full"));
    let_write(pid, false);
    eventually("the host to say that its disk is full", LIMIT, || Ok(says_full()?.then_some(()))).unwrap();
    assert_eq!(scene.host(&victim).unwrap()["disk_full"], true);
    let control = scene.system.control_pid().unwrap();
    scene.system.signal(control, Signal::STOP).unwrap();
    let away = now();
    eventually("two slots to pass", LIMIT, || Ok((now().since(away) > 21_000).then_some(()))).unwrap();
    scene.system.signal(control, Signal::CONT).unwrap();
    ran(&scene, "shop", &victim, (away, away + 21_000), 2);
    let_write(pid, true);
    eventually("the host to write again", LIMIT, || {
        let is_told = scene.system.log(&victim).contains("the spool can be written again");
        Ok((is_told && !says_full()?).then_some(()))
    })
    .unwrap();
    assert_eq!(scene.host(&victim).unwrap()["dropped_results"], 0);
    nothing_missed_since(&scene, began);
    assert!(scene.incidents().unwrap().is_empty());
}
