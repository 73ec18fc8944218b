//! Running a check by hand, from every host that holds it, and waiting for what they find.
//!
//! The leader has the links to hosts, so it is asked. Nothing of it counts in the ledger.

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::{CheckId, HostId};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::Api;
use super::super::auth::Writer;
use super::super::extract::Id;
use super::super::problem::ApiError;
use super::super::results::{HostNames, ResultView, result_view};
use super::find;
use crate::leader::question::{Answer, Question};
use crate::spec::FieldProblem;

#[derive(Serialize, JsonSchema)]
pub(super) struct TrialView {
    check: CheckId,
    /// The hosts that were asked.
    asked: Vec<AskedView>,
    results: Vec<ResultView>,
}

#[derive(Serialize, JsonSchema)]
struct AskedView {
    host: HostId,
    host_name: String,
    /// Whether it answered in time.
    answered: bool,
}

pub(super) async fn run(
    State(api): State<Api>,
    Writer { tenant, .. }: Writer,
    Id(id): Id<CheckId>,
) -> Result<Json<TrialView>, ApiError> {
    let check = find(&api, tenant, id).await?;
    if check.latest.is_heartbeat() {
        let detail = "no host runs a heartbeat; call it as its job does, by the path of GET /v1/checks/{id}/heartbeat";
        return Err(ApiError::Conflict(FieldProblem::new("", detail)));
    }
    let question = Question::Test { check: id, timeout_ms: check.latest.timeout_ms };
    let Answer::Tested { asked, found } = api.ask_leader(question).await? else {
        return Err(ApiError::Internal("the leader answered something else than it was asked".to_owned()));
    };
    let names = HostNames::load(&api.store).await?;
    let answered = |host: &HostId| found.iter().any(|found| found.host == *host);
    let asked = asked
        .into_iter()
        .map(|host| AskedView { host, host_name: names.of(host), answered: answered(&host) })
        .collect();
    let interval = check.latest.interval;
    let readable = found.into_iter().filter_map(|found| Some((found.host, found.result()?)));
    let results = readable.map(|(host, result)| result_view(host, result, interval, &names)).collect();
    Ok(Json(TrialView { check: id, asked, results }))
}
