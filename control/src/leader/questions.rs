//! Answers what processes that do not lead have asked through the database, while this one leads.
//!
//! It asks its own leader like anybody here would. Whoever asked may have gone by then, and a question that a dead
//! leader took is taken up by the next: runs by hand do no harm.

use std::sync::Arc;
use std::time::Duration;

use farwatch_proto::id::ProcessId;
use tokio::sync::Notify;
use tracing::warn;

use super::handle::LeaderHandle;
use super::question::{Answer, Question};
use crate::clock::Clock;
use crate::spawn::Spawner;
use crate::store::{QuestionId, Store, StoredQuestion};
use crate::tasks::TaskList;

/// How often the leader looks for questions: somebody waits for the answer.
const PERIOD: Duration = Duration::from_millis(250);
/// An older question is not begun with: whoever asked has given up on it, or will have before it is answered.
const FRESH_MS: i64 = 10_000;

/// Takes up questions while this process leads.
pub(crate) fn start(
    spawner: &Spawner,
    tasks: &TaskList,
    store: Store,
    (clock, process): (Clock, ProcessId),
    handle: LeaderHandle,
) {
    let about = ("questions", "Answers what processes that do not lead ask of the leader.", PERIOD);
    let answering = spawner.clone();
    tasks.run(spawner, about, Arc::new(Notify::new()), move || {
        let (store, handle, spawner) = (store.clone(), handle.clone(), answering.clone());
        async move {
            if !handle.status().leads {
                return Ok(());
            }
            let lease = store.lease().read().await?;
            if lease.holder != Some(process) {
                return Ok(());
            }
            for asked in store.leader_questions().take(lease.epoch, clock.wall() - FRESH_MS).await? {
                spawner.spawn("question", answer(store.clone(), handle.clone(), asked));
            }
            Ok(())
        }
    });
}

async fn answer(store: Store, handle: LeaderHandle, StoredQuestion { id, question, .. }: StoredQuestion) {
    let answer = match serde_json::from_str::<Question>(&question) {
        Ok(question) => handle.question(question).await,
        Err(_) => Answer::unable("the leader is of another version and does not know this question; upgrade it"),
    };
    if let Err(error) = write(&store, id, &answer).await {
        warn!(%error, "an answer was not written; whoever asked will ask again");
    }
}

async fn write(store: &Store, id: QuestionId, answer: &Answer) -> anyhow::Result<()> {
    Ok(store.leader_questions().answer(id, &serde_json::to_string(answer)?).await?)
}
