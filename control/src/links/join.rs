//! A machine joins: it shows a token and proves to hold a key, and is a registered host with a certificate from then on.
//!
//! Whether it may is judged in `core`. Registering the host and using up the token are one transaction, so whatever dies
//! in between, a token makes one host. Any process that can sign does this, whether it leads or not.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use farwatch_core::certificate::Validity;
use farwatch_core::join::{Admission, Asked, Refusal as NotAdmitted, Token, judge};
use farwatch_proto::fleet::HostFacts;
use farwatch_proto::id::HostId;
use farwatch_proto::join::{JoinAnswer, JoinRefusal, JoinRequest};
use rcgen::{PublicKey, PublicKeyData};
use serde_json::json;
use tracing::{info, warn};

use super::{Links, Signing};
use crate::authority::key_of_request;
use crate::refusals::{Culprit, Refusal};
use crate::secret::random_bytes;
use crate::spec::check_name;
use crate::store::{AuditEntry, JoinToken, JoinUse, Redeemed, StoreError, Unique};

/// A machine that is no host yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    /// Where it dialled from.
    pub(super) address: SocketAddr,
}

/// Why a machine does not join.
#[derive(Debug)]
enum NotJoined {
    /// What it sent is no such request.
    Unreadable(String),
    /// Its token does not let it in.
    Refused(NotAdmitted),
    /// Something about the host it would become stands in the way; the token is as good as before.
    InTheWay(String),
    /// It cannot be done just now, or not by this process.
    Unavailable(String),
}

impl NotJoined {
    /// How it is answered, and the word and the reason for it.
    fn told(self) -> (StatusCode, &'static str, String) {
        match self {
            Self::Unreadable(why) => (StatusCode::BAD_REQUEST, "unreadable", why),
            Self::Refused(why) => (StatusCode::FORBIDDEN, why.word(), why.to_string()),
            Self::InTheWay(why) => (StatusCode::CONFLICT, "in-the-way", why),
            Self::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable", why),
        }
    }
}

impl From<StoreError> for NotJoined {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict(Unique::HostName) => {
                Self::InTheWay("there is a host of this name already; say another with --name".to_owned())
            }
            StoreError::FleetFull { .. } => Self::InTheWay(format!("{error}; retire one first")),
            other => {
                warn!(error = %other, "a machine could not join");
                Self::Unavailable("the database of control does not answer just now; try again".to_owned())
            }
        }
    }
}

/// Lets a machine in, or says why not.
pub(super) async fn join(
    State(links): State<Links>,
    Extension(newcomer): Extension<Newcomer>,
    body: Bytes,
) -> Response {
    let request = serde_json::from_slice::<JoinRequest>(&body);
    let wanted = request.as_ref().map_or_else(|_| "nothing".to_owned(), |request| request.token.to_string());
    let joined = match request {
        Ok(request) => admit(&links, newcomer, &request).await,
        Err(error) => Err(NotJoined::Unreadable(format!("this is no request to join: {error}"))),
    };
    joined.map_or_else(|why| refuse(&links, newcomer, wanted, why), |answer| Json(answer).into_response())
}

fn refuse(links: &Links, newcomer: Newcomer, wanted: String, why: NotJoined) -> Response {
    let is_suspicious = matches!(why, NotJoined::Unreadable(_) | NotJoined::Refused(_));
    let (status, word, reason) = why.told();
    if is_suspicious {
        links.refusals.note(Refusal {
            action: "refused.join",
            culprit: Culprit::Address(newcomer.address.ip()),
            entity: wanted,
            detail: json!({ "why": word }),
        });
    }
    (status, Json(JoinRefusal { reason })).into_response()
}

