//! What tenants may have, and what they have of it: counted when it is asked for, so that no count can go astray.
//!
//! Whether there may be more is decided in `core/quota`, in the transaction that adds it, behind the counter that config
//! writes wait for: two that come at once are judged one after the other. What the house itself writes is not judged.

use farwatch_core::quota::{Exceeded, Modules, Quotas as InForce, RunsPerDay, TargetRuns, judge_target};
use farwatch_proto::check::Activity;
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::time::UnixMs;
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::authorship::Author;
use super::checks::NewRevision;
use super::columns::{Columns, stored};
use super::revisions::{self, Revision, demand_latest};
use super::transaction::Tx;
use super::{Change, Entity, Store, StoreError};

/// What the operator has said that a tenant may have. Of what is not said there is what the program gives by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SaidQuotas {
    /// Modules, each version counted.
    pub modules: Option<u32>,
    /// The bytes of these.
    pub module_bytes: Option<u64>,
    /// Runs a minute.
    pub runs_per_minute: Option<u32>,
    /// CPU seconds an hour.
    pub cpu_seconds_per_hour: Option<u32>,
}

impl SaidQuotas {
    /// What is in force.
    pub fn in_force(self) -> InForce {
        let given = InForce::default();
        InForce {
            modules: self.modules.unwrap_or(given.modules),
            module_bytes: self.module_bytes.unwrap_or(given.module_bytes),
            runs_per_minute: self.runs_per_minute.unwrap_or(given.runs_per_minute),
            cpu_seconds_per_hour: self.cpu_seconds_per_hour.unwrap_or(given.cpu_seconds_per_hour),
        }
    }
}

/// The quotas.
#[derive(Clone, Copy, Debug)]
pub struct Quotas<'s>(&'s Store);

impl Store {
    /// The quotas.
    pub const fn quotas(&self) -> Quotas<'_> {
        Quotas(self)
    }
}

impl Quotas<'_> {
    /// What was said of this tenant.
    pub async fn said(self, tenant: TenantId) -> Result<SaidQuotas, StoreError> {
        self.0.read(|reading| Box::pin(async move { said(&mut reading.connection, tenant).await })).await
    }

    /// Says what the tenant, of which `seen` is the latest revision, may have from now on.
    pub async fn say(
        self,
        tenant: TenantId,
        seen: u32,
        quotas: &SaidQuotas,
        now: UnixMs,
    ) -> Result<Change, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let stamp = tx.next_stamp(Entity::Tenant(tenant), now).await?;
                    let row = sqlx::query("select revision from tenant where id = $1")
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_optional(&mut *tx.connection)
                        .await?;
                    let Some(row) = row else { return Ok(tx.changed(stamp, 0, false)) };
                    if said(&mut tx.connection, tenant).await? == *quotas {
                        return Ok(tx.changed(stamp, 0, true));
                    }
                    demand_latest(seen, row.number("revision")?)?;
                    let changed = sqlx::query(
                        "update tenant set quota_modules = $2, quota_module_bytes = $3, quota_runs_per_minute = $4, \
                         quota_cpu_seconds_per_hour = $5, revision = revision + 1 where id = $1",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(quotas.modules.map(i64::from))
                    .bind(quotas.module_bytes.map(stored))
                    .bind(quotas.runs_per_minute.map(i64::from))
                    .bind(quotas.cpu_seconds_per_hour.map(i64::from))
                    .execute(&mut *tx.connection)
                    .await?;
                    Ok(tx.changed(stamp, changed.rows_affected(), true))
                })
            })
            .await
    }

    /// The modules that the tenant has.
    pub async fn modules(self, tenant: TenantId) -> Result<Modules, StoreError> {
        self.0.read(|reading| Box::pin(async move { modules(&mut reading.connection, tenant).await })).await
    }

    /// The runs that the schedule of its checks asks for.
    pub async fn runs(self, tenant: TenantId) -> Result<RunsPerDay, StoreError> {
        self.0
            .read(|reading| Box::pin(async move { runs_of_others(&mut reading.connection, tenant, None).await }))
            .await
    }

    /// The checks of the tenant that are or were run by a module of its own, each with that module. A check that was
    /// deleted is among them, for it may have been run within the hour.
    pub async fn run_by_own(self, tenant: TenantId) -> Result<Vec<(CheckId, ModuleHash)>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select distinct r.check_id, r.module_hash from module_release m \
                         join check_revision r on r.module_hash = m.hash join checks c on c.id = r.check_id \
                         where m.tenant_id = $1 and c.tenant_id = $1",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(run_by).collect()
                })
            })
            .await
    }

    /// The checks of the tenant that are or were run by this module.
    pub async fn run_by(self, tenant: TenantId, module: ModuleHash) -> Result<Vec<CheckId>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select distinct r.check_id, r.module_hash from check_revision r \
                         join checks c on c.id = r.check_id where r.module_hash = $2 and c.tenant_id = $1",
                    )
                    .bind(tenant.as_bytes().as_slice())
                    .bind(module.0.as_slice())
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(|row| run_by(row).map(|(check, _)| check)).collect()
                })
            })
            .await
    }
}

fn run_by(row: &AnyRow) -> Result<(CheckId, ModuleHash), StoreError> {
    Ok((row.id("check_id", CheckId::from_bytes)?, row.hash("module_hash")?))
}

/// Refuses a module for which the tenant has no room.
pub(super) async fn demand_module(tx: &mut Tx<'_>, tenant: TenantId, bytes: u64) -> Result<(), StoreError> {
    if matches!(tx.author, Author::House) {
        return Ok(());
    }
    let quotas = said(&mut tx.connection, tenant).await?.in_force();
    Ok(quotas.judge_module(modules(&mut tx.connection, tenant).await?, bytes)?)
}

