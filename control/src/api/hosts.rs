//! Hosts: what an operator registered, and how each stands now.
//!
//! What is stored and what is seen are kept apart in the store and shown together here: standing is the newest
//! view's word, silence and version are the leader's.

mod duty;
mod facts;
mod join_tokens;
mod seen;

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use farwatch_proto::fleet::{HostFacts, Standing, WEIGHT_MAX};
use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Operator};
use super::created::Created;
use super::extract::{Body, Id, Params, patched};
use super::openapi::{Answer, NoQuery, Operation, Patch};
use super::problem::ApiError;
use super::revision::{IfMatch, Tagged};
use super::routes::Routes;
use super::token::Scope;
use super::{Api, Deed};
use crate::leader::handle::LeaderStatus;
use crate::secret::random_bytes;
use crate::spec::{FieldProblem, labels_schema, name_schema};
use crate::store::{Change, Host};
use facts::{HostWish, LABELS_MAX, facts_problems, judge, one_ticket};
use seen::SeenView;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/hosts", list)
        .about("Lists hosts")
        .post("/v1/hosts", register)
        .about("Registers a host")
        .get("/v1/hosts/{id}", show)
        .about("Shows a host")
        .patch("/v1/hosts/{id}", patch)
        .about("Changes the name, labels or weight of a host")
        .post("/v1/hosts/join-tokens", join_tokens::create)
        .about("Makes a token by which one machine joins the fleet; its text is shown this once")
        .merge(duty::routes())
}

#[derive(Serialize, JsonSchema)]
struct HostView {
    id: HostId,
    #[serde(flatten)]
    facts: HostFacts,
    registered: UnixMs,
    drained: bool,
    retired: Option<UnixMs>,
    /// Counts up with every change of what is stored.
    revision: u32,
    /// What the newest view says; absent until one has it.
    standing: Option<Standing>,
    /// Whether it shares no machine with another host.
    independent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_independent_because: Option<String>,
    /// What the leader sees; absent while nobody leads.
    #[serde(flatten)]
    seen: Option<SeenView>,
}

#[derive(Serialize, JsonSchema)]
struct HostsView {
    items: Vec<HostView>,
}

/// A host that was registered: now, or before with the same facts.
enum Registered {
    Now(Created<HostView>),
    Before(Box<Tagged<HostView>>),
}

impl IntoResponse for Registered {
    fn into_response(self) -> Response {
        match self {
            Self::Now(made) => made.into_response(),
            Self::Before(known) => known.into_response(),
        }
    }
}

impl Answer for Registered {
    fn describe(operation: &mut Operation<'_>) {
        Created::<HostView>::describe(operation);
        Tagged::<HostView>::describe(operation);
    }
}

async fn register(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(wish): Body<HostWish>,
) -> Result<Registered, ApiError> {
    let now = api.clock.wall();
    let id = wish.id.unwrap_or_else(|| HostId::new(now, random_bytes()));
    let facts = judge(&api, wish.into_facts()).await?;
    let before = api.store.hosts().get(id).await?;
    if before.as_ref().is_some_and(|host| host.facts != facts || host.retired.is_some()) {
        let detail = "a host of this id is registered with other facts, or is retired; use another id";
        return Err(ApiError::Conflict(FieldProblem::new("/id", detail)));
    }
    if before.is_some() {
        return shown(&api, &caller, id).await.map(|known| Registered::Before(Box::new(known)));
    }
    let new = Host {
        id,
        facts: facts.clone(),
        registered: now,
        drained: false,
        retired: None,
        revision: 1,
        public_key: None,
    };
    let answer = Created::at(format!("/v1/hosts/{id}"), &Fleet::load(&api).await?.view(new));
    let deed = Deed { action: "host.register", entity: id.to_string(), tenant: facts.tenant, now };
    api.signed_once(&caller, deed, &answer)?.hosts().register(id, &facts, now).await?;
    api.tell_leader();
    Ok(Registered::Now(answer))
}

/// What may be said anew of a host. Where it stands and whose it is are not among it: results count by that, so a
/// machine that moves is another host.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct HostChange {
    #[schemars(schema_with = "name_schema")]
    name: String,
    #[serde(default)]
    #[schemars(schema_with = "labels_schema::<LABELS_MAX>")]
    labels: BTreeMap<String, String>,
    #[serde(default = "one_ticket")]
    #[schemars(range(min = 1, max = WEIGHT_MAX))]
    weight: u16,
}

