//! From the push of a module to its first run at a host that has never seen it.
//!
//! Every push is of bytes that nobody has seen, under a version of its own, and the run is a try, so that no slot is waited
//! for.

use std::fs;

use anyhow::ensure;
use farwatch_tests::brought::under_version;
use farwatch_tests::clock::now;
use farwatch_tests::nginx::Nginx;
use farwatch_tests::system::System;
use serde_json::{Value, json};

use crate::rows::{Bar, Table, progress};

/// A module of Rust is run by a host within a second of being pushed.
const COLD_MAX_MS: f64 = 1_000.0;
/// Pushes: the middle one of them counts.
const PUSHES: u32 = 7;

/// Adds the row.
pub(super) fn measure(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    progress("modules are pushed and run by a host that does not know them");
    let system = System::builder().hosts(1).start()?;
    let url = nginx.url(0, "/");
    let mut took_ms = Vec::new();
    for number in 1..=PUSHES {
        let version = format!("1.2.{number}");
        let bytes = under_version(&version)?;
        let began = now();
        push(&system, &version, &bytes)?;
        first_run(&system, &version, &url)?;
        took_ms.push(now().since(began) as f64);
    }
    took_ms.sort_by(f64::total_cmp);
    table.add("brought/rust/cold_push_to_run", took_ms[took_ms.len() / 2], "ms", Some(Bar::AtMost(COLD_MAX_MS)));
    Ok(())
}

/// Pushes a component, as its author does.
pub(super) fn push(system: &System, version: &str, bytes: &[u8]) -> anyhow::Result<()> {
    let path = system.data().join(format!("page-{version}.wasm"));
    fs::write(&path, bytes)?;
    let output = system.client(&["module", "push", &path.display().to_string()])?;
    fs::remove_file(&path)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Has the host run it, which fetches and compiles it first.
fn first_run(system: &System, version: &str, url: &str) -> anyhow::Result<()> {
    let wish = json!({ "module": format!("page@{version}"), "config": { "url": url }, "count": 1 });
    let tried = system.api().post("/v1/checks/test", &wish)?;
    let status: &Value = &tried["hosts"][0]["run"]["status"];
    ensure!(status == "up", "the first run ended so: {tried}");
    Ok(())
}
