//! Several control processes on PostgreSQL: one leads, all answer, and whatever befalls the leader another takes over.
//!
//! The short form of `make follower`, and what a client of a follower sees.

use std::time::Duration;

use farwatch_tests::ordeal::{Blow, Controls};
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(30);

#[test]
fn whatever_befalls_the_leader_another_takes_over_and_nothing_is_lost() {
    let mut controls = Controls::begin().unwrap();
    for blow in [Blow::Kill, Blow::Stop, Blow::Cut, Blow::End] {
        controls.strike(blow).unwrap_or_else(|error| panic!("{blow:?}: {error:#}"));
    }
    while controls.ordeal().outages() == 0 {
        controls.strike(Blow::End).unwrap();
    }
    controls.account().unwrap().must_hold().unwrap();
}

#[test]
fn a_follower_answers_like_the_leader_and_what_it_is_told_comes_into_force() {
    let controls = Controls::begin().unwrap();
    let leader = controls.leader().unwrap();
    let apis = controls.ordeal().scene().system.apis();
    let (leads, follows) = (&apis[leader], &apis[1 - leader]);

    let hosts = eventually("the follower to hear how the hosts stand", LIMIT, || {
        let hosts = follows.get("/v1/hosts")?["items"].clone();
        let known = hosts.as_array().is_some_and(|hosts| hosts.iter().all(|host| host["connected"] == true));
        Ok(known.then_some(hosts))
    })
    .unwrap();
    assert_eq!(hosts.as_array().map(Vec::len), Some(5), "{hosts}");

    let url = controls.ordeal().scene().nginx.url(0, "/");
    let wish = json!({ "name": "by the follower", "module": "http", "interval": 10, "config": { "url": url } });
    let check = follows.post("/v1/checks", &wish).unwrap()["id"].clone();
    let path = format!("/v1/checks/{}", check.as_str().unwrap());
    for api in [leads, follows] {
        eventually(
            "the check to be run and found up",
            LIMIT,
            || Ok((api.get(&path)?["verdict"] == "up").then_some(())),
        )
        .unwrap();
    }

    // Whatever is written, the leader holds what its successor would load.
    let agrees = || follows.post("/v1/self-check", &json!({})).unwrap();
    for (timeout_ms, revision) in [(2_000, 2), (2_500, 3)] {
        follows.patch(&path, &json!({ "timeout_ms": timeout_ms })).unwrap();
        eventually("the change to be in force", LIMIT, || in_force(&controls, &path, revision)).unwrap();
        assert_eq!(agrees()["agrees"], true, "{}", agrees());
    }

    let tested = follows.post(&format!("{path}/test"), &json!({})).unwrap();
    assert_eq!(tested["results"].as_array().map(Vec::len), tested["asked"].as_array().map(Vec::len), "{tested}");
    assert!(tested["results"].as_array().unwrap().iter().all(|result| result["status"] == "up"), "{tested}");
    follows.delete(&path).unwrap();
    let gone = || Ok((leads.try_get(&path)?.0 == 404).then_some(()));
    eventually("the check to be gone", LIMIT, gone).unwrap();
    assert_eq!(agrees()["agrees"], true, "{}", agrees());
}

#[test]
fn what_was_changed_just_before_the_leader_died_is_not_missed() {
    let mut controls = Controls::begin().unwrap();
    let scene = controls.ordeal().scene();
    let url = scene.nginx.url(0, "/");
    let wish = json!({ "name": "changed", "module": "http", "interval": 10, "config": { "url": url } });
    let check = scene.system.api().post("/v1/checks", &wish).unwrap()["id"].clone();
    let path = format!("/v1/checks/{}", check.as_str().unwrap());
    let from = eventually("the check to be in force", LIMIT, || in_force(&controls, &path, 1)).unwrap();
    scene.system.api().patch(&path, &json!({ "timeout_ms": 2_000 })).unwrap();
    eventually("the change to be in force", LIMIT, || in_force(&controls, &path, 2)).unwrap();
    // What is still run by the wording before comes to a leader that was not there when it counted.
    controls.strike(Blow::Kill).unwrap();
    let scene = controls.ordeal().scene();
    let to = eventually("slots after the takeover", LIMIT, || {
        let newest = scene.system.api().get(&format!("{path}/results?limit=1"))?["items"][0]["slot"].as_i64();
        let after =
            in_force(&controls, &path, 2)?.and_then(|from| Some(newest? > from.as_i64()? + 10_000)) == Some(true);
        Ok(after.then_some(newest).flatten())
    })
    .unwrap();
    let ledger = eventually("every slot to be decided", Duration::from_secs(90), || {
        let asked = format!("/v1/ledger?check={}&from={from}&to={to}", check.as_str().unwrap());
        let ledger = scene.system.api().get(&asked)?;
        Ok((ledger["pending"] == 0).then_some(ledger))
    })
    .unwrap();
    assert_eq!(ledger["missed"], 0, "{ledger}");
}

/// From which slot border this revision of a check counts, once it does.
fn in_force(controls: &Controls, path: &str, revision: u32) -> anyhow::Result<Option<Value>> {
    let check = controls.ordeal().scene().system.api().get(path)?;
    let counts = check["revision"] == revision && check["state"] == "in_force";
    Ok(counts.then(|| check["in_force_from"].clone()))
}
