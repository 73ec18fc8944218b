//! Whether this process and what it depends on are well: a word for anybody, the reasons for whoever has a token.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use axum::response::{IntoResponse, Response};
use axum::{extract::FromRequestParts, http::request::Parts};
use farwatch_core::fleet::SILENCE_MS;
use farwatch_proto::time::{Stamp, UnixMs};
use serde::Serialize;

use super::Api;
use super::auth::Caller;
use super::problem::ApiError;
use super::routes::Routes;
use super::token::Scope;
use crate::leader::handle::LeaderStatus;
use crate::tail::TailStatus;

/// A leader shows that it leads about every second; one that has not for this long is stuck.
const STUCK_MS: i64 = 10_000;

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/health", show)
}

/// Whoever asks, with a token or without one. A token that is sent must be good.
struct Anybody(Option<Caller>);

impl FromRequestParts<Api> for Anybody {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        if parts.headers.contains_key(AUTHORIZATION) {
            return Caller::from_request_parts(parts, api).await.map(|caller| Self(Some(caller)));
        }
        Ok(Self(None))
    }
}

/// What keeps the house from its work, and what only deserves a look.
#[derive(Debug, Default, PartialEq, Eq)]
struct Findings {
    failing: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct HealthView {
    /// `ok` or `failing`.
    status: &'static str,
    #[serde(flatten)]
    detail: Option<DetailView>,
}

#[derive(Serialize)]
struct DetailView {
    version: &'static str,
    /// What keeps it from its work.
    reasons: Vec<String>,
    /// What deserves a look.
    warnings: Vec<String>,
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
    /// How far this process has read what is on record of the last hours; absent until it has read all of it once.
    tail: Option<TailView>,
}

#[derive(Serialize)]
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

async fn show(State(api): State<Api>, Anybody(caller): Anybody) -> Response {
    let leader = api.leader.status();
    let findings = look(&api, &leader).await;
    let is_well = findings.failing.is_empty();
    let (code, status) = if is_well { (StatusCode::OK, "ok") } else { (StatusCode::SERVICE_UNAVAILABLE, "failing") };
    let sees_fleet = caller.is_some_and(|caller| caller.scope == Scope::Operator);
    let detail = sees_fleet.then(|| detail_of(findings, &leader, api.tail.status()));
    (code, Json(HealthView { status, detail })).into_response()
}

fn detail_of(findings: Findings, leader: &LeaderStatus, tail: Option<TailStatus>) -> DetailView {
    DetailView {
        version: env!("CARGO_PKG_VERSION"),
        reasons: findings.failing,
        warnings: findings.warnings,
        leads: leader.leads,
        view: leader.view,
        plan: leader.plan,
        journal_seq: leader.journal_seq,
        results: leader.results,
        refused: leader.refused,
        unconfirmed: leader.unconfirmed,
        mass_failure_since: leader.mass_failure.map(|(since, _)| since),
        tail: tail.map(TailView::from),
    }
}

async fn look(api: &Api, leader: &LeaderStatus) -> Findings {
    let mut findings = judged(leader, api.clock.wall());
    match api.store.lease().read().await {
        Err(error) => findings.failing.push(format!("the database does not answer: {error}")),
        Ok(lease) if lease.holder.is_none() => findings.failing.push("no process leads".to_owned()),
        Ok(_) => {}
    }
    let unreadable = api.tail.status().map_or(0, |tail| tail.unreadable);
    if unreadable > 0 {
        findings.warnings.push(format!("{unreadable} rows of the journal cannot be read; what they held is lost"));
    }
    let failed = api.tasks.statuses().into_iter().filter_map(|task| task.last_error.map(|error| (task.name, error)));
    findings.warnings.extend(failed.map(|(name, error)| format!("the task {name} failed: {error}")));
    findings
}

/// What the leader says of itself.
fn judged(leader: &LeaderStatus, now: UnixMs) -> Findings {
    let mut findings = Findings::default();
    if !leader.leads {
        return findings;
    }
    if now.since(leader.at) > STUCK_MS {
        findings.failing.push(format!("the leader has been stuck for {} s", now.since(leader.at) / 1000));
    }
    let heard = leader.hosts.values().filter(|host| host.connected && host.silent_ms < SILENCE_MS).count();
    let silent = leader.hosts.len() - heard;
    if heard == 0 && silent > 0 {
        findings.failing.push("no host is heard".to_owned());
    } else if silent > 0 {
        findings.warnings.push(format!("{silent} of {} hosts are not heard", leader.hosts.len()));
    }
    if let Some((since, failing)) = leader.mass_failure {
        let for_s = now.since(since) / 1000;
        findings.warnings.push(format!(
            "a mass failure since {for_s} s: {failing} streams began to fail in the last minute, and votes take turns"
        ));
    }
    if leader.unconfirmed > 0 {
        let checks = leader.unconfirmed;
        findings.warnings.push(format!(
            "{checks} checks fail and too few vantage points can confirm it; see /v1/hosts for those that are away"
        ));
    }
    let unable: usize = leader.hosts.values().map(|host| host.unable.len()).sum();
    if unable > 0 {
        findings.warnings.push(format!("hosts are unable to run {unable} checks; see /v1/hosts"));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use farwatch_proto::id::HostId;

    use super::*;
    use crate::leader::handle::{HostStatus, RoundCount};

    fn leader(hosts: &[(bool, i64)]) -> LeaderStatus {
        let host = |(connected, silent_ms): &(bool, i64)| HostStatus {
            connected: *connected,
            silent_ms: *silent_ms,
            version: None,
            run_places: None,
            running: 0,
            loop_lag_ms: 0,
            refused: 0,
            rounds: RoundCount::default(),
            unable: BTreeMap::new(),
        };
        let ids = (1..).map(|number| HostId::from_bytes([number; 16]));
        LeaderStatus {
            leads: true,
            at: UnixMs(50_000),
            hosts: ids.zip(hosts.iter().map(host)).collect(),
            ..LeaderStatus::default()
        }
    }

    #[test]
    fn a_leader_that_hears_its_hosts_is_well() {
        assert_eq!(judged(&leader(&[(true, 400), (true, 10)]), UnixMs(51_000)), Findings::default());
        assert_eq!(judged(&leader(&[]), UnixMs(51_000)), Findings::default());
        assert_eq!(judged(&LeaderStatus::default(), UnixMs(51_000)), Findings::default());
    }

    #[test]
    fn silence_and_a_stuck_leader_are_named() {
        let one_silent = judged(&leader(&[(true, 400), (true, 6_000)]), UnixMs(51_000));
        assert_eq!(one_silent.warnings, ["1 of 2 hosts are not heard"]);
        assert_eq!(judged(&leader(&[(false, 0)]), UnixMs(51_000)).failing, ["no host is heard"]);
        assert_eq!(judged(&leader(&[(true, 1)]), UnixMs(63_000)).failing, ["the leader has been stuck for 13 s"]);
    }

    #[test]
    fn a_mass_failure_and_what_nobody_can_confirm_deserve_a_look() {
        let mass_failure = Some((UnixMs(41_000), 70));
        let found = judged(&LeaderStatus { unconfirmed: 3, mass_failure, ..leader(&[(true, 1)]) }, UnixMs(51_000));
        assert_eq!(found.failing, [] as [String; 0]);
        assert!(found.warnings[0].starts_with("a mass failure since 10 s: 70 streams"), "{:?}", found.warnings);
        assert!(found.warnings[1].starts_with("3 checks fail and too few"), "{:?}", found.warnings);
    }
}