/// Changes a host by a merge patch of its name, labels and weight.
async fn patch(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<HostId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<HostChange>,
) -> Result<Tagged<HostView>, ApiError> {
    let Host { facts, revision, .. } = find(&Fleet::load(&api).await?, &caller, id)?;
    caller.demand(Scope::Operator)?;
    if_match.demand(revision)?;
    let said = HostChange { name: facts.name.clone(), labels: facts.labels.clone(), weight: facts.weight };
    let HostChange { name, labels, weight } = patched(&said, &patch)?;
    let facts = HostFacts { name, labels, weight, ..facts };
    let problems = facts_problems(&facts);
    if !problems.is_empty() {
        return Err(ApiError::Invalid(problems));
    }
    let now = api.clock.wall();
    let deed = Deed { action: "host.change", entity: id.to_string(), tenant: facts.tenant, now };
    match api.signed(&caller, deed).hosts().set_facts(id, revision, &facts, now).await? {
        Change::NotFound => {
            return Err(ApiError::NotFound(format!("the host {id} is retired; register a new one instead")));
        }
        changed => api.tell_leader_of(changed),
    }
    shown(&api, &caller, id).await
}

/// A tenant sees the hosts that may run its checks.
async fn list(State(api): State<Api>, caller: Caller, _: Params<NoQuery>) -> Result<Json<HostsView>, ApiError> {
    caller.demand(Scope::Read)?;
    let fleet = Fleet::load(&api).await?;
    let visible = fleet.hosts.iter().filter(|host| host.retired.is_none() && is_visible(host, &caller));
    Ok(Json(HostsView { items: visible.map(|host| fleet.view(host.clone())).collect() }))
}

async fn show(State(api): State<Api>, caller: Caller, Id(id): Id<HostId>) -> Result<Tagged<HostView>, ApiError> {
    caller.demand(Scope::Read)?;
    shown(&api, &caller, id).await
}

async fn shown(api: &Api, caller: &Caller, id: HostId) -> Result<Tagged<HostView>, ApiError> {
    let fleet = Fleet::load(api).await?;
    let host = find(&fleet, caller, id)?;
    Ok(Tagged(host.revision, fleet.view(host)))
}

fn find(fleet: &Fleet, caller: &Caller, id: HostId) -> Result<Host, ApiError> {
    let found = fleet.hosts.iter().find(|host| host.id == id && is_visible(host, caller));
    found.cloned().ok_or_else(|| ApiError::no_such("host", id))
}

fn is_visible(host: &Host, caller: &Caller) -> bool {
    caller.scope == Scope::Operator || host.facts.tenant.is_none() || host.facts.tenant == caller.tenant
}

/// The fleet as it is stored and seen.
struct Fleet {
    hosts: Vec<Host>,
    standings: BTreeMap<HostId, Standing>,
    status: LeaderStatus,
}

impl Fleet {
    async fn load(api: &Api) -> Result<Self, ApiError> {
        let hosts = api.store.hosts().list().await?;
        let newest = api.store.views().latest_in_force().await?;
        let in_view = newest.into_iter().flat_map(|stored| stored.view.hosts);
        let standings = in_view.map(|host| (host.id, host.standing)).collect();
        Ok(Self { hosts, standings, status: api.leader_status().await? })
    }

    fn view(&self, host: Host) -> HostView {
        let because = shares_machine(&host, &self.hosts);
        let seen = self.status.leads.then(|| self.status.hosts.get(&host.id).cloned()).flatten();
        let Host { id, facts, registered, drained, retired, revision, .. } = host;
        HostView {
            id,
            facts,
            registered,
            drained,
            retired,
            revision,
            standing: self.standings.get(&id).copied(),
            independent: because.is_none(),
            not_independent_because: because,
            seen: seen.map(|seen| SeenView::of(seen, self.status.references)),
        }
    }
}

/// Why the host does not count as a place of its own, if it does not.
fn shares_machine(host: &Host, fleet: &[Host]) -> Option<String> {
    let machine = host.facts.shared_machine.as_deref()?;
    let shares = |other: &&Host| {
        other.id != host.id && other.retired.is_none() && other.facts.shared_machine.as_deref() == Some(machine)
    };
    let others: Vec<&str> = fleet.iter().filter(shares).map(|other| other.facts.name.as_str()).collect();
    (!others.is_empty()).then(|| format!("it shares the machine {machine} with {}", others.join(", ")))
}
