//! The control plane as a cell: what it takes in, weighs and answers with as many checks as a cell is built for.
//!
//! Control, the database and the hosts that speak to them share this machine's cores, so every figure of speed is one of
//! all of them together; the CPU of control and of the database stands beside it.

mod database;
mod feed;
mod fleet;
mod folding;
mod host;
mod measured;
mod stage;

use std::time::Duration;

use farwatch_tests::nginx::Nginx;
use farwatch_tests::postgres::{Durability, Postgres};
use farwatch_tests::wait::leave_alone;

use crate::rows::{Bar, Table, progress};
use database::Database;
use measured::{Asker, Ingested};
use stage::{Cell, Engine};

/// The checks of the largest cell.
const CELL_CHECKS: u64 = 100_000;
/// The checks of a large customer's cell.
const LARGE_CHECKS: u64 = 10_000;
/// Results taken in per second, at the least, on PostgreSQL.
const INGEST_MIN: f64 = 20_000.0;
/// The same wherever else: what the largest cell brings at 10 s, or it would fall behind.
const KEEPS_UP_MIN: f64 = 10_000.0;
/// An hour of the largest cell is folded in a twentieth of the time that it took, in seconds.
const FOLD_MAX_S: f64 = 180.0;
/// A good result may take this much on disk with its share of the row and of the indexes.
const RESULT_MAX_BYTES: f64 = 8.0;
/// Commits a second while half of the checks fail at once: what comes meanwhile goes along.
const FLUSHES_MAX: f64 = 50.0;
/// What control may weigh with the largest cell, in MiB.
const MEMORY_MAX_MIB: f64 = 1_024.0;
/// A takeover may take this long from the lease on, in seconds.
const TAKEOVER_MAX_S: f64 = 5.0;
/// A page or a check is answered for within this time in 99 of 100 cases, in milliseconds.
const ANSWER_MAX_MS: f64 = 50.0;
/// From a fast failure to the first attempt to tell, in seconds: design's bound.
const FAST_FAILURE_MAX_S: f64 = 3.0;
/// How long results flow while control is weighed.
const WEIGHED: Duration = Duration::from_secs(20);
/// Every failing check has its incident by then.
const INCIDENTS_LIMIT: Duration = Duration::from_secs(90);

/// Hosts keep still for as long as they owe at most.
const STILL: Duration = Duration::from_millis(fleet::OLDEST_MS.cast_unsigned());

/// Adds the rows of all cells.
pub(crate) fn measure(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    largest(table, nginx)?;
    large(table, nginx)?;
    embedded(table, nginx)?;
    folding(table)
}

/// The largest cell, on PostgreSQL with two control processes.
fn largest(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    progress("a cell of 100,000 checks on PostgreSQL is filled");
    let mut cell = Cell::start(Engine::Postgres { controls: 2 }, CELL_CHECKS, nginx)?;
    progress("results are taken in as fast as they are acknowledged");
    ingest(table, "postgres", INGEST_MIN, &mut cell)?;
    ingest_while_asked(table, "postgres", &mut cell)?;
    progress("control is weighed while 10,000 results a second become due");
    let weight = measured::weigh(&cell, WEIGHED)?;
    table.add("cell/100000/fed", weight.per_second, "/s", None);
    table.add("cell/100000/memory", weight.resident_mib, "MiB", Some(Bar::AtMost(MEMORY_MAX_MIB)));
    table.add("cell/100000/memory_peak", weight.peak_mib, "MiB", Some(Bar::AtMost(MEMORY_MAX_MIB)));
    table.add("cell/100000/cpu", weight.cores, "cores", None);
    progress("its leader is killed");
    let taken = measured::take_over(&mut cell)?;
    table.add("cell/100000/takeover/from_lease", taken.from_lease_s, "s", Some(Bar::AtMost(TAKEOVER_MAX_S)));
    table.add("cell/100000/takeover/from_kill", taken.from_kill_s, "s", None);
    Ok(())
}

fn ingest(table: &mut Table, name: &str, least: f64, cell: &mut Cell) -> anyhow::Result<()> {
    let ingested = measured::ingest(cell, CELL_CHECKS)?;
    ingest_rows(table, name, least, &ingested);
    Ok(())
}

fn ingest_rows(table: &mut Table, name: &str, least: f64, ingested: &Ingested) {
    let row = |what: &str| format!("cell/100000/ingest/{name}{what}");
    table.add(&row(""), ingested.per_second, "/s", Some(Bar::AtLeast(least)));
    table.add(&row("/results"), ingested.results, "", None);
    table.add(&row("/control_cpu"), ingested.control_ms, "ms/k", None);
    if ingested.database_ms > 0.0 {
        table.add(&row("/database_cpu"), ingested.database_ms, "ms/k", None);
    }
}

