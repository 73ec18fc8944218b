//! What `make sdk` tries: in each language a module is begun, tested, built and pushed as its author would do it, is run by
//! five hosts, and tells an outage by its own words.
//!
//! It is no part of `cargo test`, for it needs the tools of all three languages, which `setup/sdk.sh` has fetched.

#![allow(clippy::unwrap_used, reason = "an error fails the test that meets it")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use farwatch_tests::scene::{Scene, text};
use farwatch_tests::system::{System, farwatch};
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

/// Six processes compile two interpreters each, on a machine that may be small.
const LIMIT: Duration = Duration::from_secs(600);
/// What a module in Rust may have, in bytes: every host fetches it.
const RUST_BYTES_MAX: u64 = 150_000;
/// The languages, each with its own test and with what is fetched for it once.
const LANGS: [Lang; 3] = [
    Lang { name: "rust", tier: "small", needs: &["http"], fetched: None, test: &["cargo", "test"] },
    Lang { name: "javascript", tier: "large", needs: &["http"], fetched: Some("node_modules"), test: &["npm", "test"] },
    Lang {
        name: "python",
        tier: "large",
        needs: &["http", "sockets"],
        fetched: Some(".venv"),
        test: &["python3", "-m", "unittest"],
    },
];

struct Lang {
    name: &'static str,
    tier: &'static str,
    needs: &'static [&'static str],
    fetched: Option<&'static str>,
    test: &'static [&'static str],
}

/// Where `setup/sdk.sh` has put what it fetched: above this program, in the target directory.
fn fetched() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let found = me.ancestors().map(|above| above.join("sdk")).find(|folder| folder.join("rust.env").exists());
    found.expect("the tools are not there; run make sdk")
}

/// A command with the compiler for guests, as an author has it who has read what to install.
fn with_tools(mut command: Command, fetched: &Path) -> Command {
    let set = fs::read_to_string(fetched.join("rust.env")).unwrap();
    command.envs(set.lines().filter_map(|line| line.split_once('=')));
    command.env("CARGO_TARGET_DIR", fetched.join("rust")).env("FARWATCH_SETTINGS", "/dev/null");
    command
}

fn done(mut command: Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// Begins a project, runs its own test, and builds it.
fn built(lang: &Lang, above: &Path) -> Value {
    let fetched = fetched();
    let folder = above.join(lang.name);
    let name = format!("page-{}", lang.name);
    let new = ["module", "new", &name, "--lang", lang.name, "--path"];
    let mut command = Command::new(farwatch().unwrap());
    command.args(new).arg(&folder);
    done(with_tools(command, &fetched));
    if let Some(wanted) = lang.fetched {
        symlink(fetched.join(lang.name).join(wanted), folder.join(wanted)).unwrap();
    }
    let mut test = Command::new(lang.test[0]);
    test.args(&lang.test[1..]).current_dir(&folder);
    let mut test = with_tools(test, &fetched);
    // It is for this machine, whose standard library is there.
    test.env_remove("CARGO_UNSTABLE_BUILD_STD");
    done(test);
    let mut command = Command::new(farwatch().unwrap());
    command.args(["module", "build", "--json", "--path"]).arg(&folder);
    serde_json::from_slice(&done(with_tools(command, &fetched))).unwrap()
}

/// What the command line says in JSON.
fn said(system: &System, words: &[&str]) -> Value {
    let output = system.client(&[words, &["--json"]].concat()).unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A check of a module that was pushed, of the site of its language.
fn watched(scene: &Scene, index: usize, module: &Value, contact: &Value) -> String {
    let name = text(&module["name"]);
    let wish = json!({
        "name": name, "module": name, "interval": 10, "contacts": [contact],
        "config": { "url": scene.nginx.url(index, "/"), "contains": "welcome" },
    });
    text(&scene.system.api().post("/v1/checks", &wish).unwrap()["id"]).to_owned()
}

fn await_verdict(scene: &Scene, check: &str, wanted: &str) {
    eventually(&format!("{check} to be {wanted}"), LIMIT, || {
        let check = scene.system.api().get(&format!("/v1/checks/{check}"))?;
        Ok((check["verdict"] == wanted).then_some(()))
    })
    .unwrap();
}

#[test]
fn a_module_of_each_language_is_begun_built_pushed_and_tells_an_outage() {
    let above = tempfile::tempdir().unwrap();
    let built: Vec<Value> = LANGS.iter().map(|lang| built(lang, above.path())).collect();
    for (lang, built) in LANGS.iter().zip(&built) {
        assert_eq!((&built["tier"], &built["capabilities"]), (&json!(lang.tier), &json!(lang.needs)), "{}", lang.name);
    }
    assert!(built[0]["bytes"].as_u64().unwrap() < RUST_BYTES_MAX, "{}", built[0]["bytes"]);

    let names = LANGS.each_ref().map(|lang| lang.name);
    let mut scene = Scene::set(&names, System::builder()).unwrap();
    let contact = scene.system.api().get("/v1/contacts").unwrap()["items"][0]["id"].clone();
    let mut checks = Vec::new();
    for (index, (lang, built)) in LANGS.iter().zip(&built).enumerate() {
        let folder = above.path().join(lang.name).display().to_string();
        let pushed = said(&scene.system, &["module", "push", "--path", &folder]);
        assert_eq!((&pushed["hash"], &pushed["config_schema"]), (&built["hash"], &built["config_schema"]));
        checks.push(watched(&scene, index, &pushed, &contact));
    }
    for check in &checks {
        await_verdict(&scene, check, "up");
    }
    for name in names {
        scene.break_site(name).unwrap();
    }
    for check in &checks {
        await_verdict(&scene, check, "down");
        let incidents = scene.incidents().unwrap();
        let incident = incidents.iter().find(|incident| incident["check"] == check.as_str());
        let incident = incident.unwrap_or_else(|| panic!("{incidents:?}"));
        assert!(text(&incident["message"]).contains("the page is not there, by status 503"), "{incident}");
        assert_eq!((&incident["need"], &incident["of"]), (&json!(4), &json!(5)), "five hosts were asked");
        let told = || scene.webhooks.requests().iter().any(|told| told.json().unwrap().to_string().contains(check));
        eventually("it to be told", LIMIT, || Ok(told().then_some(()))).unwrap();
    }
}
