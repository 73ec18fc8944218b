//! Join tokens: an operator says what a machine will be, and gets one line to type on it.
//!
//! The text of a token is in the answer that makes it and nowhere else. The machine comes by it over the link's port; see
//! `links/join.rs`.

use std::collections::BTreeMap;

use axum::extract::State;
use farwatch_core::join::TOKEN_LIFE_MS;
use farwatch_proto::fleet::{HostFacts, WEIGHT_MAX};
use farwatch_proto::id::{JoinTokenId, TenantId};
use farwatch_proto::join::{ENDPOINTS_MAX, JoinSecret, JoinToken, is_endpoint};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::{LABELS_MAX, judge, one_ticket};
use crate::api::auth::Operator;
use crate::api::created::Created;
use crate::api::extract::Body;
use crate::api::problem::ApiError;
use crate::api::{Api, Deed};
use crate::links::Entrance;
use crate::secret::random_bytes;
use crate::spec::{CONTINENTS, FieldProblem, labels_schema, name_schema, word_schema};
use crate::store::NewJoinToken;

/// What stands for the number of an autonomous system that nobody knows: it is reserved (RFC 7607), so no host has it.
const UNKNOWN_ASN: u32 = 0;
/// Stands in for the name of a host that may say it itself, so that everything else can be judged.
const UNNAMED: &str = "unnamed";

/// What a machine will be. Where it stands in the network and on the earth is known already where another host is of the
/// same provider and region.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinTokenWish {
    #[schemars(schema_with = "word_schema")]
    provider: String,
    #[schemars(schema_with = "word_schema")]
    region: String,
    /// What it is called; the machine may say so itself, when absent.
    #[schemars(schema_with = "name_schema")]
    #[serde(default)]
    name: Option<String>,
    /// Its autonomous system; that of a host of the same provider and region, when absent, or 0 for unknown.
    asn: Option<u32>,
    /// Its country; that of a host of the same provider and region, when absent.
    #[schemars(pattern(r"^[A-Z]{2}$"))]
    country: Option<String>,
    /// Its continent; that of a host of the same provider and region, when absent.
    #[schemars(extend("enum" = CONTINENTS))]
    continent: Option<String>,
    #[serde(default)]
    #[schemars(schema_with = "labels_schema::<LABELS_MAX>")]
    labels: BTreeMap<String, String>,
    #[serde(default = "one_ticket")]
    #[schemars(range(min = 1, max = WEIGHT_MAX))]
    weight: u16,
    tenant: Option<TenantId>,
    #[schemars(length(min = 1, max = 63), pattern(r"^[A-Za-z0-9_./:-]+$"))]
    shared_machine: Option<String>,
    /// Where the machine is to dial control, as name:port; where control listens, when absent.
    #[serde(default)]
    #[schemars(length(max = ENDPOINTS_MAX))]
    controls: Vec<String>,
}

/// A token that was made, with its text.
#[derive(Serialize, JsonSchema)]
pub(super) struct JoinTokenView {
    id: JoinTokenId,
    provider: String,
    region: String,
    name: Option<String>,
    /// From when on it lets nobody in.
    expires: UnixMs,
    /// Where the machine will dial control.
    controls: Vec<String>,
    /// Shown this once.
    token: String,
    /// What to type on the machine.
    command: String,
}

pub(super) async fn create(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(wish): Body<JoinTokenWish>,
) -> Result<Created<JoinTokenView>, ApiError> {
    let now = api.clock.wall();
    let authority = api.entrance.authority.ok_or_else(cannot_sign)?;
    let controls = endpoints(&api, &wish.controls).await?;
    let name = wish.name.clone();
    let facts = facts_of(&api, wish).await?;
    let (id, secret) = (JoinTokenId::new(now, random_bytes()), JoinSecret::new(random_bytes()));
    let new = NewJoinToken { id, hash: secret.hash(), name: name.clone(), facts, expires: now + TOKEN_LIFE_MS };
    let token = JoinToken { id, secret, authority, controls: controls.clone() }.to_string();
    let HostFacts { provider, region, tenant, .. } = new.facts.clone();
    let command = format!("farwatch host join --provider {provider} --region {region} --token {token}");
    let view = JoinTokenView { id, provider, region, name, expires: new.expires, controls, token, command };
    let answer = Created::listed(&view);
    let deed = Deed { action: "join_token.create", entity: id.to_string(), tenant, now };
    api.signed_once(&caller, deed, &answer)?.join_tokens().create(&new, now).await?;
    Ok(answer)
}

fn cannot_sign() -> ApiError {
    let detail = "this control process has no ca.key beside its ca.pem, so it cannot sign a certificate for a new host: ask \
                  a process that has one, or register the host with POST /v1/hosts and bring a certificate of your own";
    ApiError::Conflict(FieldProblem::new("", detail))
}

/// Where the machine will dial control.
async fn endpoints(api: &Api, said: &[String]) -> Result<Vec<String>, ApiError> {
    if said.len() > ENDPOINTS_MAX {
        return Err(ApiError::field("/controls", format!("name at most {ENDPOINTS_MAX} addresses")));
    }
    if let Some(index) = said.iter().position(|endpoint| !is_endpoint(endpoint)) {
        let detail = "write an address of control as name:port, such as control.example.com:8401";
        return Err(ApiError::field(format!("/controls/{index}"), detail));
    }
    if !said.is_empty() {
        return Ok(said.to_vec());
    }
    let Entrance { address, .. } = api.entrance.as_ref();
    if !is_reachable(address) {
        let detail = format!(
            "control listens on {address}, which is no address that a machine can dial: say its addresses here, or start \
             control with --link-address"
        );
        return Err(ApiError::Conflict(FieldProblem::new("/controls", detail)));
    }
    // The process that leads, too, where it is another: one of the two may be gone by the time the host starts.
    let lease = api.store.lease().read().await?;
    let leader =
        Some(lease.address).filter(|leader| lease.holder.is_some() && leader != address && is_reachable(leader));
    Ok([address.clone()].into_iter().chain(leader).collect())
}

fn is_reachable(address: &str) -> bool {
    is_endpoint(address) && !["0.0.0.0:", "[::]:"].iter().any(|anywhere| address.starts_with(anywhere))
}

/// What the host will be; what is not said is that of its neighbours.
async fn facts_of(api: &Api, wish: JoinTokenWish) -> Result<HostFacts, ApiError> {
    let JoinTokenWish { provider, region, name, labels, weight, tenant, shared_machine, .. } = wish;
    let hosts = api.store.hosts().list().await?;
    let beside =
        hosts.into_iter().map(|host| host.facts).rfind(|facts| facts.provider == provider && facts.region == region);
    let missing = |field: &str| {
        let detail = format!("no host of this provider and region is known yet: say the {field} of the machine");
        ApiError::field(format!("/{field}"), detail)
    };
    let known = |field: fn(&HostFacts) -> &String| beside.as_ref().map(|facts| field(facts).clone());
    let facts = HostFacts {
        country: wish.country.or_else(|| known(|facts| &facts.country)).ok_or_else(|| missing("country"))?,
        continent: wish.continent.or_else(|| known(|facts| &facts.continent)).ok_or_else(|| missing("continent"))?,
        asn: wish.asn.or_else(|| beside.as_ref().map(|facts| facts.asn)).unwrap_or(UNKNOWN_ASN),
        name: name.unwrap_or_else(|| UNNAMED.to_owned()),
        provider,
        region,
        labels,
        weight,
        tenant,
        shared_machine,
    };
    judge(api, facts).await
}
