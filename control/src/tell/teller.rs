//! Sends one claimed delivery over its channel and says what came of it.
//!
//! Reads the channel, opens its secret, renders, and hands over to the sender of its kind. Changes no row: the
//! worker records what is said here.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::egress::Policy;
use farwatch_core::target::Target;
use farwatch_proto::time::UnixMs;

use super::channel::ChannelConfig;
use super::config::TellConfig;
use super::connect::Connector;
use super::event::TellEvent;
use super::mail::{self, Mailer};
use super::places::Places;
use super::render::{self, Message};
use super::reply::Reply;
use super::signing::SigningSecret;
use super::webhook::{self, Outgoing};
use crate::seal::Sealer;
use crate::store::{Channel, Claimed, Disabled, Store, StoreError};

/// Webhooks on their way to one host at once: enough to tell of a mass failure, too few to storm anybody.
const PER_WEBHOOK_HOST: usize = 4;
/// Mails on their way to the relay at once; servers commonly take ten connections of one client or more.
const PER_RELAY: usize = 8;
/// How long a message waits for its receiver's other messages: enough for a quick one to answer, and far too
/// short for a hanging one to fill the worker with waiting messages.
const PATIENCE: Duration = Duration::from_secs(2);
/// The longest that one telling takes, whatever the channel.
pub(super) const TELL_LIMIT: Duration = PATIENCE.saturating_add(if mail::LIMIT.as_secs() > webhook::LIMIT.as_secs() {
    mail::LIMIT
} else {
    webhook::LIMIT
});

/// What came of one delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was tried.
    Tried(Reply),
    /// It was not, for its receiver has too many of our messages to answer; that is recorded.
    NotTried(String),
}

/// Everything that sending needs.
pub struct Teller {
    sealer: Arc<Sealer>,
    mailer: Option<Mailer>,
    connector: Connector,
    places: Places,
}

impl Teller {
    /// Sends as configured. The policy holds the networks that the operator opted in and where the fleet listens.
    pub fn new(config: TellConfig, policy: Policy, sealer: Arc<Sealer>) -> anyhow::Result<Self> {
        let mailer = config.mail.map(Mailer::new).transpose()?;
        let connector = Connector::new(policy, config.webhook_roots.as_deref())?;
        Ok(Self { sealer, mailer, connector, places: Places::default() })
    }

    /// Sends it once.
    pub(super) async fn tell(&self, store: &Store, claimed: &Claimed, now: UnixMs) -> Result<Outcome, StoreError> {
        let Some(channel) = store.contacts().channel(claimed.delivery.channel).await? else {
            return Ok(never("the channel does not exist any more"));
        };
        if channel.deleted.is_some() {
            return Ok(never("the channel was deleted"));
        }
        if let Some(Disabled { because, .. }) = &channel.disabled {
            return Ok(never(&format!("the channel is disabled, for its receiver asked for nothing more: {because}")));
        }
        let Ok(event) = serde_json::from_str::<TellEvent>(&claimed.delivery.event) else {
            return Ok(never("the delivery's event cannot be read; it was written by another version"));
        };
        let message = Message {
            delivery: claimed.delivery.id,
            contact: claimed.delivery.contact,
            channel: claimed.delivery.channel,
            event: &event,
            with_opening: claimed.merged.is_some(),
        };
        Ok(match ChannelConfig::parse(channel.kind, &channel.config) {
            Ok(ChannelConfig::Email(to)) => self.mail(&to, &message).await,
            Ok(ChannelConfig::Webhook(url)) => self.webhook(&channel, &url, &message, now).await,
            Err(bad) => never(&format!("the channel's config is not usable: {bad}")),
        })
    }

    async fn mail(&self, to: &lettre::Address, message: &Message<'_>) -> Outcome {
        let Some(mailer) = &self.mailer else {
            return Outcome::Tried(Reply::later(
                "no mail relay is configured; start the control plane with --smtp-url and --mail-from",
            ));
        };
        match self.places.take("the mail relay", PER_RELAY, PATIENCE).await {
            Some(_place) => Outcome::Tried(mailer.send(to, &render::mail::render(message, mailer.domain())).await),
            None => busy("the mail relay"),
        }
    }

    async fn webhook(&self, channel: &Channel, url: &str, message: &Message<'_>, now: UnixMs) -> Outcome {
        let target = match Target::of_url(url) {
            Ok(target) => target,
            Err(bad) => return never(&format!("the channel's config is not usable: {bad}")),
        };
        let secret = channel.sealed_secret.as_deref().unwrap_or_default();
        let secret = match SigningSecret::open(&self.sealer, channel.id, secret) {
            Ok(secret) => secret,
            Err(bad) => return Outcome::Tried(Reply::later(&format!("it cannot be signed: {bad}"))),
        };
        let Some(_place) = self.places.take(&target.authority, PER_WEBHOOK_HOST, PATIENCE).await else {
            return busy(&target.authority);
        };
        let body = render::webhook::render(message);
        let outgoing = Outgoing { id: message.delivery, target: &target, secret: &secret, body, now };
        Outcome::Tried(webhook::send(&self.connector, outgoing).await)
    }
}

fn never(why: &str) -> Outcome {
    Outcome::Tried(Reply::never(why))
}

fn busy(receiver: &str) -> Outcome {
    Outcome::NotTried(format!("not sent yet: {receiver} has not answered our messages before this one"))
}
