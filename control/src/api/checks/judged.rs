//! From a wish to a revision: everything is judged, and everything wrong is told at once.

use farwatch_core::quota::RunsPerDay;
use farwatch_proto::check::Activity;
use farwatch_proto::id::{ModuleHash, TenantId};
use serde_json::Value;

use super::super::Api;
use super::super::judge::Judged;
use super::super::problem::ApiError;
use super::super::quotas;
use crate::heartbeat;
use crate::spec::{FieldProblem, Spec, Wish, secrets_of, validate, watched_host};
use crate::store::{Host, NewRevision, Revision};

/// The wording that a change begins from.
pub(super) struct Before<'b> {
    /// The revision.
    pub(super) revision: &'b Revision,
    /// What was said in it.
    pub(super) wish: &'b Wish,
    /// Whether the change says anything about the module.
    pub(super) module_is_said: bool,
}

/// The module and the config as it runs.
struct Prepared {
    module: ModuleHash,
    config: Vec<u8>,
    /// Whether nothing runs it, because a job calls control instead.
    is_called: bool,
}

/// The revision of an acceptable wish.
pub(super) async fn revision_of(
    api: &Api,
    tenant: TenantId,
    wish: Wish,
    before: Option<&Before<'_>>,
) -> Result<NewRevision, ApiError> {
    let fleet: Vec<_> = fleet_of(api, tenant).await?.into_iter().map(|host| host.facts).collect();
    let mut problems = Vec::new();
    let settled = kept(validate(&wish, &fleet), &mut problems);
    problems.extend(contact_problems(api, tenant, &wish).await?);
    let secrets = secrets_in(api, tenant, &wish.config, &mut problems).await?;
    // A config that is no object was refused above, and no module has to see it.
    let prepared =
        if wish.config.is_object() { kept(prepared(api, tenant, &wish, before).await?, &mut problems) } else { None };
    if prepared.as_ref().is_some_and(|prepared| prepared.is_called) {
        problems.extend(heartbeat::meaningless(&wish));
    }
    let (Some(mut settled), Some(prepared), true) = (settled, prepared, problems.is_empty()) else {
        return Err(ApiError::Invalid(problems));
    };
    if prepared.is_called {
        settled.placement.streams = heartbeat::STREAMS;
    }
    let (name, interval, repeat) = (wish.name.clone(), wish.interval, wish.repeat);
    let (streams, target) = (settled.placement.streams, watched_host(&wish.config));
    let revision = NewRevision {
        name,
        activity: if wish.paused { Activity::Paused } else { Activity::Active },
        spec: Spec { wish, placement: settled.placement }.stored(),
        prepared: prepared.config,
        module: prepared.module,
        interval,
        timeout_ms: settled.timeout_ms,
        streams,
        repeat,
        secrets,
        target,
    };
    if has_more_run(before, &revision) && is_own(api, tenant, revision.module).await? {
        quotas::demand_cpu(api, tenant).await?;
    }
    Ok(revision)
}

/// Whether this wording has its module run where the one before did not, or more often.
fn has_more_run(before: Option<&Before<'_>>, after: &NewRevision) -> bool {
    let is_as_before = |before: &Before<'_>| {
        let Revision { activity, module, interval, streams, .. } = before.revision;
        let (before, after_runs) = (RunsPerDay::of(*interval, *streams), RunsPerDay::of(after.interval, after.streams));
        *activity == Activity::Active && *module == after.module && after_runs <= before
    };
    after.activity == Activity::Active && !before.is_some_and(is_as_before)
}

/// Whether the tenant brought the module.
async fn is_own(api: &Api, tenant: TenantId, module: ModuleHash) -> Result<bool, ApiError> {
    let visible = api.store.modules().list_visible_to(tenant).await?;
    Ok(visible.iter().any(|known| known.tenant == Some(tenant) && known.hash == module))
}

/// What was judged, if it is acceptable; what is wrong with it is among the problems from then on.
pub(super) fn kept<T>(judged: Judged<T>, problems: &mut Vec<FieldProblem>) -> Option<T> {
    judged.map_err(|found| problems.extend(found)).ok()
}

/// The hosts that may run checks of this tenant.
pub(super) async fn fleet_of(api: &Api, tenant: TenantId) -> Result<Vec<Host>, ApiError> {
    let mut hosts = api.store.hosts().list().await?;
    hosts.retain(|host| host.retired.is_none() && host.facts.tenant.is_none_or(|served| served == tenant));
    Ok(hosts)
}

async fn contact_problems(api: &Api, tenant: TenantId, wish: &Wish) -> Result<Vec<FieldProblem>, ApiError> {
    let mut problems = Vec::new();
    for (index, contact) in wish.contacts.iter().enumerate() {
        if api.store.contacts().get(tenant, *contact).await?.is_none() {
            let detail = format!("there is no contact {contact}; see /v1/contacts");
            problems.push(FieldProblem::new(format!("/contacts/{index}"), detail));
        }
    }
    Ok(problems)
}

/// The secrets that the config names, which must be there.
pub(super) async fn secrets_in(
    api: &Api,
    tenant: TenantId,
    config: &Value,
    problems: &mut Vec<FieldProblem>,
) -> Result<Vec<String>, ApiError> {
    let known = super::super::secrets::names(api, tenant).await?;
    let (named, found) = secrets_of(config, |name| known.contains(name));
    problems.extend(found.into_iter().map(|problem| problem.within("/config")));
    Ok(named)
}

/// A change that says nothing of the module keeps the very one that runs, and a config that is unchanged with
/// it stays prepared: renaming a check never switches its module.
async fn prepared(
    api: &Api,
    tenant: TenantId,
    wish: &Wish,
    before: Option<&Before<'_>>,
) -> Result<Judged<Prepared>, ApiError> {
    let module = match before {
        Some(before) if !before.module_is_said => before.revision.module,
        _ => match api.modules.resolve(tenant, &wish.module).await? {
            Ok(module) => module,
            Err(problems) => return Ok(Err(problems)),
        },
    };
    if let Some(before) = before
        && before.revision.module == module
        && before.wish.config == wish.config
    {
        let (config, is_called) = (before.revision.prepared.clone(), before.revision.is_heartbeat());
        return Ok(Ok(Prepared { module, config, is_called }));
    }
    let is_called = api.modules.is_called(module).await?;
    if before.is_some_and(|before| before.revision.is_heartbeat() != is_called) {
        let detail =
            "a check that hosts run cannot become one that a job calls for, nor the other way; make a new check";
        return Ok(Err(vec![FieldProblem::new("/module", detail)]));
    }
    let judged = api.modules.prepare(module, &wish.config).await?;
    Ok(judged.map(|config| Prepared { module, config, is_called }))
}
