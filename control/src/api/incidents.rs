//! Incidents: outages as they were confirmed, with what each vantage point said and who was told.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use farwatch_core::confirm::Answer;
use farwatch_core::incident::{Ending, IncidentEvent as CoreEvent, Voice};
use farwatch_proto::id::{CheckId, HostId, IncidentId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::auth::Reader;
use super::deliveries::DeliveryView;
use super::evidence::FirstEvidence;
use super::extract::{Id, PageView, Params, page_of};
use super::openapi::{CURSOR, Kind, LIMIT, Parameter, query};
use super::problem::ApiError;
use super::results::HostNames;
use super::routes::Routes;
use crate::store::{Incident, IncidentEvent, IncidentFilter, IncidentPosition, IncidentState};

query!(
    IncidentsQuery,
    [
        Parameter { name: "state", about: "Those that go on, or are over.", kind: Kind::Word(&["open", "resolved"]) },
        Parameter { name: "check", about: "Those of this check.", kind: Kind::of::<CheckId>() },
        LIMIT,
        CURSOR,
    ]
);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/incidents", list)
        .about("Lists incidents, newest first")
        .get("/v1/incidents/{id}", show)
        .about("Shows an incident with its events, its deliveries and why it failed")
}

#[derive(Serialize, JsonSchema)]
struct IncidentView {
    id: IncidentId,
    check: CheckId,
    check_name: Option<String>,
    state: &'static str,
    first_failed_slot: UnixMs,
    seen_since: UnixMs,
    opened: UnixMs,
    resolved: Option<UnixMs>,
    /// Why it was closed.
    resolution: Option<String>,
    /// The code and the sentence of the first failure.
    code: String,
    message: String,
    /// How many vantage points had to see it fail, of how many.
    need: u8,
    of: u8,
    /// Whether more than one host saw it fail.
    independently_confirmed: bool,
    /// Whether it was over before anybody could judge it, because the results came late.
    seen_afterwards: bool,
}

#[derive(Serialize, JsonSchema)]
struct IncidentDetail {
    #[serde(flatten)]
    incident: IncidentView,
    events: Vec<EventView>,
    deliveries: Vec<DeliveryView>,
    #[serde(flatten)]
    evidence: FirstEvidence,
}

#[derive(Serialize, JsonSchema)]
struct EventView {
    n: u32,
    at: UnixMs,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ending: Option<Ending>,
    voices: Vec<VoiceView>,
}

/// What one vantage point said, with the name of the host.
#[derive(Serialize, JsonSchema)]
struct VoiceView {
    host: HostId,
    host_name: String,
    answer: Answer,
    code: String,
    message: String,
}

async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    params: Params<IncidentsQuery>,
) -> Result<Json<PageView<IncidentView>>, ApiError> {
    let filter = IncidentFilter {
        check: params.parsed("check")?,
        open: params.word("state", &[("open", true), ("resolved", false)])?,
    };
    let page = api.store.incidents().list(tenant, filter, params.cursor()?, params.limit()?).await?;
    let names = check_names(&api, tenant, page.items.iter().map(|incident| incident.check)).await?;
    let place = |incident: &Incident| IncidentPosition { opened: incident.opened, id: incident.id };
    Ok(Json(page_of(page, place, |incident| {
        let name = names.get(&incident.check).cloned();
        IncidentView::of(incident, name)
    })))
}

async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<IncidentId>,
) -> Result<Json<IncidentDetail>, ApiError> {
    let found = api.store.incidents().get(tenant, id).await?;
    let (incident, events) = found.ok_or_else(|| ApiError::no_such("incident", id))?;
    let names = HostNames::load(&api.store).await?;
    let check_name = check_names(&api, tenant, [incident.check]).await?.remove(&incident.check);
    Ok(Json(IncidentDetail {
        evidence: FirstEvidence::load(&api, tenant, &incident, &names).await?,
        deliveries: deliveries_of(&api, tenant, id).await?,
        events: events.into_iter().map(|event| event_view(event, &names)).collect(),
        incident: IncidentView::of(incident, check_name),
    }))
}

async fn deliveries_of(api: &Api, tenant: TenantId, id: IncidentId) -> Result<Vec<DeliveryView>, ApiError> {
    let deliveries = api.store.deliveries().of_incident(tenant, id).await?;
    Ok(deliveries.into_iter().map(DeliveryView::from).collect())
}

/// What these checks are called, each asked for once; deleted ones keep their names.
async fn check_names(
    api: &Api,
    tenant: TenantId,
    checks: impl IntoIterator<Item = CheckId>,
) -> Result<BTreeMap<CheckId, String>, ApiError> {
    let distinct: BTreeSet<CheckId> = checks.into_iter().collect();
    let mut names = BTreeMap::new();
    for id in distinct {
        names.extend(api.store.checks().get(tenant, id).await?.map(|check| (id, check.name)));
    }
    Ok(names)
}

impl IncidentView {
    fn of(incident: Incident, check_name: Option<String>) -> Self {
        let Incident { id, check, state, first_failed_slot, seen_since, opened, summary, .. } = incident;
        let (state, resolved, resolution) = match state {
            IncidentState::Open => ("open", None, None),
            IncidentState::Resolved { at, reason } => ("resolved", Some(at), Some(reason)),
        };
        // The summary is how it was opened; one that cannot be read hides no incident.
        let (code, message, need, of, independently_confirmed, seen_afterwards) = match serde_json::from_str(&summary) {
            Ok(CoreEvent::Opened { code, message, need, of, voices, seen_afterwards, .. }) => {
                (code, message, need, of, agree(&voices) > 1, seen_afterwards)
            }
            _ => Default::default(),
        };
        Self {
            id,
            check,
            check_name,
            state,
            first_failed_slot,
            seen_since,
            opened,
            resolved,
            resolution,
            code,
            message,
            need,
            of,
            independently_confirmed,
            seen_afterwards,
        }
    }
}

/// How many hosts saw it fail; one that has no company was asked several times.
fn agree(voices: &[Voice]) -> usize {
    let bad = voices.iter().filter(|voice| voice.answer == Answer::Bad);
    bad.map(|voice| voice.host).collect::<BTreeSet<_>>().len()
}

fn event_view(event: IncidentEvent, names: &HostNames) -> EventView {
    let IncidentEvent { n, at, kind, body, .. } = event;
    let (ending, voices) = match serde_json::from_str(&body) {
        Ok(CoreEvent::Opened { voices, .. }) => (None, voices),
        Ok(CoreEvent::Resolved { ending, voices, .. }) => (Some(ending), voices),
        Err(_) => (None, Vec::new()),
    };
    EventView { n, at, kind, ending, voices: voices.into_iter().map(|voice| voice_view(voice, names)).collect() }
}

fn voice_view(voice: Voice, names: &HostNames) -> VoiceView {
    let Voice { host, answer, code, message } = voice;
    VoiceView { host, host_name: names.of(host), answer, code, message }
}
