//! Our own incidents: spells of missed slots, one per cause, newest first.

use axum::Json;
use axum::extract::State;
use farwatch_core::own_incident::OwnIncident;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::auth::Operator;
use super::extract::Params;
use super::ledger::{HostNameView, told};
use super::openapi::{LIMIT, query};
use super::problem::ApiError;
use super::results::HostNames;
use super::routes::Routes;

query!(OwnIncidentsQuery, [LIMIT]);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/own-incidents", list)
        .about("Spells of missed slots, which are nobody's outage but ours, one per cause, newest first")
}

#[derive(Serialize, JsonSchema)]
struct OwnIncidentsView {
    items: Vec<OwnIncidentView>,
}

#[derive(Serialize, JsonSchema)]
struct OwnIncidentView {
    /// `open` while slots are missed for this cause and until none was for ten minutes, then `resolved`.
    state: &'static str,
    /// `no_run`, `host_trouble` or `outside_window`.
    cause: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<HostNameView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    first_slot: UnixMs,
    last_slot: UnixMs,
    /// How many slots were missed, as the record stood when it settled on them. The ledger knows what came later.
    missed: u64,
    opened: UnixMs,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<UnixMs>,
}

async fn list(
    State(api): State<Api>,
    Operator(_): Operator,
    params: Params<OwnIncidentsQuery>,
) -> Result<Json<OwnIncidentsView>, ApiError> {
    let names = HostNames::load(&api.store).await?;
    let newest = api.store.own_incidents().newest(params.limit()?).await?;
    Ok(Json(OwnIncidentsView { items: newest.into_iter().map(|incident| view_of(incident, &names)).collect() }))
}

fn view_of(incident: OwnIncident, names: &HostNames) -> OwnIncidentView {
    let OwnIncident { cause, first_slot, last_slot, missed, opened, resolved, .. } = incident;
    let (cause, host, code) = told(cause, names);
    let state = if resolved.is_some() { "resolved" } else { "open" };
    OwnIncidentView { state, cause, host, code, first_slot, last_slot, missed, opened, resolved }
}
