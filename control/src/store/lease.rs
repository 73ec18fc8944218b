//! Who leads: one row with a renewal counter and an epoch.
//!
//! No clock is involved. A holder renews; a follower who has itself watched the counter stand still takes the
//! lease from exactly the state it watched. What a former holder still writes is refused by its epoch.

use farwatch_proto::id::ProcessId;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::transaction::Tx;
use super::{Store, StoreError};

/// One leadership. The random part tells apart two that a database which lost its tail gave the same number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    /// Counts up with every leadership.
    pub n: u64,
    /// Drawn by the leader.
    pub random: u64,
}

impl Epoch {
    /// The random part as the database holds it: the same 64 bits, read as a signed number.
    pub(super) const fn random_bits(self) -> i64 {
        self.random.cast_signed()
    }
}

/// The lease as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Who holds it; `None` is free.
    pub holder: Option<ProcessId>,
    /// Where hosts and people find the holder.
    pub address: String,
    /// The leadership.
    pub epoch: Epoch,
    /// Counts up with every renewal, acquisition and release, for ever.
    pub counter: u64,
}

/// A lease that was acquired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The leadership that begins.
    pub epoch: Epoch,
    /// The counter as it stands now.
    pub counter: u64,
}

/// The leader's lease.
#[derive(Clone, Copy, Debug)]
pub struct LeaseTable<'s>(&'s Store);

impl Store {
    /// The leader's lease.
    pub const fn lease(&self) -> LeaseTable<'_> {
        LeaseTable(self)
    }
}

impl LeaseTable<'_> {
    /// The lease as it stands.
    pub async fn read(self) -> Result<Lease, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "select holder, address, epoch_n, epoch_random, counter from lease where name = 'leader'",
                    )
                    .fetch_one(&mut *reading.connection)
                    .await?;
                    lease(&row)
                })
            })
            .await
    }

    /// Takes the lease from the state in which it was seen; `None` when it is not in that state any more.
    /// `random` must be drawn anew for every call: it also tells an own acquisition whose answer was lost.
    pub async fn acquire(
        self,
        seen: &Lease,
        holder: ProcessId,
        address: &str,
        random: u64,
    ) -> Result<Option<Held>, StoreError> {
        let epoch = Epoch { n: seen.epoch.n + 1, random };
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let taken = sqlx::query(
                        "update lease set holder = $1, address = $2, epoch_n = $3, epoch_random = $4, counter = counter + 1 \
                         where name = 'leader' and counter = $5 and epoch_n = $6 and epoch_random = $7",
                    )
                    .bind(holder.as_bytes().as_slice())
                    .bind(address)
                    .bind(stored(epoch.n))
                    .bind(epoch.random_bits())
                    .bind(stored(seen.counter))
                    .bind(stored(seen.epoch.n))
                    .bind(seen.epoch.random_bits())
                    .execute(&mut *tx.connection)
                    .await?;
                    if taken.rows_affected() == 1 {
                        return Ok(Some(Held { epoch, counter: seen.counter + 1 }));
                    }
                    Ok(tx.counter_of(epoch).await?.map(|counter| Held { epoch, counter }))
                })
            })
            .await
    }

    /// Shows that the holder lives, and returns the counter.
    pub async fn renew(self, epoch: Epoch) -> Result<u64, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let row = sqlx::query(
                        "update lease set counter = counter + 1 \
                         where name = 'leader' and holder is not null and epoch_n = $1 and epoch_random = $2 \
                         returning counter",
                    )
                    .bind(stored(epoch.n))
                    .bind(epoch.random_bits())
                    .fetch_optional(&mut *tx.connection)
                    .await?;
                    row.ok_or(StoreError::StaleLeader)?.number("counter")
                })
            })
            .await
    }

    /// Gives the lease back, so that nobody has to wait for it to stand still. Without effect for a former holder.
    pub async fn release(self, epoch: Epoch) -> Result<(), StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    sqlx::query(
                        "update lease set holder = null, counter = counter + 1 \
                         where name = 'leader' and holder is not null and epoch_n = $1 and epoch_random = $2",
                    )
                    .bind(stored(epoch.n))
                    .bind(epoch.random_bits())
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(())
                })
            })
            .await
    }
}

impl Tx<'_> {
    /// Refuses the transaction unless this leadership stands, and lets it stand until the transaction ends: an
    /// acquisition waits, and then sees what was written here.
    pub(super) async fn demand_leader(&mut self, epoch: Epoch) -> Result<(), StoreError> {
        self.counter_of(epoch).await?.map(|_| ()).ok_or(StoreError::StaleLeader)
    }

    async fn counter_of(&mut self, epoch: Epoch) -> Result<Option<u64>, StoreError> {
        let statement = self.twin(
            "select counter from lease \
             where name = 'leader' and holder is not null and epoch_n = $1 and epoch_random = $2",
            "select counter from lease \
             where name = 'leader' and holder is not null and epoch_n = $1 and epoch_random = $2 for share",
        );
        let row = sqlx::query(statement)
            .bind(stored(epoch.n))
            .bind(epoch.random_bits())
            .fetch_optional(&mut *self.connection)
            .await?;
        row.map(|row| row.number("counter")).transpose()
    }
}

fn lease(row: &AnyRow) -> Result<Lease, StoreError> {
    Ok(Lease {
        holder: row.maybe_id("holder", ProcessId::from_bytes)?,
        address: row.text("address")?,
        epoch: epoch(row)?,
        counter: row.number("counter")?,
    })
}

pub(super) fn epoch(row: &AnyRow) -> Result<Epoch, StoreError> {
    Ok(Epoch { n: row.number("epoch_n")?, random: row.int("epoch_random")?.cast_unsigned() })
}
