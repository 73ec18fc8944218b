//! Until when somebody led, and the periods in which nobody did, so that what jobs may have said then is held against none.

use farwatch_core::uptime::Period;
use farwatch_proto::time::UnixMs;

use super::columns::Columns;
use super::{Store, StoreError};

/// A shorter silence is a takeover: other processes serve the API meanwhile, and a job that is refused tries again.
pub const GAP_MIN_MS: i64 = 15_000;
/// Gaps that are kept: each is a minute or more in which all of control was away.
const GAPS_MAX: i64 = 1000;

/// Who listened when.
#[derive(Clone, Copy, Debug)]
pub struct Listening<'s>(&'s Store);

impl Store {
    /// Who listened when.
    pub const fn listening(&self) -> Listening<'_> {
        Listening(self)
    }
}

impl Listening<'_> {
    /// Somebody leads now. If nobody has for longer than [`GAP_MIN_MS`], that is a gap. Before the first leader there was
    /// nobody to call.
    pub async fn note(self, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "insert into listening_gap (from_ms, to_ms) \
                         select until_ms, $1 from listening where name = 'leader' and until_ms < $2 \
                         on conflict (from_ms) do nothing",
                    )
                    .bind(now.0)
                    .bind(now.0 - GAP_MIN_MS)
                    .execute(&mut *tx.connection)
                    .await?;
                    sqlx::query(
                        "insert into listening (name, until_ms) values ('leader', $1) \
                         on conflict (name) do update set until_ms = excluded.until_ms \
                         where listening.until_ms < excluded.until_ms",
                    )
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }

    /// The gaps, newest first.
    pub async fn gaps(self) -> Result<Vec<Period>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query("select from_ms, to_ms from listening_gap order by from_ms desc limit $1")
                        .bind(GAPS_MAX)
                        .fetch_all(&mut *reading.connection)
                        .await?;
                    rows.iter()
                        .map(|row| Ok(Period { from: row.moment("from_ms")?, to: row.moment("to_ms")? }))
                        .collect()
                })
            })
            .await
    }
}
