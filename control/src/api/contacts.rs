//! Contacts: whom to tell, and over which channels.

mod channels;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::{ContactId, TenantId};
use farwatch_proto::time::UnixMs;
use serde::{Deserialize, Serialize};

use super::auth::{Reader, Writer};
use super::extract::{Body, Id, PageView, Params, page_of};
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::check_name;
use crate::store::{Change, Contact, NewContact};
use channels::ChannelView;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/contacts", list)
        .post("/v1/contacts", create)
        .get("/v1/contacts/{id}", show)
        .delete("/v1/contacts/{id}", delete)
        .merge(channels::routes())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactWish {
    name: String,
}

#[derive(Serialize)]
struct ContactView {
    id: ContactId,
    name: String,
    created: UnixMs,
    channels: Vec<ChannelView>,
}

async fn create(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Body(wish): Body<ContactWish>,
) -> Result<(StatusCode, Json<ContactView>), ApiError> {
    check_name(&wish.name).map_err(|what| ApiError::field("/name", format!("the name {what}")))?;
    let now = api.clock.wall();
    let new = NewContact { id: ContactId::new(now, random_bytes()), tenant, name: wish.name };
    let deed = Deed { action: "contact.create", entity: new.id.to_string(), tenant: Some(tenant), now };
    api.signed(&caller, deed).contacts().create(&new, now).await?;
    api.tell_leader();
    let view = ContactView { id: new.id, name: new.name, created: now, channels: Vec::new() };
    Ok((StatusCode::CREATED, Json(view)))
}

async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    params: Params,
) -> Result<Json<PageView<ContactView>>, ApiError> {
    params.only(&["limit", "cursor"])?;
    let page = api.store.contacts().list(tenant, params.cursor()?, params.limit()?).await?;
    let ids: Vec<ContactId> = page.items.iter().map(|contact| contact.id).collect();
    let mut channels = channels::of_contacts(&api, tenant, &ids).await?;
    Ok(Json(page_of(
        page,
        |contact| contact.id,
        |contact| {
            let own = channels.remove(&contact.id).unwrap_or_default();
            view_of(contact, own)
        },
    )))
}

async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<ContactId>,
) -> Result<Json<ContactView>, ApiError> {
    let contact = find(&api, tenant, id).await?;
    let own = channels::of_contacts(&api, tenant, &[id]).await?.remove(&id).unwrap_or_default();
    Ok(Json(view_of(contact, own)))
}

async fn delete(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<ContactId>,
) -> Result<StatusCode, ApiError> {
    let now = api.clock.wall();
    let deed = Deed { action: "contact.delete", entity: id.to_string(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).contacts().delete(tenant, id, now).await? {
        Change::NotFound => return Err(ApiError::no_such("contact", id)),
        Change::Already => {}
        Change::Made(_) => api.tell_leader(),
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn find(api: &Api, tenant: TenantId, id: ContactId) -> Result<Contact, ApiError> {
    let found = api.store.contacts().get(tenant, id).await?;
    found.ok_or_else(|| ApiError::no_such("contact", id))
}

fn view_of(contact: Contact, channels: Vec<ChannelView>) -> ContactView {
    let Contact { id, name, created, .. } = contact;
    ContactView { id, name, created, channels }
}
