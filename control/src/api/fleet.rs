//! The upgrade of the fleet: begun, stopped and resumed here; carried out by the leader's task.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use farwatch_core::upgrade::{Progress, State as UpgradeState, Stop, UNAVAILABLE_MAX, Upgrade};
use farwatch_proto::id::{HostId, ReleaseHash};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::{Caller, Operator};
use super::extract::{Body, Params};
use super::openapi::NoQuery;
use super::problem::ApiError;
use super::routes::Routes;
use super::{Api, Deed};
use crate::spec::FieldProblem;
use crate::store::{Host, Release};

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/fleet/upgrade", show)
        .about("Shows the last upgrade of the fleet")
        .post("/v1/fleet/upgrade", begin)
        .about("Upgrades every host to a release, one after the other")
        .post("/v1/fleet/upgrade/stop", stop)
        .about("Stops the upgrade of the fleet where it is")
        .post("/v1/fleet/upgrade/resume", resume)
        .about("Lets a stopped upgrade of the fleet go on")
}

/// An upgrade, as an operator says it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct UpgradeWish {
    /// A version, or the hash of a release where several have it.
    to: String,
    /// Hosts at once; never two of one region, and the first one goes alone.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = UNAVAILABLE_MAX))]
    max_unavailable: u32,
}

const fn one() -> u32 {
    1
}

#[derive(Serialize, JsonSchema)]
struct UpgradeView {
    release: ReleaseHash,
    version: String,
    max_unavailable: u32,
    started: UnixMs,
    /// `running`, `stopped` or `done`.
    state: &'static str,
    /// Since when it is stopped or done.
    ended: Option<UnixMs>,
    /// Why it was stopped.
    stopped_because: Option<String>,
    /// How many hosts run the release and were watched for long enough.
    done: usize,
    hosts: Vec<HostProgress>,
}

/// How far one host is.
#[derive(Serialize, JsonSchema)]
struct HostProgress {
    id: HostId,
    name: String,
    region: String,
    /// `waiting`, `ordered`, `watched` or `done`.
    progress: &'static str,
    /// What it runs now, as far as the leader sees.
    version: Option<String>,
    release: Option<ReleaseHash>,
    /// Why it is not told to take the release though it is waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_because: Option<&'static str>,
}

async fn show(State(api): State<Api>, _: Operator, _: Params<NoQuery>) -> Result<Json<UpgradeView>, ApiError> {
    let (_, upgrade) = read(&api).await?.ok_or_else(none_yet)?;
    view(&api, upgrade).await
}

fn none_yet() -> ApiError {
    ApiError::NotFound("no upgrade of the fleet was ever begun; begin one with POST /v1/fleet/upgrade".to_owned())
}

async fn begin(
    State(api): State<Api>,
    Operator(caller): Operator,
    Body(UpgradeWish { to, max_unavailable }): Body<UpgradeWish>,
) -> Result<Json<UpgradeView>, ApiError> {
    if !(1..=UNAVAILABLE_MAX).contains(&max_unavailable) {
        return Err(ApiError::field("/max_unavailable", format!("use 1 to {UNAVAILABLE_MAX} hosts at once")));
    }
    let release = meant(&api.store.releases().list().await?, &to)?;
    let before = read(&api).await?;
    if let Some((_, running)) = before.as_ref().filter(|(_, upgrade)| upgrade.is_running()) {
        let detail = format!("an upgrade to {} is going on; stop it first", running.version);
        return Err(ApiError::Conflict(FieldProblem::new("/to", detail)));
    }
    let now = api.clock.wall();
    let upgrade = Upgrade::begin(release.hash, release.version, max_unavailable, now);
    write(&api, &caller, "fleet.upgrade", before.map_or(0, |(revision, _)| revision), upgrade).await
}

/// The release of this hash or version.
fn meant(releases: &[Release], to: &str) -> Result<Release, ApiError> {
    let hash: Option<ReleaseHash> = to.parse().or_else(|_| format!("rel_{to}").parse()).ok();
    let found: Vec<&Release> =
        releases.iter().filter(|release| release.version == to || Some(release.hash) == hash).collect();
    match found[..] {
        [only] => Ok(only.clone()),
        [] => Err(ApiError::field("/to", format!("there is no release {to}; see GET /v1/releases"))),
        _ => Err(ApiError::field("/to", format!("several releases have the version {to}; name one by its hash"))),
    }
}

async fn stop(State(api): State<Api>, Operator(caller): Operator) -> Result<Json<UpgradeView>, ApiError> {
    let (revision, mut upgrade) = read(&api).await?.ok_or_else(none_yet)?;
    upgrade.stop(Stop::Operator, api.clock.wall());
    write(&api, &caller, "fleet.upgrade.stop", revision, upgrade).await
}

