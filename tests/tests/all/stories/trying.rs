//! A config is tried before anything is saved: from chosen hosts, with all that came, and without a trace.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;
use std::thread::scope;
use std::time::Duration;

use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::postgres::Postgres;
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::secrets::holding;

/// A host fetches and compiles a module before it runs it for the first time.
const LIMIT: Duration = Duration::from_secs(90);
const SECRET: &str = "open-sesame-4712";
const WELCOME: &str = "add_header x-shop open; location / { return 200 'welcome to shop'; }";

/// The ids and names of the hosts.
fn hosts(system: &System) -> Vec<(String, String)> {
    let listed = system.api().get("/v1/hosts").unwrap();
    listed["items"].as_array().unwrap().iter().map(|host| (text(&host["id"]), text(&host["name"]))).collect()
}

fn tried(system: &System, words: &[&str]) -> anyhow::Result<Output> {
    system.client(&[&["check", "test"][..], words].concat())
}

/// What every host found, once all of them hold the module.
fn found(system: &System, words: &[&str]) -> Vec<Value> {
    let words = [words, &["--json"][..]].concat();
    eventually("all hosts to have the module", LIMIT, || {
        let output = tried(system, &words)?;
        let answer: Value = serde_json::from_slice(&output.stdout)?;
        let hosts = answer["hosts"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(!hosts.is_empty() && hosts.iter().all(|host| host["answered"] == true), "{answer}");
        Ok(Some(hosts))
    })
    .unwrap()
}

/// What came from the target under this name.
fn shown(run: &Value, what: &str) -> String {
    let all = run["shown"].as_array().unwrap();
    all.iter().find(|shown| shown["what"] == what).map(|shown| text(&shown["text"])).unwrap_or_default()
}

fn assert_shows_a_good_run(run: &Value, address: &str) {
    assert_eq!((text(&run["status"]).as_str(), text(&run["code"]).as_str()), ("up", "ok"), "{run}");
    assert_eq!(run["address"], address, "{run}");
    let steps: Vec<String> = run["phases"].as_array().unwrap().iter().map(|step| text(&step["phase"])).collect();
    assert_eq!(steps, ["connect", "tls", "first-byte", "transfer"], "{run}");
    let headers = shown(run, "response-headers");
    assert!(headers.starts_with("200\n") && headers.contains("x-shop: open\n"), "{headers}");
    assert_eq!(shown(run, "response-body"), "welcome to shop");
    assert!(
        shown(run, "certificate-chain").starts_with("subject "),
        "the chain is shown though nothing is wrong: {run}"
    );
    assert!(run["cpu_us"].as_u64() > Some(0) && run["memory_bytes"].as_u64() > Some(0), "{run}");
    assert_eq!((&run["is_cut"], &run["log_dropped"]), (&json!(false), &json!(0)), "{run}");
}

fn assert_left_no_trace(system: &System) {
    for path in ["/v1/checks", "/v1/incidents"] {
        assert_eq!(system.api().get(path).unwrap()["items"], json!([]), "{path}");
    }
    let ledger = system.api().get("/v1/ledger").unwrap();
    assert_eq!((&ledger["due"], &ledger["missed"]), (&json!(0), &json!(0)), "{ledger}");
    let leader = system.api().get("/v1/health").unwrap();
    assert!(leader["leads"] == true, "{leader}");
}

#[test]
fn a_config_is_tried_from_chosen_hosts_and_shows_all_that_came() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new().unwrap();
    let roots = folder.path().join("roots.pem");
    std::fs::write(&roots, authority.pem()).unwrap();
    let certificate = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let mut nginx =
        Nginx::start(&[Server::https(certificate, WELCOME), Server::http("return 403 'not by $http_x_key';")]).unwrap();
    let roots = roots.display().to_string();
    let system = System::builder().environment("FARWATCH_PROBE_CA_FILE", roots).environment("FARWATCH_RUN_PLACES", "4");
    let system = system.start().unwrap();
    let all = hosts(&system);
    let (url, address) = (nginx.url(0, "/"), nginx.address(0).to_string());
    let chosen = ["http", "--url", &url, "--contains", "shop", "--from", &all[1].1, "--from", &all[3].1];
    let good = found(&system, &chosen);
    assert_eq!(
        good.iter().map(|host| text(&host["host_name"])).collect::<Vec<_>>(),
        [all[1].1.clone(), all[3].1.clone()]
    );
    good.iter().for_each(|host| assert_shows_a_good_run(&host["run"], &address));
    assert_eq!(found(&system, &["http", "--url", &url, "--hosts", "5"]).len(), 5);

    nginx.replace(0, "location / { return 503 'out of order'; }").unwrap();
    let failed = tried(&system, &chosen).unwrap();
    let (said, complaint) = (String::from_utf8_lossy(&failed.stdout), String::from_utf8_lossy(&failed.stderr));
    assert_eq!(failed.status.code(), Some(1), "{said}{complaint}");
    assert!(complaint.contains("it is down from 2 of 2 hosts"), "{complaint}");
    for words in ["down", "503", &address, "first-byte", "▆", "    out of order", "server: nginx", "KiB"] {
        assert!(said.contains(words), "{words:?} is not in {said}");
    }
    refuses_what_cannot_be_meant(&system, &all);
    keeps_secrets_out_of_what_it_shows(&system, &all[1].0, &nginx.url(1, "/"));
    says_that_a_host_is_full(&system, &all[1].0);
    assert_left_no_trace(&system);
    ends_with_its_link(&system, &all[1].0);
}

