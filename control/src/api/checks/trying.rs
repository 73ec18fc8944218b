//! Running a config that no check has, and waiting for all that it shows.
//!
//! The leader has the links to hosts, so it is asked. Nothing of it is kept.

use axum::Json;
use axum::extract::State;
use farwatch_core::placement::{Subject, eligibility};
use farwatch_proto::check::{PlacementWish, Repeat};
use farwatch_proto::fleet::{Standing, ViewHost};
use farwatch_proto::id::{CheckId, HostId, ModuleHash, TenantId};
use farwatch_proto::outcome::{Attribute, Blame, Shown, Value};
use farwatch_proto::time::UnixMs;
use farwatch_proto::trying::{LogLine, TryEnd, TryRun, Untried};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Writer;
use super::super::extract::Body;
use super::super::problem::ApiError;
use super::super::results::{HostNames, blame};
use super::judged::{fleet_of, kept, secrets_in};
use crate::leader::question::{Answer, Question};
use crate::leader::tries::{HostEnd, TriedHost, TryQuestion};
use crate::secret::random_bytes;
use crate::spec::{FieldProblem, TryWish, validate_try};
use crate::store::Host;

/// The key of an attribute that says how long a step took, and its ends.
const PHASE: (&str, &str) = ("time.", "-us");
/// The key of the attribute that says which address answered.
const ADDRESS: &str = "net.remote";

#[derive(Serialize, JsonSchema)]
pub(super) struct TryView {
    /// The very module that ran.
    module: ModuleHash,
    /// How long a run could take.
    timeout_ms: u32,
    /// The hosts that were chosen, and what each found.
    hosts: Vec<TriedView>,
}

#[derive(Serialize, JsonSchema)]
struct TriedView {
    host: HostId,
    host_name: String,
    /// Whether it was run there; `run` is there then, and `why` and `reason` where not.
    answered: bool,
    /// `full`, `module`, `insane`, `outdated`, `silent`, `unlinked`, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<&'static str>,
    /// The same in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<TryRunView>,
}

/// All that one run showed.
#[derive(Serialize, JsonSchema)]
pub struct TryRunView {
    status: &'static str,
    /// Who is to blame that a run could not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    blame: Option<Blame>,
    code: String,
    /// What was expected, what came, and from where.
    message: String,
    /// The latency that the module judges by.
    latency_us: u32,
    /// How long each step took, in order.
    phases: Vec<PhaseView>,
    /// The address that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// What else was measured.
    attributes: Vec<Attribute>,
    /// What came from the target, without the values of secrets: `response-headers`, the beginning of a `response-body`,
    /// what was `received`, the `certificate-chain`.
    shown: Vec<Shown>,
    /// What the module logged.
    log: Vec<LogLine>,
    /// Lines of the log that were left out.
    log_dropped: u32,
    /// Whether anything else was left out for its size.
    is_cut: bool,
    started: UnixMs,
    duration_us: u32,
    /// The CPU time of the module, without its probes.
    cpu_us: u64,
    /// The most memory that the module had.
    memory_bytes: u64,
}

/// One step of a run.
#[derive(Serialize, JsonSchema)]
struct PhaseView {
    /// `resolve`, `connect`, `tls`, `first-byte`, `transfer`.
    phase: String,
    took_us: i64,
}

pub(super) async fn run(
    State(api): State<Api>,
    Writer { tenant, .. }: Writer,
    Body(wish): Body<TryWish>,
) -> Result<Json<TryView>, ApiError> {
    let question = judged(&api, tenant, wish).await?;
    let now = api.clock.boot();
    api.limiter.admit_try(tenant, now).map_err(|too_many| ApiError::TooMany {
        what: "this tenant has tried too many configs",
        wait_ms: too_many.wait_ms,
    })?;
    let TryQuestion { module, timeout_ms, hosts: named, .. } = question.clone();
    let hosts = match api.ask_leader(Question::Try(Box::new(question))).await? {
        Answer::Tried { hosts } => hosts,
        Answer::OutOfReach { hosts } => return Err(out_of_reach(&api, &named, &hosts).await?),
        _ => return Err(ApiError::Internal("the leader answered something else than it was asked".to_owned())),
    };
    let names = HostNames::load(&api.store).await?;
    let hosts = hosts.into_iter().map(|tried| TriedView::of(tried, &names)).collect();
    Ok(Json(TryView { module, timeout_ms, hosts }))
}

