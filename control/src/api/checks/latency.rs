//! How fast a check was answered, and what it found, over time: buckets of one length, at any zoom.
//!
//! Inside the 90 days that blocks are kept, figures come from every slot; before them from the sums of days, which have
//! a mean and a maximum and no percentiles.

use axum::Json;
use axum::extract::State;
use farwatch_core::block::{Block, Bucket, Series};
use farwatch_core::uptime::Period;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Reader;
use super::super::extract::{Id, Params};
use super::super::openapi::{FROM, Kind, Parameter, TO, query};
use super::super::problem::ApiError;
use crate::recorded::Recorded;
use crate::retention::first_detailed_day;

/// The period when nothing is said: a day.
const PERIOD_DEFAULT_MS: i64 = DAY_MS;
/// The longest period of one request, as for uptime: a year and its comparison with the month before it.
const PERIOD_MAX_MS: i64 = 400 * DAY_MS;
const DAY_MS: i64 = 86_400_000;
/// The most buckets of one answer: as many as a wide chart has pixels, and half a megabyte.
const BUCKETS_MAX: i64 = 1000;
/// What `auto` aims at: a bucket per few pixels of a chart.
const BUCKETS_AUTO: i64 = 120;
/// The shortest bucket: the shortest interval.
const STEP_MIN_S: i64 = 10;
/// Lengths that people think in, in seconds; what `auto` chooses from.
const STEPS_S: [i64; 13] = [10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800];

query!(
    pub(super) LatencyQuery,
    [
        FROM,
        TO,
        Parameter { name: "step", about: "How long a bucket is, in seconds, or `auto`.", kind: Kind::Text },
        Parameter { name: "stream", about: "Those of this stream.", kind: Kind::of::<u16>() },
    ]
);

#[derive(Serialize, JsonSchema)]
pub(super) struct LatencyView {
    from: UnixMs,
    to: UnixMs,
    /// How long each bucket is, in seconds.
    step: i64,
    /// Since when figures come from every slot; what is before comes from the sums of days.
    detailed_from: UnixMs,
    buckets: Vec<BucketView>,
}

#[derive(Serialize, JsonSchema)]
struct BucketView {
    /// When it begins.
    at: UnixMs,
    /// How many runs found a target that answered; latencies are theirs.
    count: u64,
    min_us: Option<u32>,
    mean_us: Option<u64>,
    max_us: Option<u32>,
    p50_us: Option<u32>,
    p95_us: Option<u32>,
    p99_us: Option<u32>,
    up: u64,
    degraded: u64,
    down: u64,
    unknown: u64,
}

