//! The background work of this process, as it stands.

use axum::Json;
use axum::extract::State;
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;

use super::Api;
use super::auth::Operator;
use super::routes::Routes;
use crate::tasks::TaskStatus;

pub(super) fn routes() -> Routes {
    Routes::default().get("/v1/tasks", list).about("The background work of this process")
}

#[derive(Serialize, JsonSchema)]
struct TaskView {
    name: &'static str,
    about: &'static str,
    period_ms: u64,
    runs: u64,
    failures: u64,
    last_run: Option<UnixMs>,
    last_error: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct TasksView {
    items: Vec<TaskView>,
}

impl From<TaskStatus> for TaskView {
    fn from(task: TaskStatus) -> Self {
        let TaskStatus { name, about, period, runs, failures, last_run, last_error } = task;
        let period_ms = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
        Self { name, about, period_ms, runs, failures, last_run, last_error }
    }
}

async fn list(State(api): State<Api>, Operator(_): Operator) -> Json<TasksView> {
    Json(TasksView { items: api.tasks.statuses().into_iter().map(TaskView::from).collect() })
}
