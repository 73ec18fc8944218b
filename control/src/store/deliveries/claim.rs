//! Claiming deliveries that are due: in order per incident, contact and channel, and fair to tenants and channels.
//!
//! Any number of workers may claim at once. A recovery whose opening was never sent is claimed together with it;
//! one whose opening is in another worker's hands is left until that is settled.

use farwatch_proto::id::DeliveryId;
use farwatch_proto::time::UnixMs;
use sqlx::AnyConnection;

use super::{Deliveries, Delivery, Step, delivery, select_deliveries};
use crate::store::StoreError;
use crate::store::transaction::Tx;

/// The most deliveries one claim may take: a worker must be able to send them all before the claim runs out.
const CLAIM_MAX: u32 = 100;

/// The id of one claim, drawn by its worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClaimId(pub [u8; 16]);

/// What a worker can take.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest {
    /// Drawn anew for every claim; a claim whose answer was lost is found again by it.
    pub claim: ClaimId,
    /// The moment by which they must be due.
    pub now: UnixMs,
    /// From when on others may take them again.
    pub until: UnixMs,
    /// How many at most.
    pub limit: u32,
    /// How many of one tenant at most, so that one with a mass failure does not keep the others waiting.
    pub per_tenant: u32,
    /// How many of one channel at most, so that a slow receiver does not.
    pub per_channel: u32,
}

/// A delivery in a worker's hands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The claim that holds it.
    pub claim: ClaimId,
    /// What to send.
    pub delivery: Delivery,
    /// The unsent opening that this recovery is to tell of as well.
    pub merged: Option<Delivery>,
}

impl Claimed {
    /// The rows it holds.
    pub(super) fn ids(&self) -> impl Iterator<Item = DeliveryId> {
        [Some(self.delivery.id), self.merged.as_ref().map(|merged| merged.id)].into_iter().flatten()
    }
}

/// What a worker may take at $1: it is due and nobody has it, or whoever had it let it run out. Worded so that the
/// index of unsettled deliveries serves it.
macro_rules! claimable {
    ($row:literal) => {
        concat!(
            "(",
            $row,
            ".state in ('pending', 'claimed') and ",
            $row,
            ".due_ms <= $1 and (",
            $row,
            ".state = 'pending' or ",
            $row,
            ".claimed_until_ms <= $1)) "
        )
    };
}

/// The other delivery of the same incident to the same contact over the same channel.
macro_rules! sibling {
    ($row:literal, $of:literal) => {
        concat!(
            $row,
            ".incident_id = ",
            $of,
            ".incident_id and ",
            $row,
            ".contact_id = ",
            $of,
            ".contact_id and ",
            $row,
            ".channel_id = ",
            $of,
            ".channel_id "
        )
    };
}
pub(super) use sibling;

/// An unsent opening that its recovery takes along at $1: nobody has it, or whoever had it let it run out. That it
/// waits for another try is no reason to keep the recovery waiting, which is a message of its own.
macro_rules! goes_along {
    ($row:literal) => {
        concat!(
            "(",
            $row,
            ".state = 'pending' or (",
            $row,
            ".state = 'claimed' and ",
            $row,
            ".claimed_until_ms <= $1)) "
        )
    };
}

/// The ids to take. An opening steps back for its own recovery, which will take it along; a recovery waits for an
/// opening in other hands. Tenants take turns, and so do the channels of each: whoever has thousands waiting keeps
/// nobody waiting but themselves, and a channel that takes nothing keeps nobody's other channels.
macro_rules! due {
    () => {
        concat!(
            "select id from (select id, due_ms, \
             row_number() over (partition by tenant_id order by of_channel, due_ms, id) as of_tenant \
             from (select d.id, d.due_ms, d.tenant_id, \
             row_number() over (partition by d.channel_id order by d.due_ms, d.id) as of_channel \
             from delivery d where ",
            claimable!("d"),
            "and not (d.step = 'opened' and exists (select 1 from delivery r where ",
            sibling!("r", "d"),
            "and r.step = 'resolved' and ",
            claimable!("r"),
            ")) \
             and not (d.step = 'resolved' and exists (select 1 from delivery o where ",
            sibling!("o", "d"),
            "and o.step = 'opened' and o.state in ('pending', 'claimed', 'held') and not ",
            goes_along!("o"),
            "))) by_channel where of_channel <= $5) ranked \
             where of_tenant <= $4 order by of_tenant, due_ms, id limit $6"
        )
    };
}

