//! What a run costs in each language, by the templates of the SDKs: each is begun and built as its author would, and run by
//! the sandbox alone, with an answer that is made up on the spot.

use anyhow::Context;
use farwatch_tests::authored::{self, LANGS, Lang};

use crate::compare::sandbox_overhead;
use crate::rows::{Bar, Table, progress};

/// What the templates watch. The text stands in the answer.
const CONFIG: &str = r#"{"url": "http://target.example/", "contains": "fine"}"#;
/// What a run of compiled code may take beyond its probe, in microseconds, as of the built-in modules.
const RUST_MAX_US: f64 = 27.0;
/// What a run of it in flight may take of a host's memory, in KiB.
const RUST_MAX_KIB: f64 = 128.0;

/// How much is run.
struct Load {
    runs: &'static str,
    /// Runs in flight while their memory is weighed.
    at_once: &'static str,
}

/// Compiled code: enough for a mean that repeats within a few per cent.
const COMPILED: Load = Load { runs: "20000", at_once: "200" };
/// An interpreter takes a thousand times as long, and a hundred times the memory.
const INTERPRETED: Load = Load { runs: "300", at_once: "20" };

/// Adds the rows.
pub(super) fn measure(table: &mut Table) -> anyhow::Result<()> {
    let above = tempfile::tempdir()?;
    for lang in LANGS {
        progress(&format!("a module in {} is built and run", lang.name));
        let built = authored::build(&authored::begin(lang, above.path())?)?;
        let file = built["file"].as_str().context("the build names no file")?;
        rows(table, lang, file)?;
    }
    Ok(())
}

fn rows(table: &mut Table, lang: Lang, file: &str) -> anyhow::Result<()> {
    let is_compiled = lang.name == "rust";
    let Load { runs, at_once } = if is_compiled { COMPILED } else { INTERPRETED };
    let bar = |most| is_compiled.then_some(Bar::AtMost(most));
    let what = ["--name", lang.name, "--module", file, "--config", CONFIG, "--runs", runs];
    let figure = |arguments: &[&str], name: &str| {
        let wanted = format!("sandbox/{}/{name}", lang.name);
        let found = sandbox_overhead(arguments)?.into_iter().find(|figure| figure.name == wanted);
        anyhow::Ok(found.with_context(|| format!("no {wanted} was told"))?.value)
    };
    let cpu_us = figure(&what, "cpu")?;
    let in_flight_kib = figure(&[&what[..], &["--at-once", at_once]].concat(), "in_flight")?;
    let row = |name: &str| format!("brought/{}/{name}", lang.name);
    table.add(&row("over_probe/cpu"), cpu_us, "us", bar(RUST_MAX_US));
    table.add(&row("runs_per_core"), 1e6 / cpu_us, "/s", None);
    table.add(&row("in_flight/memory"), in_flight_kib, "KiB", bar(RUST_MAX_KIB));
    Ok(())
}
