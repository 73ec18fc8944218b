//! Contacts: whom to tell, and over which channels.

mod channels;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::{ContactId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Reader, Writer};
use super::created::Created;
use super::extract::{Body, Id, PageView, Params, page_of, patched};
use super::openapi::{CURSOR, LIMIT, Patch, query};
use super::problem::ApiError;
use super::revision::{IfMatch, Tagged};
use super::routes::Routes;
use super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::{check_name, name_schema};
use crate::store::{Change, Contact, NewContact};
use channels::ChannelView;

query!(ContactsQuery, [LIMIT, CURSOR]);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/contacts", list)
        .about("Lists contacts")
        .post("/v1/contacts", create)
        .about("Makes a contact")
        .get("/v1/contacts/{id}", show)
        .about("Shows a contact")
        .patch("/v1/contacts/{id}", patch)
        .about("Changes a contact")
        .delete("/v1/contacts/{id}", delete)
        .about("Deletes a contact with its channels")
        .merge(channels::routes())
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ContactWish {
    #[schemars(schema_with = "name_schema")]
    name: String,
}

#[derive(Serialize, JsonSchema)]
struct ContactView {
    id: ContactId,
    name: String,
    created: UnixMs,
    /// Counts up with every change of it and of its channels.
    revision: u32,
    channels: Vec<ChannelView>,
}

async fn create(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Body(wish): Body<ContactWish>,
) -> Result<Created<ContactView>, ApiError> {
    judge(&wish)?;
    let now = api.clock.wall();
    let new = NewContact { id: ContactId::new(now, random_bytes()), tenant, name: wish.name };
    let deed = Deed { action: "contact.create", entity: new.id.to_string(), tenant: Some(tenant), now };
    let view = ContactView { id: new.id, name: new.name.clone(), created: now, revision: 1, channels: Vec::new() };
    let answer = Created::at(format!("/v1/contacts/{}", new.id), &view);
    api.signed_once(&caller, deed, &answer)?.contacts().create(&new, now).await?;
    api.tell_leader();
    Ok(answer)
}

fn judge(wish: &ContactWish) -> Result<(), ApiError> {
    check_name(&wish.name).map_err(|what| ApiError::field("/name", format!("the name {what}")))
}

/// Changes a contact by a merge patch of the body that made it. Its channels are changed by themselves.
async fn patch(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<ContactId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<ContactWish>,
) -> Result<Tagged<ContactView>, ApiError> {
    let contact = find(&api, tenant, id).await?;
    if_match.demand(contact.revision)?;
    let wish = patched(&ContactWish { name: contact.name }, &patch)?;
    judge(&wish)?;
    let now = api.clock.wall();
    let deed = Deed { action: "contact.change", entity: id.to_string(), tenant: Some(tenant), now };
    let changed = api.signed(&caller, deed).contacts().rename(tenant, id, contact.revision, &wish.name, now).await?;
    api.tell_leader_of(changed);
    shown(&api, tenant, id).await
}

async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    params: Params<ContactsQuery>,
) -> Result<Json<PageView<ContactView>>, ApiError> {
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
) -> Result<Tagged<ContactView>, ApiError> {
    shown(&api, tenant, id).await
}

async fn shown(api: &Api, tenant: TenantId, id: ContactId) -> Result<Tagged<ContactView>, ApiError> {
    let contact = find(api, tenant, id).await?;
    let own = channels::of_contacts(api, tenant, &[id]).await?.remove(&id).unwrap_or_default();
    Ok(Tagged(contact.revision, view_of(contact, own)))
}

async fn delete(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<ContactId>,
    if_match: IfMatch,
) -> Result<StatusCode, ApiError> {
    let found = api.store.contacts().get(tenant, id).await?;
    // Where there is none, the store knows whether there ever was.
    let seen = found.map_or(Ok(0), |contact| if_match.demand(contact.revision).map(|()| contact.revision))?;
    let now = api.clock.wall();
    let deed = Deed { action: "contact.delete", entity: id.to_string(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).contacts().delete(tenant, id, seen, now).await? {
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
    let Contact { id, name, created, revision, .. } = contact;
    ContactView { id, name, created, revision, channels }
}
