//! What processes that do not lead ask of the leader, and its answers, for as long as somebody waits for them.
//!
//! Nothing is decided by these rows, and one that is lost is asked again by whoever wants to know. They are not kept:
//! whoever asks sweeps away what nobody waits for any more.

use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::{Epoch, Store, StoreError};

/// Questions that may wait at once: each is a run by hand or a look at all that the leader holds.
const QUESTIONS_MAX: i64 = 32;
/// Nobody waits longer for an answer: the longest run by hand, and what its results need to come back.
pub const QUESTION_MAX_MS: i64 = 90_000;

/// The name of a question, drawn by whoever asks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QuestionId(pub [u8; 16]);

/// A question as it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredQuestion {
    /// Its name.
    pub id: QuestionId,
    /// When it was asked.
    pub asked: UnixMs,
    /// JSON: what.
    pub question: String,
}

/// Questions to the leader.
#[derive(Clone, Copy, Debug)]
pub struct LeaderQuestions<'s>(&'s Store);

impl Store {
    /// Questions to the leader.
    pub const fn leader_questions(&self) -> LeaderQuestions<'_> {
        LeaderQuestions(self)
    }
}

impl LeaderQuestions<'_> {
    /// Asks; says whether there was room among those that wait.
    pub async fn ask(self, asked: &StoredQuestion) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let old = asked.asked.0 - QUESTION_MAX_MS;
                    sqlx::query("delete from leader_question where asked_ms < $1")
                        .bind(old)
                        .execute(&mut *tx.connection)
                        .await?;
                    let done = sqlx::query(
                        "insert into leader_question (id, asked_ms, question) select $1, $2, $3 \
                         where (select count(*) from leader_question where answer is null) < $4 \
                         on conflict (id) do nothing",
                    )
                    .bind(asked.id.0.as_slice())
                    .bind(asked.asked.0)
                    .bind(&asked.question)
                    .bind(QUESTIONS_MAX)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(done.rows_affected() == 1)
                })
            })
            .await
    }

    /// Takes up all questions asked since this moment that this leadership has not taken up and nobody has answered.
    pub async fn take(self, leader: Epoch, since: UnixMs) -> Result<Vec<StoredQuestion>, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "update leader_question set taken_epoch_n = $1 \
                         where taken_epoch_n < $1 and answer is null and asked_ms >= $2 \
                         returning id, asked_ms, question",
                    )
                    .bind(stored(leader.n))
                    .bind(since.0)
                    .fetch_all(&mut *tx.connection)
                    .await?;
                    rows.iter().map(question).collect()
                })
            })
            .await
    }

    /// Answers; whoever asked may have gone.
    pub async fn answer(self, id: QuestionId, answer: &str) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query("update leader_question set answer = $2 where id = $1")
                        .bind(id.0.as_slice())
                        .bind(answer)
                        .execute(&mut *tx.connection)
                        .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The answer, once there is one.
    pub async fn answer_to(self, id: QuestionId) -> Result<Option<String>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let answer: Option<Option<String>> =
                        sqlx::query_scalar("select answer from leader_question where id = $1")
                            .bind(id.0.as_slice())
                            .fetch_optional(&mut *reading.connection)
                            .await?;
                    Ok(answer.flatten())
                })
            })
            .await
    }
}

fn question(row: &AnyRow) -> Result<StoredQuestion, StoreError> {
    Ok(StoredQuestion {
        id: row.id("id", QuestionId)?,
        asked: row.moment("asked_ms")?,
        question: row.text("question")?,
    })
}