fn refuses_what_cannot_be_meant(system: &System, all: &[(String, String)]) {
    let post = |wish: &Value| system.api().try_post("/v1/checks/test", wish).unwrap();
    let (status, problem) = post(&json!({ "module": "http", "config": { "url": "shop" } }));
    assert_eq!((status, &problem["pointer"]), (422, &json!("/config/url")), "{problem}");
    let unknown = format!("hst_{}", "9".repeat(32));
    let config = json!({ "url": "https://shop.example" });
    let (status, problem) = post(&json!({ "module": "http", "config": config, "hosts": [all[0].0, unknown] }));
    assert_eq!((status, &problem["pointer"]), (422, &json!("/hosts/1")), "{problem}");
    let nowhere = tried(system, &["http", "--url", "https://shop.example", "--from", "nowhere"]).unwrap();
    let complaint = String::from_utf8_lossy(&nowhere.stderr);
    assert!(nowhere.status.code() == Some(65) && complaint.contains("there is no host called"), "{complaint}");
    let module = String::from_utf8_lossy(&tried(system, &["http"]).unwrap().stderr).into_owned();
    assert!(module.contains("there is no check called") && module.contains("say its config"), "{module}");
}

fn keeps_secrets_out_of_what_it_shows(system: &System, host: &str, url: &str) {
    system.api().put("/v1/secrets/site-key", &json!({ "value": SECRET })).unwrap();
    let config = json!({ "url": url, "headers": { "x-key": { "secret": "site-key" } }, "expected_status": "200" });
    let wish = json!({ "module": "http", "config": config, "hosts": [host] });
    let answer = system.api().post("/v1/checks/test", &wish).unwrap();
    let run = &answer["hosts"][0]["run"];
    assert_eq!(
        (text(&run["status"]).as_str(), shown(run, "response-body").as_str()),
        ("down", "not by [secret site-key]")
    );
    assert!(!answer.to_string().contains(SECRET), "{answer}");
    assert_eq!(holding(system.data(), &[SECRET]), Vec::<String>::new());
}

/// Whoever waits for it is gone with control, so a host goes on with nothing.
fn ends_with_its_link(system: &System, host: &str) {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let wish = json!({ "module": "http", "config": { "url": url }, "hosts": [host], "timeout_ms": 60_000 });
    scope(|scope| {
        scope.spawn(|| system.api().post("/v1/checks/test", &wish).unwrap_err());
        let mut stream = silent.accept().unwrap().0;
        system.signal(system.control_pid().unwrap(), Signal::KILL).unwrap();
        // Far sooner than the run would end by itself.
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut asked = Vec::new();
        stream.read_to_end(&mut asked).unwrap();
        assert!(asked.starts_with(b"GET / HTTP/1.1"), "{asked:?}");
    });
}

/// Of four places one is for runs outside the schedule, and a server that says nothing keeps it.
fn says_that_a_host_is_full(system: &System, host: &str) {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    silent.set_nonblocking(true).unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let wish = json!({ "module": "http", "config": { "url": url }, "hosts": [host], "timeout_ms": 60_000 });
    let post = || system.api().post("/v1/checks/test", &wish);
    scope(|scope| {
        let first = scope.spawn(post);
        let taken = eventually("the first try to connect", LIMIT, || match silent.accept() {
            Ok((stream, _)) => Ok(Some(stream)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error.into()),
        });
        let second = post().unwrap();
        let (host, why) = (&second["hosts"][0], text(&second["hosts"][0]["why"]));
        assert_eq!((why.as_str(), &host["answered"]), ("full", &json!(false)), "{second}");
        assert!(text(&host["reason"]).contains("no place left"), "{second}");
        drop(taken);
        let first = first.join().unwrap().unwrap();
        assert_eq!(first["hosts"][0]["run"]["status"], "down", "{first}");
    });
}

#[test]
fn a_process_that_does_not_lead_has_a_config_tried_all_the_same() {
    let site = format!("if ($http_x_key = '{SECRET}') {{ return 200 'in'; }} return 403 'out';");
    let nginx = Nginx::start(&[Server::http(&site)]).unwrap();
    let database = Postgres::shared().create_database().unwrap();
    let system = System::builder().hosts(2).controls(2, &database).start().unwrap();
    let apis = system.apis();
    let leads = |index: &usize| apis[*index].try_get("/v1/health").is_ok_and(|(_, health)| health["leads"] == true);
    let leader = eventually("one of them to lead", LIMIT, || Ok((0..2).find(leads))).unwrap();
    let follows = &apis[1 - leader];
    follows.put("/v1/secrets/site-key", &json!({ "value": SECRET })).unwrap();
    let config = json!({ "url": nginx.url(0, "/"), "headers": { "x-key": { "secret": "site-key" } } });
    let wish = json!({ "module": "http", "config": config, "count": 2 });
    let hosts = eventually("both hosts to have the module", LIMIT, || {
        let answer = follows.post("/v1/checks/test", &wish)?;
        let hosts = answer["hosts"].as_array().cloned().unwrap_or_default();
        anyhow::ensure!(hosts.len() == 2 && hosts.iter().all(|host| host["answered"] == true), "{answer}");
        Ok(Some(hosts))
    })
    .unwrap();
    assert!(hosts.iter().all(|host| host["run"]["status"] == "up"), "{hosts:?}");
    assert!(!system.log("control").contains(SECRET));
    let name = database.split(['/', '?']).nth(3).unwrap();
    let count = "select count(*), count(*) filter (where question || coalesce(answer, '') like";
    let asked = Postgres::shared().sql(name, &format!("{count} '%{SECRET}%') from leader_question")).unwrap();
    let (all, telling) = asked.trim().split_once('|').unwrap();
    assert!(all != "0" && telling == "0", "{all} questions went through the database, {telling} with the secret");
}