async fn admit(links: &Links, newcomer: Newcomer, request: &JoinRequest) -> Result<JoinAnswer, NotJoined> {
    let no_key =
        || NotJoined::Unavailable("this control process has no ca.key, so it cannot sign a certificate".to_owned());
    let signing = links.signing.clone().ok_or_else(no_key)?;
    let key = key_of_request(&request.request).map_err(|why| NotJoined::Unreadable(why.to_string()))?;
    let public_key = key.subject_public_key_info();
    let token = links.store.join_tokens().get(request.token).await?;
    match judged(token.as_ref(), request, &public_key, links)? {
        Admission::Again(host) => return known(links, &signing, host, &key).await,
        Admission::New => {}
    }
    let token = token.ok_or(NotJoined::Refused(NotAdmitted::Unknown))?;
    let facts = facts_of(&token, request)?;
    let now = links.clock.wall();
    let joins = JoinUse { at: now, host: HostId::new(now, random_bytes()), public_key: public_key.clone() };
    // Signed before it is written: a certificate that could not be made must not use up the token.
    let answer = answer_of(links, &signing, joins.host, &facts.name, &key)?;
    let entry = AuditEntry {
        at: now,
        tenant: facts.tenant,
        actor: token.id.to_string(),
        action: "host.join".to_owned(),
        entity: joins.host.to_string(),
        detail: json!({ "address": newcomer.address.ip(), "name": facts.name }).to_string(),
    };
    match links.store.signed(entry).join_tokens().redeem(token.id, &facts, &joins).await? {
        Redeemed::Made => {
            info!(host = %joins.host, name = facts.name, address = %newcomer.address, "host joined");
            links.config_changed.notify_one();
            Ok(answer)
        }
        // Somebody was faster; if it was this machine itself, it is told the same.
        Redeemed::Overtaken => {
            let token = links.store.join_tokens().get(request.token).await?;
            match judged(token.as_ref(), request, &public_key, links)? {
                Admission::Again(host) => known(links, &signing, host, &key).await,
                Admission::New => Err(NotJoined::Unavailable("try again".to_owned())),
            }
        }
    }
}

fn judged(
    token: Option<&JoinToken>,
    request: &JoinRequest,
    public_key: &[u8],
    links: &Links,
) -> Result<Admission, NotJoined> {
    let token = token.map(|token| Token {
        hash: &token.hash,
        provider: &token.facts.provider,
        region: &token.facts.region,
        expires: token.expires,
        used: token.used.as_ref().map(|used| (used.host, used.public_key.as_slice())),
    });
    let hash = &request.secret.hash();
    let asked = Asked { hash, provider: &request.provider, region: &request.region, public_key };
    judge(token, asked, links.clock.wall()).map_err(NotJoined::Refused)
}

fn facts_of(token: &JoinToken, request: &JoinRequest) -> Result<HostFacts, NotJoined> {
    let name = token.name.clone().unwrap_or_else(|| request.name.clone());
    check_name(&name).map_err(|wrong| NotJoined::InTheWay(format!("the name {wrong}; say another with --name")))?;
    Ok(HostFacts { name, ..token.facts.clone() })
}

/// Tells a machine again what it became.
async fn known(links: &Links, signing: &Signing, host: HostId, key: &PublicKey) -> Result<JoinAnswer, NotJoined> {
    let found = links.store.hosts().get(host).await?.filter(|host| host.retired.is_none());
    let found = found.ok_or(NotJoined::Refused(NotAdmitted::Used))?;
    answer_of(links, signing, host, &found.facts.name, key)
}

fn answer_of(
    links: &Links,
    signing: &Signing,
    host: HostId,
    name: &str,
    key: &PublicKey,
) -> Result<JoinAnswer, NotJoined> {
    let validity = Validity::beginning(links.clock.wall(), signing.life_ms);
    let certificate = signing.authority.certify_host(host, key, Some(validity)).map_err(|error| {
        warn!(error = format!("{error:#}"), "a certificate could not be signed");
        NotJoined::Unavailable("control could not sign the certificate; its log says why".to_owned())
    })?;
    let authority = signing.authority.pem().to_owned();
    Ok(JoinAnswer { host, name: name.to_owned(), certificate, authority })
}

#[cfg(test)]
mod tests;
