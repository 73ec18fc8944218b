//! Taking hosts out of the fleet and back in: drain, undrain, retire.
//!
//! Only the wish is written here. The leader plans the view that fulfils it, and says meanwhile how many streams the
//! host still owns.

use axum::extract::State;
use farwatch_proto::fleet::Standing;
use farwatch_proto::id::HostId;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::auth::Caller;
use super::super::extract::{Body, Id};
use super::super::problem::ApiError;
use super::super::revision::Tagged;
use super::super::routes::Routes;
use super::super::token::Scope;
use super::super::{Api, Deed};
use super::{Fleet, HostView, find, shown};
use crate::spec::FieldProblem;
use crate::store::Host;

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/hosts/{id}/drain", drain)
        .about("Takes a host out of the fleet: others take over what it owns")
        .post("/v1/hosts/{id}/undrain", undrain)
        .about("Takes a drained host back into the fleet")
        .post("/v1/hosts/{id}/retire", retire)
        .about("Takes a host out of the fleet for good")
}

/// How a host is retired.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RetireWish {
    /// Also while it owns streams: it is as if it died.
    #[serde(default)]
    force: bool,
}

async fn drain(State(api): State<Api>, caller: Caller, id: Id<HostId>) -> Result<Tagged<HostView>, ApiError> {
    set_drained(&api, &caller, id.0, true).await
}

async fn undrain(State(api): State<Api>, caller: Caller, id: Id<HostId>) -> Result<Tagged<HostView>, ApiError> {
    set_drained(&api, &caller, id.0, false).await
}

/// To drain what is drained changes nothing.
async fn set_drained(api: &Api, caller: &Caller, id: HostId, drained: bool) -> Result<Tagged<HostView>, ApiError> {
    let host = find(&Fleet::load(api).await?, caller, id)?;
    caller.demand(Scope::Operator)?;
    if host.retired.is_some() {
        let detail = format!("the host {id} is retired; register a new one instead");
        return Err(ApiError::Conflict(FieldProblem::new("", detail)));
    }
    let action = if drained { "host.drain" } else { "host.undrain" };
    let now = api.clock.wall();
    let deed = Deed { action, entity: id.to_string(), tenant: host.facts.tenant, now };
    api.tell_leader_of(api.signed(caller, deed).hosts().set_drained(id, drained, now).await?);
    shown(api, caller, id).await
}

/// A retired host stays retired; to say it again changes nothing.
async fn retire(
    State(api): State<Api>,
    caller: Caller,
    Id(id): Id<HostId>,
    Body(RetireWish { force }): Body<RetireWish>,
) -> Result<Tagged<HostView>, ApiError> {
    let fleet = Fleet::load(&api).await?;
    let host = find(&fleet, &caller, id)?;
    caller.demand(Scope::Operator)?;
    if host.retired.is_none() && !force {
        demand_idle(&fleet, &host)?;
    }
    let now = api.clock.wall();
    let deed = Deed { action: "host.retire", entity: id.to_string(), tenant: host.facts.tenant, now };
    api.tell_leader_of(api.signed(&caller, deed).hosts().retire(id, now).await?);
    shown(&api, &caller, id).await
}

/// A host that owns streams is drained first, so that others have taken over before it goes.
fn demand_idle(fleet: &Fleet, host: &Host) -> Result<(), ApiError> {
    let standing = fleet.standings.get(&host.id).copied().unwrap_or(Standing::Away);
    let left = fleet.status.hosts.get(&host.id).and_then(|seen| seen.owns).unwrap_or(0);
    if host.drained && standing == Standing::Away && left == 0 {
        return Ok(());
    }
    let detail = if host.drained {
        "it is being drained and still owns streams; wait until it owns none, or say force"
    } else {
        "it is not drained; drain it first, so that others take over what it owns, or say force"
    };
    Err(ApiError::Conflict(FieldProblem::new("/force", detail)))
}
