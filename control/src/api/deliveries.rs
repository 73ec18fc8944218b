//! Deliveries: what was told to whom, what waits, and what was given up.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::{ChannelId, ContactId, DeliveryId, IncidentId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::{Reader, Writer};
use super::extract::{Id, PageView, Params, page_of};
use super::openapi::{CURSOR, Kind, LIMIT, Parameter, query};
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, Deed};
use crate::spec::FieldProblem;
use crate::store::{Delivery, DeliveryState, Retried, Step};

query!(
    DeliveriesQuery,
    [
        Parameter { name: "incident", about: "Those of this incident.", kind: Kind::of::<IncidentId>() },
        Parameter { name: "state", about: "Those that were given up.", kind: Kind::Word(&["dead"]) },
        LIMIT,
        CURSOR,
    ]
);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/deliveries", list)
        .about("Lists the deliveries of an incident, or those that were given up")
        .post("/v1/deliveries/{id}/retry", retry)
        .about("Tries a delivery again that was given up")
}

#[derive(Serialize, JsonSchema)]
pub(super) struct DeliveryView {
    id: DeliveryId,
    incident: IncidentId,
    step: Step,
    contact: ContactId,
    channel: ChannelId,
    state: DeliveryState,
    attempts: u32,
    due: UnixMs,
    created: UnixMs,
    finished: Option<UnixMs>,
    /// What the last attempt was told.
    last_answer: Option<String>,
}

impl From<Delivery> for DeliveryView {
    fn from(delivery: Delivery) -> Self {
        Self {
            id: delivery.id,
            incident: delivery.incident,
            step: delivery.step,
            contact: delivery.contact,
            channel: delivery.channel,
            state: delivery.state,
            attempts: delivery.attempt,
            due: delivery.due,
            created: delivery.created,
            finished: delivery.finished,
            last_answer: delivery.last_answer,
        }
    }
}

/// Those of an incident, or those that were given up.
async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    params: Params<DeliveriesQuery>,
) -> Result<Json<PageView<DeliveryView>>, ApiError> {
    let dead = params.word("state", &[("dead", ())])?;
    match (params.parsed::<IncidentId>("incident")?, dead) {
        (Some(incident), None) => {
            let all = api.store.deliveries().of_incident(tenant, incident).await?;
            Ok(Json(PageView { items: all.into_iter().map(DeliveryView::from).collect(), next: None }))
        }
        (None, Some(())) => {
            let page = api.store.deliveries().list_dead(tenant, params.cursor()?, params.limit()?).await?;
            let place = |dead: &Delivery| (dead.finished.unwrap_or(dead.created), dead.id);
            Ok(Json(page_of(page, place, DeliveryView::from)))
        }
        _ => {
            Err(ApiError::parameter("incident", "name an incident with incident=, or ask for state=dead, one of both"))
        }
    }
}

/// Tries again what was given up.
async fn retry(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<DeliveryId>,
) -> Result<Json<DeliveryView>, ApiError> {
    let now = api.clock.wall();
    let deed = Deed { action: "delivery.retry", entity: id.to_string(), tenant: Some(tenant), now };
    let refused = |detail: String| ApiError::Conflict(FieldProblem::new("", detail));
    match api.signed(&caller, deed).deliveries().retry(tenant, id, now).await? {
        Retried::Made(delivery) => {
            api.leader.deliveries_due.notify_one();
            Ok(Json((*delivery).into()))
        }
        Retried::NotFound => Err(ApiError::no_such("delivery", id)),
        Retried::NotGivenUp(DeliveryState::Sent | DeliveryState::Merged) => {
            Err(refused(format!("{id} was told; only a delivery that was given up is tried again")))
        }
        Retried::NotGivenUp(_) => Err(refused(format!("{id} is on its way; see when it is due in GET /v1/deliveries"))),
        Retried::Overtaken(recovery) => Err(refused(format!(
            "the outage is over, and nobody is told of its beginning after its end; retry its recovery {recovery}, \
             if that was given up: it tells of both"
        ))),
    }
}
