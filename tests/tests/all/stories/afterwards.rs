//! What nobody could judge while it lasted is told when it is seen.

use std::collections::BTreeSet;
use std::time::Duration;

use farwatch_tests::clock::now;
use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(60);
/// Hosts that control did not hear link anew, and it looks back when nothing more comes.
const SEEN_LIMIT: Duration = Duration::from_secs(180);
/// Slots of two streams fail for so long; several of each.
const OUTAGE_MS: i64 = 30_000;
/// A result older than two intervals of 10 s is history.
const AWAY_MS: i64 = 70_000;

fn has_been_away(what: &str, since: farwatch_proto::time::UnixMs, ms: i64) {
    eventually(what, Duration::from_secs(120), || Ok((now().since(since) > ms).then_some(()))).unwrap();
}

#[test]
fn an_outage_while_control_was_away_is_told_once_as_one_that_is_over() {
    let mut scene = Scene::set(&["shop"], System::builder()).unwrap();
    let edited = scene.system.client(&["check", "edit", "shop", "streams=2"]).unwrap();
    assert!(edited.status.success(), "{}", String::from_utf8_lossy(&edited.stderr));
    eventually("two hosts to run it", LIMIT, || {
        let results = scene.results("shop")?;
        let hosts: BTreeSet<String> = results.iter().rev().take(4).map(|result| text(&result["host_name"])).collect();
        Ok((hosts.len() == 2).then_some(()))
    })
    .unwrap();
    let control = scene.system.control_pid().unwrap();
    scene.system.signal(control, Signal::STOP).unwrap();
    let away_since = now();
    scene.break_site("shop").unwrap();
    has_been_away("slots to fail while control is away", away_since, OUTAGE_MS);
    scene.repair_site("shop").unwrap();
    has_been_away("the failures to be history", away_since, AWAY_MS);
    scene.system.signal(control, Signal::CONT).unwrap();

    let incident = eventually("the outage to be seen", SEEN_LIMIT, || Ok(scene.incidents()?.first().cloned())).unwrap();
    assert_eq!((&incident["state"], &incident["seen_afterwards"]), (&"resolved".into(), &true.into()), "{incident}");
    assert!(moment(&incident["first_failed_slot"]).unwrap() >= away_since, "{incident}");
    eventually("it to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() == 1 && scene.mail.mails()?.len() == 1).then_some(()))
    })
    .unwrap();
    let told = scene.webhooks.requests()[0].json().unwrap();
    assert_eq!((&told["type"], &told["data"]["seen_afterwards"]), (&"incident.resolved".into(), &true.into()));
    assert!(scene.mail.mails().unwrap()[0].subject().starts_with("WAS DOWN: shop"));
    assert_eq!(scene.incidents().unwrap().len(), 1);
    let shown = scene.system.client(&["incident", "show", &text(&incident["id"])]).unwrap();
    assert!(String::from_utf8_lossy(&shown.stdout).contains("afterwards"), "{shown:?}");
}
