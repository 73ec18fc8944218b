//! Who leads, as any process of the control plane can tell, and what is asked of the leader alone.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Api;
use super::auth::Operator;
use super::problem::ApiError;
use super::routes::Routes;
use crate::leader::handle::{LeaderRequest, LeaderStatus};

/// A leader shows how it stands every two seconds; what is older than this is history.
const SHOWN_MS: i64 = 10_000;
/// Loading the largest cell anew takes seconds.
const SELF_CHECK_LIMIT: Duration = Duration::from_secs(25);

pub(super) fn routes() -> Routes {
    Routes::default()
        .post("/v1/self-check", self_check)
        .about("Compares what the leader holds in memory with what its successor would load")
}

#[derive(Serialize, JsonSchema)]
struct SelfCheckView {
    at: UnixMs,
    /// Whether the leader's memory is what anybody would load from the database.
    agrees: bool,
    /// What differs, at most 20 things.
    differences: Vec<String>,
}

async fn self_check(State(api): State<Api>, Operator(_): Operator) -> Result<Json<SelfCheckView>, ApiError> {
    api.demand_leader().await?;
    let (asked, told) = oneshot::channel();
    let busy = "the leader did not answer; try again in a few seconds";
    if !api.leader.ask(LeaderRequest::SelfCheck(asked)) {
        return Err(ApiError::Unavailable(busy.to_owned()));
    }
    let Ok(Ok(differences)) = timeout(SELF_CHECK_LIMIT, told).await else {
        return Err(ApiError::Unavailable(busy.to_owned()));
    };
    let differences = differences.map_err(ApiError::Unavailable)?;
    Ok(Json(SelfCheckView { at: api.clock.wall(), agrees: differences.is_empty(), differences }))
}

impl Api {
    /// How the leader stands, whichever process it is. Where nobody leads, or the leader has not said for some
    /// seconds, it is the status of nobody.
    pub(super) async fn leader_status(&self) -> Result<LeaderStatus, ApiError> {
        let own = self.leader.status();
        if own.leads {
            return Ok(own);
        }
        let shown = self.store.leader_status().read().await?;
        let fresh = shown.filter(|shown| self.clock.wall().since(shown.at) <= SHOWN_MS);
        // One that another version shows and this one cannot read says nothing.
        Ok(fresh.and_then(|shown| serde_json::from_str(&shown.body).ok()).unwrap_or_default())
    }

    /// Refuses what only the leader can do, and says where it is.
    pub(super) async fn demand_leader(&self) -> Result<(), ApiError> {
        if self.leader.status().leads {
            return Ok(());
        }
        let lease = self.store.lease().read().await?;
        let where_to = match lease.holder {
            Some(_) => format!("ask the process that leads; hosts reach it at {}", lease.address),
            None => "no process leads just now; try again in a few seconds".to_owned(),
        };
        Err(ApiError::Unavailable(format!("this process has no links to hosts, for it does not lead: {where_to}")))
    }
}
