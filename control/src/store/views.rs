//! Numbered views of the fleet: planned, in force, or withdrawn. Only the leader writes them, one number after the
//! other, and none is ever changed but in its state.

use farwatch_proto::fleet::View;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::{Columns, document_of, stored, word_of};
use super::transaction::Tx;
use super::{Change, Entity, Epoch, Store, StoreError};

/// The most views one question returns: more than a fleet that changes every second makes in an hour.
const VIEWS_MAX: i64 = 4000;

/// What became of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ViewState {
    /// Gainers prepare for it.
    Planned,
    /// It is, or will be from its moment on.
    InForce,
    /// It never was and never will be.
    Withdrawn,
}

const STATES: [(ViewState, &str); 3] =
    [(ViewState::Planned, "planned"), (ViewState::InForce, "in_force"), (ViewState::Withdrawn, "withdrawn")];

/// A view with what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredView {
    /// The view.
    pub view: View,
    /// What became of it.
    pub state: ViewState,
    /// When it was written.
    pub created: UnixMs,
}

/// The views.
#[derive(Clone, Copy, Debug)]
pub struct Views<'s>(&'s Store);

impl Store {
    /// The views.
    pub const fn views(&self) -> Views<'_> {
        Views(self)
    }
}

macro_rules! select_views {
    () => {
        "select state, body, created_ms from view "
    };
}

impl Views<'_> {
    /// Writes a plan. It must bear the number after the last view of any state.
    pub async fn plan(self, leader: Epoch, view: &View, now: UnixMs) -> Result<Stamp, StoreError> {
        self.insert(leader, view, ViewState::Planned, now).await
    }

    /// Writes a view that is in force at once, and withdraws whatever is planned in the same moment.
    pub async fn put_in_force(self, leader: Epoch, view: &View, now: UnixMs) -> Result<Stamp, StoreError> {
        self.insert(leader, view, ViewState::InForce, now).await
    }

    /// Says that a plan will be in force from its moment on; after that it is never withdrawn.
    pub async fn confirm_plan(self, leader: Epoch, number: Stamp, now: UnixMs) -> Result<Change, StoreError> {
        self.settle(leader, number, ViewState::InForce, now).await
    }

    /// Says that a plan will never be in force.
    pub async fn withdraw_plan(self, leader: Epoch, number: Stamp, now: UnixMs) -> Result<Change, StoreError> {
        self.settle(leader, number, ViewState::Withdrawn, now).await
    }

    /// The number of the last view of any state; the next one must bear the one after it.
    pub async fn last_number(self) -> Result<Option<Stamp>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query("select era, n from view order by era desc, n desc limit 1")
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(|row| row.stamp("era", "n")).transpose()
                })
            })
            .await
    }

    /// The latest view in force.
    pub async fn latest_in_force(self) -> Result<Option<StoredView>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(
                        select_views!(),
                        "where state = 'in_force' order by era desc, n desc limit 1"
                    ))
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(stored_view).transpose()
                })
            })
            .await
    }

    /// The plans that are neither in force nor withdrawn, oldest first.
    pub async fn pending_plans(self) -> Result<Vec<StoredView>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows =
                        sqlx::query(concat!(select_views!(), "where state = 'planned' order by era, n limit $1"))
                            .bind(VIEWS_MAX)
                            .fetch_all(&mut *reading.connection)
                            .await?;
                    rows.iter().map(stored_view).collect()
                })
            })
            .await
    }

    /// The views in force for slots of [from, to), oldest first: those that begin within it, and the highest of
    /// those that began before. For any slot the one that counts is the highest that began by then.
    pub async fn in_force_during(self, from: UnixMs, to: UnixMs) -> Result<Vec<StoredView>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_views!(),
                        "where state = 'in_force' and in_force_from_ms < $2 and not exists \
                         (select 1 from view later where later.state = 'in_force' and later.in_force_from_ms <= $1 \
                         and (later.era, later.n) > (view.era, view.n)) order by era, n limit $3"
                    ))
                    .bind(from.0)
                    .bind(to.0)
                    .bind(VIEWS_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(stored_view).collect()
                })
            })
            .await
    }

    /// The views after this number, of any state, oldest first.
    pub async fn after(self, number: Stamp) -> Result<Vec<StoredView>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows =
                        sqlx::query(concat!(select_views!(), "where (era, n) > ($1, $2) order by era, n limit $3"))
                            .bind(i64::from(number.era))
                            .bind(stored(number.n))
                            .bind(VIEWS_MAX)
                            .fetch_all(&mut *reading.connection)
                            .await?;
                    rows.iter().map(stored_view).collect()
                })
            })
            .await
    }

    /// A plan is settled once. One that was settled the other way before counts as not found.
    async fn settle(self, leader: Epoch, number: Stamp, state: ViewState, now: UnixMs) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    let stamp = tx.next_stamp(Entity::View(number), now).await?;
                    let settled =
                        sqlx::query("update view set state = $3 where era = $1 and n = $2 and state = 'planned'")
                            .bind(i64::from(number.era))
                            .bind(stored(number.n))
                            .bind(word_of(&state, &STATES))
                            .execute(&mut *tx.connection)
                            .await?;
                    let known = sqlx::query("select n from view where era = $1 and n = $2 and state = $3")
                        .bind(i64::from(number.era))
                        .bind(stored(number.n))
                        .bind(word_of(&state, &STATES))
                        .fetch_optional(&mut *tx.connection)
                        .await?;
                    Ok(tx.changed(stamp, settled.rows_affected(), known.is_some()))
                })
            })
            .await
    }

    async fn insert(self, leader: Epoch, view: &View, state: ViewState, now: UnixMs) -> Result<Stamp, StoreError> {
        let body = &document_of(view)?;
        self.0
            .write(|tx| {
                Box::pin(async move {
                    tx.demand_leader(leader).await?;
                    let stamp = tx.next_stamp(Entity::View(view.number), now).await?;
                    if is_there(tx, view.number, body).await? {
                        return tx.created_before(Entity::View(view.number)).await;
                    }
                    demand_later_number(tx, stamp.era, view.number).await?;
                    if state == ViewState::InForce {
                        withdraw_plans(tx, now).await?;
                    }
                    sqlx::query(
                        "insert into view (era, n, planned, state, in_force_from_ms, body, created_ms) \
                         values ($1, $2, $3, $4, $5, $6, $7)",
                    )
                    .bind(i64::from(view.number.era))
                    .bind(stored(view.number.n))
                    .bind(i64::from(view.planned))
                    .bind(word_of(&state, &STATES))
                    .bind(view.in_force_from.0)
                    .bind(body.as_str())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(stamp)
                })
            })
            .await
    }
}

