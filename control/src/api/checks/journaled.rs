//! Every run of a check with all it had to say, as the journal holds it for 48 hours, in the order of being committed:
//! also votes, and runs for which another speaks.
//!
//! The journal is by time and not by check, so a question reads at most so many rows; the answer may then hold
//! few results or none, and a cursor to go on from.

use farwatch_proto::time::UnixMs;

use super::super::Api;
use super::super::extract::{Cursor, PageView, Params};
use super::super::problem::ApiError;
use super::super::results::{HostNames, ResultView, result_view};
use super::recorded::ResultsQuery;
use crate::ledger::Scan;
use crate::retention::JOURNAL_MS;
use crate::store::Check;

/// The period when nothing is said.
const PERIOD_DEFAULT_MS: i64 = 3_600_000;
/// Rows of the journal that one question reads: about five minutes of a busy fleet, and days of a small one.
const ROWS_MAX: usize = 2_000;

/// The journal row that was read last.
struct AfterRow(u64);

impl Cursor for AfterRow {
    fn plain(&self) -> String {
        format!("row.{}", self.0)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        plain.strip_prefix("row.")?.parse().ok().map(Self)
    }
}

pub(super) async fn list(
    api: &Api,
    check: &Check,
    params: &Params<ResultsQuery>,
) -> Result<PageView<ResultView>, ApiError> {
    for other in ["stream", "status", "host"] {
        if params.text(other).is_some() {
            return Err(ApiError::parameter(other, "all runs are not filtered; leave `all` away, or this"));
        }
    }
    let id = check.latest.check;
    let (from, to) = period(params, api.clock.wall())?;
    let limit = params.limit()? as usize;
    let after = params.cursor()?.map_or(0, |AfterRow(seq)| seq);
    let names = HostNames::load(&api.store).await?;
    let mut scan = Scan::new(&api.store, from, to, after);
    let mut page = PageView { items: Vec::new(), next: None };
    for rows in 1.. {
        let Some(row) = scan.next().await? else { break };
        for section in row.sections {
            let own = section.results.into_iter().filter(|result| result.stream.check == id);
            let in_period = own.filter(|result| from <= result.slot && result.slot < to);
            let interval = check.latest.interval;
            page.items.extend(in_period.map(|result| result_view(section.host, result, interval, &names)));
        }
        // A page ends with a row, so it may hold a few more than was asked for.
        if page.items.len() >= limit || rows >= ROWS_MAX {
            page.next = Some(AfterRow(row.seq).shown());
            break;
        }
    }
    Ok(page)
}

fn period(params: &Params<ResultsQuery>, now: UnixMs) -> Result<(UnixMs, UnixMs), ApiError> {
    let to = params.moment("to")?.unwrap_or(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    if from >= to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`"));
    }
    if to.since(from) > JOURNAL_MS {
        return Err(ApiError::parameter("from", "all runs are kept for 48 hours; ask for at most as much"));
    }
    Ok((from, to))
}
