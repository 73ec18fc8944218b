//! What it costs to bring a module: from the push to the first run at a host that has never seen it.
//!
//! Every push is of bytes that nobody has seen, under a version of its own, and the run is a try, so that no slot is waited
//! for.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use farwatch_tests::clock::now;
use farwatch_tests::nginx::Nginx;
use farwatch_tests::system::System;
use serde_json::{Value, json};

use crate::rows::{Bar, Table};

/// A module of Rust is run by a host within a second of being pushed.
const COLD_MAX_MS: f64 = 1_000.0;
/// Pushes: the middle one of them counts.
const PUSHES: u32 = 7;
/// The version as it lies in the component.
const RELEASE: &[u8] = b"farwatch-brought 1.2.0";

/// Adds the row.
pub(crate) fn measure(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    let system = System::builder().hosts(1).start()?;
    let component = fs::read(guest("brought.wasm")?)?;
    let url = nginx.url(0, "/");
    let mut took_ms = Vec::new();
    for number in 1..=PUSHES {
        let version = format!("1.2.{number}");
        let path = system.data().join(format!("page-{version}.wasm"));
        fs::write(&path, under_version(&component, &version)?)?;
        let began = now();
        push(&system, &path)?;
        first_run(&system, &version, &url)?;
        took_ms.push(now().since(began) as f64);
    }
    took_ms.sort_by(f64::total_cmp);
    table.add("brought/rust/cold_push_to_run", took_ms[took_ms.len() / 2], "ms", Some(Bar::AtMost(COLD_MAX_MS)));
    Ok(())
}

/// A guest that stands beside the built-in modules.
fn guest(name: &str) -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe()?;
    let found = program.ancestors().map(|above| above.join("modules").join(name)).find(|path| path.is_file());
    found.with_context(|| format!("no {name}; run make guests"))
}

/// The same component under another version of the same length.
fn under_version(component: &[u8], version: &str) -> anyhow::Result<Vec<u8>> {
    let place = component.windows(RELEASE.len()).position(|bytes| bytes == RELEASE);
    let end = place.context("the guest does not say its version")? + RELEASE.len();
    let mut bytes = component.to_vec();
    bytes[end - version.len()..end].copy_from_slice(version.as_bytes());
    Ok(bytes)
}

fn push(system: &System, path: &Path) -> anyhow::Result<()> {
    let output = system.client(&["module", "push", &path.display().to_string()])?;
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
