//! Outages, and what happened in them.
//!
//! Written only with a journal row, under ids that follow from their natural keys, so that a replay changes
//! nothing. At most one is open per check; the database itself keeps that.

use farwatch_proto::id::{CheckId, IncidentId, TenantId};
use farwatch_proto::time::UnixMs;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::columns::Columns;
use super::page::{page_of, rows_for};
use super::statements::{ROWS_PER_STATEMENT, placeholders, tuples};
use super::transaction::Tx;
use super::{Page, Store, StoreError};

/// The most incidents one overlap returns; a report over more asks for shorter periods.
pub const OVERLAP_MAX: usize = 10_000;
/// The most events one incident shows: a check that flaps for days must not fill a page.
const EVENTS_MAX: i64 = 1000;

/// Whether an outage goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IncidentState {
    /// It goes on.
    Open,
    /// It is over.
    Resolved {
        /// When that was confirmed.
        at: UnixMs,
        /// Why it was closed, such as `recovered` or `deleted`.
        reason: String,
    },
}

/// One outage of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incident {
    /// Follows from check and first failed slot.
    pub id: IncidentId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The check.
    pub check: CheckId,
    /// Whether it goes on.
    pub state: IncidentState,
    /// The slot that names it.
    pub first_failed_slot: UnixMs,
    /// The earliest failure known; may be amended to before the slot that names it.
    pub seen_since: UnixMs,
    /// When it was confirmed.
    pub opened: UnixMs,
    /// JSON: cause, votes, places.
    pub summary: String,
}

/// One thing that happened in an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentEvent {
    /// The incident.
    pub incident: IncidentId,
    /// Its place in the incident, from 0.
    pub n: u32,
    /// When.
    pub at: UnixMs,
    /// What, in a word.
    pub kind: String,
    /// JSON: the rest.
    pub body: String,
}

/// Which incidents a list shows.
#[derive(Clone, Copy, Debug, Default)]
pub struct IncidentFilter {
    /// Those of this check.
    pub check: Option<CheckId>,
    /// Those that go on, or those that do not.
    pub open: Option<bool>,
}

/// The place of an incident in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IncidentPosition {
    /// When it was opened.
    pub opened: UnixMs,
    /// Its id.
    pub id: IncidentId,
}

/// The incidents.
#[derive(Clone, Copy, Debug)]
pub struct Incidents<'s>(&'s Store);

impl Store {
    /// The incidents.
    pub const fn incidents(&self) -> Incidents<'_> {
        Incidents(self)
    }
}

macro_rules! select_incidents {
    () => {
        "select id, tenant_id, check_id, state, first_failed_slot_ms, seen_since_ms, opened_ms, resolved_ms, \
         close_reason, summary from incident "
    };
}

impl Incidents<'_> {
    /// The incident of this id with its events in order, if the tenant has it.
    pub async fn get(
        self,
        tenant: TenantId,
        id: IncidentId,
    ) -> Result<Option<(Incident, Vec<IncidentEvent>)>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(select_incidents!(), "where id = $1 and tenant_id = $2"))
                        .bind(id.as_bytes().as_slice())
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    let Some(row) = row else { return Ok(None) };
                    let events = sqlx::query(
                        "select incident_id, n, at_ms, kind, body from incident_event \
                         where incident_id = $1 order by n limit $2",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(EVENTS_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    Ok(Some((incident(&row)?, events.iter().map(event).collect::<Result<_, _>>()?)))
                })
            })
            .await
    }

    /// The first event of each of these incidents, in no order.
    pub async fn openings(self, incidents: &[IncidentId]) -> Result<Vec<IncidentEvent>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let mut found = Vec::new();
                    for some in incidents.chunks(ROWS_PER_STATEMENT) {
                        let statement = format!(
                            "select incident_id, n, at_ms, kind, body from incident_event \
                             where n = 0 and incident_id in ({})",
                            placeholders(0, some.len())
                        );
                        let mut query = sqlx::query(AssertSqlSafe(statement));
                        for incident in some {
                            query = query.bind(incident.as_bytes().as_slice());
                        }
                        let rows = query.fetch_all(&mut *reading.connection).await?;
                        found.extend(rows.iter().map(event).collect::<Result<Vec<_>, _>>()?);
                    }
                    Ok(found)
                })
            })
            .await
    }

    /// The tenant's incidents before this one, newest first.
    pub async fn list(
        self,
        tenant: TenantId,
        filter: IncidentFilter,
        before: Option<IncidentPosition>,
        limit: u32,
    ) -> Result<Page<Incident>, StoreError> {
        let before =
            before.unwrap_or(IncidentPosition { opened: UnixMs(i64::MAX), id: IncidentId::from_bytes([u8::MAX; 16]) });
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_incidents!(),
                        "where tenant_id = $1 and ($2 is null or check_id = $2) and ($3 is null or state = $3) \
                         and (opened_ms, id) < ($4, $5) order by opened_ms desc, id desc limit $6"
                    ))
                    .bind(tenant.as_bytes().as_slice())
                    .bind(filter.check.map(|check| check.as_bytes().to_vec()))
                    .bind(filter.open.map(|open| if open { "open".to_owned() } else { "resolved".to_owned() }))
                    .bind(before.opened.0)
                    .bind(before.id.as_bytes().as_slice())
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, incident)
                })
            })
            .await
    }

    /// The open incident of a check, if it has one.
    pub async fn open_for(self, check: CheckId) -> Result<Option<Incident>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(select_incidents!(), "where check_id = $1 and state = 'open'"))
                        .bind(check.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(incident).transpose()
                })
            })
            .await
    }

    /// The incidents of a check that were open, or seen, at some moment of [from, to), oldest first.
    pub async fn overlapping(self, check: CheckId, from: UnixMs, to: UnixMs) -> Result<Vec<Incident>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_incidents!(),
                        "where check_id = $1 and seen_since_ms < $3 and (resolved_ms is null or resolved_ms > $2) \
                         order by opened_ms, id limit $4"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(from.0)
                    .bind(to.0)
                    .bind(OVERLAP_MAX as i64)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(incident).collect()
                })
            })
            .await
    }
}