/// Whether this very view was written by an attempt whose answer was lost.
async fn is_there(tx: &mut Tx<'_>, number: Stamp, body: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("select n from view where era = $1 and n = $2 and body = $3")
        .bind(i64::from(number.era))
        .bind(stored(number.n))
        .bind(body)
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.is_some())
}

/// Numbers grow through eras; the era is that of the config, which a restore raises. A leader passes over those that the
/// database may have lost with its tail.
async fn demand_later_number(tx: &mut Tx<'_>, era: u32, number: Stamp) -> Result<(), StoreError> {
    let row =
        sqlx::query("select n from view order by era desc, n desc limit 1").fetch_optional(&mut *tx.connection).await?;
    let last: u64 = row.map_or(Ok(0), |row| row.number("n"))?;
    if number.era == era && number.n > last {
        return Ok(());
    }
    Err(StoreError::ViewOutOfOrder { next: Stamp { era, n: last + 1 } })
}

/// Withdraws every plan, each with an entry of its own in the config log.
async fn withdraw_plans(tx: &mut Tx<'_>, now: UnixMs) -> Result<(), StoreError> {
    let rows = sqlx::query("update view set state = 'withdrawn' where state = 'planned' returning era, n")
        .fetch_all(&mut *tx.connection)
        .await?;
    for row in rows {
        tx.next_stamp(Entity::View(row.stamp("era", "n")?), now).await?;
    }
    Ok(())
}

fn stored_view(row: &AnyRow) -> Result<StoredView, StoreError> {
    Ok(StoredView {
        view: row.document("body")?,
        state: row.word("state", &STATES)?,
        created: row.moment("created_ms")?,
    })
}
