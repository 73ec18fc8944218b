//! An author tries a module on a machine of their own: no Farwatch runs, and the second run needs no network either.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread::scope;

use farwatch_tests::certificate::{Authority, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::text;
use farwatch_tests::server::path_text;
use farwatch_tests::system::farwatch;
use serde_json::{Value, json};
use tempfile::TempDir;

const SECRET: &str = "open-sesame-4713";
/// Loopback is opened as a host would open it.
const LOOPBACK: &str = "--allow-net=127.0.0.0/8";

/// A component that is built, by its name.
fn component(name: &str) -> String {
    let me = std::env::current_exe().unwrap();
    let mut found = me.ancestors().map(|above| above.join(format!("modules/{name}.wasm")));
    let found: Option<PathBuf> = found.find(|path| path.exists());
    found.expect("the guests are not built; run make guests").display().to_string()
}

fn tested(module: &str, words: &[&str]) -> Output {
    let mut command = Command::new(farwatch().unwrap());
    command.args(["module", "test", &component(module)]).args(words);
    command.env("FARWATCH_SETTINGS", "/dev/null").env_remove("FARWATCH_ALLOW_NET").output().unwrap()
}

fn said(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// What a test showed that ended so.
fn shown(module: &str, words: &[&str], code: i32) -> Value {
    let output = tested(module, &[words, &["--json"]].concat());
    assert_eq!(output.status.code(), Some(code), "{:?}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The one line by which a test was refused.
fn refused(module: &str, words: &[&str], code: i32) -> String {
    let output = tested(module, words);
    assert_eq!(output.status.code(), Some(code), "{:?}", said(&output));
    said(&output).1
}

/// All that a run says of its target.
fn outcome(shown: &Value) -> Value {
    let run = &shown["run"];
    ["status", "code", "message", "latency_us", "phases", "address", "attributes"]
        .map(|field| run[field].clone())
        .into()
}

fn file_in(folder: &TempDir, name: &str) -> String {
    path_text(&folder.path().join(name)).unwrap().to_owned()
}

#[test]
fn a_run_that_was_recorded_is_made_again_with_the_server_gone() {
    let folder = tempfile::tempdir().unwrap();
    let recording = file_in(&folder, "page.json");
    let nginx = Nginx::start(&[Server::http("add_header x-shop open; location / { return 200 'welcome'; }")]).unwrap();
    let (url, address) = (nginx.url(0, "/"), nginx.address(0).to_string());
    let config = json!({ "url": url }).to_string();
    let first = shown("http", &["--config", &config, LOOPBACK, "--record", &recording], 0);
    assert_eq!((&first["run"]["status"], &first["run"]["address"]), (&json!("up"), &json!(address)), "{first}");
    let call = &first["calls"][0];
    assert_eq!((text(&call["probe"]).as_str(), &call["answer"]["status"]), ("http.fetch", &json!(200)), "{call}");
    let headers = text(&call["shown"][0]["text"]);
    assert!(
        headers.starts_with("200\n") && headers.contains("x-shop: open"),
        "shown though nobody wanted them: {call}"
    );
    for (taken, of) in [("cpu_us", "cpu_us"), ("memory_bytes", "memory_bytes"), ("duration_us", "duration_us")] {
        let (taken, of) = (first["run"][taken].as_u64().unwrap(), first["limits"][of].as_u64().unwrap());
        assert!(0 < taken && taken < of, "{first}");
    }
    let module = &first["module"];
    assert!(module["imports"].to_string().contains("farwatch:check/http@0.1.0"), "{module}");
    assert_eq!((&module["tier"], &first["push_refuses"]["code"]), (&json!("small"), &json!("module-name-taken")));

    drop(nginx);
    let gone = shown("http", &["--config", &config, LOOPBACK], 0);
    assert_eq!(gone["run"]["code"], "connection-refused", "{gone}");
    let second = shown("http", &["--replay", &recording], 0);
    assert_eq!(outcome(&second), outcome(&first));
    assert_eq!(second["calls"], first["calls"]);

    let other = refused("http", &["--replay", &recording, "--url", "http://other.example/"], 65);
    let told = format!("/request/url was \"{url}\" and is \"http://other.example/\"");
    assert!(other.contains("call 1, http.fetch, is not what was recorded") && other.contains(&told), "{other}");
    let more = json!({"url": url, "follow_redirects": true, "headers": {"x-new": "1"}}).to_string();
    let other = refused("http", &["--replay", &recording, "--config", &more], 65);
    assert!(other.contains("x-new"), "{other}");
}

#[test]
fn each_probe_shows_its_steps_and_its_chain_and_requests_by_wasi_are_recorded_like_all() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, ca) = (file_in(&folder, "tls.json"), file_in(&folder, "ca.pem"));
    let authority = Authority::new().unwrap();
    fs::write(&ca, authority.pem()).unwrap();
    let certificate = authority.certificate(&["127.0.0.1"], Validity::Good).unwrap();
    let nginx = Nginx::start(&[
        Server::https(certificate, "location / { return 200 'in private'; }"),
        Server::http("location / { return 200 'in public'; }"),
    ])
    .unwrap();
    let config = json!({ "url": nginx.url(0, "/") }).to_string();
    let words = ["--config", &config, LOOPBACK, "--probe-ca-file", &ca, "--record", &recording];
    let first = shown("http", &words, 0);
    let call = &first["calls"][0];
    let (tls, shown_last) = (&call["answer"]["tls"], call["shown"].as_array().unwrap().last().unwrap());
    assert_eq!((&tls["verified"], &tls["chain"]), (&json!(true), &json!([])), "it did not ask for the chain: {call}");
    assert_eq!(shown_last["what"], "certificate-chain", "its author sees it all the same: {call}");
    assert!(call["answer"]["times"]["tls"].is_u64(), "{call}");

    let by_wasi = file_in(&folder, "wasi.json");
    let config = json!({ "behaviour": "web-get", "url": nginx.url(1, "/") }).to_string();
    let asked = shown("hostile-wasi", &["--config", &config, LOOPBACK, "--record", &by_wasi], 0);
    assert_eq!(asked["calls"][0]["answer"]["body"], "in public", "{asked}");
    drop(nginx);
    assert_eq!(outcome(&shown("http", &["--replay", &recording], 0)), outcome(&first));
    assert_eq!(outcome(&shown("hostile-wasi", &["--replay", &by_wasi], 0)), outcome(&asked));
}

#[test]
fn what_a_run_showed_is_told_to_people_too() {
    let nginx = Nginx::start(&[Server::http("location / { return 503 'out of order'; }")]).unwrap();
    let output = tested("brought", &["--url", &nginx.url(0, "/"), LOOPBACK]);
    assert_eq!(output.status.code(), Some(0), "down is an answer: {:?}", said(&output));
    let (lines, _) = said(&output);
    for words in [
        "page  1.2.0  Fetches a page",
        "from the first example of the module's schema, with --url",
        "here  down",
        "page-missing",
        "LIMIT ",
        "65536 KiB",
        "1  http.fetch  GET http://127.0.0.1",
        "503 from 127.0.0.1",
        "first-byte",
        "response-body:\n    out of order",
    ] {
        assert!(lines.contains(words), "{words}: {lines}");
    }
}

#[test]
fn an_address_that_is_not_public_is_refused_as_by_a_host() {
    let nginx = Nginx::start(&[Server::http("location / { return 200; }")]).unwrap();
    let denied = shown("brought", &["--url", &nginx.url(0, "/")], 0);
    assert_eq!(denied["run"]["code"], "egress-refused", "{denied}");
    assert!(text(&denied["run"]["message"]).contains("--allow-net 127.0.0.1/32"), "{denied}");
    let wrong = refused("brought", &["--allow-net", "home"], 64);
    assert!(wrong.contains("--allow-net home: write a network"), "{wrong}");
}

#[test]
fn each_limit_that_a_module_hits_is_told_by_its_code() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    for (behaviour, code) in [
        ("trap", "module-trapped"),
        ("loop", "cpu-limit"),
        ("recursion", "stack-overflow"),
        ("memory", "memory-limit"),
        ("log-huge", "data-limit"),
        ("entropy", "entropy-limit"),
        ("code", "answer-invalid"),
        ("problem", "no-good"),
        ("fetch-forever", "deadline"),
    ] {
        let config = json!({"behaviour": behaviour, "url": url}).to_string();
        let found = shown("hostile", &["--config", &config, "--timeout", "2s", LOOPBACK], 69);
        assert_eq!((&found["run"]["status"], &found["run"]["code"]), (&json!("unknown"), &json!(code)), "{found}");
    }
    let flood = shown("hostile", &["--config", r#"{"behaviour": "log-flood"}"#], 0);
    assert!(flood["run"]["log_dropped"].as_u64() > Some(0), "{flood}");
}

#[test]
fn a_run_that_hung_when_it_was_recorded_hangs_again_and_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let recording = file_in(&folder, "hung.json");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", silent.local_addr().unwrap());
    let config = json!({"behaviour": "fetch-forever", "url": url}).to_string();
    shown("hostile", &["--config", &config, "--timeout", "500ms", LOOPBACK, "--record", &recording], 69);
    drop(silent);
    let again = shown("hostile", &["--replay", &recording], 69);
    assert_eq!(again["run"]["code"], "deadline", "{again}");
}

#[test]
fn secrets_reach_the_module_and_no_recording() {
    let folder = tempfile::tempdir().unwrap();
    let (recording, file) = (file_in(&folder, "shop.json"), file_in(&folder, "key"));
    fs::write(&file, format!("{SECRET}\n")).unwrap();
    let site = format!("if ($http_x_key = '{SECRET}') {{ return 200 'in by $http_x_key'; }} return 403;");
    let nginx = Nginx::start(&[Server::http(&site)]).unwrap();
    let config = json!({
        "url": nginx.url(0, "/"), "headers": {"X-Key": {"secret": "key"}}, "body_contains": "in by",
    });
    let config = config.to_string();
    let missing = refused("http", &["--config", &config, LOOPBACK], 64);
    assert!(missing.contains("names the secret key; say --secret key=VALUE"), "{missing}");
    let from_file = format!("key={file}");
    let words = ["--config", &config, LOOPBACK, "--secret-file", &from_file, "--record", &recording];
    let first = shown("http", &words, 0);
    assert_eq!(first["run"]["status"], "up", "{first}");
    let kept = fs::read_to_string(&recording).unwrap();
    assert!(!kept.contains(SECRET) && !first.to_string().contains(SECRET), "{kept}");
    assert!(kept.contains("in by [secret key]"), "{kept}");
    drop(nginx);
    let value = format!("key={SECRET}");
    for secret in [&[][..], &["--secret", &value]] {
        let again = shown("http", &[&["--replay", &recording], secret].concat(), 0);
        assert_eq!(outcome(&again), outcome(&first));
    }
}

#[test]
fn a_conversation_over_tcp_is_recorded_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let recording = file_in(&folder, "ping.json");
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = server.local_addr().unwrap().port();
    let config = json!({
        "host": "127.0.0.1", "port": port, "send": "PING\\r\\n", "read_until": "\\n", "expect_contains": "+PONG",
    });
    let config = config.to_string();
    let first = scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = server.accept().unwrap();
            let mut line = String::new();
            BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
            stream.write_all(b"+PONG \xff\r\n").unwrap();
        });
        shown("tcp", &["--config", &config, LOOPBACK, "--record", &recording], 0)
    });
    drop(server);
    assert_eq!(first["run"]["status"], "up", "{first}");
    let calls = first["calls"].as_array().unwrap();
    let probes: Vec<String> = calls.iter().map(|call| text(&call["probe"])).collect();
    assert_eq!(probes[..3], ["tcp.open", "tcp.send", "tcp.receive"], "{first}");
    assert_eq!(calls[1]["request"]["bytes"], "PING\r\n");
    assert_eq!(calls[2]["answer"]["bytes"], "+PONG \\xff\r\n", "{first}");
    assert!(calls[0]["times"]["connect"].is_u64() && calls[2]["times"]["first_byte"].is_u64(), "{first}");
    assert_eq!(first["probes_made"], 1);
    assert_eq!(outcome(&shown("tcp", &["--replay", &recording], 0)), outcome(&first));

    // A recording is a plain file: whoever takes out what came last has a module that asks more than there is.
    let mut shorter: Value = serde_json::from_slice(&fs::read(&recording).unwrap()).unwrap();
    shorter["calls"].as_array_mut().unwrap().truncate(2);
    fs::write(&recording, shorter.to_string()).unwrap();
    let beyond = refused("tcp", &["--replay", &recording], 65);
    assert!(beyond.contains("the recording has 2 calls, and the module makes another: tcp.receive"), "{beyond}");
}