/// Writes incidents as they are now. Resolved ones go first: a check whose outage ends and begins anew in one
/// flush never has two open.
pub(super) async fn write(tx: &mut Tx<'_>, incidents: &[Incident]) -> Result<(), StoreError> {
    let mut ordered: Vec<&Incident> = incidents.iter().collect();
    ordered.sort_by_key(|incident| incident.state == IncidentState::Open);
    for some in ordered.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into incident (id, tenant_id, check_id, state, first_failed_slot_ms, seen_since_ms, opened_ms, \
             resolved_ms, close_reason, summary) values {} on conflict (id) do update set state = excluded.state, \
             seen_since_ms = case when excluded.seen_since_ms < incident.seen_since_ms \
             then excluded.seen_since_ms else incident.seen_since_ms end, resolved_ms = excluded.resolved_ms, \
             close_reason = excluded.close_reason, summary = excluded.summary where incident.state = 'open'",
            tuples(some.len(), 10)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for incident in some {
            query = bind_incident(query, incident);
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

/// Writes an incident that nobody knows yet; whether nobody did.
pub(super) async fn insert_new(tx: &mut Tx<'_>, incident: &Incident) -> Result<bool, StoreError> {
    let statement = format!(
        "insert into incident (id, tenant_id, check_id, state, first_failed_slot_ms, seen_since_ms, opened_ms, \
         resolved_ms, close_reason, summary) values {} on conflict (id) do nothing",
        tuples(1, 10)
    );
    let inserted = bind_incident(sqlx::query(AssertSqlSafe(statement)), incident).execute(&mut *tx.connection).await?;
    Ok(inserted.rows_affected() == 1)
}

/// An earlier failure of a known incident was found; the slot that names it stays.
pub(super) async fn amend_seen_since(tx: &mut Tx<'_>, id: IncidentId, seen_since: UnixMs) -> Result<(), StoreError> {
    sqlx::query("update incident set seen_since_ms = $2 where id = $1 and seen_since_ms > $2")
        .bind(id.as_bytes().as_slice())
        .bind(seen_since.0)
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

fn bind_incident<'q>(query: Query<'q, Any, AnyArguments>, incident: &Incident) -> Query<'q, Any, AnyArguments> {
    let (state, resolved, reason) = match &incident.state {
        IncidentState::Open => ("open", None, None),
        IncidentState::Resolved { at, reason } => ("resolved", Some(at.0), Some(reason.clone())),
    };
    query
        .bind(incident.id.as_bytes().to_vec())
        .bind(incident.tenant.as_bytes().to_vec())
        .bind(incident.check.as_bytes().to_vec())
        .bind(state)
        .bind(incident.first_failed_slot.0)
        .bind(incident.seen_since.0)
        .bind(incident.opened.0)
        .bind(resolved)
        .bind(reason)
        .bind(incident.summary.clone())
}

pub(super) async fn write_events(tx: &mut Tx<'_>, events: &[IncidentEvent]) -> Result<(), StoreError> {
    for some in events.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into incident_event (incident_id, n, at_ms, kind, body) values {} \
             on conflict (incident_id, n) do nothing",
            tuples(some.len(), 5)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for event in some {
            query = query
                .bind(event.incident.as_bytes().as_slice())
                .bind(i64::from(event.n))
                .bind(event.at.0)
                .bind(event.kind.as_str())
                .bind(event.body.as_str());
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

fn incident(row: &AnyRow) -> Result<Incident, StoreError> {
    let state = match row.maybe_moment("resolved_ms")? {
        None => IncidentState::Open,
        Some(at) => IncidentState::Resolved { at, reason: row.maybe_text("close_reason")?.unwrap_or_default() },
    };
    Ok(Incident {
        id: row.id("id", IncidentId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        check: row.id("check_id", CheckId::from_bytes)?,
        state,
        first_failed_slot: row.moment("first_failed_slot_ms")?,
        seen_since: row.moment("seen_since_ms")?,
        opened: row.moment("opened_ms")?,
        summary: row.text("summary")?,
    })
}

fn event(row: &AnyRow) -> Result<IncidentEvent, StoreError> {
    Ok(IncidentEvent {
        incident: row.id("incident_id", IncidentId::from_bytes)?,
        n: row.number("n")?,
        at: row.moment("at_ms")?,
        kind: row.text("kind")?,
        body: row.text("body")?,
    })
}
