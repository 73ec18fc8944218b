//! How late the runs of some checks begin, by the ledger's own rule and in milliseconds.

use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::time::UnixMs;
use serde_json::Value;

use crate::api::Api;
use crate::clock::now;
use crate::wait::eventually;

/// The ledger has decided about what was due by then.
const DECIDED_LIMIT: Duration = Duration::from_secs(120);

/// See the file's documentation.
#[derive(Debug, Clone, Copy)]
pub struct Lateness {
    /// Slots that were due.
    pub due: u64,
    /// Those that were run late, or were not up. One that nobody ran is an error.
    pub late: u64,
    /// Between the moments at which runs were due and began, in milliseconds: 99 of 100 began within it.
    pub p99_ms: i64,
    /// The worst.
    pub worst_ms: i64,
}

/// How late the runs of these checks begin from now on, for so many of their intervals, of which there are at most 50.
///
/// # Errors
/// When the ledger does not decide, or the results cannot be had.
pub fn watch(api: &Api, checks: &[String], interval_ms: i64, intervals: i64) -> anyhow::Result<Lateness> {
    let from = now();
    let to = UnixMs(from.0 + intervals * interval_ms);
    let limit = Duration::from_millis((intervals * interval_ms).unsigned_abs()) + DECIDED_LIMIT;
    eventually("the ledger to decide", limit, || {
        ensure!(now() > to, "it is not over");
        let ledger = api.get(&format!("/v1/ledger?from={}&to={}", from.0, to.0))?;
        Ok((ledger["pending"] == 0).then_some(()))
    })?;
    let (mut late, mut waits_ms) = (0, Vec::new());
    for check in checks {
        let page = api.get(&format!("/v1/checks/{check}/results?from={}&to={}&limit=50", from.0, to.0))?;
        let results = page["items"].as_array().context("the results are no list")?;
        ensure!(results.len() as i64 >= intervals, "{check} has {} results", results.len());
        late += results.iter().filter(|result| result["timing"] != "on_time" || result["status"] != "up").count();
        let moment = |value: &Value| value.as_i64().context("no moment");
        for result in results {
            waits_ms.push(moment(&result["started"])? - moment(&result["slot"])?);
        }
    }
    waits_ms.sort_unstable();
    let worst_ms = *waits_ms.last().context("there is no result")?;
    Ok(Lateness {
        due: waits_ms.len() as u64,
        late: late as u64,
        p99_ms: waits_ms[waits_ms.len() * 99 / 100],
        worst_ms,
    })
}
