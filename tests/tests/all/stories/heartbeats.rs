//! Jobs that call: one that fails or falls silent is told of, and what control could not hear is held against none.

use std::time::Duration;

use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::{eventually, leave_alone};
use rustix::process::Signal;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
/// Longer than control is silent when another process takes over.
const SILENCE: Duration = Duration::from_secs(18);

fn said(scene: &Scene, words: &[&str]) -> (i32, String) {
    let output = scene.system.client(words).unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8_lossy(&told).into_owned())
}

/// A job that is to call every ten seconds, and where.
fn job(scene: &Scene) -> String {
    let contact = text(&scene.system.api().get("/v1/contacts").unwrap()["items"][0]["name"]);
    let words = ["check", "create", "heartbeat", "--name", "backup", "--period", "10s", "--grace", "5s", "--contact"];
    let (code, shown) = said(scene, &[&words[..], &[contact.as_str()]].concat());
    assert_eq!(code, 0, "{shown}");
    let url = shown.split_whitespace().find(|word| word.contains("/heartbeat/"));
    url.unwrap_or_else(|| panic!("no URL in {shown}")).to_owned()
}

fn backup(scene: &Scene) -> anyhow::Result<Value> {
    let checks = scene.system.api().get("/v1/checks?name=backup")?;
    Ok(checks["items"][0].clone())
}

fn await_verdict(scene: &Scene, wanted: &str) -> Value {
    eventually(&format!("the job to be {wanted}"), LIMIT, || {
        let check = backup(scene)?;
        anyhow::ensure!(check["verdict"] == wanted, "{check}");
        Ok(Some(check))
    })
    .unwrap()
}

#[test]
fn a_job_that_fails_or_falls_silent_is_told_of_until_it_calls_again() {
    let scene = Scene::set(&[], System::builder()).unwrap();
    let url = job(&scene);
    assert_eq!(backup(&scene).unwrap()["verdict"], "pending", "nothing is known of a job that never called");

    let (code, told) = said(&scene, &["heartbeat", "run", &url, "--", "sh", "-c", "echo no space left >&2; exit 3"]);
    assert_eq!((code, told.as_str()), (3, "no space left\n"), "the job ends as it would alone");
    let check = await_verdict(&scene, "down");
    assert_eq!(check["reason"], "the job ended with exit status 3: no space left");
    eventually("the failure to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() == 1 && scene.mail.mails()?.len() == 1).then_some(()))
    })
    .unwrap();
    let mail = &scene.mail.mails().unwrap()[0];
    assert!(mail.subject().starts_with("DOWN: backup"), "{}", mail.subject());
    assert!(mail.body.contains("exit status 3: no space left") && !mail.body.contains("vantage"), "{}", mail.body);

    assert_eq!(said(&scene, &["heartbeat", "send", &url]), (0, String::new()));
    let check = await_verdict(&scene, "up");
    assert_eq!(check["heartbeat"]["standing"], "good");
    let due = moment(&check["heartbeat"]["due"]).unwrap();
    let silent = await_verdict(&scene, "down");
    assert!(text(&silent["reason"]).starts_with("expected a signal by "), "{silent}");
    said(&scene, &["heartbeat", "run", &url, "--", "true"]);
    await_verdict(&scene, "up");
    let incidents = scene.incidents().unwrap();
    let told: Vec<(&Value, &Value)> = incidents.iter().map(|one| (&one["code"], &one["resolution"])).collect();
    assert_eq!(told, [(&json!("missed"), &json!("recovered")), (&json!("failed"), &json!("recovered"))]);
    assert_eq!(moment(&incidents[0]["first_failed_slot"]).unwrap(), due, "it was down from when it was due");
    let (_, shown) = said(&scene, &["incident", "show", &text(&incidents[0]["id"])]);
    assert!(shown.contains("missed") && !shown.contains("vantage points"), "{shown}");
    let (_, signals) = said(&scene, &["heartbeat", "signals", "backup"]);
    assert!(signals.contains("no space left") && signals.lines().count() == 6, "{signals}");
    let ledger = scene.system.api().get("/v1/ledger").unwrap();
    assert_eq!(ledger["due"], 0, "nothing was to be run: {ledger}");
    assert_eq!(scene.system.api().post("/v1/self-check", &json!({})).unwrap()["differences"], json!([]));
}

#[test]
fn what_control_could_not_hear_is_held_against_no_job() {
    let scene = Scene::set(&[], System::builder()).unwrap();
    let url = job(&scene);
    said(&scene, &["heartbeat", "send", &url]);
    let before = await_verdict(&scene, "up");
    let control = scene.system.control_pid().unwrap();
    scene.system.signal(control, Signal::STOP).unwrap();
    leave_alone(SILENCE);
    scene.system.signal(control, Signal::CONT).unwrap();
    let after = eventually("control to have seen its own silence", LIMIT, || {
        let check = backup(&scene)?;
        Ok((check["heartbeat"]["due"] != before["heartbeat"]["due"]).then_some(check))
    })
    .unwrap();
    assert_eq!((&after["verdict"], &after["heartbeat"]["standing"]), (&json!("up"), &json!("good")));
    await_verdict(&scene, "down");
    assert_eq!(scene.incidents().unwrap().len(), 1, "a job that stays silent is told of all the same");
    let since = moment(&scene.incidents().unwrap()[0]["first_failed_slot"]).unwrap();
    assert_eq!(since, moment(&after["heartbeat"]["due"]).unwrap());
}
