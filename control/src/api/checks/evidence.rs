//! What failed runs of a check brought, newest first, for the 30 days that it is kept.

use axum::Json;
use axum::extract::State;
use farwatch_core::evidence::AHEAD_MAX_MS;
use farwatch_core::uptime::Period;
use farwatch_proto::id::{CheckId, IncidentId, TenantId};

use super::super::Api;
use super::super::auth::Reader;
use super::super::evidence::{EvidenceView, period_of};
use super::super::extract::{Id, PageView, Params, page_of};
use super::super::openapi::{CURSOR, FROM, Kind, LIMIT, Parameter, TO, query};
use super::super::problem::ApiError;
use super::super::results::HostNames;
use crate::retention::EVIDENCE_MS;
use crate::store::EvidencePiece;

query!(
    pub(super) EvidenceQuery,
    [
        FROM,
        TO,
        Parameter { name: "incident", about: "That of this incident's time.", kind: Kind::of::<IncidentId>() },
        LIMIT,
        CURSOR,
    ]
);

pub(super) async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<EvidenceQuery>,
) -> Result<Json<PageView<EvidenceView>>, ApiError> {
    if api.store.checks().get(tenant, id).await?.is_none() {
        return Err(ApiError::no_such("check", id));
    }
    let Period { from, to } = period(&api, (tenant, id), &params).await?;
    let names = HostNames::load(&api.store).await?;
    let page = api.store.evidence().of_check((tenant, id), (from, to), params.cursor()?, params.limit()?).await?;
    Ok(Json(page_of(page, EvidencePiece::place, |piece| EvidenceView::of(piece, &names))))
}

/// What is asked for, within the time of the incident where one is named.
async fn period(
    api: &Api,
    (tenant, check): (TenantId, CheckId),
    params: &Params<EvidenceQuery>,
) -> Result<Period, ApiError> {
    let now = api.clock.wall();
    let (from, to) = (params.moment("from")?, params.moment("to")?);
    let asked = Period { from: from.unwrap_or(now - EVIDENCE_MS), to: to.unwrap_or(now + AHEAD_MAX_MS) };
    if asked.from >= asked.to {
        return Err(ApiError::parameter("from", "the period is empty: `from` must be before `to`"));
    }
    let Some(incident) = params.parsed::<IncidentId>("incident")? else { return Ok(asked) };
    let found = api.store.incidents().get(tenant, incident).await?;
    let (incident, _) = found
        .filter(|(incident, _)| incident.check == check)
        .ok_or_else(|| ApiError::parameter("incident", "this check has no such incident"))?;
    let within = period_of(&incident, now);
    Ok(Period { from: asked.from.max(within.from), to: asked.to.min(within.to) })
}
