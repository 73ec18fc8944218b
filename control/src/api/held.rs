//! Deliveries that a restore held: the operator looks at them, and lets each go or drops it.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::{DeliveryId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::auth::{Reader, Writer};
use super::deliveries::DeliveryView;
use super::extract::{Id, PageView};
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, Deed};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/deliveries/held", list)
        .about("Lists the deliveries that a restore holds back")
        .post("/v1/deliveries/{id}/release", release)
        .about("Sends a delivery that a restore holds back")
        .post("/v1/deliveries/{id}/drop", drop_one)
        .about("Gives up a delivery that a restore holds back")
}

/// What became of one.
#[derive(Serialize, JsonSchema)]
struct SettledView {
    id: DeliveryId,
    state: &'static str,
}

async fn list(State(api): State<Api>, Reader { tenant }: Reader) -> Result<Json<PageView<DeliveryView>>, ApiError> {
    let held = api.store.deliveries().list_held(tenant).await?;
    Ok(Json(PageView { items: held.into_iter().map(DeliveryView::from).collect(), next: None }))
}

/// It is sent as soon as a worker is free, under the id that it always had.
async fn release(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<DeliveryId>,
) -> Result<Json<SettledView>, ApiError> {
    let now = api.clock.wall();
    let signed = api.signed(&caller, deed("delivery.release", tenant, id, now));
    settled(signed.deliveries().release_held(tenant, id, now).await?, id, "pending")
}

/// It is given up, and shown as dead.
async fn drop_one(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<DeliveryId>,
) -> Result<Json<SettledView>, ApiError> {
    let now = api.clock.wall();
    let signed = api.signed(&caller, deed("delivery.drop", tenant, id, now));
    settled(signed.deliveries().drop_held(tenant, id, now).await?, id, "dead")
}

fn deed(action: &'static str, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Deed {
    Deed { action, entity: id.to_string(), tenant: Some(tenant), now }
}

fn settled(is_settled: bool, id: DeliveryId, state: &'static str) -> Result<Json<SettledView>, ApiError> {
    if is_settled { Ok(Json(SettledView { id, state })) } else { Err(ApiError::no_such("held delivery", id)) }
}
