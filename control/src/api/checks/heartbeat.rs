//! Checks that jobs call for: how it is with the job, by which path it calls, and what it said of late.
//!
//! The path is shown to whoever may change the check, for who knows it can speak for the job.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use farwatch_core::heartbeat::{Outlook, Standing, outlook};
use farwatch_core::uptime::Period;
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::auth::{Reader, Writer};
use super::super::extract::{Id, Params};
use super::super::heartbeats::PATH;
use super::super::openapi::{Kind, Parameter, query};
use super::super::problem::ApiError;
use super::super::{Api, Deed};
use super::find;
use crate::heartbeat;
use crate::secret::random_bytes;
use crate::store::{HeartbeatRecord, KeyHash, NewHeartbeat, Revision, SIGNALS_KEPT, StoredSignal};

/// Random bytes of a key: nobody guesses one.
const KEY_RANDOM_BYTES: usize = 16;

query!(
    pub(super) SignalsQuery,
    [Parameter { name: "limit", about: "At most so many; all that are kept when absent.", kind: Kind::Count }]
);

/// How it is with a job.
#[derive(Serialize, JsonSchema)]
pub(super) struct HeartbeatView {
    /// `unheard`, `good`, `running`, `late`, `down` or `paused`; what is told of goes by the verdict.
    standing: &'static str,
    /// How many signals it ever sent.
    signals: u64,
    /// When it said last that all is well.
    succeeded: Option<UnixMs>,
    /// When it is to call next.
    due: Option<UnixMs>,
    /// When it is down unless it calls before.
    deadline: Option<UnixMs>,
    /// When the run that goes on began.
    running_since: Option<UnixMs>,
    /// How long the last run took that began and ended, in milliseconds.
    took_ms: Option<i64>,
}

/// What the jobs of some checks said.
#[derive(Default)]
pub(super) struct Jobs {
    records: BTreeMap<CheckId, HeartbeatRecord>,
    gaps: Vec<Period>,
    now: UnixMs,
}

impl Jobs {
    pub(super) async fn load(api: &Api, checks: &[CheckId]) -> Result<Self, ApiError> {
        let records = api.store.heartbeats().among(checks).await?;
        let gaps = if records.is_empty() { Vec::new() } else { api.store.listening().gaps().await? };
        let records = records.into_iter().map(|record| (record.check, record)).collect();
        Ok(Self { records, gaps, now: api.clock.wall() })
    }

    pub(super) fn view_of(&mut self, revision: &Revision) -> Result<HeartbeatView, ApiError> {
        let heartbeat = heartbeat::read(&revision.prepared)
            .map_err(|error| ApiError::Internal(format!("the config of {}: {error:#}", revision.check)))?;
        let (record, signals) =
            self.records.remove(&revision.check).map_or_else(Default::default, |found| (found.record, found.signals));
        let is_watched = revision.activity == Activity::Active;
        let outlook = Some(outlook(&heartbeat, &record, &self.gaps, self.now)).filter(|_| is_watched);
        Ok(HeartbeatView {
            standing: outlook.as_ref().map_or("paused", |outlook| word_of(outlook, record.started, self.now)),
            signals,
            succeeded: record.succeeded,
            due: outlook.as_ref().and_then(|outlook| outlook.due),
            deadline: outlook.as_ref().and_then(|outlook| outlook.deadline),
            running_since: record.started,
            took_ms: record.took_ms,
        })
    }
}

fn word_of(outlook: &Outlook, running_since: Option<UnixMs>, now: UnixMs) -> &'static str {
    match outlook.standing {
        Standing::Unheard => "unheard",
        Standing::Down(_) => "down",
        Standing::Good if running_since.is_some() => "running",
        Standing::Good if outlook.due.is_some_and(|due| due <= now) => "late",
        Standing::Good => "good",
    }
}

/// By what a job is known.
pub(super) struct JobKey(String);

impl JobKey {
    pub(super) fn random() -> Self {
        let hex = random_bytes::<KEY_RANDOM_BYTES>().map(|byte| format!("{byte:02x}"));
        Self(hex.concat())
    }

