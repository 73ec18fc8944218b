//! Deliveries that a restore held: the operator lets them go or drops them.
//!
//! Nobody else takes a row out of this state, and no worker touches a row in it.

use farwatch_proto::id::{DeliveryId, TenantId};
use farwatch_proto::time::UnixMs;

use super::{Deliveries, Delivery, delivery, select_deliveries};
use crate::store::StoreError;
use crate::store::transaction::Tx;

/// The most that one question returns; the next shows the others once these are settled.
const SHOWN_MAX: i64 = 200;
/// What a dropped one says of itself.
const DROPPED: &str = "dropped by hand after a restore";

impl Deliveries<'_> {
    /// The tenant's deliveries that wait for the operator's word, oldest first, at most 200.
    pub async fn list_held(self, tenant: TenantId) -> Result<Vec<Delivery>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        select_deliveries!(),
                        "where tenant_id = $1 and state = 'held' order by created_ms, id limit $2"
                    ))
                    .bind(tenant.as_bytes().as_slice())
                    .bind(SHOWN_MAX)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(delivery).collect()
                })
            })
            .await
    }

    /// Lets one go, to be sent as soon as a worker is free. False if it is not held.
    pub async fn release_held(self, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let released = sqlx::query(
                        "update delivery set state = 'pending', attempt = 0, due_ms = $3 \
                         where id = $1 and tenant_id = $2 and state = 'held'",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(now.0)
                    .execute(&mut *tx.connection)
                    .await?;
                    noted(tx, released.rows_affected()).await
                })
            })
            .await
    }

    /// Gives one up; it is shown as dead. False if it is not held.
    pub async fn drop_held(self, tenant: TenantId, id: DeliveryId, now: UnixMs) -> Result<bool, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let dropped = sqlx::query(
                        "update delivery set state = 'dead', finished_ms = $3, last_answer = $4 \
                         where id = $1 and tenant_id = $2 and state = 'held'",
                    )
                    .bind(id.as_bytes().as_slice())
                    .bind(tenant.as_bytes().as_slice())
                    .bind(now.0)
                    .bind(DROPPED)
                    .execute(&mut *tx.connection)
                    .await?;
                    noted(tx, dropped.rows_affected()).await
                })
            })
            .await
    }
}

/// Whether there was one, and who settled it.
async fn noted(tx: &mut Tx<'_>, settled: u64) -> Result<bool, StoreError> {
    if settled == 0 {
        tx.leave_unchanged();
        return Ok(false);
    }
    tx.note_author().await?;
    Ok(true)
}