#[test]
fn every_problem_with_a_config_is_told_with_its_field() {
    let config = r#"{"url": "ftp://a.example", "method": 7, "colour": "red"}"#;
    let found = shown("http", &["--config", config], 65);
    let by_module = |found: &Value| -> Vec<String> {
        let problems = found["problems"].as_array().unwrap().iter();
        problems.filter(|problem| problem["by"] == "module").map(|problem| text(&problem["field"])).collect()
    };
    let mut fields = by_module(&found);
    fields.sort_unstable();
    assert_eq!(fields, ["/colour", "/method", "/url"], "{found}");
    assert!(found["run"].is_null(), "{found}");

    // The module takes a field that its own schema forbids: it is run, and its author is told.
    let config = r#"{"url": "http://192.0.2.1.invalid/", "colour": "red"}"#;
    let found = shown("brought", &["--config", config], 0);
    let problem = &found["problems"][0];
    assert_eq!((&problem["by"], by_module(&found).len()), (&json!("schema"), 0), "{found}");
    assert!(text(&problem["message"]).contains("colour"), "{found}");
    assert_eq!(found["run"]["status"], "down", "{found}");
}

#[test]
fn a_project_is_tested_by_its_own_config_once_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    fs::write(place("farwatch.toml"), "[module]\nname = \"page\"\nlang = \"rust\"\ncomponent = \"build/page.wasm\"\n")
        .unwrap();
    let nginx = Nginx::start(&[Server::http("location / { return 200; }")]).unwrap();
    fs::write(place("config.json"), json!({ "url": nginx.url(0, "/") }).to_string()).unwrap();
    let tested = || {
        let mut command = Command::new(farwatch().unwrap());
        command.args(["module", "test", "--json", LOOPBACK, "--path"]).arg(folder.path());
        command.env("FARWATCH_SETTINGS", "/dev/null").output().unwrap()
    };
    let output = tested();
    assert_eq!(output.status.code(), Some(66), "{:?}", said(&output));
    assert!(said(&output).1.contains("page is not built yet"), "{:?}", said(&output));
    fs::create_dir(place("build")).unwrap();
    fs::copy(component("brought"), place("build/page.wasm")).unwrap();
    let output = tested();
    assert_eq!(output.status.code(), Some(0), "{:?}", said(&output));
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&shown["config_from"], &shown["run"]["status"]), (&json!("config.json"), &json!("up")), "{shown}");
}

#[test]
fn what_is_no_module_is_refused_before_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no.wasm");
    fs::write(&file, b"\0asm\x01\0\0\0").unwrap();
    let tested = |path: &Path| {
        let mut command = Command::new(farwatch().unwrap());
        command.args(["module", "test"]).arg(path).env("FARWATCH_SETTINGS", "/dev/null").output().unwrap()
    };
    let output = tested(&file);
    assert_eq!(output.status.code(), Some(65), "{:?}", said(&output));
    assert!(said(&output).1.contains("module-invalid: this is a core module"), "{:?}", said(&output));
    assert_eq!(tested(&folder.path().join("missing.wasm")).status.code(), Some(66));
    let text = path_text(&file).unwrap();
    let recording = refused("brought", &["--replay", text], 65);
    assert!(recording.contains("no.wasm is no recording"), "{recording}");
}
