//! Checks of the protocols below and beside HTTP, each against the real server, told of by the API as any check is.

use std::collections::BTreeMap;
use std::time::Duration;

use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::text;
use farwatch_tests::server::chrony::Chrony;
use farwatch_tests::server::named::Named;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(90);

/// The verdict of every check, by its name.
fn verdicts(system: &System) -> anyhow::Result<BTreeMap<String, String>> {
    let checks = system.api().get("/v1/checks")?;
    let items = checks["items"].as_array().cloned().unwrap_or_default();
    Ok(items.iter().map(|check| (text(&check["name"]), text(&check["verdict"]))).collect())
}

#[test]
fn servers_of_five_protocols_are_watched_and_two_of_them_stop_answering() {
    let authority = Authority::new().unwrap();
    let certificate = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let named = Named::start("www IN A 192.0.2.7", &certificate).unwrap();
    let chrony = Chrony::start(3).unwrap();
    let nginx = Nginx::start(&[Server::https(certificate, "return 200 'fine';")]).unwrap();
    let system = System::builder().start().unwrap();
    let (dns, ntp, https) = (named.address.port(), chrony.address.port(), nginx.address(0).port());
    // A client's question of version 4: the answer of a server begins with its mode.
    let question = format!("\\x23{}", r"\0".repeat(47));
    for (module, config) in [
        ("dns", json!({ "server": "127.0.0.1", "port": dns, "name": "www.example", "expect_exactly": ["192.0.2.7"] })),
        ("ntp", json!({ "host": "127.0.0.1", "port": ntp, "stratum_max": 3, "offset_down_above_ms": 60_000 })),
        ("udp", json!({ "host": "127.0.0.1", "port": ntp, "send": question, "expect_regex": r"^\$\x03" })),
        ("tls", json!({ "host": "127.0.0.1", "port": https, "allow_untrusted": true, "refuse_old_versions": true })),
        ("icmp", json!({ "host": "127.0.0.1", "count": 2 })),
    ] {
        let wish = json!({ "name": module, "module": module, "interval": 10, "config": config });
        system.api().post("/v1/checks", &wish).unwrap();
    }
    eventually("all of them to be up", LIMIT, || {
        let verdicts = verdicts(&system)?;
        anyhow::ensure!(verdicts.values().all(|verdict| verdict == "up"), "{verdicts:?}");
        Ok(Some(()))
    })
    .unwrap();

    named.server.freeze(true).unwrap();
    chrony.server.freeze(true).unwrap();
    eventually("three of them to be down", LIMIT, || {
        let verdicts = verdicts(&system)?;
        let down: Vec<&str> =
            verdicts.iter().filter(|(_, verdict)| *verdict == "down").map(|(name, _)| name.as_str()).collect();
        anyhow::ensure!(down == ["dns", "ntp", "udp"], "{verdicts:?}");
        Ok(Some(()))
    })
    .unwrap();
    let incidents = system.api().get("/v1/incidents").unwrap();
    let incidents: &Vec<Value> = incidents["items"].as_array().unwrap();
    assert_eq!(incidents.len(), 3, "{incidents:?}");
    assert!(incidents.iter().all(|incident| text(&incident["message"]).contains("waiting for the first byte")));
}
