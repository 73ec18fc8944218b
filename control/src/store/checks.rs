//! Checks as customers keep them: names, wordings, and which of them is the latest.
//!
//! A change is a new revision, written only against the latest one the caller has seen, so that two people never
//! undo each other unknowingly. What is in force is the leader's to say: see `enforcement.rs`.

use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::columns::{Columns, word_of};
use super::page::{page_of, rows_for};
use super::revisions::{self, ACTIVITIES, Revision, RevisionKey, demand_latest, revision_columns};
use super::transaction::Tx;
use super::{Entity, NewHeartbeat, Page, Store, StoreError, heartbeats, quotas};

/// A check to be made, with its first revision.
#[derive(Clone, Debug)]
pub struct NewCheck {
    /// Its id.
    pub id: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its first wording.
    pub revision: NewRevision,
    /// By what its job calls, where it is one that jobs call for.
    pub heartbeat: Option<NewHeartbeat>,
}

/// A wording to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRevision {
    /// What the check is called from now on; no two of a tenant are called the same.
    pub name: String,
    /// Whether it makes slots due. A deletion is final and frees the name at once.
    pub activity: Activity,
    /// JSON: all that the customer said.
    pub spec: String,
    /// The config as the module itself prepared it.
    pub prepared: Vec<u8>,
    /// The module that runs.
    pub module: ModuleHash,
    /// How often it is due.
    pub interval: Interval,
    /// How long one run may take.
    pub timeout_ms: u32,
    /// How many streams it has.
    pub streams: u16,
    /// Whether it may be run twice.
    pub repeat: Repeat,
    /// The names of the secrets that its config has; it runs by their newest values.
    pub secrets: Vec<String>,
    /// The host of the public network that its config names as what runs are sent to, as far as it is known.
    pub target: Option<String>,
}

impl NewRevision {
    /// The same as the latest of this check, with nothing known of a target.
    pub(crate) fn again(check: Check) -> Self {
        let Revision { activity, spec, prepared, module, interval, timeout_ms, streams, repeat, secrets, .. } =
            check.latest;
        let secrets = secrets.into_iter().map(|(name, _)| name).collect();
        let name = check.name;
        Self { name, activity, spec, prepared, module, interval, timeout_ms, streams, repeat, secrets, target: None }
    }
}

/// A check with its latest wording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// When it was made.
    pub created: UnixMs,
    /// When its deletion was asked for.
    pub deleted: Option<UnixMs>,
    /// The latest revision, pending or in force.
    pub latest: Revision,
    /// The number of the revision in force, if one ever was.
    pub in_force_revision: Option<u32>,
}

/// Which checks a list shows. Deleted ones are never shown.
#[derive(Clone, Debug, Default)]
pub struct CheckFilter {
    /// Those whose name contains this, whatever the case.
    pub name_contains: Option<String>,
    /// Those whose latest revision is so.
    pub activity: Option<Activity>,
    /// Those whose latest revision runs this module.
    pub module: Option<ModuleHash>,
}

/// The checks.
#[derive(Clone, Copy, Debug)]
pub struct Checks<'s>(pub(super) &'s Store);

impl Store {
    /// The checks.
    pub const fn checks(&self) -> Checks<'_> {
        Checks(self)
    }
}

macro_rules! check_with_latest {
    () => {
        concat!(
            "select c.name, c.created_ms as made_ms, c.deleted_ms, c.in_force_revision, ",
            revision_columns!(),
            "from checks c join check_revision r on r.check_id = c.id and r.revision = c.latest_revision "
        )
    };
}

