//! Channels: the ways to tell a contact. The secret of a webhook is shown once, in the answer that makes it.
//!
//! Whether an address may be reached is not judged here: that is asked when something is sent.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use farwatch_proto::id::{ChannelId, ContactId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::auth::{Reader, Writer};
use super::super::created::Created;
use super::super::extract::{Body, Id, patched};
use super::super::openapi::Patch;
use super::super::problem::ApiError;
use super::super::revision::{IfMatch, Tagged};
use super::super::routes::Routes;
use super::super::{Api, Deed};
use crate::secret::random_bytes;
use crate::spec::FieldProblem;
use crate::store::{Change, Channel, ChannelChange, ChannelKind, NewChannel};
use crate::tell::channel::{BadChannel, ChannelConfig};
use crate::tell::signing::SigningSecret;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/contacts/{id}/channels", create)
        .about("Adds a channel to a contact; its secret is shown this once")
        .get("/v1/channels/{id}", show)
        .about("Shows a channel")
        .patch("/v1/channels/{id}", patch)
        .about("Changes a channel")
        .delete("/v1/channels/{id}", remove)
        .about("Removes a channel")
}

/// A channel as it is said: the kind, and the fields of that kind.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ChannelWish {
    kind: Kind,
    /// Of an email channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// Of a webhook channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// Of a webhook channel: made where none is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Email,
    Webhook,
}