async fn resume(State(api): State<Api>, Operator(caller): Operator) -> Result<Json<UpgradeView>, ApiError> {
    let (revision, mut upgrade) = read(&api).await?.ok_or_else(none_yet)?;
    upgrade.resume(api.clock.wall());
    write(&api, &caller, "fleet.upgrade.resume", revision, upgrade).await
}

async fn read(api: &Api) -> Result<Option<(i64, Upgrade)>, ApiError> {
    let Some(stored) = api.store.fleet_upgrades().read().await? else { return Ok(None) };
    let upgrade = serde_json::from_str(&stored.body);
    let upgrade = upgrade.map_err(|error| ApiError::Internal(format!("the upgrade that is kept: {error}")))?;
    Ok(Some((stored.revision, upgrade)))
}

async fn write(
    api: &Api,
    caller: &Caller,
    action: &'static str,
    upon: i64,
    upgrade: Upgrade,
) -> Result<Json<UpgradeView>, ApiError> {
    let now = api.clock.wall();
    let deed = Deed { action, entity: upgrade.release.to_string(), tenant: None, now };
    let body = serde_json::to_string(&upgrade).map_err(|error| ApiError::Internal(error.to_string()))?;
    if !api.signed(caller, deed).fleet_upgrades().write(upon, &body, true).await? {
        let detail = "the upgrade has gone on meanwhile; say it again".to_owned();
        return Err(ApiError::Conflict(FieldProblem::new("", detail)));
    }
    api.leader.upgrade_changed.notify_one();
    view(api, upgrade).await
}

async fn view(api: &Api, upgrade: Upgrade) -> Result<Json<UpgradeView>, ApiError> {
    let registered: BTreeMap<HostId, Host> =
        api.store.hosts().list().await?.into_iter().map(|host| (host.id, host)).collect();
    let status = api.leader_status().await?;
    let (state, ended, stopped_because) = match &upgrade.state {
        UpgradeState::Running => ("running", None, None),
        UpgradeState::Stopped { at, why } => ("stopped", Some(*at), Some(words(why, &registered))),
        UpgradeState::Done { at } => ("done", Some(*at), None),
    };
    let hosts = upgrade.hosts.iter().filter_map(|(id, progress)| {
        let facts = &registered.get(id)?.facts;
        let seen = status.hosts.get(id);
        let waits = matches!(progress, Progress::Waiting { .. });
        Some(HostProgress {
            id: *id,
            name: facts.name.clone(),
            region: facts.region.clone(),
            progress: progress.word(),
            version: seen.and_then(|seen| seen.version.clone()),
            release: seen.and_then(|seen| seen.release),
            waits_because: match seen {
                Some(seen) if waits && !seen.connected => Some("it is not linked"),
                Some(seen) if waits && !seen.can_upgrade => Some("it takes no releases; start it by `farwatch host`"),
                _ => None,
            },
        })
    });
    let hosts: Vec<HostProgress> = hosts.collect();
    let Upgrade { release, version, max_unavailable, started, .. } = upgrade;
    let done = hosts.iter().filter(|host| host.progress == "done").count();
    Ok(Json(UpgradeView { release, version, max_unavailable, started, state, ended, stopped_because, done, hosts }))
}

/// Why it was stopped, for people.
fn words(why: &Stop, registered: &BTreeMap<HostId, Host>) -> String {
    let name = |host: &HostId| registered.get(host).map_or_else(|| host.to_string(), |host| host.facts.name.clone());
    match why {
        Stop::Operator => "an operator stopped it".to_owned(),
        Stop::Missed { slots } => format!("{slots} slots were missed; see the ledger"),
        Stop::Failed { host, reason } => format!("{} could not take the release: {reason}", name(host)),
        Stop::Late { host } => format!("{} did not come back in the release in time, or did not stay", name(host)),
        Stop::Disagrees { host, refuted } => {
            format!("{} runs the release, and {refuted} failures that it saw were refuted by the others", name(host))
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::store::UploadId;

    use super::*;

    #[test]
    fn a_release_is_meant_by_its_version_or_its_hash() {
        let release = |n: u8, version: &str| Release {
            hash: ReleaseHash([n; 32]),
            version: version.to_owned(),
            size_bytes: 1,
            upload: UploadId([n; 16]),
            pushed: UnixMs(0),
        };
        let all = [release(1, "1.0"), release(2, "2.0"), release(3, "2.0")];
        assert_eq!(meant(&all, "1.0").unwrap(), all[0]);
        assert_eq!(meant(&all, &all[2].hash.to_string()).unwrap(), all[2]);
        assert_eq!(meant(&all, &all[2].hash.hex()).unwrap(), all[2]);
        assert!(meant(&all, "2.0").is_err() && meant(&all, "3.0").is_err());
    }
}
