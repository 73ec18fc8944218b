//! Outages are confirmed and told once; what one place alone sees is none.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use farwatch_tests::scene::{Scene, moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(40);
/// A failure that is seen at once is told within 3 s; a machine busy with other tests gets longer.
const TOLD_LIMIT_MS: i64 = 20_000;

#[test]
fn an_outage_is_told_once_at_its_beginning_and_once_at_its_end() {
    let mut scene = Scene::set(&["shop", "blog"], System::builder()).unwrap();
    scene.break_site("shop").unwrap();
    eventually("both to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() == 1 && scene.mail.mails()?.len() == 1).then_some(()))
    })
    .unwrap();
    let [incident] = &scene.incidents().unwrap()[..] else { panic!("one incident") };
    assert_eq!((&incident["state"], &incident["need"], &incident["of"]), (&json!("open"), &json!(4), &json!(5)));
    assert!(text(&incident["message"]).contains("503"), "{incident}");

    let detail = scene.system.api().get(&format!("/v1/incidents/{}", text(&incident["id"]))).unwrap();
    for delivery in detail["deliveries"].as_array().unwrap() {
        let told_ms = moment(&delivery["finished"]).unwrap().since(moment(&incident["first_failed_slot"]).unwrap());
        println!("told {told_ms} ms after the slot that failed");
        assert!(told_ms < TOLD_LIMIT_MS, "{delivery}");
    }

    let evidence = detail["evidence"].as_array().unwrap();
    let kept_as = |word: &str| evidence.iter().filter(|piece| piece["kept_as"] == word).count();
    assert!(kept_as("change") == 1 && kept_as("vote") >= 3, "what the vote was won by: {evidence:?}");
    let status = json!({"key": "http.status", "value": 503});
    assert!(evidence.iter().all(|piece| piece["attributes"].as_array().unwrap().contains(&status)), "{evidence:?}");

    scene.repair_site("shop").unwrap();
    eventually("the recovery to be told", LIMIT, || {
        Ok((scene.webhooks.requests().len() == 2 && scene.mail.mails()?.len() == 2).then_some(()))
    })
    .unwrap();
    scene.webhooks.verify(&scene.webhook_secret).unwrap();
    let types: Vec<String> =
        scene.webhooks.requests().iter().map(|request| text(&request.json().unwrap()["type"])).collect();
    assert_eq!(types, ["incident.opened", "incident.resolved"]);
    let mails = scene.mail.mails().unwrap();
    assert!(mails[0].subject().starts_with("DOWN: shop"), "{}", mails[0].subject());
    assert!(mails[1].subject().starts_with("UP again: shop"), "{}", mails[1].subject());
    assert_eq!(scene.incidents().unwrap().len(), 1);
}

#[test]
fn a_site_that_is_down_for_one_host_only_wakes_nobody() {
    let addresses: Vec<IpAddr> = (11..16).map(|last| Ipv4Addr::new(127, 0, 0, last).into()).collect();
    let mut scene = Scene::set(&["shop"], System::builder().probe_bind(addresses.clone())).unwrap();
    let runner = scene.runner_of("shop").unwrap();
    let hosts = scene.system.api().get("/v1/hosts").unwrap();
    let names: Vec<String> = hosts["items"].as_array().unwrap().iter().map(|host| text(&host["name"])).collect();
    let order = ["fra-1", "par-1", "nyc-1", "sfo-1", "sin-1"];
    assert_eq!(names.len(), order.len());
    let index = order.iter().position(|name| *name == runner).unwrap();
    scene.deny("shop", addresses[index]).unwrap();
    eventually("three rounds to be refuted", Duration::from_secs(90), || {
        let check = scene.check("shop")?;
        Ok((check["verdict"] == "degraded").then_some(check))
    })
    .map(|check| {
        assert!(text(&check["reason"]).starts_with(&format!("fails from {runner} (")), "{check}");
        assert_eq!(check["failing_from"][0]["name"], runner.as_str(), "{check}");
    })
    .unwrap();
    // The leader shows what it counts twice a second.
    eventually("the rounds to be counted against the host", LIMIT, || {
        let host = scene.host(&runner)?;
        Ok((host["rounds_refuted"] == 3 && host["refuted_share"] == 1.0).then_some(()))
    })
    .unwrap();
    assert!(scene.incidents().unwrap().is_empty());
    assert!(scene.webhooks.requests().is_empty() && scene.mail.mails().unwrap().is_empty());
}