/// Refuses a wording by which there would be more runs than there may be: of the tenant, or to one target.
pub(super) async fn demand_runs(
    tx: &mut Tx<'_>,
    (tenant, check): (TenantId, CheckId),
    before: Option<&Revision>,
    new: &NewRevision,
) -> Result<(), StoreError> {
    if matches!(tx.author, Author::House) {
        return Ok(());
    }
    let asked = |activity, interval, streams| match activity {
        Activity::Active => RunsPerDay::of(interval, streams),
        Activity::Paused | Activity::Deleted => RunsPerDay::default(),
    };
    let after = asked(new.activity, new.interval, new.streams);
    let before = before.map_or_else(RunsPerDay::default, |it| asked(it.activity, it.interval, it.streams));
    if after > before {
        let quotas = said(&mut tx.connection, tenant).await?.in_force();
        let others = runs_of_others(&mut tx.connection, tenant, Some(check)).await?;
        quotas.judge_runs(others, before, after)?;
    }
    let Some(target) = &new.target else { return Ok(()) };
    let before = if was_sent_to(tx, check, target).await? { before } else { RunsPerDay::default() };
    if after > before {
        judge_target(runs_to(&mut tx.connection, tenant, check, target).await?, before, after)?;
    }
    Ok(())
}

impl From<Exceeded> for StoreError {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

async fn said(connection: &mut AnyConnection, tenant: TenantId) -> Result<SaidQuotas, StoreError> {
    let row = sqlx::query(
        "select quota_modules, quota_module_bytes, quota_runs_per_minute, quota_cpu_seconds_per_hour from tenant \
         where id = $1",
    )
    .bind(tenant.as_bytes().as_slice())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(SaidQuotas::default()) };
    Ok(SaidQuotas {
        modules: maybe_number(&row, "quota_modules")?,
        module_bytes: maybe_number(&row, "quota_module_bytes")?,
        runs_per_minute: maybe_number(&row, "quota_runs_per_minute")?,
        cpu_seconds_per_hour: maybe_number(&row, "quota_cpu_seconds_per_hour")?,
    })
}

fn maybe_number<T: TryFrom<i64>>(row: &AnyRow, column: &str) -> Result<Option<T>, StoreError> {
    let out_of_range = |_| StoreError::Corrupt(format!("{column} is out of range"));
    row.maybe_int(column)?.map(|number| number.try_into().map_err(out_of_range)).transpose()
}

async fn modules(connection: &mut AnyConnection, tenant: TenantId) -> Result<Modules, StoreError> {
    let row = sqlx::query(
        "select count(*) as releases, coalesce(sum(length(m.bytes)), 0) as bytes from module_release r \
         join module m on m.hash = r.hash where r.tenant_id = $1",
    )
    .bind(tenant.as_bytes().as_slice())
    .fetch_one(connection)
    .await?;
    Ok(Modules { count: row.number("releases")?, bytes: row.number("bytes")? })
}

/// The runs that the checks of a tenant ask for, without this one.
async fn runs_of_others(
    connection: &mut AnyConnection,
    tenant: TenantId,
    but: Option<CheckId>,
) -> Result<RunsPerDay, StoreError> {
    let rows = sqlx::query(
        "select r.interval_s, r.streams, count(*) as checks from checks c \
         join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
         where c.tenant_id = $1 and c.deleted_ms is null and r.activity = 'active' and c.id <> $2 \
         group by r.interval_s, r.streams",
    )
    .bind(tenant.as_bytes().as_slice())
    .bind(but.unwrap_or(CheckId::from_bytes([0; 16])).as_bytes().as_slice())
    .fetch_all(connection)
    .await?;
    rows.iter().try_fold(RunsPerDay::default(), |sum, row| Ok(sum.and(runs(row)?)))
}

/// The runs that checks send to this target, without this one.
async fn runs_to(
    connection: &mut AnyConnection,
    tenant: TenantId,
    but: CheckId,
    target: &str,
) -> Result<TargetRuns, StoreError> {
    let rows = sqlx::query(
        "select c.tenant_id, r.interval_s, r.streams, count(*) as checks from checks c \
         join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
         where c.target = $1 and c.deleted_ms is null and r.activity = 'active' and c.id <> $2 \
         group by c.tenant_id, r.interval_s, r.streams",
    )
    .bind(target)
    .bind(but.as_bytes().as_slice())
    .fetch_all(connection)
    .await?;
    rows.iter().try_fold(TargetRuns::default(), |TargetRuns { of_tenant, of_all }, row| {
        let some = runs(row)?;
        let is_own = row.id("tenant_id", TenantId::from_bytes)? == tenant;
        Ok(TargetRuns { of_tenant: if is_own { of_tenant.and(some) } else { of_tenant }, of_all: of_all.and(some) })
    })
}

async fn was_sent_to(tx: &mut Tx<'_>, check: CheckId, target: &str) -> Result<bool, StoreError> {
    let row = sqlx::query("select target from checks where id = $1")
        .bind(check.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    Ok(row.map(|row| row.maybe_text("target")).transpose()?.flatten().as_deref() == Some(target))
}

/// What a number of checks alike ask for.
fn runs(row: &AnyRow) -> Result<RunsPerDay, StoreError> {
    let one = RunsPerDay::of(revisions::interval(row)?, row.number("streams")?);
    Ok(RunsPerDay(one.0 * row.number::<u64>("checks")?))
}
