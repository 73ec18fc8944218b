//! The story of an upgrade, with two programs: `upgrade OLD`, where OLD is the program of an earlier version.
//!
//! The old one makes a database and fills it; this version's goes on with it, data intact; and the old one runs on the
//! schema that this one has made, or refuses it clearly where it is older than the rule that it may. It says which.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it speaks to whoever runs it")]

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::time::UnixMs;
use farwatch_tests::clock::now;
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::scene::text;
use farwatch_tests::system::{System, farwatch};
use farwatch_tests::wait::eventually;
use serde_json::{Value, json};

/// A check comes into force and is run twice by then.
const LIMIT: Duration = Duration::from_secs(90);
/// What the refusal of a schema that is too new says.
const REFUSAL: &str = "run the newer version";

fn main() -> ExitCode {
    let Some(old) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: upgrade OLD");
        return ExitCode::FAILURE;
    };
    match play(&old) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("the upgrade failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn play(old: &Path) -> anyhow::Result<()> {
    let nginx = Nginx::start(&[Server::http("location / { return 200 'welcome'; }")])?;
    let folder = tempfile::Builder::new().prefix("farwatch-upgrade-").tempdir()?;
    let data = folder.path().join("data");
    let start = |program: &Path| System::builder().program(program).data(&data).start();
    let began = now();

    let system = start(old).context("the old version")?;
    watch(&system, "shop", &nginx.url(0, "/"))?;
    is_up(&system, "shop", began)?;
    let before = results(&system, "shop")?;
    drop(system);
    println!("the old version watched a site: {} results", before.len());

    let system = start(&farwatch()?).context("this version on the database of the old one")?;
    let taken_over = now();
    is_up(&system, "shop", taken_over)?;
    let kept = results(&system, "shop")?;
    let slots: Vec<&Value> = kept.iter().map(|result| &result["slot"]).collect();
    ensure!(before.iter().all(|result| slots.contains(&&result["slot"])), "results of the old version are gone");
    watch(&system, "blog", &nginx.url(0, "/"))?;
    is_up(&system, "blog", taken_over)?;
    drop(system);
    println!("this version went on with it: {} results, and a check of its own", kept.len());

    let returned = now();
    match start(old) {
        Ok(system) => {
            is_up(&system, "shop", returned)?;
            is_up(&system, "blog", returned)?;
            println!("the old version runs on the new schema");
        }
        Err(_) if std::fs::read_to_string(data.join("log/control.log"))?.contains(REFUSAL) => {
            println!("the old version refuses the new schema and says so: it is older than the rule that it may run");
        }
        Err(error) => return Err(error.context("the old version on the new schema")),
    }
    Ok(())
}

fn watch(system: &System, name: &str, url: &str) -> anyhow::Result<()> {
    let wish = json!({ "name": name, "module": "http", "interval": 10, "config": { "url": url } });
    system.api().post("/v1/checks", &wish).map(|_| ())
}

/// Waits until a slot after this moment was run and found it up.
fn is_up(system: &System, name: &str, after: UnixMs) -> anyhow::Result<()> {
    eventually(&format!("{name} to be run and up"), LIMIT, || {
        let is_good = |result: &Value| result["status"] == "up" && result["slot"].as_i64() > Some(after.0);
        Ok(results(system, name)?.iter().any(is_good).then_some(()))
    })
}

fn results(system: &System, name: &str) -> anyhow::Result<Vec<Value>> {
    let listed = system.api().get("/v1/checks")?;
    let checks = listed["items"].as_array().context("the checks are no list")?;
    let check = checks.iter().find(|check| check["name"] == name).with_context(|| format!("{name} is gone"))?;
    let page = system.api().get(&format!("/v1/checks/{}/results?limit=200", text(&check["id"])))?;
    page["items"].as_array().cloned().context("results are no list")
}