    /// What is kept of it with its check.
    pub(super) fn heartbeat_of(&self, api: &Api, check: CheckId) -> NewHeartbeat {
        NewHeartbeat { key: hash_of(&self.0), sealed_key: api.sealer.seal(check.as_bytes(), self.0.as_bytes()) }
    }
}

/// What is known of a key.
pub(in super::super) fn hash_of(key: &str) -> KeyHash {
    KeyHash(Sha256::digest(key).into())
}

/// How a job calls.
#[derive(Serialize, JsonSchema)]
pub(super) struct PathView {
    /// To be asked of the address of this API, by GET or POST: all is well. With `/start`, `/fail`, `/log` or an exit status
    /// behind it: that.
    path: String,
}

impl PathView {
    fn of(key: &str) -> Self {
        Self { path: format!("{PATH}/{key}") }
    }
}

pub(super) async fn show(
    State(api): State<Api>,
    Writer { tenant, .. }: Writer,
    Id(id): Id<CheckId>,
) -> Result<Json<PathView>, ApiError> {
    demand_heartbeat(&api, tenant, id).await?;
    let sealed = api.store.heartbeats().sealed_key(id).await?.ok_or_else(|| ApiError::no_such("heartbeat", id))?;
    let unreadable = |why: String| ApiError::Internal(format!("the key of {id}: {why}"));
    let key = api.sealer.open(id.as_bytes(), &sealed).map_err(|error| unreadable(error.to_string()))?;
    let key = String::from_utf8(key).map_err(|error| unreadable(error.to_string()))?;
    Ok(Json(PathView::of(&key)))
}

pub(super) async fn renew(
    State(api): State<Api>,
    Writer { tenant, caller }: Writer,
    Id(id): Id<CheckId>,
) -> Result<Json<PathView>, ApiError> {
    demand_heartbeat(&api, tenant, id).await?;
    let (key, now) = (JobKey::random(), api.clock.wall());
    let deed = Deed { action: "heartbeat.renew", entity: id.to_string(), tenant: Some(tenant), now };
    let signed = api.signed(&caller, deed);
    signed.heartbeats().set_key((tenant, id), &key.heartbeat_of(&api, id), now).await?;
    Ok(Json(PathView::of(&key.0)))
}

/// A signal that came.
#[derive(Serialize, JsonSchema)]
pub(super) struct SignalView {
    /// Counts up with the signals of the job, from 1.
    n: u64,
    at: UnixMs,
    /// `start`, `success`, `fail` or `log`.
    kind: &'static str,
    /// The exit status that it said, if any.
    exit_status: Option<u8>,
    /// How long the run took that ended by it, in milliseconds.
    took_ms: Option<i64>,
    /// Where it came from.
    address: String,
    /// By what program it says that it was sent.
    agent: String,
    /// The end of what it brought along.
    body: String,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SignalsView {
    items: Vec<SignalView>,
}

pub(super) async fn signals(
    State(api): State<Api>,
    Reader { tenant }: Reader,
    Id(id): Id<CheckId>,
    params: Params<SignalsQuery>,
) -> Result<Json<SignalsView>, ApiError> {
    demand_heartbeat(&api, tenant, id).await?;
    let limit = params.parsed("limit")?.unwrap_or(SIGNALS_KEPT).clamp(1, SIGNALS_KEPT);
    let signals = api.store.heartbeats().signals(id, limit).await?;
    Ok(Json(SignalsView { items: signals.into_iter().map(SignalView::of).collect() }))
}

impl SignalView {
    fn of(signal: StoredSignal) -> Self {
        let StoredSignal { n, at, kind, exit, took_ms, address, agent, body } = signal;
        Self { n, at, kind: kind.word(), exit_status: exit, took_ms, address, agent, body }
    }
}

/// Refuses what no job calls for.
async fn demand_heartbeat(api: &Api, tenant: TenantId, id: CheckId) -> Result<(), ApiError> {
    let check = find(api, tenant, id).await?;
    if check.latest.is_heartbeat() {
        return Ok(());
    }
    Err(ApiError::NotFound(format!("hosts run the check {id}, and no job calls for it; its module is not heartbeat")))
}