impl BucketView {
    fn of(at: UnixMs, bucket: &Bucket) -> Self {
        Self {
            at,
            count: bucket.count(),
            min_us: bucket.min_us(),
            mean_us: bucket.mean_us(),
            max_us: bucket.max_us(),
            p50_us: bucket.quantile_us(500),
            p95_us: bucket.quantile_us(950),
            p99_us: bucket.quantile_us(990),
            up: bucket.outcomes.up,
            degraded: bucket.outcomes.degraded,
            down: bucket.outcomes.down,
            unknown: bucket.outcomes.unknown,
        }
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<LatencyQuery>,
) -> Result<Json<LatencyView>, ApiError> {
    api.store.checks().get(tenant, id).await?.ok_or_else(|| ApiError::no_such("check", id))?;
    let now = api.clock.wall();
    let (period, stream) = (period(&params, now)?, params.parsed::<u16>("stream")?);
    let detailed_from = first_detailed_day(now);
    let step_ms = 1000 * step_s(&params, period, detailed_from)?;
    let first = UnixMs(period.from.0 - period.from.0.rem_euclid(step_ms));
    let mut series = Series::new(first, step_ms, buckets(period, step_ms) as usize);

    let is_wanted = |number: u16| stream.is_none_or(|stream| stream == number);
    if period.from < detailed_from {
        let days = Period { from: first, to: period.to.min(detailed_from) };
        for day in api.store.days().of_check(id, (days.from, days.to)).await? {
            if is_wanted(day.stream) {
                series.add(day.from, &day.totals);
            }
        }
    }
    let detailed = Period { from: first.max(detailed_from), ..period };
    if detailed.from < detailed.to {
        let recorded = Recorded::load((&api.store, &api.tail), (tenant, id), detailed, now).await?;
        let enter = |block: &Block| {
            if is_wanted(block.key().stream.number) {
                enter(&mut series, block, detailed);
            }
        };
        recorded.each(detailed, enter).await?;
    }
    let buckets = series.buckets().map(|(at, bucket)| BucketView::of(at, bucket)).collect();
    let Period { from, to } = period;
    Ok(Json(LatencyView { from, to, step: step_ms / 1000, detailed_from, buckets }))
}

fn enter(series: &mut Series, block: &Block, period: Period) {
    for slot in block.slots() {
        let at = slot.due.slot;
        if let Some(run) = slot.run.filter(|_| period.from <= at && at < period.to) {
            series.enter(at, &run);
        }
    }
}

fn period(params: &Params<LatencyQuery>, now: UnixMs) -> Result<Period, ApiError> {
    let to = params.moment("to")?.unwrap_or(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    if from >= to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`"));
    }
    if to.since(from) > PERIOD_MAX_MS {
        return Err(ApiError::parameter("from", "ask for at most 400 days at once"));
    }
    Ok(Period { from, to })
}

/// How many buckets it takes. They begin at whole steps, so the first may begin before the period.
const fn buckets(period: Period, step_ms: i64) -> i64 {
    let before_ms = period.from.0.rem_euclid(step_ms);
    (period.to.since(period.from) + before_ms + step_ms - 1) / step_ms
}

/// How long buckets are, in seconds.
fn step_s(params: &Params<LatencyQuery>, period: Period, detailed_from: UnixMs) -> Result<i64, ApiError> {
    let by_days = period.from < detailed_from;
    let Some(text) = params.text("step").filter(|text| *text != "auto") else {
        return Ok(auto_step_s(period, by_days));
    };
    let step_s: i64 = text
        .parse()
        .map_err(|_| ApiError::parameter("step", "write a length in whole seconds, such as 300, or auto"))?;
    if !(STEP_MIN_S..=PERIOD_MAX_MS / 1000).contains(&step_s) {
        return Err(ApiError::parameter("step", "use at least 10 seconds, at most 400 days, or auto"));
    }
    if buckets(period, step_s * 1000) > BUCKETS_MAX {
        let least_s = period.to.since(period.from) / 1000 / (BUCKETS_MAX - 1) + 1;
        let detail =
            format!("that makes more than {BUCKETS_MAX} buckets; for this period use at least {least_s}, or auto");
        return Err(ApiError::parameter("step", detail));
    }
    if by_days && step_s * 1000 % DAY_MS != 0 {
        let detail = format!(
            "before {detailed_from} only the sums of days are kept; use 86400 or a multiple of it, auto, or a later `from`"
        );
        return Err(ApiError::parameter("step", detail));
    }
    Ok(step_s)
}

fn auto_step_s(period: Period, by_days: bool) -> i64 {
    let fits =
        |step_s: &&i64| buckets(period, **step_s * 1000) <= BUCKETS_AUTO && (!by_days || **step_s * 1000 % DAY_MS == 0);
    STEPS_S.iter().find(fits).copied().unwrap_or(604_800)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step_of(length_ms: i64, by_days: bool) -> i64 {
        auto_step_s(Period { from: UnixMs(5), to: UnixMs(5 + length_ms) }, by_days)
    }

    #[test]
    fn auto_chooses_a_length_that_people_think_in() {
        let hour_ms = 3_600_000;
        let lengths = [hour_ms, 24 * hour_ms, 7 * DAY_MS, 30 * DAY_MS, 90 * DAY_MS, PERIOD_MAX_MS];
        assert_eq!(lengths.map(|length_ms| step_of(length_ms, false)), [60, 1800, 7200, 43_200, 86_400, 604_800]);
        assert_eq!(step_of(hour_ms, true), 86_400);
    }

    #[test]
    fn buckets_begin_at_whole_steps() {
        let period = |from, to| Period { from: UnixMs(from), to: UnixMs(to) };
        assert_eq!(buckets(period(0, 20_000), 10_000), 2);
        assert_eq!(buckets(period(9_999, 20_001), 10_000), 3);
    }
}