impl Checks<'_> {
    /// Makes one, with revision 1 pending. A second one of the same name in its tenant is a conflict; more runs than
    /// there may be are [`StoreError::Exceeded`].
    pub async fn create(self, new: &NewCheck, now: UnixMs) -> Result<Stamp, StoreError> {
        let entity = Entity::Check(new.id);
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let written = tx.next_stamp(entity, now).await?;
                    let inserted = sqlx::query(
                        "insert into checks (id, tenant_id, name, created_ms, latest_revision, target) \
                         values ($1, $2, $3, $4, 1, $5) on conflict (id) do nothing",
                    )
                    .bind(new.id.as_bytes().as_slice())
                    .bind(new.tenant.as_bytes().as_slice())
                    .bind(new.revision.name.as_str())
                    .bind(now.0)
                    .bind(new.revision.target.as_deref())
                    .execute(&mut *tx.connection)
                    .await?;
                    if inserted.rows_affected() == 0 {
                        return tx.created_before(entity).await;
                    }
                    quotas::demand_runs(tx, (new.tenant, new.id), None, &new.revision).await?;
                    let key = RevisionKey { tenant: new.tenant, check: new.id, revision: 1, written };
                    revisions::insert(tx, key, &new.revision, now).await?;
                    if let Some(heartbeat) = &new.heartbeat {
                        heartbeats::insert(tx, new.id, heartbeat, now).await?;
                    }
                    Ok(written)
                })
            })
            .await
    }

    /// Writes the revision after `seen`, pending. `None` when the tenant has no such check, or it is deleted;
    /// [`StoreError::StaleRevision`] when `seen` is not the latest any more.
    pub async fn add_revision(
        self,
        tenant: TenantId,
        check: CheckId,
        seen: u32,
        new: &NewRevision,
        now: UnixMs,
    ) -> Result<Option<Stamp>, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let written = tx.next_stamp(Entity::Check(check), now).await?;
                    let Some(found) = latest(tx, tenant, check).await? else {
                        tx.leave_unchanged();
                        return Ok(None);
                    };
                    if found.latest.revision == seen + 1 && is_same(&found, new, now) {
                        // An attempt before this one was committed and its answer lost.
                        tx.leave_unchanged();
                        return Ok(Some(found.latest.written));
                    }
                    if found.deleted.is_some() {
                        tx.leave_unchanged();
                        return Ok(None);
                    }
                    demand_latest(seen, found.latest.revision)?;
                    quotas::demand_runs(tx, (tenant, check), Some(&found.latest), new).await?;
                    let key = RevisionKey { tenant, check, revision: seen + 1, written };
                    rename(tx, key, new, now).await?;
                    revisions::insert(tx, key, new, now).await?;
                    Ok(Some(written))
                })
            })
            .await
    }

    /// The check of this id, if the tenant has it, deleted or not.
    pub async fn get(self, tenant: TenantId, check: CheckId) -> Result<Option<Check>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(check_with_latest!(), "where c.id = $1 and c.tenant_id = $2"))
                        .bind(check.as_bytes().as_slice())
                        .bind(tenant.as_bytes().as_slice())
                        .fetch_optional(&mut *reading.connection)
                        .await?;
                    row.as_ref().map(check_of).transpose()
                })
            })
            .await
    }

    /// The latest revision of a check that is not deleted.
    pub async fn latest_live(self, check: CheckId) -> Result<Option<Revision>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(
                        "select ",
                        revision_columns!(),
                        "from checks c join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
                         where c.id = $1 and c.deleted_ms is null"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(revisions::revision).transpose()
                })
            })
            .await
    }

    /// The revision of this number, for whoever must know what exactly was wanted when.
    pub async fn revision(self, check: CheckId, number: u32) -> Result<Option<Revision>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let row = sqlx::query(concat!(
                        "select ",
                        revision_columns!(),
                        "from check_revision r join checks c on c.id = r.check_id where r.check_id = $1 and r.revision = $2"
                    ))
                    .bind(check.as_bytes().as_slice())
                    .bind(i64::from(number))
                    .fetch_optional(&mut *reading.connection)
                    .await?;
                    row.as_ref().map(revisions::revision).transpose()
                })
            })
            .await
    }

    /// The tenant's checks after this one, oldest first.
    pub async fn list(
        self,
        tenant: TenantId,
        filter: &CheckFilter,
        after: Option<CheckId>,
        limit: u32,
    ) -> Result<Page<Check>, StoreError> {
        let after = after.unwrap_or(CheckId::from_bytes([0; 16]));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        check_with_latest!(),
                        "where c.tenant_id = $1 and c.deleted_ms is null and c.id > $2 \
                         and ($3 is null or lower(c.name) like $3 escape '!') and ($4 is null or r.activity = $4) \
                         and ($5 is null or r.module_hash = $5) order by c.id limit $6"
                    ))
                    .bind(tenant.as_bytes().as_slice())
                    .bind(after.as_bytes().as_slice())
                    .bind(filter.name_contains.as_deref().map(containing))
                    .bind(filter.activity.map(|activity| word_of(&activity, &ACTIVITIES).to_owned()))
                    .bind(filter.module.map(|module| module.0.to_vec()))
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, check_of)
                })
            })
            .await
    }
}

async fn latest(tx: &mut Tx<'_>, tenant: TenantId, check: CheckId) -> Result<Option<Check>, StoreError> {
    let row = sqlx::query(concat!(check_with_latest!(), "where c.id = $1 and c.tenant_id = $2"))
        .bind(check.as_bytes().as_slice())
        .bind(tenant.as_bytes().as_slice())
        .fetch_optional(&mut *tx.connection)
        .await?;
    row.as_ref().map(check_of).transpose()
}

async fn rename(tx: &mut Tx<'_>, key: RevisionKey, new: &NewRevision, now: UnixMs) -> Result<(), StoreError> {
    let deleted = (new.activity == Activity::Deleted).then_some(now.0);
    sqlx::query("update checks set name = $2, latest_revision = $3, deleted_ms = $4, target = $5 where id = $1")
        .bind(key.check.as_bytes().as_slice())
        .bind(new.name.as_str())
        .bind(i64::from(key.revision))
        .bind(deleted)
        .bind(new.target.as_deref())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

/// Whether the latest wording is this very one, written at this very moment.
fn is_same(found: &Check, new: &NewRevision, now: UnixMs) -> bool {
    let latest = &found.latest;
    let there = NewRevision {
        name: found.name.clone(),
        activity: latest.activity,
        spec: latest.spec.clone(),
        prepared: latest.prepared.clone(),
        module: latest.module,
        interval: latest.interval,
        timeout_ms: latest.timeout_ms,
        streams: latest.streams,
        repeat: latest.repeat,
        secrets: latest.secrets.iter().map(|(name, _)| name.clone()).collect(),
        // It follows from what was said.
        target: new.target.clone(),
    };
    latest.created == now && there == *new
}

/// The pattern of whatever contains this, with the signs that mean something in a pattern taken literally.
fn containing(text: &str) -> String {
    let literal = text.to_lowercase().replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{literal}%")
}

fn check_of(row: &AnyRow) -> Result<Check, StoreError> {
    Ok(Check {
        name: row.text("name")?,
        created: row.moment("made_ms")?,
        deleted: row.maybe_moment("deleted_ms")?,
        latest: revisions::revision(row)?,
        in_force_revision: row
            .maybe_int("in_force_revision")?
            .map(u32::try_from)
            .transpose()
            .map_err(|_| StoreError::Corrupt("in_force_revision is out of range".to_owned()))?,
    })
}
