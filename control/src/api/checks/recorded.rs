//! The results of a check, newest first: of every slot the one that speaks for it.
//!
//! They are read from blocks, a day at a time, so a page costs the same wherever it lies. A question reads at most so
//! many days; where a filter finds little, the answer may hold few results or none, and a cursor to go on from.

use axum::Json;
use axum::extract::State;
use farwatch_core::block::Block;
use farwatch_core::uptime::Period;
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Reader;
use super::super::extract::{Cursor, Id, PageView, Params};
use super::super::openapi::{CURSOR, FROM, Kind, LIMIT, Parameter, TO, query};
use super::super::problem::ApiError;
use super::super::results::{HostNames, ResultView, SpokenView};
use super::journaled;
use crate::ledger::revision_at;
use crate::recorded::Recorded;
use crate::retention::{BLOCKS_MS, SLOT_AHEAD_MAX_MS};
use crate::store::{LedgerRevision, LedgerScope};

/// The period when nothing is said: a day.
const PERIOD_DEFAULT_MS: i64 = DAY_MS;
/// What is read at once: at most a day of eight streams at 10 s, two megabytes.
const DAY_MS: i64 = 86_400_000;
/// Days that one question reads.
const DAYS_MAX: usize = 31;
/// The statuses to filter by.
const STATUSES: [(&str, &str); 4] = [("up", "up"), ("degraded", "degraded"), ("down", "down"), ("unknown", "unknown")];

/// What the word `all` says.
const WHETHER: [(&str, bool); 2] = [("true", true), ("false", false)];

query!(
    pub(super) ResultsQuery,
    [
        FROM,
        TO,
        Parameter { name: "stream", about: "Those of this stream.", kind: Kind::of::<u16>() },
        Parameter {
            name: "status",
            about: "Those that found this.",
            kind: Kind::Word(&["up", "degraded", "down", "unknown"])
        },
        Parameter { name: "host", about: "Those of this host.", kind: Kind::of::<HostId>() },
        Parameter {
            name: "all",
            about: "Every run of the last 48 hours with all it had to say, in order of being committed; other filters \
                    do not apply.",
            kind: Kind::Word(&["true", "false"])
        },
        LIMIT,
        CURSOR,
    ]
);

/// The page of a list, by slots or of all runs.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum ResultsView {
    /// Of every slot the result that speaks for it.
    Spoken(PageView<SpokenView>),
    /// Every run.
    All(PageView<ResultView>),
}

/// Everything behind this slot and stream, in order of time, was shown.
#[derive(Clone, Copy)]
struct Before(UnixMs, u16);

impl Cursor for Before {
    fn plain(&self) -> String {
        format!("before.{}.{}", self.0, self.1)
    }

    fn of_plain(plain: &str) -> Option<Self> {
        let (slot, stream) = plain.strip_prefix("before.")?.split_once('.')?;
        Some(Self(UnixMs(slot.parse().ok()?), stream.parse().ok()?))
    }
}

/// Which results are wanted.
struct Filter {
    stream: Option<u16>,
    status: Option<&'static str>,
    host: Option<HostId>,
    before: Option<(UnixMs, u16)>,
}

impl Filter {
    fn read(params: &Params<ResultsQuery>) -> Result<Self, ApiError> {
        Ok(Self {
            stream: params.parsed("stream")?,
            status: params.word("status", &STATUSES)?,
            host: params.parsed("host")?,
            before: params.cursor()?.map(|Before(slot, stream)| (slot, stream)),
        })
    }

    /// Adds what the block has of the period that passes.
    fn add(
        &self,
        block: &Block,
        period: Period,
        (names, terms): (&HostNames, &[LedgerRevision]),
        found: &mut Vec<SpokenView>,
    ) {
        let number = block.key().stream.number;
        if self.stream.is_some_and(|stream| stream != number) {
            return;
        }
        for slot in block.slots() {
            let at = slot.due.slot;
            let in_period =
                period.from <= at && at < period.to && self.before.is_none_or(|before| (at, number) < before);
            let Some(run) = slot.run.filter(|_| in_period) else { continue };
            let is_status = self.status.is_none_or(|status| run.status.word() == status);
            if is_status && self.host.is_none_or(|host| run.runner.host == host) {
                found.push(SpokenView::of(slot.due, &run, number, revision_at(terms, at), names));
            }
        }
    }
}

pub(super) async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<ResultsQuery>,
) -> Result<Json<ResultsView>, ApiError> {
    let check = api.store.checks().get(tenant, id).await?.ok_or_else(|| ApiError::no_such("check", id))?;
    if params.word("all", &WHETHER)? == Some(true) {
        return Ok(Json(ResultsView::All(journaled::list(&api, &check, &params).await?)));
    }
    let now = api.clock.wall();
    let (period, limit, filter) = (period(&params, now)?, params.limit()? as usize, Filter::read(&params)?);
    let names = HostNames::load(&api.store).await?;
    let newest = filter.before.map_or(period.to, |(slot, _)| period.to.min(slot + 1));
    let recorded = Recorded::load((&api.store, &api.tail), (tenant, id), Period { to: newest, ..period }, now).await?;
    let scope = LedgerScope::Check(tenant, id);
    let terms = api.store.checks().revisions_in_force_between(scope, period.from, newest).await?;
    let mut page = PageView { items: Vec::new(), next: None };
    let mut to = newest;
    for days in 1.. {
        let day = Period { from: period.from.max(to - DAY_MS), to };
        let mut found = Vec::new();
        recorded.each(day, |block| filter.add(block, day, (&names, &terms), &mut found)).await?;
        found.sort_by_key(|result| std::cmp::Reverse(result.place()));
        page.items.extend(found);
        to = day.from;
        if page.items.len() > limit {
            page.items.truncate(limit);
            page.next = page.items.last().map(|last| Before(last.place().0, last.place().1).shown());
            break;
        }
        if to <= period.from {
            break;
        }
        if days >= DAYS_MAX {
            page.next = Some(Before(to, 0).shown());
            break;
        }
    }
    Ok(Json(ResultsView::Spoken(page)))
}

fn period(params: &Params<ResultsQuery>, now: UnixMs) -> Result<Period, ApiError> {
    let to = params.moment("to")?.unwrap_or(now).min(now + SLOT_AHEAD_MAX_MS);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    if from >= to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`"));
    }
    if to.since(from) > BLOCKS_MS {
        return Err(ApiError::parameter("from", "results are kept for 90 days; ask for at most as much"));
    }
    Ok(Period { from, to })
}
