//! A server that takes connections and never answers is an outage, too, and people hear of it as soon as its time is up.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use farwatch_tests::scene::{moment, text};
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use farwatch_tests::webhook_receiver::WebhookReceiver;
use serde_json::{Value, json};

const LIMIT: Duration = Duration::from_secs(60);
/// How long one run may take.
const TIMEOUT_MS: i64 = 3_000;
/// From the first failed result to the first attempt to tell: the votes may take the timeout, and all else 3 s.
const TOLD_MAX_MS: i64 = TIMEOUT_MS + 3_000;
/// A machine busy with other tests gets this much longer.
const BUSY_MS: i64 = 10_000;

/// A server that says who it is to whoever connects, until it hangs: then it takes connections and says nothing.
/// Its thread ends with the test process.
struct Server {
    address: SocketAddr,
    hangs: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let hangs = Arc::new(AtomicBool::new(false));
        let hanging = hangs.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let hanging = hanging.clone();
                std::thread::spawn(move || serve(stream, &hanging));
            }
        });
        Self { address, hangs }
    }
}

fn serve(mut stream: TcpStream, hangs: &AtomicBool) {
    if !hangs.load(Ordering::SeqCst) {
        // A probe that goes away early is no concern of the server's.
        let _ = stream.write_all(b"220 ready\r\n");
    }
    // The connection stays until the probe gives up.
    let _ = stream.read_to_end(&mut Vec::new());
}

/// The first result that failed, and when it was there.
fn first_failure(system: &System, check: &str) -> anyhow::Result<Option<(Value, UnixMs)>> {
    let page = system.api().get(&format!("/v1/checks/{check}/results?all=true&limit=200"))?;
    let failed = page["items"].as_array().and_then(|results| {
        results.iter().filter(|result| result["order"].is_null()).find(|result| result["status"] == "down").cloned()
    });
    let Some(failed) = failed else { return Ok(None) };
    let ended = moment(&failed["started"])? + failed["duration_us"].as_i64().unwrap_or(0) / 1_000;
    Ok(Some((failed, ended)))
}

#[test]
fn people_are_told_of_a_server_that_hangs_once_the_votes_have_waited_for_it() {
    let server = Server::start();
    let webhooks = WebhookReceiver::start(Vec::new()).unwrap();
    let system = System::builder().start().unwrap();
    let api = system.api();
    let contact = text(&api.post("/v1/contacts", &json!({ "name": "on-call" })).unwrap()["id"]);
    let channel = json!({ "kind": "webhook", "url": webhooks.url() });
    api.post(&format!("/v1/contacts/{contact}/channels"), &channel).unwrap();
    let config = json!({ "host": "127.0.0.1", "port": server.address.port(), "expect_contains": "220" });
    let wish = json!({
        "name": "mail", "module": "tcp", "interval": 10, "timeout_ms": TIMEOUT_MS, "config": config,
        "contacts": [contact],
    });
    let check = text(&api.post("/v1/checks", &wish).unwrap()["id"]);
    let verdict = || anyhow::Ok(text(&api.get(&format!("/v1/checks/{check}"))?["verdict"]));
    eventually("it to be up", LIMIT, || Ok((verdict()? == "up").then_some(()))).unwrap();

    server.hangs.store(true, Ordering::SeqCst);
    eventually("it to be told", LIMIT, || Ok((webhooks.requests().len() == 1).then_some(()))).unwrap();
    let (failed, ended) = eventually("the failure to be on record", LIMIT, || first_failure(&system, &check)).unwrap();
    assert!(failed["duration_us"].as_i64().unwrap() >= (TIMEOUT_MS - 100) * 1_000, "it waited: {failed}");
    let incidents = api.get("/v1/incidents").unwrap();
    let incident = api.get(&format!("/v1/incidents/{}", text(&incidents["items"][0]["id"]))).unwrap();
    let attempted = eventually("the delivery to be on record", LIMIT, || {
        let detail = api.get(&format!("/v1/incidents/{}", text(&incident["id"])))?;
        Ok(moment(&detail["deliveries"][0]["finished"]).ok())
    })
    .unwrap();
    let told_ms = attempted.since(ended);
    println!("told {told_ms} ms after the first failed result; the bound is {TOLD_MAX_MS} ms");
    assert!(told_ms >= TIMEOUT_MS - 1_000, "the votes waited for the server as well: {incident}");
    assert!(told_ms <= TOLD_MAX_MS + BUSY_MS, "{told_ms} ms: {incident}");
}
