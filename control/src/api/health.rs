//! Whether this process and what it depends on are well: a word for anybody, the reasons for whoever has a token.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::{extract::FromRequestParts, http::request::Parts};
use farwatch_core::fleet::SILENCE_MS;
use farwatch_core::health::{Answered, Finding, Leading, Observed, Severity, TaskSeen, findings, worst};
use farwatch_core::sanity::is_broken;
use farwatch_proto::panel::PanelCount;
use farwatch_proto::time::{Stamp, UnixMs};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::Api;
use super::auth::Caller;
use super::openapi::{Answer, Operation};
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use crate::leader::LEADER_TASK;
use crate::leader::handle::LeaderStatus;
use crate::store::Backlog;
use crate::tail::TailStatus;
use crate::tasks::TaskStatus;

pub(super) fn routes() -> Routes {
    Routes::default()
        .get("/v1/health", show)
        .about("Whether Farwatch itself is well; anybody may ask, an operator is told why")
}

/// Whoever asks, with a token or without one. A token that is sent must be good.
pub(super) struct Anybody(Option<Caller>);

impl FromRequestParts<Api> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if parts.headers.contains_key(AUTHORIZATION) {
            return Caller::from_request_parts(parts, api).await.map(|caller| Self(Some(caller)));
        }
        Ok(Self(None))
    }
}

#[derive(Serialize, JsonSchema)]
struct HealthView {
    /// Whether it does its work. Only `failing` is answered with 503.
    status: Status,
    #[serde(flatten)]
    detail: Option<DetailView>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Status {
    /// All is well.
    Ok,
    /// It does its work, and somebody should look.
    Degraded,
    /// It does not do its work.
    Failing,
}

#[derive(Serialize, JsonSchema)]
struct DetailView {
    version: &'static str,
    /// What is not as it should be, the worst first.
    reasons: Vec<ReasonView>,
    /// Whether this process leads.
    leads: bool,
    view: Option<Stamp>,
    plan: Option<Stamp>,
    journal_seq: i64,
    results: u64,
    refused: u64,
    /// Checks that fail and of which too few vantage points could say whether they do.
    unconfirmed: usize,
    /// Since when there is a mass failure.
    mass_failure_since: Option<UnixMs>,
    /// The panel of references; absent where this process does not lead.
    references: Option<ReferencesView>,
    /// How far this process has read what is on record of the last hours; absent until it has read all of it once.
    tail: Option<TailView>,
    /// Incidents that go on; absent while the database does not answer.
    open_incidents: Option<i64>,
    /// Deliveries that wait or are being sent.
    deliveries_waiting: Option<i64>,
    /// Deliveries that were given up.
    deliveries_dead: Option<i64>,
    /// How many checks the leader watches, by verdict; empty where this process does not lead.
    checks: BTreeMap<String, u64>,
}

/// By what hosts know whether they see the world.
#[derive(Serialize, JsonSchema)]
struct ReferencesView {
    /// How many are configured. Without any, a host that has lost the world is not told from a world that is down.
    configured: usize,
    /// Hosts that see half of them, or more.
    seen_by: u32,
    /// Hosts that see fewer.
    lost_by: u32,
    /// Whether so many do that the references are what broke, and no host is judged by them.
    ignored: bool,
}

impl From<&LeaderStatus> for ReferencesView {
    fn from(leader: &LeaderStatus) -> Self {
        let PanelCount { passing, failing } = leader.panel;
        let ignored = is_broken(leader.panel);
        Self { configured: leader.references, seen_by: passing, lost_by: failing, ignored }
    }
}

#[derive(Serialize, JsonSchema)]
struct TailView {
    journal_seq: u64,
    behind_ms: i64,
    results: u64,
    bytes: u64,
    unreadable_rows: u64,
    reloads: u64,
}

impl From<TailStatus> for TailView {
    fn from(tail: TailStatus) -> Self {
        let TailStatus { seq, behind_ms, runs, bytes, unreadable, reloads } = tail;
        Self { journal_seq: seq, behind_ms, results: runs, bytes, unreadable_rows: unreadable, reloads }
    }
}

#[derive(Serialize, JsonSchema)]
struct ReasonView {
    /// How bad it is.
    severity: Status,
    /// Its name, which stays the same.
    code: &'static str,
    /// What it is.
    says: String,
    /// What to do.
    remedy: &'static str,
}

impl From<Severity> for Status {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Degraded => Self::Degraded,
            Severity::Failing => Self::Failing,
        }
    }
}

impl From<Finding> for ReasonView {
    fn from(finding: Finding) -> Self {
        let Finding { severity, code, says, remedy } = finding;
        Self { severity: severity.into(), code, says, remedy }
    }
}

/// The answer, whose status says the same as its body.
struct HealthAnswer(HealthView);