/// What is to be asked of the leader for an acceptable wish.
async fn judged(api: &Api, tenant: TenantId, wish: TryWish) -> Result<TryQuestion, ApiError> {
    let fleet = fleet_of(api, tenant).await?;
    let facts: Vec<_> = fleet.iter().map(|host| host.facts.clone()).collect();
    let mut problems = Vec::new();
    let settled = kept(validate_try(&wish, &facts), &mut problems);
    let named = wish.hosts.as_deref().unwrap_or_default();
    problems.extend(host_problems(tenant, &wish, named, &fleet));
    let secrets = secrets_in(api, tenant, &wish.config, &mut problems).await?;
    let module = kept(api.modules.resolve(tenant, &wish.module).await?, &mut problems);
    if let Some(module) = module
        && api.modules.is_called(module).await?
    {
        let detail =
            "no host runs a heartbeat, so there is nothing to try; make the check, and call it as its job will";
        problems.push(FieldProblem::new("/module", detail));
    }
    let prepared = match module {
        Some(module) if wish.config.is_object() => {
            kept(api.modules.prepare(module, &wish.config).await?, &mut problems).map(|config| (module, config))
        }
        _ => None,
    };
    let (Some(settled), Some((module, prepared)), true) = (settled, prepared, problems.is_empty()) else {
        return Err(ApiError::Invalid(problems));
    };
    let (timeout_ms, placement) = (settled.timeout_ms, settled.placement);
    let (hosts, count) = (named.to_vec(), wish.count());
    Ok(TryQuestion { tenant, module, prepared, timeout_ms, secrets, placement, hosts, count })
}

/// The named hosts that are not there for this tenant, or could never run a check with these labels.
fn host_problems(tenant: TenantId, wish: &TryWish, named: &[HostId], fleet: &[Host]) -> Vec<FieldProblem> {
    let demanded = PlacementWish { labels: wish.labels.clone(), streams: 1, ..PlacementWish::default() };
    let subject = Subject { check: CheckId::from_bytes(random_bytes()), tenant, wish: &demanded, repeat: Repeat::Safe };
    let problem = |(index, id): (usize, &HostId)| {
        let detail = match fleet.iter().find(|host| host.id == *id) {
            None => format!("{id} is unknown, was retired, or runs no checks of this tenant; see /v1/hosts"),
            Some(host) => {
                let facts = host.facts.clone();
                let seen = ViewHost { id: host.id, standing: Standing::Active, facts };
                format!("{} cannot run it: {}", host.facts.name, eligibility(&subject, &seen).err()?.reason())
            }
        };
        Some(FieldProblem::new(format!("/hosts/{index}"), detail))
    };
    named.iter().enumerate().filter_map(problem).collect()
}

/// The problem of hosts that were named and cannot be asked now.
async fn out_of_reach(api: &Api, named: &[HostId], away: &[HostId]) -> Result<ApiError, ApiError> {
    let names = HostNames::load(&api.store).await?;
    let away = named.iter().enumerate().filter(|(_, host)| away.contains(host));
    let problem = |(index, host): (usize, &HostId)| {
        let detail = format!("{} cannot be reached just now; see GET /v1/hosts, or leave it away", names.of(*host));
        FieldProblem::new(format!("/hosts/{index}"), detail)
    };
    Ok(ApiError::Invalid(away.map(problem).collect()))
}

