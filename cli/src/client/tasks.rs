//! `farwatch tasks`: the background work of the process that is asked.

use clap::Args;
use serde_json::Value;

use super::fields::{items, length, moment, text};
use super::{Client, ClientArgs};
use crate::exit::Failure;
use crate::output::{Cell, Look, Table, Tone};

/// The background work of the control process that is asked
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  farwatch tasks\n  farwatch tasks --api http://127.0.0.1:8410 --json")]
pub(crate) struct TasksArgs {
    #[command(flatten)]
    client: ClientArgs,
}

impl TasksArgs {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let client = Client::open(&self.client)?;
        client.show(&client.connection.get("/v1/tasks")?, listed)
    }
}

fn listed(tasks: &Value, look: Look) -> String {
    let mut table = Table::new(&["task", "every", "runs", "failed", "last run", "last error"]);
    for task in items(tasks) {
        table.row(vec![
            text(task, "name").into(),
            task["period_ms"].as_i64().map_or_else(String::new, length).into(),
            text(task, "runs").into(),
            text(task, "failures").into(),
            moment(task, "last_run").into(),
            Cell::toned(text(task, "last_error"), Tone::Bad),
        ]);
    }
    table.shown(look, "no tasks")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_task_that_fails_says_why() {
        let tasks = json!({"items": [
            {"name": "fold", "period_ms": 60_000, "runs": 3, "failures": 1, "last_run": 0, "last_error": "no database"},
        ]});
        let shown = listed(&tasks, Look::PLAIN);
        let line = shown.lines().nth(1).unwrap();
        assert_eq!(line, "fold  1 min 0 s  3     1       1970-01-01 00:00:00Z  no database");
    }
}