impl IntoResponse for HealthAnswer {
    fn into_response(self) -> Response {
        let is_failing = self.0.status == Status::Failing;
        let code = if is_failing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
        (code, Json(self.0)).into_response()
    }
}

impl Answer for HealthAnswer {
    fn describe(operation: &mut Operation<'_>) {
        let schema = operation.schema_of::<HealthView>();
        let content = || Some(("application/json", schema.clone()));
        operation.answers(StatusCode::OK, "It does its work.", content(), &json!({}));
        operation.may_answer(StatusCode::SERVICE_UNAVAILABLE, "It does not.", content());
    }
}

async fn show(State(api): State<Api>, Anybody(caller): Anybody) -> HealthAnswer {
    let leader = api.leader.status();
    let (observed, backlog) = observed(&api, &leader).await;
    let found = findings(&observed);
    let status = worst(&found).map_or(Status::Ok, Status::from);
    let sees_fleet = caller.is_some_and(|caller| caller.scope == Scope::Operator);
    let detail = sees_fleet.then(|| detail_of(found, leader, backlog, api.tail.status()));
    HealthAnswer(HealthView { status, detail })
}

fn detail_of(
    found: Vec<Finding>,
    leader: LeaderStatus,
    backlog: Option<Backlog>,
    tail: Option<TailStatus>,
) -> DetailView {
    DetailView {
        version: farwatch_proto::VERSION,
        reasons: found.into_iter().map(ReasonView::from).collect(),
        leads: leader.leads,
        view: leader.view,
        plan: leader.plan,
        journal_seq: leader.journal_seq,
        results: leader.results,
        refused: leader.refused,
        unconfirmed: leader.unconfirmed,
        mass_failure_since: leader.mass_failure.map(|(since, _)| since),
        references: leader.leads.then(|| ReferencesView::from(&leader)),
        tail: tail.map(TailView::from),
        open_incidents: backlog.map(|backlog| backlog.open_incidents),
        deliveries_waiting: backlog.map(|backlog| backlog.waiting),
        deliveries_dead: backlog.map(|backlog| backlog.dead),
        checks: leader.verdicts,
    }
}

async fn observed(api: &Api, leader: &LeaderStatus) -> (Observed, Option<Backlog>) {
    let began = api.clock.precise();
    let lease = api.store.lease().read().await;
    let backlog = api.store.backlog().await.ok();
    let took_ms = api.clock.precise().saturating_sub(began).as_millis();
    let now = api.clock.wall();
    let observed = Observed {
        database: match &lease {
            Ok(_) => Answered::AfterMs(i64::try_from(took_ms).unwrap_or(i64::MAX)),
            Err(error) => Answered::Not(error.to_string()),
        },
        somebody_leads: lease.ok().map(|lease| lease.holder.is_some()),
        leading: leader.leads.then(|| leading(leader, now)),
        tasks: api.tasks.statuses().into_iter().map(|task| seen(task, now)).collect(),
        dead_deliveries: backlog.map_or(0, |backlog| backlog.dead),
        unreadable_rows: api.tail.status().map_or(0, |tail| tail.unreadable),
        overdue_ms: backlog.and_then(|backlog| backlog.due_since).map(|since| now.since(since)),
        own_incidents: backlog.map_or((0, 0), |backlog| (backlog.own_incidents, backlog.own_missed)),
    };
    (observed, backlog)
}

/// What the leader says of itself.
fn leading(leader: &LeaderStatus, now: UnixMs) -> Leading {
    let heard = leader.hosts.values().filter(|host| host.connected && host.silent_ms < SILENCE_MS).count();
    Leading {
        shown_ms_ago: now.since(leader.at),
        heard,
        silent: leader.hosts.len() - heard,
        contradicted: leader.hosts.values().filter(|host| host.contradicted).count(),
        unable: leader.hosts.values().map(|host| host.unable.len()).sum(),
        full_disks: leader.hosts.values().filter(|host| host.disk_full).count(),
        dropped_results: leader.hosts.values().map(|host| host.dropped_results).sum(),
        unconfirmed: leader.unconfirmed,
        insane: leader.hosts.values().filter(|host| host.insane).count(),
        panel: leader.panel,
        beyond_capacity: leader.hosts.values().filter(|host| host.beyond_capacity).count(),
        mass_failure: leader.mass_failure.map(|(since, streams)| (now.since(since), streams)),
    }
}

fn seen(task: TaskStatus, now: UnixMs) -> TaskSeen {
    TaskSeen {
        name: task.name,
        period_ms: i64::try_from(task.period.as_millis()).unwrap_or(i64::MAX),
        // The leader's loop ends a run only when it stops leading; it shows that it lives elsewhere.
        ran_ms_ago: task.last_run.filter(|_| task.name != LEADER_TASK).map(|at| now.since(at)),
        error: task.last_error,
    }
}