impl TriedView {
    fn of(TriedHost { host, end }: TriedHost, names: &HostNames) -> Self {
        let (host_name, mut why) = (names.of(host), None);
        let mut not_run = |word, reason: &str| {
            why = Some(word);
            Err(reason.to_owned())
        };
        let ran = match end {
            HostEnd::Said(TryEnd::Ran(run)) => Ok(TryRunView::of(*run)),
            HostEnd::Said(TryEnd::NotRun { why, detail }) => match why {
                Untried::Full => not_run("full", "it has no place left for runs by hand; try again in a few seconds"),
                Untried::Module => not_run("module", &format!("it cannot run the module: {detail}")),
                Untried::Insane => {
                    not_run("insane", "it has lost its references, so what it sees says nothing about the target")
                }
                Untried::Unknown => {
                    not_run("unknown", &format!("for a reason that this version does not know: {detail}"))
                }
            },
            HostEnd::Outdated => not_run("outdated", "its version cannot try configs; upgrade it"),
            HostEnd::Silent => not_run("silent", "it did not answer in time"),
            HostEnd::Unlinked => not_run("unlinked", "its link to control broke meanwhile; try again"),
        };
        let (run, reason) = match ran {
            Ok(run) => (Some(run), None),
            Err(reason) => (None, Some(reason)),
        };
        Self { host, host_name, answered: run.is_some(), why, reason, run }
    }
}

impl TryRunView {
    /// The same with its steps and the address that answered told apart from what else was measured.
    pub fn of(run: TryRun) -> Self {
        let (mut phases, mut address, mut attributes) = (Vec::new(), None, Vec::new());
        for attribute in run.detail.attributes {
            match (phase_of(&attribute.key), attribute.value) {
                (Some(phase), Value::Integer(took_us)) => phases.push(PhaseView { phase: phase.to_owned(), took_us }),
                (_, Value::Text(remote)) if attribute.key == ADDRESS => address = Some(remote),
                (_, value) => attributes.push(Attribute { key: attribute.key, value }),
            }
        }
        Self {
            status: run.status.word(),
            blame: blame(run.status),
            code: run.detail.code,
            message: run.detail.message,
            latency_us: run.latency_us,
            phases,
            address,
            attributes,
            shown: run.detail.shown,
            log: run.log,
            log_dropped: run.log_dropped,
            is_cut: run.is_cut,
            started: run.started,
            duration_us: run.duration_us,
            cpu_us: run.cpu_us,
            memory_bytes: run.memory_bytes,
        }
    }
}

/// The step that an attribute tells of, if it does.
fn phase_of(key: &str) -> Option<&str> {
    key.strip_prefix(PHASE.0)?.strip_suffix(PHASE.1)
}

#[cfg(test)]
mod tests {
    use farwatch_proto::outcome::{Detail, Status};

    use super::*;

    #[test]
    fn steps_and_the_address_are_told_apart_from_what_else_was_measured() {
        let attribute = |key: &str, value| Attribute { key: key.to_owned(), value };
        let detail = Detail {
            attributes: vec![
                attribute("http.status", Value::Integer(200)),
                attribute("time.first-byte-us", Value::Integer(7)),
                attribute("time.zone", Value::Text("UTC".to_owned())),
                attribute("net.remote", Value::Text("192.0.2.7:443".to_owned())),
            ],
            ..Detail::default()
        };
        let view = TryRunView::of(TryRun {
            status: Status::Unknown(Blame::Module),
            latency_us: 1,
            detail,
            log: Vec::new(),
            log_dropped: 0,
            is_cut: false,
            started: UnixMs(1),
            duration_us: 1,
            cpu_us: 1,
            memory_bytes: 1,
        });
        assert_eq!((view.status, view.blame), ("unknown", Some(Blame::Module)));
        assert_eq!(view.phases.iter().map(|step| step.phase.as_str()).collect::<Vec<_>>(), ["first-byte"]);
        assert_eq!(view.address.as_deref(), Some("192.0.2.7:443"));
        assert_eq!(view.attributes.len(), 2);
    }
}
