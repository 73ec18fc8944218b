//! Answers that are kept for whoever repeats a request, under the key the caller named.
//!
//! An answer is written in the transaction of what it tells of, and for a key of which none is kept: so of two
//! requests with one key, only one makes something. It comes here sealed.

use farwatch_proto::id::TokenId;
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::transaction::Tx;
use super::{Store, StoreError};

/// How long an answer is kept: longer than a program that was interrupted takes to be started again.
const KEPT_MS: i64 = 24 * 3_600_000;
/// Answers that one token may have: one every nine seconds of the day. What is kept of a token stays below this many
/// times the largest answer.
const KEPT_PER_TOKEN_MAX: usize = 10_000;
/// Answers past their time that are deleted whenever one is kept: more than come in, so that they cannot pile up, and
/// few enough not to be noticed.
const SWEPT_AT_ONCE: i64 = 20;

/// An answer under its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptAnswer {
    /// Whose key it is.
    pub token: TokenId,
    /// The key, as the caller named it.
    pub key: String,
    /// What the request said, in short.
    pub fingerprint: [u8; 32],
    /// The answer, sealed.
    pub sealed: Vec<u8>,
}

/// The kept answers.
#[derive(Clone, Copy, Debug)]
pub struct KeptAnswers<'s>(&'s Store);

impl Store {
    /// The kept answers.
    pub const fn kept_answers(&self) -> KeptAnswers<'_> {
        KeptAnswers(self)
    }
}

impl KeptAnswers<'_> {
    /// The answer that this token was given under this key within the last day.
    pub async fn find(self, token: TokenId, key: &str, now: UnixMs) -> Result<Option<KeptAnswer>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select token_id, key, fingerprint, sealed from kept_answer \
                         where token_id = $1 and key = $2 and created_ms > $3",
                    )
                    .bind(token.as_bytes().as_slice())
                    .bind(key)
                    .bind(now.0 - KEPT_MS)
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(kept).transpose()
                })
            })
            .await
    }
}

/// Keeps an answer in the transaction under way. That takes the config counter first, so no two are here at once.
pub(super) async fn insert(tx: &mut Tx<'_>, new: &KeptAnswer, now: UnixMs) -> Result<(), StoreError> {
    sweep(tx, now).await?;
    let inserted = sqlx::query(
        "insert into kept_answer (token_id, key, fingerprint, sealed, created_ms) values ($1, $2, $3, $4, $5) \
         on conflict (token_id, key) do update set fingerprint = excluded.fingerprint, sealed = excluded.sealed, \
         created_ms = excluded.created_ms where kept_answer.created_ms <= $6",
    )
    .bind(new.token.as_bytes().as_slice())
    .bind(new.key.as_str())
    .bind(new.fingerprint.as_slice())
    .bind(new.sealed.as_slice())
    .bind(now.0)
    .bind(now.0 - KEPT_MS)
    .execute(&mut *tx.connection)
    .await?;
    if inserted.rows_affected() == 0 {
        return Err(StoreError::KeyInUse);
    }
    demand_room(tx, new.token).await
}

async fn sweep(tx: &mut Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    sqlx::query(
        "delete from kept_answer where (token_id, key) in \
         (select token_id, key from kept_answer where created_ms <= $1 order by created_ms limit $2)",
    )
    .bind(now.0 - KEPT_MS)
    .bind(SWEPT_AT_ONCE)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

async fn demand_room(tx: &mut Tx<'_>, token: TokenId) -> Result<(), StoreError> {
    let row = sqlx::query("select count(*) as kept from kept_answer where token_id = $1")
        .bind(token.as_bytes().as_slice())
        .fetch_one(&mut *tx.connection)
        .await?;
    let kept: usize = row.number("kept")?;
    if kept > KEPT_PER_TOKEN_MAX { Err(StoreError::TooManyKeys { most: KEPT_PER_TOKEN_MAX }) } else { Ok(()) }
}

fn kept(row: &AnyRow) -> Result<KeptAnswer, StoreError> {
    let fingerprint = row.hash("fingerprint")?.0;
    Ok(KeptAnswer {
        token: row.id("token_id", TokenId::from_bytes)?,
        key: row.text("key")?,
        fingerprint,
        sealed: row.bytes("sealed")?,
    })
}
