//! How every question reaches the database: within limits, and tried again when somebody was in the way.
//!
//! A write is one transaction and is retried whole, so each must be harmless when an attempt before it was
//! committed and only the answer was lost. Nothing is ever retried halfway.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::slice::Iter;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection};

use super::authorship::Author;
use super::{Engine, Store, StoreError};

/// One attempt may take this long with all its statements; a session that exceeds it is thrown away.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);
/// What lies between attempts: enough for a deadlock to dissolve or a standby to be promoted, and then no more,
/// for the callers have limits of their own.
const RETRY_PAUSES: [Duration; 4] =
    [Duration::from_millis(10), Duration::from_millis(40), Duration::from_millis(160), Duration::from_millis(640)];

/// What a piece of work answers with, in time.
type Attempt<'c, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'c>>;

/// A question under way. `'a` is how long whatever the question borrows lives.
pub(super) struct Reading<'a> {
    pub(super) connection: Borrowed,
    asked: PhantomData<&'a ()>,
}

/// A write under way. `'a` is how long whatever the work borrows lives.
pub(super) struct Tx<'a> {
    pub(super) connection: Borrowed,
    pub(super) author: Author,
    engine: Engine,
    unchanged: bool,
    asked: PhantomData<&'a ()>,
}

impl Tx<'_> {
    /// Nothing is to be changed after all: the transaction is rolled back, numbers it took are given back.
    pub(super) const fn leave_unchanged(&mut self) {
        self.unchanged = true;
    }

    /// The statement of the engine that speaks, where the two cannot share one.
    pub(super) const fn twin(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self.engine {
            Engine::Sqlite => sqlite,
            Engine::Postgres => postgres,
        }
    }
}

/// A connection of the pool. Unless it is given back it is closed: whoever was interrupted, by a limit or by a
/// caller who went away, leaves it in the middle of something.
pub(super) struct Borrowed(Option<PoolConnection<Any>>);

impl Borrowed {
    fn give_back(mut self) {
        drop(self.0.take());
    }
}

impl Deref for Borrowed {
    type Target = AnyConnection;

    fn deref(&self) -> &AnyConnection {
        self.0.as_ref().expect("a connection is held until it is given back, which consumes it")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut AnyConnection {
        self.0.as_mut().expect("a connection is held until it is given back, which consumes it")
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        drop(self.0.take().map(PoolConnection::detach));
    }
}

impl Store {
    /// Asks without changing anything. Each statement sees a state of its own.
    pub(super) async fn read<'a, T>(
        &self,
        ask: impl for<'c> Fn(&'c mut Reading<'a>) -> Attempt<'c, T>,
    ) -> Result<T, StoreError> {
        let ask = &ask;
        retried(|| {
            limited(async move {
                let connection = Borrowed(Some(self.pool.acquire().await?));
                let mut reading = Reading { connection, asked: PhantomData };
                let outcome = ask(&mut reading).await;
                finish(reading.connection, outcome)
            })
        })
        .await
    }

    /// Does the work in one transaction and commits it.
    pub(super) async fn write<'a, T>(
        &self,
        work: impl for<'c> Fn(&'c mut Tx<'a>) -> Attempt<'c, T>,
    ) -> Result<T, StoreError> {
        let work = &work;
        retried(|| {
            limited(async move {
                let _turn = match self.engine {
                    Engine::Sqlite => Some(self.writer.lock().await),
                    Engine::Postgres => None,
                };
                let mut tx = self.begin().await?;
                let outcome = work(&mut tx).await;
                let outcome = settle(&mut tx, outcome).await;
                finish(tx.connection, outcome)
            })
        })
        .await
    }

    async fn begin<'a>(&self) -> Result<Tx<'a>, StoreError> {
        let mut connection = Borrowed(Some(self.pool.acquire().await?));
        // A deferred SQLite transaction that turns into a write can fail at once where an immediate one waits.
        let begin = match self.engine {
            Engine::Sqlite => "begin immediate",
            Engine::Postgres => "begin",
        };
        sqlx::raw_sql(begin).execute(&mut *connection).await?;
        let author = self.author.clone();
        Ok(Tx { connection, author, engine: self.engine, unchanged: false, asked: PhantomData })
    }
}

/// Commits what succeeded and rolls back the rest.
async fn settle<T>(tx: &mut Tx<'_>, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    let end = if outcome.is_err() || tx.unchanged { "rollback" } else { "commit" };
    match sqlx::raw_sql(end).execute(&mut *tx.connection).await {
        // The error of the work says more than that of the rollback after it.
        Err(error) if outcome.is_ok() => Err(error.into()),
        _ => outcome,
    }
}

/// Gives the connection back, unless the database is in trouble, when a new one is better.
fn finish<T>(connection: Borrowed, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    if !matches!(outcome, Err(StoreError::Unavailable(_))) {
        connection.give_back();
    }
    outcome
}

/// Tries again, whole, while somebody is in the way.
pub(super) async fn retried<T, F>(attempt: impl Fn() -> F) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut pauses = RETRY_PAUSES.iter();
    loop {
        let outcome = attempt().await;
        let Some(pause) = pause_after(&outcome, &mut pauses) else { return outcome };
        tokio::time::sleep(pause).await;
    }
}

async fn limited<T>(attempt: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    let limit_ms = ATTEMPT_LIMIT.as_millis() as u64;
    tokio::time::timeout(ATTEMPT_LIMIT, attempt).await.unwrap_or(Err(StoreError::TooSlow { limit_ms }))
}

/// How long to wait before the next attempt; `None` when this was the last.
fn pause_after<T>(outcome: &Result<T, StoreError>, pauses: &mut Iter<'_, Duration>) -> Option<Duration> {
    let Err(error) = outcome else { return None };
    if !error.may_pass() {
        return None;
    }
    let pause = pauses.next().copied();
    tracing::debug!(%error, ?pause, "an attempt failed");
    pause
}
