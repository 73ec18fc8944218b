//! Messages to send: rows written with the incident's change, claimed by workers, and settled by what came back.
//!
//! Nothing is sent that was not first a row, and a claim is committed before anything is sent: a crash anywhere
//! costs at most a duplicate. How claims are made stands in `claim.rs`, how what was given up is tried again in
//! `retry.rs`.

mod claim;
mod held;
mod retry;

use farwatch_proto::id::{ChannelId, ContactId, DeliveryId, IncidentId, TenantId};
use farwatch_proto::time::UnixMs;
use schemars::JsonSchema;
use serde::Serialize;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, word_of};
use super::page::{page_of, rows_for};
use super::statements::{ROWS_PER_STATEMENT, tuples};
use super::transaction::Tx;
use super::{Page, Store, StoreError, contacts};

pub use claim::{ClaimId, ClaimRequest, Claimed};
pub use retry::Retried;

/// The most deliveries one incident shows; more contacts than that are told, but not listed at once.
const OF_INCIDENT_MAX: i64 = 1000;

/// Which change of an incident a delivery tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// It was opened.
    Opened,
    /// It is over.
    Resolved,
}

const STEPS: [(Step, &str); 2] = [(Step::Opened, "opened"), (Step::Resolved, "resolved")];

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It waits until it is due.
    Pending,
    /// A worker has it, until its claim runs out.
    Claimed,
    /// It was accepted.
    Sent,
    /// The recovery was told in its stead.
    Merged,
    /// It was given up.
    Dead,
    /// It is older than a restore and waits for the operator's word.
    Held,
}

const STATES: [(DeliveryState, &str); 6] = [
    (DeliveryState::Pending, "pending"),
    (DeliveryState::Claimed, "claimed"),
    (DeliveryState::Sent, "sent"),
    (DeliveryState::Merged, "merged"),
    (DeliveryState::Dead, "dead"),
    (DeliveryState::Held, "held"),
];

/// A delivery to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewDelivery {
    /// Follows from incident, step, contact and channel.
    pub id: DeliveryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The incident it tells of.
    pub incident: IncidentId,
    /// Which change of it.
    pub step: Step,
    /// Whom to tell.
    pub contact: ContactId,
    /// Over which channel.
    pub channel: ChannelId,
    /// From when on it is to be sent.
    pub due: UnixMs,
    /// When it was made.
    pub created: UnixMs,
    /// JSON: what to tell.
    pub event: String,
}

/// One message of one incident to one contact over one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its id; also the key by which a receiver knows a duplicate.
    pub id: DeliveryId,
    /// Whose it is.
    pub tenant: TenantId,
    /// The incident it tells of.
    pub incident: IncidentId,
    /// Which change of it.
    pub step: Step,
    /// Whom to tell.
    pub contact: ContactId,
    /// Over which channel.
    pub channel: ChannelId,
    /// Where it stands.
    pub state: DeliveryState,
    /// How many times it was claimed.
    pub attempt: u32,
    /// From when on it is to be sent.
    pub due: UnixMs,
    /// When it was made.
    pub created: UnixMs,
    /// When it was sent, merged or given up.
    pub finished: Option<UnixMs>,
    /// What the last attempt was told.
    pub last_answer: Option<String>,
    /// JSON: what to tell.
    pub event: String,
}

/// The deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Deliveries<'s>(&'s Store);

impl Store {
    /// The deliveries.
    pub const fn deliveries(&self) -> Deliveries<'_> {
        Deliveries(self)
    }
}

macro_rules! select_deliveries {
    () => {
        "select id, tenant_id, incident_id, step, contact_id, channel_id, state, attempt, due_ms, created_ms, \
         finished_ms, last_answer, event from delivery "
    };
}
use select_deliveries;

