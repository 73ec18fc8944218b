//! Checks: what customers want watched. Writing, running by hand, trying, results and placement stand in files of
//! their own; here a check is found and shown.
//!
//! A write is pending until the hosts that must run it hold it; every answer says whether it is, or from which
//! slot border it counts.

mod confirmation;
mod evidence;
mod explain;
mod heartbeat;
mod journaled;
mod judged;
mod latency;
mod recorded;
mod trial;
mod trying;
mod uptime;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use farwatch_core::detect::{Detector, Verdict};
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, IncidentId, ModuleHash, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use self::confirmation::PlaceView;
pub(super) use self::heartbeat::hash_of;
use self::heartbeat::{HeartbeatView, Jobs};
pub use self::trying::TryRunView;
use super::Api;
use super::auth::Reader;
use super::extract::{Id, PageView, Params, page_of};
use super::openapi::{CURSOR, Kind, LIMIT, Parameter, query};
use super::problem::ApiError;
use super::revision::Tagged;
use super::routes::Routes;
use crate::spec::{Spec, Wish};
use crate::store::{Check, CheckFilter, Host};

query!(
    ChecksQuery,
    [
        Parameter { name: "name", about: "Those whose name contains this.", kind: Kind::Text },
        Parameter { name: "paused", about: "Those that are paused, or are not.", kind: Kind::Word(&["true", "false"]) },
        Parameter { name: "module", about: "Those that run this module.", kind: Kind::of::<ModuleHash>() },
        LIMIT,
        CURSOR,
    ]
);

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/checks", list)
        .about("Lists checks")
        .post("/v1/checks", write::create)
        .about("Makes a check")
        .post("/v1/checks/test", trying::run)
        .about("Runs a config that no check has, now and from a few hosts, and shows all that it brings")
        .get("/v1/checks/{id}", show)
        .about("Shows a check")
        .patch("/v1/checks/{id}", write::patch)
        .about("Changes a check")
        .delete("/v1/checks/{id}", write::delete)
        .about("Deletes a check; its last slot is the one before that is in force")
        .post("/v1/checks/{id}/test", trial::run)
        .about("Runs a check now, from every host that holds it")
        .get("/v1/checks/{id}/results", recorded::list)
        .about("Lists the results of a check, newest first")
        .get("/v1/checks/{id}/evidence", evidence::list)
        .about("Lists what failed runs of a check brought, newest first")
        .get("/v1/checks/{id}/signals", heartbeat::signals)
        .about("Lists what the job of a heartbeat said of late, newest first")
        .get("/v1/checks/{id}/heartbeat", heartbeat::show)
        .about("Shows by which path a job calls")
        .post("/v1/checks/{id}/heartbeat/renew", heartbeat::renew)
        .about("Gives a heartbeat another path; whoever calls by the former one is not known any more")
        .get("/v1/checks/{id}/latency", latency::show)
        .about("Sums up how long a check took, step by step")
        .get("/v1/checks/{id}/uptime", uptime::show)
        .about("Says how long a check was up in a period")
        .get("/v1/checks/{id}/explain", explain::show)
        .about("Says why a check runs where it runs")
}

/// The verdict of a check of which no result was judged yet.
const NEVER_JUDGED: &str = "pending";

/// A check with its latest wording.
#[derive(Serialize, JsonSchema)]
struct CheckView {
    id: CheckId,
    #[serde(flatten)]
    wish: Wish,
    /// The timeout that applies, said or not.
    timeout_ms: u32,
    /// The very module that runs.
    module_hash: ModuleHash,
    /// Its version, whatever the name in `module` leaves open. Absent once that was taken back.
    #[serde(skip_serializing_if = "Option::is_none")]
    module_version: Option<String>,
    /// The latest revision.
    revision: u32,
    /// Whether the latest revision is `pending` or `in_force`.
    state: &'static str,
    /// What it is about to do, or does: `active`, `paused` or `deleted`.
    activity: Activity,
    /// The slot border from which the latest revision counts.
    in_force_from: Option<UnixMs>,
    /// The revision that counts until then.
    in_force_revision: Option<u32>,
    created: UnixMs,
    changed: UnixMs,
    /// What is held of the target, or `pending` until a first result was judged; absent while it is paused.
    verdict: Option<&'static str>,
    /// Why, where it is not simply up.
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    /// Since when, where it is not simply up.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict_since: Option<UnixMs>,
    /// The outage that goes on.
    open_incident: Option<IncidentId>,
    /// The places from which alone it fails.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    failing_from: Vec<PlaceView>,
    /// Whether hosts on machines of their own confirm an outage of it. Where only one machine may run it, or it may not
    /// be repeated, the host that saw it fail is asked again, and nobody else.
    independently_confirmed: bool,
    /// How it is with the job, where it is one that a job calls for.
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat: Option<HeartbeatView>,
}

/// What is held of some checks.
#[derive(Default)]
struct Held {
    /// Of those that are not plainly up.
    detectors: BTreeMap<CheckId, Detector>,
    /// Those that were ever judged.
    judged: BTreeSet<CheckId>,
    /// The hosts of the fleet, by which places are named.
    hosts: Vec<Host>,
    /// Of those that jobs call for.
    jobs: Jobs,
    /// The versions of the modules that may be run.
    versions: BTreeMap<ModuleHash, String>,
}

