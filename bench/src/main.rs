//! What a check costs, side by side in one run with what a user would pick instead, what every built-in module costs,
//! what those cost that customers bring, and what a control plane bears.
//!
//! Every figure also goes to `bench/out/latest.json` as `{name, value, unit, bar, holds}`; `bench probe`, `bench modules`,
//! `bench brought`, `bench record` and `bench cell` measure a part alone and keep nothing. A bar that is missed makes it
//! fail in the end, once everything is measured and told. No timing here decides a test.

mod brought;
mod cell;
mod compare;
mod cpu;
mod modules;
mod record;
mod rows;

use anyhow::{Context, bail, ensure};
use compare::HostCost;
use farwatch_tests::nginx::{Nginx, Server};
use rows::{Bar, Table, progress};

/// Runs of a host beside each other contender: enough that one wake-up more or less does not show.
const RUNS_MIN: f64 = 20_000.0;
/// A host may cost at most this part of blackbox_exporter.
const BLACKBOX_PART_MAX: f64 = 1.0 / 6.0;
/// And at most this much more than the same probe without WASM, in microseconds.
const OVER_PLAIN_MAX_US: f64 = 27.0;
/// The open hours of a cell must leave room for the rest of a process that may take 1 GB, in MiB.
const OPEN_MAX_MIB: f64 = 640.0;
/// A good result may take this much on disk with its share of the row.
const RESULT_MAX_BYTES: f64 = 8.0;

fn main() -> anyhow::Result<()> {
    let wanted = std::env::args().nth(1);
    let mut table = Table::default();
    let measured = measure(wanted.as_deref(), &mut table);
    // What was measured before something failed is worth seeing all the same.
    table.print();
    measured?;
    if wanted.is_none() {
        table.save().context("cannot save the figures")?;
    }
    let missed = table.missed();
    ensure!(missed.is_empty(), "{} bars were missed: {}", missed.len(), missed.join(", "));
    Ok(())
}

/// Measures the wanted part, or every one.
fn measure(wanted: Option<&str>, table: &mut Table) -> anyhow::Result<()> {
    if let Some(unknown) = wanted.filter(|part| !["probe", "modules", "brought", "record", "cell"].contains(part)) {
        bail!("{unknown}: say probe, modules, brought, record or cell, or nothing for all of them");
    }
    let wants = |part: &str| wanted.is_none_or(|wanted| wanted == part);
    let nginx = Nginx::start(&[Server::http("location / { return 200 'fine'; }")])?;
    if wants("probe") {
        probe_rows(table, &nginx)?;
    }
    if wants("modules") {
        progress("every module is run against its server");
        modules::measure(table)?;
    }
    if wants("brought") {
        brought::measure(table, &nginx)?;
    }
    if wants("record") {
        record_rows(table)?;
    }
    if wants("cell") {
        cell::measure(table, &nginx)?;
    }
    Ok(())
}

/// What one check costs.
fn probe_rows(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    let url = nginx.url(0, "/");
    progress("a target is probed without Farwatch");
    table.add("probe/plain/unthrottled/cpu", compare::plain_probe(&url, None)?, "us", None);
    let check_http_us = compare::check_http(nginx.address(0))?;
    table.add("probe/check_http/cpu", check_http_us, "us", None);
    progress("a host with 10,000 checks probes it");
    let HostCost { plain, blackbox, memory_mib } = compare::farwatch_host(&url)?;
    table.add("probe/plain/cpu", plain.other_us, "us", None);
    table.add("probe/farwatch_host/beside_plain/cpu", plain.host_us, "us", None);
    table.add("probe/farwatch_host/beside_plain/probes", plain.runs, "runs", Some(Bar::AtLeast(RUNS_MIN)));
    table.add("probe/blackbox_exporter/cpu", blackbox.other_us, "us", None);
    table.add("probe/farwatch_host/beside_blackbox_exporter/cpu", blackbox.host_us, "us", None);
    table.add(
        "probe/farwatch_host/beside_blackbox_exporter/probes",
        blackbox.runs,
        "runs",
        Some(Bar::AtLeast(RUNS_MIN)),
    );
    table.add("probe/farwatch_host/memory", memory_mib, "MiB", None);

    let part = blackbox.host_us / blackbox.other_us;
    table.add("probe/farwatch_host/of_blackbox_exporter", part, "ratio", Some(Bar::AtMost(BLACKBOX_PART_MAX)));
    table.add("probe/farwatch_host/of_check_http", plain.host_us / check_http_us, "ratio", None);
    let over_us = plain.host_us - plain.other_us;
    table.add("probe/farwatch_host/over_plain", over_us, "us", Some(Bar::AtMost(OVER_PLAIN_MAX_US)));
    for row in compare::sandbox_overhead(&[])? {
        table.add(&row.name, row.value, &row.unit, None);
    }
    Ok(())
}

/// What the record costs.
fn record_rows(table: &mut Table) -> anyhow::Result<()> {
    progress("open hours are held and folded");
    let record = record::record()?;
    table.add("record/open_hours/memory_100k_streams", record.open_mib, "MiB", Some(Bar::AtMost(OPEN_MAX_MIB)));
    table.add("record/open_hours/good_run", record.open_bytes, "bytes", None);
    table.add("record/open_hours/enter/cpu", record.enter_us, "us", None);
    table.add("record/fold/100k_stream_hours/cpu", record.fold_s, "s", None);
    table.add("record/block/good_result", record.block_bytes, "bytes", Some(Bar::AtMost(RESULT_MAX_BYTES)));
    Ok(())
}
