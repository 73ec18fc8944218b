//! The results of a check as the journal holds them, oldest first.
//!
//! The journal is by time and not by check, so a question reads at most so many rows; the answer may then hold
//! few results or none, and a cursor to go on from.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;

use super::super::Api;
use super::super::auth::Reader;
use super::super::extract::{Cursor, Id, PageView, Params};
use super::super::problem::ApiError;
use super::super::results::{HostNames, ResultView, result_view};
use crate::ledger::{PERIOD_MAX_MS, Scan};

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
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params,
) -> Result<Json<PageView<ResultView>>, ApiError> {
    params.only(&["from", "to", "limit", "cursor"])?;
    let check = api.store.checks().get(tenant, id).await?.ok_or_else(|| ApiError::no_such("check", id))?;
    let (from, to) = period(&params, api.clock.wall())?;
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
    Ok(Json(page))
}

fn period(params: &Params, now: UnixMs) -> Result<(UnixMs, UnixMs), ApiError> {
    let to = params.moment("to")?.unwrap_or(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    if from >= to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`"));
    }
    if to.since(from) > PERIOD_MAX_MS {
        return Err(ApiError::parameter("from", "results are kept for 48 hours; ask for at most as much"));
    }
    Ok((from, to))
}