macro_rules! take {
    ($lock:literal) => {
        concat!(
            "update delivery set state = 'claimed', claimed_until_ms = $2, claim_id = $3, attempt = attempt + 1 \
             where id in (select delivery.id from delivery where delivery.id in (",
            due!(),
            ") and ",
            claimable!("delivery"),
            $lock,
            ")"
        )
    };
}

impl Deliveries<'_> {
    /// Takes deliveries that are due, and commits that before it returns. In order of being due.
    pub async fn claim_due(self, request: &ClaimRequest) -> Result<Vec<Claimed>, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let before = held(&mut tx.connection, request.claim).await?;
                    if !before.is_empty() {
                        tx.leave_unchanged();
                        return Ok(before);
                    }
                    if take_due(tx, request).await? == 0 {
                        tx.leave_unchanged();
                        return Ok(Vec::new());
                    }
                    take_openings_along(tx, request).await?;
                    give_back_what_must_wait(tx, request.claim).await?;
                    held(&mut tx.connection, request.claim).await
                })
            })
            .await
    }
}

async fn take_due(tx: &mut Tx<'_>, request: &ClaimRequest) -> Result<u64, StoreError> {
    let statement = tx.twin(take!(""), take!("for update skip locked"));
    let taken = sqlx::query(statement)
        .bind(request.now.0)
        .bind(request.until.0)
        .bind(request.claim.0.as_slice())
        .bind(i64::from(request.per_tenant))
        .bind(i64::from(request.per_channel))
        .bind(i64::from(request.limit.min(CLAIM_MAX)))
        .execute(&mut *tx.connection)
        .await?;
    Ok(taken.rows_affected())
}

/// Takes the unsent openings of the recoveries just taken.
async fn take_openings_along(tx: &mut Tx<'_>, request: &ClaimRequest) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update delivery set state = 'claimed', claimed_until_ms = $2, claim_id = $3, attempt = attempt + 1 \
         where step = 'opened' and ",
        goes_along!("delivery"),
        "and exists (select 1 from delivery r where ",
        sibling!("r", "delivery"),
        "and r.step = 'resolved' and r.claim_id = $3)"
    ))
    .bind(request.now.0)
    .bind(request.until.0)
    .bind(request.claim.0.as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// Another worker can have taken an opening between the two statements before: then its recovery must wait, or it
/// could arrive first.
async fn give_back_what_must_wait(tx: &mut Tx<'_>, claim: ClaimId) -> Result<(), StoreError> {
    sqlx::query(concat!(
        "update delivery set state = 'pending', claimed_until_ms = null, claim_id = null, attempt = attempt - 1 \
         where step = 'resolved' and claim_id = $1 and exists (select 1 from delivery o where ",
        sibling!("o", "delivery"),
        "and o.step = 'opened' and o.state in ('pending', 'claimed', 'held') \
         and (o.claim_id is null or o.claim_id <> $1))"
    ))
    .bind(claim.0.as_slice())
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// What a claim holds, each recovery with the opening it takes along.
async fn held(connection: &mut AnyConnection, claim: ClaimId) -> Result<Vec<Claimed>, StoreError> {
    let rows =
        sqlx::query(concat!(select_deliveries!(), "where claim_id = $1 and state = 'claimed' order by due_ms, id"))
            .bind(claim.0.as_slice())
            .fetch_all(connection)
            .await?;
    let deliveries = rows.iter().map(delivery).collect::<Result<Vec<_>, _>>()?;
    let (recoveries, mut openings): (Vec<_>, Vec<_>) =
        deliveries.into_iter().partition(|delivery| delivery.step == Step::Resolved);
    let mut claimed: Vec<Claimed> = recoveries
        .into_iter()
        .map(|delivery| {
            let merged = openings.iter().position(|opening| are_siblings(opening, &delivery));
            Claimed { claim, merged: merged.map(|place| openings.remove(place)), delivery }
        })
        .collect();
    claimed.extend(openings.into_iter().map(|delivery| Claimed { claim, delivery, merged: None }));
    claimed.sort_by_key(|claimed| (claimed.delivery.due, claimed.delivery.id));
    Ok(claimed)
}

fn are_siblings(one: &Delivery, other: &Delivery) -> bool {
    (one.incident, one.contact, one.channel) == (other.incident, other.contact, other.channel)
}
