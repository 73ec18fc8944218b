//! Making, changing and deleting checks. Each is a new revision, against the latest one the caller has seen.

use axum::extract::State;
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::{Stamp, UnixMs};

use super::super::auth::{Caller, Writer};
use super::super::created::Created;
use super::super::extract::{Body, Id, patched};
use super::super::openapi::Patch;
use super::super::problem::ApiError;
use super::super::revision::{Accepted, IfMatch, Tagged};
use super::super::{Api, Deed};
use super::heartbeat::JobKey;
use super::judged::{Before, revision_of};
use super::{CheckView, Held, find, parsed_spec, shown, versions_for, view};
use crate::secret::random_bytes;
use crate::spec::Wish;
use crate::store::{Check, NewCheck, NewRevision, Revision};

pub(super) async fn create(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Body(wish): Body<Wish>,
) -> Result<Created<CheckView>, ApiError> {
    let revision = revision_of(&api, tenant, wish, None).await?;
    let now = api.clock.wall();
    let id = CheckId::new(now, random_bytes());
    let heartbeat = (revision.streams == 0).then(|| JobKey::random().heartbeat_of(&api, id));
    let held = Held { versions: versions_for(&api, tenant).await?, ..Held::default() };
    let answer = Created::at(format!("/v1/checks/{id}"), &new_view(id, tenant, &revision, now, held)?);
    let deed = Deed { action: "check.create", entity: id.to_string(), tenant: Some(tenant), now };
    let signed = api.signed_once(&caller, deed, &answer)?;
    signed.checks().create(&NewCheck { id, tenant, revision, heartbeat }, now).await?;
    api.tell_leader();
    Ok(answer)
}

/// How a check looks that nobody has heard of yet.
fn new_view(
    id: CheckId,
    tenant: TenantId,
    new: &NewRevision,
    now: UnixMs,
    mut held: Held,
) -> Result<CheckView, ApiError> {
    let NewRevision { name, activity, spec, prepared, module, interval, timeout_ms, streams, repeat, .. } = new.clone();
    let latest = Revision {
        check: id,
        tenant,
        revision: 1,
        activity,
        spec,
        prepared,
        module,
        interval,
        timeout_ms,
        streams,
        repeat,
        secrets: Vec::new(),
        written: Stamp::default(),
        created: now,
        in_force: None,
    };
    let check = Check { name, created: now, deleted: None, latest, in_force_revision: None };
    CheckView::of(check, &mut held)
}

/// Changes a check by a merge patch (RFC 7396) of the body that made it.
pub(super) async fn patch(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<CheckId>,
    if_match: IfMatch,
    Patch { document: patch, .. }: Patch<Wish>,
) -> Result<Tagged<CheckView>, ApiError> {
    let check = find_live(&api, tenant, id).await?;
    if_match.demand(check.latest.revision)?;
    let spec = parsed_spec(&check.latest.spec, id)?;
    let wish = patched(&spec.wish, &patch)?;
    let module_is_said = patch.get("module").is_some();
    let before = Before { revision: &check.latest, wish: &spec.wish, module_is_said };
    let revision = revision_of(&api, tenant, wish, Some(&before)).await?;
    if is_unchanged(&check, &revision) {
        return Ok(shown(view(&api, check).await?));
    }
    let is_watched_again = check.latest.activity == Activity::Paused && revision.activity == Activity::Active;
    if is_watched_again && check.latest.is_heartbeat() {
        // Whoever was paused has its whole time again. Should the change not be made after all, it has some more of it.
        api.store.heartbeats().watch_again(id, api.clock.wall()).await?;
    }
    add_revision(&api, &caller, "check.change", &check, &revision).await?;
    let check = find(&api, tenant, id).await?;
    Ok(shown(view(&api, check).await?))
}

/// Deletes a check. Its last slot is the one before the deletion is in force; until then it can be seen.
pub(super) async fn delete(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<CheckId>,
    if_match: IfMatch,
) -> Result<Accepted<CheckView>, ApiError> {
    let check = find(&api, tenant, id).await?;
    if check.latest.activity != Activity::Deleted {
        if_match.demand(check.latest.revision)?;
        add_revision(&api, &caller, "check.delete", &check, &deletion_of(&check)).await?;
    }
    match api.store.checks().get(tenant, id).await? {
        Some(check) => Ok(Accepted(shown(view(&api, check).await?))),
        None => Err(ApiError::no_such("check", id)),
    }
}

/// A check that is on its way out takes no more changes.
async fn find_live(api: &Api, tenant: TenantId, id: CheckId) -> Result<Check, ApiError> {
    let check = find(api, tenant, id).await?;
    if check.latest.activity == Activity::Deleted {
        return Err(ApiError::NotFound(format!("the check {id} is being deleted; make a new one instead")));
    }
    Ok(check)
}

fn is_unchanged(check: &Check, new: &NewRevision) -> bool {
    let latest = &check.latest;
    latest.spec == new.spec && latest.module == new.module && latest.activity == new.activity
}

fn deletion_of(check: &Check) -> NewRevision {
    NewRevision { activity: Activity::Deleted, secrets: Vec::new(), ..NewRevision::again(check.clone()) }
}

async fn add_revision(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    check: &Check,
    new: &NewRevision,
) -> Result<(), ApiError> {
    let (tenant, id, seen) = (check.latest.tenant, check.latest.check, check.latest.revision);
    let now = api.clock.wall();
    let deed = Deed { action, entity: id.to_string(), tenant: Some(tenant), now };
    let added = api.signed(caller, deed).checks().add_revision(tenant, id, seen, new, now).await?;
    added.ok_or_else(|| ApiError::no_such("check", id))?;
    api.tell_leader();
    Ok(())
}
