//! One wording of a check as it stands in the database, and how it is read and written.
//!
//! Wordings are only ever added; the one thing filled in later, once, is from which slot border one counts.

use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::AnyRow;

use super::checks::NewRevision;
use super::columns::{Columns, stored, word_of};
use super::transaction::Tx;
use super::{StoreError, secrets};

pub(super) const ACTIVITIES: [(Activity, &str); 3] =
    [(Activity::Active, "active"), (Activity::Paused, "paused"), (Activity::Deleted, "deleted")];

pub(super) const REPEATS: [(Repeat, &str); 2] = [(Repeat::Safe, "safe"), (Repeat::Unsafe, "unsafe")];

/// The columns of a revision joined with its check, by the names [`revision`] reads.
macro_rules! revision_columns {
    () => {
        "r.check_id, c.tenant_id, r.revision, r.activity, r.spec, r.prepared, r.module_hash, r.interval_s, \
         r.timeout_ms, r.streams, r.repeat, r.secrets, r.config_era, r.config_n, r.created_ms, r.in_force_from_ms, \
         r.in_force_era, r.in_force_n "
    };
}
pub(super) use revision_columns;

/// One wording of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Counts up with every change, from 1.
    pub revision: u32,
    /// Whether it makes slots due.
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
    /// The secrets that its config names, and the value of each by which it runs.
    pub secrets: Vec<(String, u32)>,
    /// The number of the write that brought it.
    pub written: Stamp,
    /// When it was written.
    pub created: UnixMs,
    /// From where it counts; `None` while it is pending or when a later one overtook it.
    pub in_force: Option<InForce>,
}

impl Revision {
    /// Whether nobody runs it, because a job calls control instead.
    pub const fn is_heartbeat(&self) -> bool {
        self.streams == 0
    }
}

/// Refuses a change that was made up from an older revision than the latest, so that nobody undoes unknowingly what
/// somebody else did. Asked in the transaction of the change.
pub(super) const fn demand_latest(seen: u32, latest: u32) -> Result<(), StoreError> {
    if seen == latest { Ok(()) } else { Err(StoreError::StaleRevision { latest }) }
}

/// From where a revision counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InForce {
    /// The slot border.
    pub from: UnixMs,
    /// The number of the write that said so.
    pub stamp: Stamp,
}

/// The name of a revision that is about to be written.
#[derive(Clone, Copy, Debug)]
pub(super) struct RevisionKey {
    pub(super) tenant: TenantId,
    pub(super) check: CheckId,
    pub(super) revision: u32,
    pub(super) written: Stamp,
}

/// Writes one revision; it is pending. A secret that it names and that there is none of is a dangling reference.
pub(super) async fn insert(
    tx: &mut Tx<'_>,
    key: RevisionKey,
    new: &NewRevision,
    now: UnixMs,
) -> Result<(), StoreError> {
    let secrets = secrets::newest_of(tx, key.tenant, &new.secrets).await?;
    sqlx::query(
        "insert into check_revision (check_id, revision, activity, spec, prepared, module_hash, interval_s, \
         timeout_ms, streams, repeat, config_era, config_n, created_ms, secrets) \
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
    )
    .bind(key.check.as_bytes().as_slice())
    .bind(i64::from(key.revision))
    .bind(word_of(&new.activity, &ACTIVITIES))
    .bind(new.spec.as_str())
    .bind(new.prepared.as_slice())
    .bind(new.module.0.as_slice())
    .bind(i64::from(new.interval.seconds()))
    .bind(i64::from(new.timeout_ms))
    .bind(i64::from(new.streams))
    .bind(word_of(&new.repeat, &REPEATS))
    .bind(i64::from(key.written.era))
    .bind(stored(key.written.n))
    .bind(now.0)
    .bind(secrets_text(&secrets))
    .execute(&mut *tx.connection)
    .await?;
    Ok(())
}

/// The secrets of a revision as they stand in its row.
pub(super) fn secrets_text(secrets: &[(String, u32)]) -> String {
    serde_json::to_string(secrets).expect("pairs of texts and numbers always serialise")
}

/// And as they are read.
pub(super) fn secrets(row: &AnyRow) -> Result<Vec<(String, u32)>, StoreError> {
    let text = row.text("secrets")?;
    serde_json::from_str(&text).map_err(|error| StoreError::Corrupt(format!("the secrets of a revision: {error}")))
}

pub(super) fn revision(row: &AnyRow) -> Result<Revision, StoreError> {
    Ok(Revision {
        check: row.id("check_id", CheckId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        revision: row.number("revision")?,
        activity: row.word("activity", &ACTIVITIES)?,
        spec: row.text("spec")?,
        prepared: row.bytes("prepared")?,
        module: row.hash("module_hash")?,
        interval: interval(row)?,
        timeout_ms: row.number("timeout_ms")?,
        streams: row.number("streams")?,
        repeat: row.word("repeat", &REPEATS)?,
        secrets: secrets(row)?,
        written: row.stamp("config_era", "config_n")?,
        created: row.moment("created_ms")?,
        in_force: in_force(row)?,
    })
}

pub(super) fn interval(row: &AnyRow) -> Result<Interval, StoreError> {
    Interval::from_seconds(row.number("interval_s")?).map_err(|why| StoreError::Corrupt(why.to_string()))
}

fn in_force(row: &AnyRow) -> Result<Option<InForce>, StoreError> {
    let Some(from) = row.maybe_moment("in_force_from_ms")? else { return Ok(None) };
    Ok(Some(InForce { from, stamp: row.stamp("in_force_era", "in_force_n")? }))
}
