//! What is measured of a cell, one function each. They leave the cell as they found it, but for whom they killed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use farwatch_control::store::JournalKind;
use farwatch_proto::time::UnixMs;
use farwatch_tests::api::Api;
use farwatch_tests::clock::now;
use farwatch_tests::wait::{eventually, leave_alone};

use super::database::copied_check;
use super::fleet::{INTERVAL_MS, OLDEST_MS};
use super::stage::Cell;
use crate::cpu;

/// A backlog is taken in by then, or what was taken in until then is the measure.
const INGEST_MAX_MS: i64 = 30_000;
/// How often it is looked whether the backlog is through.
const LOOK: Duration = Duration::from_millis(100);
/// The backlog is through when no more is missing than what became due within this time.
const THROUGH_MS: i64 = 1_000;
/// A successor has committed results by then.
const TAKEOVER_LIMIT: Duration = Duration::from_secs(60);
/// Checks asked for one by one.
const SINGLES: u64 = 300;

/// Results taken in while hosts send as fast as control acknowledges.
pub(super) struct Ingested {
    pub(super) per_second: f64,
    pub(super) results: f64,
    /// CPU per thousand results, in milliseconds.
    pub(super) control_ms: f64,
    pub(super) database_ms: f64,
}

/// Lets hosts that have kept still send what they owe of two intervals, and what becomes due, as fast as control takes
/// it: all of it is judged. Everything counts from the first moment on, so that nothing is taken in unmeasured.
pub(super) fn ingest(cell: &mut Cell, checks: u64) -> anyhow::Result<Ingested> {
    let pid = cell.leader_pid()?;
    let (control_us, database_us) = (cpu::used_us(pid)?, cell.database_cpu_us()?);
    let first = (now(), cell.committed());
    let owed = |until: UnixMs| checks.cast_signed() * (OLDEST_MS + until.since(first.0) - THROUGH_MS) / INTERVAL_MS;
    cell.send(true);
    let last = loop {
        leave_alone(LOOK);
        let at = (now(), cell.committed());
        if (at.1 - first.1).cast_signed() >= owed(at.0) || at.0.since(first.0) >= INGEST_MAX_MS {
            break at;
        }
    };
    let (control_us, database_us) = (cpu::used_us(pid)? - control_us, cell.database_cpu_us()? - database_us);
    let results = (last.1 - first.1) as f64;
    ensure!(results > 0.0, "no results were acknowledged");
    cell.demand_no_refusal()?;
    Ok(Ingested {
        per_second: rate(first, last),
        results,
        control_ms: control_us / results,
        database_ms: database_us / results,
    })
}

fn rate(from: (UnixMs, u64), to: (UnixMs, u64)) -> f64 {
    (to.1 - from.1) as f64 * 1_000.0 / to.0.since(from.0).max(1) as f64
}

/// What a leader weighs while it takes in what becomes due.
pub(super) struct Weight {
    pub(super) per_second: f64,
    pub(super) resident_mib: f64,
    pub(super) peak_mib: f64,
    /// CPU of control in parts of one core.
    pub(super) cores: f64,
}

/// Lets results flow as they become due for a while.
pub(super) fn weigh(cell: &Cell, lasting: Duration) -> anyhow::Result<Weight> {
    cell.send(true);
    let pid = cell.leader_pid()?;
    let (from, used_us) = ((now(), cell.committed()), cpu::used_us(pid)?);
    leave_alone(lasting);
    let to = (now(), cell.committed());
    Ok(Weight {
        per_second: rate(from, to),
        resident_mib: cpu::resident_mib(pid)?,
        peak_mib: cpu::peak_mib(pid)?,
        cores: (cpu::used_us(pid)? - used_us) / 1_000.0 / to.0.since(from.0) as f64,
    })
}

/// How long a takeover took, in seconds.
pub(super) struct TakenOver {
    /// From the kill to the first results in the database: the lease has to stand still for 5 s first.
    pub(super) from_kill_s: f64,
    /// From the moment the successor had the lease.
    pub(super) from_lease_s: f64,
}

/// Kills the leader while results flow, and waits for the first that the successor has judged and committed.
pub(super) fn take_over(cell: &mut Cell) -> anyhow::Result<TakenOver> {
    cell.send(true);
    let before = cell.database.last_row()?;
    let epoch = cell.database.epoch()?;
    let killed = cell.kill_leader()?;
    let (held, first) = eventually("the successor's first results", TAKEOVER_LIMIT, || {
        let (mut held, mut first) = (None, None);
        cell.database.rows_after(before, |row| {
            match row.kind {
                _ if row.epoch.n <= epoch => {}
                JournalKind::Takeover => held = held.or(Some(row.committed)),
                JournalKind::Results => first = first.or(Some(row.committed)),
                JournalKind::Genesis => {}
            }
            first.is_none()
        })?;
        Ok(held.zip(first))
    })?;
    let seconds = |from: UnixMs| first.since(from) as f64 / 1_000.0;
    Ok(TakenOver { from_kill_s: seconds(killed), from_lease_s: seconds(held) })
}

/// How long requests took, in milliseconds, in order of length.
pub(super) struct Latencies(Vec<f64>);