impl From<ChannelKind> for Kind {
    fn from(kind: ChannelKind) -> Self {
        match kind {
            ChannelKind::Email => Self::Email,
            ChannelKind::Webhook => Self::Webhook,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct ChannelView {
    id: ChannelId,
    contact: ContactId,
    kind: Kind,
    /// What the kind needs to know: an address or a URL.
    #[serde(flatten)]
    config: Value,
    created: UnixMs,
    revision: u32,
    /// Since when nothing is sent over it, because its receiver asked for nothing more; any change enables it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Option<UnixMs>,
    /// What its receiver said.
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled_because: Option<String>,
}

/// A channel that was made or got a new secret, with it.
#[derive(Serialize, JsonSchema)]
struct SecretChannelView {
    #[serde(flatten)]
    channel: ChannelView,
    /// Shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

impl From<Channel> for ChannelView {
    fn from(channel: Channel) -> Self {
        let Channel { id, contact, kind, config, created, revision, disabled, .. } = channel;
        let (disabled, disabled_because) = disabled.map(|disabled| (disabled.since, disabled.because)).unzip();
        let config = serde_json::from_str(&config).unwrap_or_default();
        Self { id, contact, kind: kind.into(), config, created, revision, disabled, disabled_because }
    }
}

/// The channels of these contacts, by contact.
pub(super) async fn of_contacts(
    api: &Api,
    tenant: TenantId,
    contacts: &[ContactId],
) -> Result<BTreeMap<ContactId, Vec<ChannelView>>, ApiError> {
    let mut by_contact: BTreeMap<ContactId, Vec<ChannelView>> = BTreeMap::new();
    for channel in api.store.contacts().channels_of(tenant, contacts).await? {
        by_contact.entry(channel.contact).or_default().push(channel.into());
    }
    Ok(by_contact)
}

async fn create(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(contact): Id<ContactId>,
    Body(wish): Body<ChannelWish>,
) -> Result<Created<SecretChannelView>, ApiError> {
    let (config, secret) = judge(&wish).map_err(|problem| ApiError::Invalid(vec![problem]))?;
    let now = api.clock.wall();
    let id = ChannelId::new(now, random_bytes());
    let kind = match wish.kind {
        Kind::Email => ChannelKind::Email,
        Kind::Webhook => ChannelKind::Webhook,
    };
    let sealed_secret = secret.as_ref().map(|secret| secret.seal(&api.sealer, id));
    let new = NewChannel { id, contact, kind, config: config.to_json(), sealed_secret };
    let deed = Deed { action: "channel.create", entity: id.to_string(), tenant: Some(tenant), now };
    let shown = Channel {
        id,
        contact,
        kind,
        config: new.config.clone(),
        sealed_secret: None,
        created: now,
        revision: 1,
        deleted: None,
        disabled: None,
    };
    let view = SecretChannelView { channel: shown.into(), secret: secret.map(|secret| secret.reveal()) };
    let answer = Created::at(format!("/v1/channels/{id}"), &view);
    let signed = api.signed_once(&caller, deed, &answer)?;
    let added = signed.contacts().add_channel(tenant, &new, now).await?;
    added.ok_or_else(|| ApiError::no_such("contact", contact))?;
    api.tell_leader();
    Ok(answer)
}

async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<ChannelId>,
) -> Result<Tagged<ChannelView>, ApiError> {
    let channel = find(&api, tenant, id).await?;
    Ok(Tagged(channel.revision, channel.into()))
}

async fn find(api: &Api, tenant: TenantId, id: ChannelId) -> Result<Channel, ApiError> {
    let found = api.store.contacts().own_channel(tenant, id).await?;
    found.ok_or_else(|| ApiError::no_such("channel", id))
}

/// Changes a channel by a merge patch of the body that made it. The secret of a webhook stays unless the patch speaks
/// of it; where it says null, a new one is made, as for a new channel.
async fn patch(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<ChannelId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<ChannelWish>,
) -> Result<Tagged<SecretChannelView>, ApiError> {
    let channel = find(&api, tenant, id).await?;
    if_match.demand(channel.revision)?;
    let wish = patched(&said_of(&channel)?, &patch)?;
    if wish.kind != channel.kind.into() {
        return Err(ApiError::field("/kind", "a channel keeps its kind; add another channel instead"));
    }
    let (config, secret) = judge(&wish).map_err(|problem| ApiError::Invalid(vec![problem]))?;
    let secret = secret.filter(|_| patch.get("secret").is_some());
    let sealed_secret = secret.as_ref().map(|secret| secret.seal(&api.sealer, id));
    let change = ChannelChange { config: config.to_json(), sealed_secret };
    let now = api.clock.wall();
    let deed = Deed { action: "channel.change", entity: id.to_string(), tenant: Some(tenant), now };
    let signed = api.signed(&caller, deed);
    let changed = signed.contacts().change_channel(tenant, id, channel.revision, &change, now).await?;
    api.tell_leader_of(changed);
    let channel = find(&api, tenant, id).await?;
    let secret = secret.map(|secret| secret.reveal());
    Ok(Tagged(channel.revision, SecretChannelView { channel: channel.into(), secret }))
}

/// A stored channel as it was said, without its secret.
fn said_of(channel: &Channel) -> Result<ChannelWish, ApiError> {
    let damaged = |error| ApiError::Internal(format!("the config of channel {}: {error}", channel.id));
    let config: Value = serde_json::from_str(&channel.config).map_err(damaged)?;
    let text = |field: &str| config[field].as_str().map(str::to_owned);
    Ok(ChannelWish { kind: channel.kind.into(), address: text("address"), url: text("url"), secret: None })
}

fn judge(wish: &ChannelWish) -> Result<(ChannelConfig, Option<SigningSecret>), FieldProblem> {
    match wish.kind {
        Kind::Email => {
            refuse_foreign("an email", &[("/url", &wish.url), ("/secret", &wish.secret)])?;
            let address =
                demanded("/address", wish.address.as_deref(), "an email channel needs the address to write to")?;
            Ok((read(ChannelKind::Email, "/address", &json!({ "address": address }))?, None))
        }
        Kind::Webhook => {
            refuse_foreign("a webhook", &[("/address", &wish.address)])?;
            let url = demanded("/url", wish.url.as_deref(), "a webhook channel needs the URL to call")?;
            let config = read(ChannelKind::Webhook, "/url", &json!({ "url": url }))?;
            let secret = match &wish.secret {
                None => SigningSecret::random(),
                Some(text) => {
                    SigningSecret::parse(text).map_err(|bad| FieldProblem::new("/secret", bad.to_string()))?
                }
            };
            Ok((config, Some(secret)))
        }
    }
}

fn read(kind: ChannelKind, pointer: &str, config: &Value) -> Result<ChannelConfig, FieldProblem> {
    ChannelConfig::parse(kind, &config.to_string())
        .map_err(|bad: BadChannel| FieldProblem::new(pointer, bad.to_string()))
}

fn demanded<'w>(pointer: &str, said: Option<&'w str>, detail: &str) -> Result<&'w str, FieldProblem> {
    said.ok_or_else(|| FieldProblem::new(pointer, detail))
}

fn refuse_foreign(kind: &str, fields: &[(&str, &Option<String>)]) -> Result<(), FieldProblem> {
    match fields.iter().find(|(_, said)| said.is_some()) {
        None => Ok(()),
        Some((pointer, _)) => {
            Err(FieldProblem::new(*pointer, format!("{kind} channel has no such field; leave it away")))
        }
    }
}

async fn remove(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<ChannelId>,
    if_match: IfMatch,
) -> Result<StatusCode, ApiError> {
    let found = api.store.contacts().own_channel(tenant, id).await?;
    // Where there is none, the store knows whether there ever was.
    let seen = found.map_or(Ok(0), |channel| if_match.demand(channel.revision).map(|()| channel.revision))?;
    let now = api.clock.wall();
    let deed = Deed { action: "channel.delete", entity: id.to_string(), tenant: Some(tenant), now };
    match api.signed(&caller, deed).contacts().delete_channel(tenant, id, seen, now).await? {
        Change::NotFound => return Err(ApiError::no_such("channel", id)),
        Change::Already => {}
        Change::Made(_) => api.tell_leader(),
    }
    Ok(StatusCode::NO_CONTENT)
}
