//! Several control processes on PostgreSQL: one leads, all answer, and whatever befalls the leader another takes over.
//!
//! The short form of `make follower`, and what a client of a follower sees.

use std::time::Duration;

use farwatch_tests::ordeal::{Blow, Controls};
use farwatch_tests::wait::eventually;
use serde_json::json;

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

    let tested = follows.post(&format!("{path}/test"), &json!({})).unwrap();
    assert_eq!(tested["results"].as_array().map(Vec::len), tested["asked"].as_array().map(Vec::len), "{tested}");
    assert!(tested["results"].as_array().unwrap().iter().all(|result| result["status"] == "up"), "{tested}");
    assert_eq!(follows.post("/v1/self-check", &json!({})).unwrap()["agrees"], true);
}
