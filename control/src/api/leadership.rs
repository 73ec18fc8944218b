//! Who leads, as any process of the control plane can tell, and what is asked of the leader alone: by whichever process,
//! for those that do not lead pass it on through the database.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::{sleep, timeout};

use super::Api;
use super::auth::Operator;
use super::problem::ApiError;
use super::routes::Routes;
use crate::leader::handle::LeaderStatus;
use crate::leader::question::{Answer, Question};
use crate::secret::random_bytes;
use crate::store::{QUESTION_MAX_MS, QuestionId, StoredQuestion};

/// A leader shows how it stands every two seconds; what is older than this is history.
const SHOWN_MS: i64 = 10_000;
/// How often it is looked whether the leader has answered another process.
const ANSWER_PERIOD: Duration = Duration::from_millis(200);
/// What the way through the database and back takes beyond what the leader needs.
const ASKING_ALLOWANCE: Duration = Duration::from_secs(2);
/// A question is not kept for longer.
const ASKED_LIMIT: Duration = Duration::from_millis(QUESTION_MAX_MS.unsigned_abs());

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
    let Answer::SelfChecked { differences } = api.ask_leader(Question::SelfCheck).await? else {
        return Err(ApiError::Internal("the leader answered something else than it was asked".to_owned()));
    };
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

    /// What the leader says to this, whichever process it is.
    pub(super) async fn ask_leader(&self, question: Question) -> Result<Answer, ApiError> {
        let answer = if self.leader.status().leads {
            self.leader.question(question).await
        } else {
            self.ask_other_process(question).await?
        };
        match answer {
            Answer::Unable { reason } => Err(ApiError::Unavailable(reason)),
            answer => Ok(answer),
        }
    }

    async fn ask_other_process(&self, question: Question) -> Result<Answer, ApiError> {
        if !self.leader_status().await?.leads {
            let detail = "no process leads just now; try again in a few seconds";
            return Err(ApiError::Unavailable(detail.to_owned()));
        }
        let id = QuestionId(random_bytes());
        let question_text = serde_json::to_string(&question).expect("a question is plain data");
        let asked = StoredQuestion { id, asked: self.clock.wall(), question: question_text };
        if !self.store.leader_questions().ask(&asked).await? {
            let detail = "too many questions wait for the leader; try again in a few seconds";
            return Err(ApiError::Unavailable(detail.to_owned()));
        }
        let limit = (question.limit() + ASKING_ALLOWANCE).min(ASKED_LIMIT);
        match timeout(limit, self.await_answer(id)).await {
            Ok(answer) => answer,
            Err(_) => Ok(Answer::none()),
        }
    }

    async fn await_answer(&self, id: QuestionId) -> Result<Answer, ApiError> {
        loop {
            sleep(ANSWER_PERIOD).await;
            if let Some(answer) = self.store.leader_questions().answer_to(id).await? {
                let unknown = "the leader is of another version, and its answer says nothing here; ask that process";
                return serde_json::from_str(&answer).map_err(|_| ApiError::Unavailable(unknown.to_owned()));
            }
        }
    }
}