impl Latencies {
    /// The time within which so many of a thousand were answered.
    pub(super) fn within(&self, of_thousand: usize) -> f64 {
        let index = (self.0.len() * of_thousand / 1_000).min(self.0.len().saturating_sub(1));
        self.0.get(index).copied().unwrap_or(f64::INFINITY)
    }
}

/// Reads the whole list of checks page by page, and then some checks one by one.
pub(super) fn ask(api: &Api, checks: u64) -> anyhow::Result<(Latencies, Latencies)> {
    let (mut pages, mut seen, mut next) = (Vec::new(), 0, String::new());
    loop {
        let (took_ms, page) = timed(|| api.get(&format!("/v1/checks?limit=100{next}")))?;
        pages.push(took_ms);
        seen += page["items"].as_array().context("the checks are no list")?.len() as u64;
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => break,
        }
    }
    ensure!(seen > checks, "the pages showed {seen} checks");
    let mut singles = Vec::new();
    for n in 1..=SINGLES {
        singles.push(timed(|| api.get(&show(n * (checks / SINGLES))))?.0);
    }
    Ok((sorted(pages), sorted(singles)))
}

/// The path of the copy of this number.
fn show(n: u64) -> String {
    format!("/v1/checks/{}", copied_check(n))
}

/// Somebody who asks for pages and checks, one after the other without a pause, until it is enough.
pub(super) struct Asker {
    enough: Arc<AtomicBool>,
    asking: JoinHandle<anyhow::Result<Vec<f64>>>,
}

impl Asker {
    /// Begins to ask this process.
    pub(super) fn begin(api: Api, checks: u64) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let is_enough = enough.clone();
        let asking = std::thread::spawn(move || {
            let mut took = Vec::new();
            for n in (1..=checks).cycle() {
                if is_enough.load(Ordering::Relaxed) {
                    break;
                }
                let path = if n.is_multiple_of(2) { show(n) } else { "/v1/checks?limit=100".to_owned() };
                took.push(timed(|| api.get(&path))?.0);
            }
            Ok(took)
        });
        Self { enough, asking }
    }

    /// It is enough: how long each answer took.
    pub(super) fn end(self) -> anyhow::Result<Latencies> {
        self.enough.store(true, Ordering::Relaxed);
        let took = self.asking.join().map_err(|_| anyhow::anyhow!("the asker panicked"))??;
        ensure!(!took.is_empty(), "nothing was asked");
        Ok(sorted(took))
    }
}

fn sorted(mut latencies: Vec<f64>) -> Latencies {
    latencies.sort_by(f64::total_cmp);
    Latencies(latencies)
}

#[allow(clippy::disallowed_methods, reason = "a measuring tool reads the clock")]
fn timed<T>(ask: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<(f64, T)> {
    let began = Instant::now();
    let answer = ask()?;
    Ok((began.elapsed().as_secs_f64() * 1_000.0, answer))
}

/// What a mass failure came to.
pub(super) struct MassFailure {
    /// From the first failure to the last incident on record, in seconds.
    pub(super) lasted_s: f64,
    /// From an incident's first failed slot to its record, the longest, in seconds.
    pub(super) slowest_s: f64,
    /// Flushes a second.
    pub(super) flushes: f64,
    /// Bytes of the journal for each of them.
    pub(super) flush_kib: f64,
    /// CPU in parts of one core.
    pub(super) control_cores: f64,
    pub(super) database_cores: f64,
}

/// Has every second check fail from its next slot on, and waits until each has its incident.
pub(super) fn fail(cell: &mut Cell, failing: u64, limit: Duration) -> anyhow::Result<MassFailure> {
    cell.send(true);
    let pid = cell.leader_pid()?;
    let before = cell.database.last_row()?;
    let (control_us, database_us) = (cpu::used_us(pid)?, cell.database_cpu_us()?);
    let began = now();
    cell.fleet.shared.failing.store(true, Ordering::Relaxed);
    let opened = eventually("every failing check to have its incident", limit, || {
        let open = cell.database.open_incidents()?;
        ensure!(open >= failing, "{open} of {failing} have one");
        Ok(Some(now()))
    })?;
    let lasted_s = opened.since(began) as f64 / 1_000.0;
    let (control_us, database_us) = (cpu::used_us(pid)? - control_us, cell.database_cpu_us()? - database_us);
    let took_ms = cell.database.incidents()?.into_iter().map(|one| one.opened.since(one.first_failed_slot));
    let (mut flushes, mut bytes) = (0.0, 0.0);
    cell.database.rows_after(before, |row| {
        let counts = row.committed <= opened;
        if counts {
            flushes += 1.0;
            bytes += row.body.len() as f64;
        }
        counts
    })?;
    Ok(MassFailure {
        lasted_s,
        slowest_s: took_ms.max().context("there is no incident")? as f64 / 1_000.0,
        flushes: flushes / lasted_s,
        flush_kib: bytes / flushes / 1_024.0,
        control_cores: control_us / 1e6 / lasted_s,
        database_cores: database_us / 1e6 / lasted_s,
    })
}