/// The same once more, while somebody asks the API without a pause.
fn ingest_while_asked(table: &mut Table, name: &str, cell: &mut Cell) -> anyhow::Result<()> {
    progress("and once more while the API is asked without a pause");
    cell.send(false);
    leave_alone(STILL);
    let asker = Asker::begin(cell.system.apis()[cell.leader()?].clone(), CELL_CHECKS);
    let ingested = measured::ingest(cell, CELL_CHECKS)?;
    let answers = asker.end()?;
    ingest_rows(table, &format!("{name}_while_asked"), KEEPS_UP_MIN, &ingested);
    table.add(&format!("cell/100000/api_while_ingesting/{name}/p50"), answers.within(500), "ms", None);
    table.add(&format!("cell/100000/api_while_ingesting/{name}/p99"), answers.within(990), "ms", None);
    Ok(())
}

/// A cell of 10,000 checks: what it answers while results flow, and what half of them failing at once comes to.
fn large(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    progress("a cell of 10,000 checks on PostgreSQL is filled");
    let mut cell = Cell::start(Engine::Postgres { controls: 1 }, LARGE_CHECKS, nginx)?;
    cell.send(true);
    progress("its API is asked while results flow");
    let (pages, singles) = measured::ask(&cell.system.apis()[cell.leader()?], LARGE_CHECKS)?;
    for (name, latencies) in [("list", pages), ("show", singles)] {
        table.add(&format!("cell/10000/api/{name}/p50"), latencies.within(500), "ms", None);
        let bar = Some(Bar::AtMost(ANSWER_MAX_MS));
        table.add(&format!("cell/10000/api/{name}/p99"), latencies.within(990), "ms", bar);
    }
    progress("half of its checks fail");
    let mass = measured::fail(&mut cell, LARGE_CHECKS / 2, INCIDENTS_LIMIT)?;
    table.add("cell/10000/mass_failure/last_incident", mass.lasted_s, "s", None);
    let bar = Some(Bar::AtMost(FAST_FAILURE_MAX_S));
    table.add("cell/10000/mass_failure/slowest_incident", mass.slowest_s, "s", bar);
    table.add("cell/10000/mass_failure/flushes", mass.flushes, "/s", Some(Bar::AtMost(FLUSHES_MAX)));
    table.add("cell/10000/mass_failure/flush", mass.flush_kib, "KiB", None);
    table.add("cell/10000/mass_failure/control_cpu", mass.control_cores, "cores", None);
    table.add("cell/10000/mass_failure/database_cpu", mass.database_cores, "cores", None);
    Ok(())
}

/// The same results on the embedded database.
fn embedded(table: &mut Table, nginx: &Nginx) -> anyhow::Result<()> {
    progress("a cell of 100,000 checks on SQLite is filled");
    let mut cell = Cell::start(Engine::Sqlite, CELL_CHECKS, nginx)?;
    progress("results are taken in as fast as they are acknowledged");
    ingest(table, "sqlite", KEEPS_UP_MIN, &mut cell)?;
    ingest_while_asked(table, "sqlite", &mut cell)
}

/// An hour of the largest cell made into blocks, on both engines.
fn folding(table: &mut Table) -> anyhow::Result<()> {
    progress("an hour is folded on PostgreSQL");
    let postgres = Postgres::start(Durability::Safe)?;
    fold_rows(table, "postgres", &mut Database::server(&postgres.create_database()?)?)?;
    drop(postgres);
    progress("an hour is folded on SQLite");
    let directory = tempfile::tempdir()?;
    fold_rows(table, "sqlite", &mut Database::file(&directory.path().join("farwatch.db"))?)
}

fn fold_rows(table: &mut Table, name: &str, database: &mut Database) -> anyhow::Result<()> {
    let folded = folding::fold(database)?;
    let row = |what: &str| format!("cell/fold/{name}/{what}");
    table.add(&row("100k_stream_hours"), folded.lasted_s, "s", Some(Bar::AtMost(FOLD_MAX_S)));
    table.add(&row("100k_stream_hours/control_cpu"), folded.control_s, "s", None);
    table.add(&row("good_result"), folded.result_bytes, "bytes", Some(Bar::AtMost(RESULT_MAX_BYTES)));
    Ok(())
}