impl Held {
    async fn load(api: &Api, tenant: TenantId, checks: &[CheckId]) -> Result<Self, ApiError> {
        let rows = api.store.detectors().of_checks(checks).await?.into_iter();
        let parsed = rows.map(|row| {
            let detector = serde_json::from_str(&row.body)
                .map_err(|error| ApiError::Internal(format!("the detector row of {}: {error}", row.check)))?;
            Ok((row.check, detector))
        });
        let detectors = parsed.collect::<Result<_, ApiError>>()?;
        let judged = api.store.judged_checks().among(checks).await?;
        let jobs = Jobs::load(api, checks).await?;
        let versions = versions_for(api, tenant).await?;
        Ok(Self { detectors, judged, hosts: api.store.hosts().list().await?, jobs, versions })
    }

    /// The word for what is held of this check. Without a detector it is plainly up, once it was judged.
    fn verdict_word(&self, check: CheckId) -> &'static str {
        match self.detectors.get(&check) {
            Some(detector) => detector.verdict.word(),
            None if self.judged.contains(&check) => Verdict::Up.word(),
            None => NEVER_JUDGED,
        }
    }
}

impl CheckView {
    fn of(check: Check, held: &mut Held) -> Result<Self, ApiError> {
        let is_watched = check.latest.activity == Activity::Active;
        let verdict = is_watched.then(|| held.verdict_word(check.latest.check));
        let detector = held.detectors.remove(&check.latest.check);
        let verdict_since = detector.as_ref().map(|detector| detector.since);
        let detector = detector.unwrap_or_default();
        let failing_from = held.places(&detector.failing_places());
        let heartbeat = check.latest.is_heartbeat().then(|| held.jobs.view_of(&check.latest)).transpose()?;
        let Check { created, latest, in_force_revision, .. } = check;
        let spec = parsed_spec(&latest.spec, latest.check)?;
        let independently_confirmed = confirmation::is_independent(&latest, &spec.placement, &held.hosts);
        Ok(Self {
            id: latest.check,
            wish: Wish { timeout_ms: None, ..spec.wish },
            timeout_ms: latest.timeout_ms,
            module_hash: latest.module,
            module_version: held.versions.get(&latest.module).cloned(),
            revision: latest.revision,
            state: if latest.in_force.is_some() { "in_force" } else { "pending" },
            activity: latest.activity,
            in_force_from: latest.in_force.map(|in_force| in_force.from),
            in_force_revision,
            created,
            changed: latest.created,
            verdict,
            reason: detector.reason,
            verdict_since,
            open_incident: detector.incident,
            failing_from,
            independently_confirmed,
            heartbeat,
        })
    }
}

/// The versions of all that the tenant may run, by their hashes.
async fn versions_for(api: &Api, tenant: TenantId) -> Result<BTreeMap<ModuleHash, String>, ApiError> {
    let visible = api.store.modules().list_visible_to(tenant).await?;
    Ok(visible.into_iter().map(|module| (module.hash, module.version)).collect())
}

/// The answer that shows a check.
fn shown(view: CheckView) -> Tagged<CheckView> {
    Tagged(view.revision, view)
}

fn parsed_spec(stored: &str, check: CheckId) -> Result<Spec, ApiError> {
    Spec::parse(stored).map_err(|error| ApiError::Internal(format!("the spec of {check}: {error}")))
}

/// The check of this tenant. One whose deletion is in force is not there any more.
async fn find(api: &Api, tenant: TenantId, id: CheckId) -> Result<Check, ApiError> {
    let found = api.store.checks().get(tenant, id).await?;
    let is_there = |check: &Check| check.latest.activity != Activity::Deleted || check.latest.in_force.is_none();
    found.filter(is_there).ok_or_else(|| ApiError::no_such("check", id))
}

async fn view(api: &Api, check: Check) -> Result<CheckView, ApiError> {
    let mut held = Held::load(api, check.latest.tenant, &[check.latest.check]).await?;
    CheckView::of(check, &mut held)
}

async fn show(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
) -> Result<Tagged<CheckView>, ApiError> {
    let check = find(&api, tenant, id).await?;
    Ok(shown(view(&api, check).await?))
}

async fn list(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    params: Params<ChecksQuery>,
) -> Result<Json<PageView<CheckView>>, ApiError> {
    let filter = CheckFilter {
        name_contains: params.text("name").map(str::to_owned),
        activity: params.word("paused", &[("true", Activity::Paused), ("false", Activity::Active)])?,
        module: params.parsed("module")?,
    };
    let page = api.store.checks().list(tenant, &filter, params.cursor()?, params.limit()?).await?;
    let ids: Vec<CheckId> = page.items.iter().map(|check| check.latest.check).collect();
    let mut held = Held::load(&api, tenant, &ids).await?;
    let page = page_of(page, |check| check.latest.check, |check| CheckView::of(check, &mut held));
    let items = page.items.into_iter().collect::<Result<_, _>>()?;
    Ok(Json(PageView { items, next: page.next }))
}