impl Deliveries<'_> {
    /// It was accepted: sent, and an opening that was merged into it is told with it. Also right when the claim
    /// ran out meanwhile, for it was sent nevertheless.
    pub async fn record_sent(self, claimed: &Claimed, answer: &str, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    finish(tx, claimed.delivery.id, DeliveryState::Sent, answer, now).await?;
                    if let Some(merged) = &claimed.merged {
                        finish(tx, merged.id, DeliveryState::Merged, answer, now).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// It was not accepted and is to be tried again at `due`. Without effect when the claim ran out and somebody
    /// else has it.
    pub async fn record_retry(self, claimed: &Claimed, answer: &str, due: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    for id in claimed.ids() {
                        sqlx::query(
                            "update delivery set state = 'pending', due_ms = $3, last_answer = $4, \
                             claim_id = null, claimed_until_ms = null \
                             where id = $1 and state = 'claimed' and claim_id = $2",
                        )
                        .bind(id.as_bytes().as_slice())
                        .bind(claimed.claim.0.as_slice())
                        .bind(due.0)
                        .bind(answer)
                        .execute(&mut *tx.connection)
                        .await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// It is given up, and shown as dead. Without effect when the claim ran out and somebody else has it.
    pub async fn record_dead(self, claimed: &Claimed, answer: &str, now: UnixMs) -> Result<(), StoreError> {
        self.0.write(|tx| Box::pin(give_up(tx, claimed, answer, now))).await
    }

    /// It is given up, and nothing more is sent over its channel until that is changed.
    pub async fn record_gone(self, claimed: &Claimed, answer: &str, now: UnixMs) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    give_up(tx, claimed, answer, now).await?;
                    contacts::disable(tx, claimed.delivery.channel, answer, now).await
                })
            })
            .await
    }

    /// The deliveries of an incident of the tenant, in order of making.
    pub async fn of_incident(self, tenant: TenantId, incident: IncidentId) -> Result<Vec<Delivery>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_deliveries!(),
                        "where incident_id = $1 and tenant_id = $2 order by created_ms, id limit $3"
                    ))
                    .bind(incident.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(OF_INCIDENT_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(delivery).collect()
                })
            })
            .await
    }

    /// The tenant's deliveries that were given up, before this one, newest first.
    pub async fn list_dead(
        self,
        tenant: TenantId,
        before: Option<(UnixMs, DeliveryId)>,
        limit: u32,
    ) -> Result<Page<Delivery>, StoreError> {
        let (finished, id) = before.unwrap_or((UnixMs(i64::MAX), DeliveryId::from_bytes([u8::MAX; 16])));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_deliveries!(),
                        "where tenant_id = $1 and state = 'dead' and (finished_ms, id) < ($2, $3) \
                         order by finished_ms desc, id desc limit $4"
                    ))
                    .bind(tenant.as_bytes().as_slice())
                    .bind(finished.0)
                    .bind(id.as_bytes().as_slice())
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, delivery)
                })
            })
            .await
    }
}

/// Writes what was made with an incident's change.
pub(super) async fn write(tx: &mut Tx<'_>, deliveries: &[NewDelivery]) -> Result<(), StoreError> {
    for some in deliveries.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into delivery (id, tenant_id, incident_id, step, contact_id, channel_id, state, attempt, due_ms, \
             created_ms, event) values {} on conflict (id) do nothing",
            tuples(some.len(), 11)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for new in some {
            query = query
                .bind(new.id.as_bytes().as_slice())
                .bind(new.tenant.as_bytes().as_slice())
                .bind(new.incident.as_bytes().as_slice())
                .bind(word_of(&new.step, &STEPS))
                .bind(new.contact.as_bytes().as_slice())
                .bind(new.channel.as_bytes().as_slice())
                .bind(word_of(&DeliveryState::Pending, &STATES))
                .bind(0_i64)
                .bind(new.due.0)
                .bind(new.created.0)
                .bind(new.event.as_str());
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

async fn give_up(tx: &mut Tx<'_>, claimed: &Claimed, answer: &str, now: UnixMs) -> Result<(), StoreError> {
    for id in claimed.ids() {
        sqlx::query(
            "update delivery set state = 'dead', finished_ms = $3, last_answer = $4, claim_id = null, \
             claimed_until_ms = null where id = $1 and state = 'claimed' and claim_id = $2",
        )
        .bind(id.as_bytes().as_slice())
        .bind(claimed.claim.0.as_slice())
        .bind(now.0)
        .bind(answer)
        .execute(&mut *tx.connection)
        .await?;
    }
    Ok(())
}

async fn finish(
    tx: &mut Tx<'_>,
    id: DeliveryId,
    state: DeliveryState,
    answer: &str,
    now: UnixMs,
) -> Result<(), StoreError> {
    sqlx::query(
        "update delivery set state = $2, finished_ms = $3, last_answer = $4, claim_id = null, claimed_until_ms = null \
         where id = $1 and state in ('pending', 'claimed')",
    )
    .bind(id.as_bytes().as_slice())
    .bind(word_of(&state, &STATES))
    .bind(now.0)
    .bind(answer)
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

fn delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.id("id", DeliveryId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        incident: row.id("incident_id", IncidentId::from_bytes)?,
        step: row.word("step", &STEPS)?,
        contact: row.id("contact_id", ContactId::from_bytes)?,
        channel: row.id("channel_id", ChannelId::from_bytes)?,
        state: row.word("state", &STATES)?,
        attempt: row.number("attempt")?,
        due: row.moment("due_ms")?,
        created: row.moment("created_ms")?,
        finished: row.maybe_moment("finished_ms")?,
        last_answer: row.maybe_text("last_answer")?,
        event: row.text("event")?,
    })
}
