//! Trying again what was given up, at somebody's word.
//!
//! Order holds here too: an opening is never told after its recovery.

use farwatch_proto::id::{DeliveryId, TenantId};
use farwatch_proto::time::UnixMs;
use sqlx::AnyConnection;

use super::claim::sibling;
use super::{Deliveries, Delivery, DeliveryState, Step, delivery, select_deliveries};
use crate::store::StoreError;
use crate::store::columns::Columns;
use crate::store::transaction::Tx;

/// What became of the word to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It is to be tried, from now on.
    Made(Box<Delivery>),
    /// The tenant has no such delivery.
    NotFound,
    /// It was not given up: it is on its way, or was told.
    NotGivenUp(DeliveryState),
    /// It is an opening, and this recovery of the same outage comes after it.
    Overtaken(DeliveryId),
}

impl Deliveries<'_> {
    /// Tries again what was given up, as if for the first time; an older one than a day gets one try. With a recovery
    /// goes its opening, where that was given up too: one message tells of both.
    pub async fn retry(self, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Result<Retried, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let retried = retry(tx, tenant, id, now).await?;
                    match retried {
                        Retried::Made(_) => tx.note_author().await?,
                        _ => tx.leave_unchanged(),
                    }
                    Ok(retried)
                })
            })
            .await
    }
}

async fn retry(tx: &mut Tx<'_>, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Result<Retried, StoreError> {
    let Some(found) = of_tenant(&mut tx.connection, tenant, id).await? else { return Ok(Retried::NotFound) };
    if !matches!(found.state, DeliveryState::Dead | DeliveryState::Held) {
        return Ok(Retried::NotGivenUp(found.state));
    }
    if let Some(recovery) = later_recovery(&mut tx.connection, &found).await? {
        return Ok(Retried::Overtaken(recovery));
    }
    sqlx::query(concat!(
        "update delivery set state = 'pending', due_ms = $2, attempt = 0, finished_ms = null \
         where id = $1 or (state in ('dead', 'held') and step = 'opened' and exists (select 1 from delivery r \
         where r.id = $1 and r.step = 'resolved' and ",
        sibling!("r", "delivery"),
        "))"
    ))
    .bind(id.as_bytes().as_slice())
    .bind(now.0)
    .execute(&mut *tx.connection)
    .await?;
    let made = of_tenant(&mut tx.connection, tenant, id).await?;
    Ok(made.map_or(Retried::NotFound, |made| Retried::Made(Box::new(made))))
}

/// The recovery that an opening would come after, unless that still waits and will take it along.
async fn later_recovery(connection: &mut AnyConnection, delivery: &Delivery) -> Result<Option<DeliveryId>, StoreError> {
    if delivery.step != Step::Opened {
        return Ok(None);
    }
    let row = sqlx::query(concat!(
        "select r.id from delivery r join delivery o on ",
        sibling!("r", "o"),
        "where o.id = $1 and r.step = 'resolved' and r.state <> 'pending'"
    ))
    .bind(delivery.id.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    row.map(|row| row.id("id", DeliveryId::from_bytes)).transpose()
}

async fn of_tenant(
    connection: &mut AnyConnection,
    tenant: TenantId,
    id: DeliveryId,
) -> Result<Option<Delivery>, StoreError> {
    let row = sqlx::query(concat!(select_deliveries!(), "where id = $1 and tenant_id = $2"))
        .bind(id.as_bytes().as_slice())
        .bind(tenant.as_bytes().as_slice())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(delivery).transpose()
}
