//! How long a check was watched in a period, and how long of that it was down, by its incidents.

use axum::Json;
use axum::extract::State;
use farwatch_core::uptime::{Period, Uptime, uptime};
use farwatch_proto::check::Activity;
use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Reader;
use super::super::extract::{Id, Params};
use super::super::openapi::{FROM, TO, query};
use super::super::problem::ApiError;
use crate::store::{Incident, IncidentState, LedgerRevision, LedgerScope, OVERLAP_MAX};

/// The period when nothing is said: a day.
const PERIOD_DEFAULT_MS: i64 = 86_400_000;
/// The longest period of one request: a year and its comparison with the month before it. Incidents are few, so it
/// costs no more than a day.
const PERIOD_MAX_MS: i64 = 400 * 86_400_000;

query!(pub(in super::super) UptimeQuery, [FROM, TO]);

#[derive(Serialize, JsonSchema)]
pub(super) struct UptimeView {
    from: UnixMs,
    /// Never later than now: nobody knows what comes.
    to: UnixMs,
    /// How long it was in force and not paused.
    watched_ms: i64,
    /// How long of that an incident went on.
    down_ms: i64,
    /// From 0 to 1; absent where it was not watched.
    uptime: Option<f64>,
    /// Incidents that went on at some moment of the period.
    incidents: usize,
}

pub(super) async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<UptimeQuery>,
) -> Result<Json<UptimeView>, ApiError> {
    api.store.checks().get(tenant, id).await?.ok_or_else(|| ApiError::no_such("check", id))?;
    let period = period(&params, api.clock.wall())?;
    let Period { from, to } = period;
    let incidents = api.store.incidents().overlapping(id, from, to).await?;
    if incidents.len() >= OVERLAP_MAX {
        return Err(ApiError::parameter("from", "there were too many incidents in this period; ask for a shorter one"));
    }
    let revisions = api.store.checks().revisions_in_force_between(LedgerScope::Check(tenant, id), from, to).await?;
    let outages: Vec<Period> = incidents.iter().map(|incident| outage(incident, to)).collect();
    let found = uptime(&watched(&revisions, period), &outages);
    let Uptime { watched_ms, down_ms } = found;
    Ok(Json(UptimeView { from, to, watched_ms, down_ms, uptime: found.share(), incidents: incidents.len() }))
}

fn period(params: &Params<UptimeQuery>, now: UnixMs) -> Result<Period, ApiError> {
    let to = params.moment("to")?.unwrap_or(now).min(now);
    let from = params.moment("from")?.unwrap_or(to - PERIOD_DEFAULT_MS);
    if from >= to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`, and before now"));
    }
    if to.since(from) > PERIOD_MAX_MS {
        return Err(ApiError::parameter("from", "ask for at most 400 days at once"));
    }
    Ok(Period { from, to })
}

/// When the check was in force and not paused, by its revisions in order.
fn watched(revisions: &[LedgerRevision], period: Period) -> Vec<Period> {
    let ends = revisions.iter().skip(1).map(|next| next.in_force_from).chain([period.to]);
    let spans = revisions.iter().zip(ends).filter(|(revision, _)| revision.activity == Activity::Active);
    spans.filter_map(|(revision, to)| Period { from: revision.in_force_from, to }.within(period)).collect()
}

/// From when it was seen until it was resolved, or on and on.
fn outage(incident: &Incident, so_far: UnixMs) -> Period {
    let to = match incident.state {
        IncidentState::Open => so_far,
        IncidentState::Resolved { at, .. } => at,
    };
    Period { from: incident.seen_since, to }
}
