//! A thousand modules of customers on one host, each run by a check of its own.

use std::time::Duration;

use farwatch_tests::brought::under_version;
use farwatch_tests::clock::now;
use farwatch_tests::lateness;
use farwatch_tests::nginx::Nginx;
use farwatch_tests::scene::text;
use farwatch_tests::system::System;
use farwatch_tests::wait::eventually;
use serde_json::json;

use super::cold::push;
use crate::cpu;
use crate::rows::{Bar, Table, progress};

/// How many there are.
const MODULES: u32 = 1_000;
/// All are run in this time, each once.
const INTERVAL_MS: i64 = 10_000;
/// Intervals in which they are watched.
const INTERVALS: i64 = 3;
/// The host has compiled all of them by then.
const READY_LIMIT: Duration = Duration::from_secs(900);

/// Adds the rows.
pub(super) fn measure(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    progress("a thousand modules are pushed");
    let system = System::builder().hosts(1).start()?;
    let tenants = system.api().get("/v1/tenants")?;
    let quota = format!("/v1/tenants/{}/quota", text(&tenants["items"][0]["id"]));
    system.api().patch(&quota, &json!({ "modules": MODULES }))?;
    let began = now();
    // No version ends by 9: those of this module are broken.
    let versions: Vec<String> = (0..MODULES).map(|number| format!("1.{}.{}", number / 8, number % 8)).collect();
    for version in &versions {
        push(&system, version, &under_version(version)?)?;
    }
    table.add("brought/1000_modules/push", now().since(began) as f64 / f64::from(MODULES), "ms", None);
    progress("and each is run by a check");
    let checks = versions.iter().map(|version| watched(&system, version, &nginx.url(0, "/")));
    let checks = checks.collect::<anyhow::Result<Vec<_>>>()?;
    await_runs(&system, &checks)?;
    let lateness = lateness::watch(system.api(), &checks, INTERVAL_MS, INTERVALS)?;
    table.add("brought/1000_modules/lateness_p99", lateness.p99_ms as f64, "ms", None);
    table.add("brought/1000_modules/late", lateness.late as f64, "slots", Some(Bar::AtMost(0.0)));
    table.add("brought/1000_modules/due", lateness.due as f64, "slots", None);
    let host = system.host_pid("fra-1")?.as_raw_nonzero().get().cast_unsigned();
    table.add("brought/1000_modules/host_memory", cpu::resident_mib(host)?, "MiB", None);
    Ok(())
}

fn watched(system: &System, version: &str, url: &str) -> anyhow::Result<String> {
    let wish = json!({
        "name": format!("page-{version}"), "module": format!("page@{version}"), "interval": INTERVAL_MS / 1_000,
        "contacts": [], "config": { "url": url },
    });
    Ok(text(&system.api().post("/v1/checks", &wish)?["id"]))
}

fn await_runs(system: &System, checks: &[String]) -> anyhow::Result<()> {
    let mut waiting = checks.to_vec();
    eventually("every module to have run", READY_LIMIT, || {
        while let Some(check) = waiting.last() {
            if system.api().get(&format!("/v1/checks/{check}"))?["verdict"] != "up" {
                return Ok(None);
            }
            waiting.pop();
        }
        Ok(Some(()))
    })
}
