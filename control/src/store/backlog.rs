//! How much waits: what health, metrics and the status of the house ask of the database, in a few counts.

use farwatch_proto::time::UnixMs;

use super::columns::Columns;
use super::{Store, StoreError};

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// Incidents that go on.
    pub open_incidents: i64,
    /// Deliveries that wait or are being sent.
    pub waiting: i64,
    /// Since when the oldest of them is due.
    pub due_since: Option<UnixMs>,
    /// Deliveries that were given up.
    pub dead: i64,
    /// Our own incidents that go on.
    pub own_incidents: i64,
    /// Slots that were missed in them.
    pub own_missed: i64,
}

/// The connections of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolUse {
    /// Those that are open.
    pub open: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
}

impl Store {
    /// How much waits now. Each count goes by a partial index, so it costs what waits and not what ever was.
    pub async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.read(|reading| {
            Box::pin(async move {
                let row = sqlx::query(
                    "select (select count(*) from incident where state = 'open') as open_incidents, \
                     (select count(*) from delivery where state in ('pending', 'claimed')) as waiting, \
                     (select min(due_ms) from delivery where state in ('pending', 'claimed')) as due_ms, \
                     (select count(*) from delivery where state = 'dead') as dead, \
                     (select count(*) from own_incident where resolved_ms is null) as own_incidents, \
                     (select cast(coalesce(sum(missed), 0) as bigint) from own_incident where resolved_ms is null) \
                     as own_missed",
                )
                .fetch_one(&mut *reading.connection)
                .await?;
                Ok(Backlog {
                    open_incidents: row.int("open_incidents")?,
                    waiting: row.int("waiting")?,
                    due_since: row.maybe_moment("due_ms")?,
                    dead: row.int("dead")?,
                    own_incidents: row.int("own_incidents")?,
                    own_missed: row.int("own_missed")?,
                })
            })
        })
        .await
    }

    /// How many connections this process has.
    pub fn pool_use(&self) -> PoolUse {
        PoolUse { open: self.pool.size(), idle: u32::try_from(self.pool.num_idle()).unwrap_or(u32::MAX) }
    }
}
