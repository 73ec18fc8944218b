//! Control may be killed at any instant: nothing is lost, and nothing is told twice that was told.

use std::time::Duration;

use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::Signal;

const LIMIT: Duration = Duration::from_secs(60);
/// Alone on its database, control leads as soon as it serves. The lease of the killed one would stand still for 5 s.
const LEAD_LIMIT: Duration = Duration::from_secs(4);
/// A claim lasts a minute; whoever claims next sends again.
const RECLAIM_LIMIT: Duration = Duration::from_secs(120);

#[test]
fn control_killed_in_mid_outage_goes_on_where_it_was() {
    let mut scene = Scene::set(&["shop"], System::builder()).unwrap();
    scene.break_site("shop").unwrap();
    eventually("the outage to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() == 1 && scene.mail.mails()?.len() == 1).then_some(()))
    })
    .unwrap();
    scene.system.signal(scene.system.control_pid().unwrap(), Signal::KILL).unwrap();
    eventually("control to serve again", LIMIT, || Ok(scene.incidents().ok())).unwrap();
    eventually("control to lead again", LEAD_LIMIT, || {
        Ok((scene.system.api().try_get("/v1/health")?.1["leads"] == true).then_some(()))
    })
    .unwrap();
    scene.repair_site("shop").unwrap();
    eventually("the recovery to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() >= 2 && scene.mail.mails()?.len() >= 2).then_some(()))
    })
    .unwrap();
    let [incident] = &scene.incidents().unwrap()[..] else { panic!("one incident") };
    assert_eq!(incident["state"], "resolved");
    assert_eq!(scene.webhooks.requests().len(), 2, "the opening was not told again");
}

#[test]
fn control_killed_between_claim_and_answer_sends_again_under_the_same_id() {
    let mut scene = Scene::set(&["shop"], System::builder()).unwrap();
    scene.mail.stall().unwrap();
    scene.break_site("shop").unwrap();
    eventually("the mail server to have the mail", LIMIT, || Ok((!scene.mail.mails()?.is_empty()).then_some(())))
        .unwrap();
    scene.system.signal(scene.system.control_pid().unwrap(), Signal::KILL).unwrap();
    scene.mail.release().unwrap();
    eventually("the mail to be sent again", RECLAIM_LIMIT, || Ok((scene.mail.mails()?.len() >= 2).then_some(())))
        .unwrap();
    let mails = scene.mail.mails().unwrap();
    assert_eq!(mails[0].message_id(), mails[1].message_id(), "a receiver can tell that it is the same");
    eventually("the delivery to be settled", LIMIT, || {
        let incident = text(&scene.incidents()?[0]["id"]);
        let detail = scene.system.api().get(&format!("/v1/incidents/{incident}"))?;
        let deliveries = detail["deliveries"].as_array().cloned().unwrap_or_default();
        Ok((deliveries.len() == 2 && deliveries.iter().all(|delivery| delivery["state"] == "sent")).then_some(()))
    })
    .unwrap();
}
