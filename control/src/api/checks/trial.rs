//! Running a check by hand, from every host that holds it, and waiting for what they find.
//!
//! Only the leader has links to hosts, so only it can do this. Nothing of it counts in the ledger.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use farwatch_proto::id::{CheckId, HostId, OrderId};
use farwatch_proto::run::RunResult;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::super::Api;
use super::super::auth::Writer;
use super::super::extract::Id;
use super::super::problem::ApiError;
use super::super::results::{HostNames, ResultView, result_view};
use super::find;
use crate::leader::handle::{LeaderRequest, TestRequest};

/// The leader answers from memory; a longer wait means that it is gone.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// What a result takes beyond its timeout: the order's way, the run's end, the spool and the way back.
const RETURN_ALLOWANCE: Duration = Duration::from_secs(3);

type Vote = (HostId, OrderId, RunResult);

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
    api.demand_leader().await?;
    let (asked, answers) = ask(&api, id).await?;
    let limit = Duration::from_millis(check.latest.timeout_ms.into()) + RETURN_ALLOWANCE;
    let answers = gather(answers, asked.len(), limit).await;
    let names = HostNames::load(&api.store).await?;
    let answered = |host: &HostId| answers.iter().any(|(from, ..)| from == host);
    let asked = asked
        .into_iter()
        .map(|host| AskedView { host, host_name: names.of(host), answered: answered(&host) })
        .collect();
    let interval = check.latest.interval;
    let results = answers.into_iter().map(|(host, _, result)| result_view(host, result, interval, &names)).collect();
    Ok(Json(TrialView { check: id, asked, results }))
}

async fn ask(api: &Api, check: CheckId) -> Result<(Vec<HostId>, mpsc::UnboundedReceiver<Vote>), ApiError> {
    let (results, answers) = mpsc::unbounded_channel();
    let (asked, told) = oneshot::channel();
    if !api.leader.ask(LeaderRequest::Test(TestRequest { check, results, asked })) {
        let detail = "too many runs by hand are waiting; try again in a few seconds";
        return Err(ApiError::Unavailable(detail.to_owned()));
    }
    match timeout(ASK_LIMIT, told).await {
        Ok(Ok(Ok(hosts))) => Ok((hosts, answers)),
        Ok(Ok(Err(reason))) => Err(ApiError::Unavailable(reason)),
        Ok(Err(_)) | Err(_) => {
            Err(ApiError::Unavailable("the leader did not answer; try again in a few seconds".to_owned()))
        }
    }
}

/// What comes until everybody has answered or the limit is over.
async fn gather(mut answers: mpsc::UnboundedReceiver<Vote>, wanted: usize, limit: Duration) -> Vec<Vote> {
    let mut gathered = Vec::with_capacity(wanted);
    let over = sleep(limit);
    tokio::pin!(over);
    while gathered.len() < wanted {
        tokio::select! {
            () = &mut over => break,
            answer = answers.recv() => match answer {
                Some(answer) => gathered.push(answer),
                None => break,
            },
        }
    }
    gathered
}
