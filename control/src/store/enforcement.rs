//! Which wordings of checks are in force, and since when: the leader's side of checks, and the ledger's.
//!
//! What was due follows from these rows alone. They are filled in once, by the leader, and never changed.

use farwatch_proto::check::{Activity, Repeat};
use farwatch_proto::id::{CheckId, ModuleHash, TenantId};
use farwatch_proto::interval::Interval;
use farwatch_proto::time::{Stamp, UnixMs};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, AssertSqlSafe};

use super::checks::Checks;
use super::columns::{Columns, stored};
use super::revisions::{self, ACTIVITIES, REPEATS, Revision, revision_columns};
use super::statements::{ROWS_PER_STATEMENT, placeholders};
use super::transaction::Tx;
use super::{Entity, Epoch, StoreError};

/// Revisions put in force by one transaction: more would hold up other config writes for too long.
const ENFORCED_AT_ONCE: usize = 250;
/// Revisions read by one statement when all of them are asked for, so that each stays well within its limits.
const READ_AT_ONCE: usize = 10_000;

/// A statement with whatever was bound to it so far.
type AnyQuery = Query<'static, Any, AnyArguments>;

/// A revision with the slot border from which it is to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enforcement {
    /// The check.
    pub check: CheckId,
    /// Its revision.
    pub revision: u32,
    /// The slot border.
    pub from: UnixMs,
}

/// What the ledger needs of a revision to say what was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LedgerRevision {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its revision.
    pub revision: u32,
    /// Whether it makes slots due.
    pub activity: Activity,
    /// How often.
    pub interval: Interval,
    /// On how many streams.
    pub streams: u16,
    /// Whether it stands under the promise.
    pub repeat: Repeat,
    /// The module that runs.
    pub module: ModuleHash,
    /// The slot border from which it counts, until the next revision of its check does.
    pub in_force_from: UnixMs,
}

/// What says where the streams of a revision belong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevisionSpec {
    /// The check.
    pub check: CheckId,
    /// Whose it is.
    pub tenant: TenantId,
    /// Its revision.
    pub revision: u32,
    /// Whether others may run it as well.
    pub repeat: Repeat,
    /// JSON: all that the customer said.
    pub spec: String,
}

/// For whom a ledger is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LedgerScope {
    /// Every check.
    Fleet,
    /// The checks of a tenant.
    Tenant(TenantId),
    /// One check of a tenant.
    Check(TenantId, CheckId),
}

impl Checks<'_> {
    /// The latest revision of every check whose latest is not in force. A revision that was overtaken while it was
    /// pending never comes into force and is not among them.
    pub async fn pending_revisions(self) -> Result<Vec<Revision>, StoreError> {
        let rows = self.rows_through(
            concat!(
                "select ",
                revision_columns!(),
                "from checks c join check_revision r on r.check_id = c.id and r.revision = c.latest_revision \
                 where (c.in_force_revision is null or c.in_force_revision < c.latest_revision) \
                 and (r.check_id, r.revision) > ($1, $2) order by r.check_id, r.revision limit $3"
            ),
            |query| query,
        );
        rows.await?.iter().map(revisions::revision).collect()
    }

    /// Puts revisions in force, and returns those that are so now. One that was overtaken by a later one in force,
    /// or does not exist, is left out; one that is in force already keeps the border it has.
    pub async fn put_in_force(
        self,
        leader: Epoch,
        wanted: &[Enforcement],
        now: UnixMs,
    ) -> Result<Vec<Enforcement>, StoreError> {
        let mut done = Vec::with_capacity(wanted.len());
        for some in wanted.chunks(ENFORCED_AT_ONCE) {
            done.extend(self.0.write(|tx| Box::pin(enforce_all(tx, leader, some, now))).await?);
        }
        Ok(done)
    }

    /// Every revision that counted at this moment or later or is the latest, of every check that was not gone by then,
    /// in order of check and revision. Not one snapshot: read the current stamp first and follow the log from there.
    pub async fn live_since(self, moment: UnixMs) -> Result<Vec<Revision>, StoreError> {
        let rows = self.rows_through(
            concat!(
                "select ",
                revision_columns!(),
                "from check_revision r join checks c on c.id = r.check_id \
                 where (r.in_force_from_ms is not null or r.revision = c.latest_revision) \
                 and r.revision >= coalesce((select max(first.revision) from check_revision first \
                 where first.check_id = r.check_id and first.in_force_from_ms <= $4), 0) \
                 and not (r.activity = 'deleted' and coalesce(r.in_force_from_ms, $4 + 1) <= $4) \
                 and (r.check_id, r.revision) > ($1, $2) order by r.check_id, r.revision limit $3"
            ),
            |query| query.bind(moment.0),
        );
        rows.await?.iter().map(revisions::revision).collect()
    }

    /// The revisions written or put in force by the config writes after the first and up to the second number.
    pub async fn definitions_changed(self, after: Stamp, up_to: Stamp) -> Result<Vec<Revision>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(concat!(
                        "select ",
                        revision_columns!(),
                        "from (select check_id, revision from check_revision \
                         where (config_era, config_n) > ($1, $2) and (config_era, config_n) <= ($3, $4) \
                         union select check_id, revision from check_revision \
                         where (in_force_era, in_force_n) > ($1, $2) and (in_force_era, in_force_n) <= ($3, $4)) \
                         changed join check_revision r \
                         on r.check_id = changed.check_id and r.revision = changed.revision \
                         join checks c on c.id = r.check_id order by r.check_id, r.revision"
                    ))
                    .bind(i64::from(after.era))
                    .bind(stored(after.n))
                    .bind(i64::from(up_to.era))
                    .bind(stored(up_to.n))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(revisions::revision).collect()
                })
            })
            .await
    }

    /// Every revision that counted at some moment of [from, to), in order of check and revision.
    pub async fn revisions_in_force_between(
        self,
        scope: LedgerScope,
        from: UnixMs,
        to: UnixMs,
    ) -> Result<Vec<LedgerRevision>, StoreError> {
        let (tenant, check) = match scope {
            LedgerScope::Fleet => (None, None),
            LedgerScope::Tenant(tenant) => (Some(tenant), None),
            LedgerScope::Check(tenant, check) => (Some(tenant), Some(check)),
        };
        let rows = self.rows_through(
            "select r.check_id, c.tenant_id, r.revision, r.activity, r.interval_s, r.streams, r.repeat, \
             r.module_hash, r.in_force_from_ms from check_revision r join checks c on c.id = r.check_id \
             where r.in_force_from_ms < $4 and ($5 is null or c.tenant_id = $5) \
             and ($6 is null or r.check_id = $6) and (r.check_id, r.revision) > ($1, $2) \
             and not exists (select 1 from check_revision later where later.check_id = r.check_id \
             and later.revision > r.revision and later.in_force_from_ms <= $7) \
             order by r.check_id, r.revision limit $3",
            |query| {
                query
                    .bind(to.0)
                    .bind(tenant.map(|tenant| tenant.as_bytes().to_vec()))
                    .bind(check.map(|check| check.as_bytes().to_vec()))
                    .bind(from.0)
            },
        );
        rows.await?.iter().map(ledger_revision).collect()
    }

    /// Where the revisions that counted at some moment of [from, to) of these checks wanted to be, in order of check and
    /// revision.
    pub async fn specs_in_force_between(
        self,
        checks: &[CheckId],
        from: UnixMs,
        to: UnixMs,
    ) -> Result<Vec<RevisionSpec>, StoreError> {
        let mut found = Vec::new();
        for some in checks.chunks(ROWS_PER_STATEMENT) {
            let statement = format!(
                "select r.check_id, c.tenant_id, r.revision, r.repeat, r.spec \
                 from check_revision r join checks c on c.id = r.check_id where r.in_force_from_ms < $1 \
                 and not exists (select 1 from check_revision later where later.check_id = r.check_id \
                 and later.revision > r.revision and later.in_force_from_ms <= $2) \
                 and r.check_id in ({}) order by r.check_id, r.revision",
                placeholders(2, some.len())
            );
            let rows = self.0.read(|reading| {
                let statement = statement.clone();
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement)).bind(to.0).bind(from.0);
                    for check in some {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    Ok(query.fetch_all(&mut *reading.connection).await?)
                })
            });
            found.extend(rows.await?.iter().map(revision_spec).collect::<Result<Vec<_>, _>>()?);
        }
        Ok(found)
    }

    /// Asks for the rows after ($1, $2) in pieces of $3, until one is not full. What else the statement names is
    /// bound by the caller.
    async fn rows_through(
        self,
        statement: &'static str,
        bind: impl Fn(AnyQuery) -> AnyQuery + Sync,
    ) -> Result<Vec<AnyRow>, StoreError> {
        let bind = &bind;
        let mut all: Vec<AnyRow> = Vec::new();
        loop {
            let (check, revision) = match all.last() {
                Some(row) => (row.bytes("check_id")?, row.int("revision")?),
                None => (Vec::new(), 0),
            };
            let check = check.as_slice();
            let piece = self.0.read(|reading| {
                Box::pin(async move {
                    let query = sqlx::query(statement).bind(check.to_vec()).bind(revision).bind(READ_AT_ONCE as i64);
                    Ok(bind(query).fetch_all(&mut *reading.connection).await?)
                })
            });
            let piece = piece.await?;
            let is_last = piece.len() < READ_AT_ONCE;
            all.extend(piece);
            if is_last {
                return Ok(all);
            }
        }
    }
}

async fn enforce_all(
    tx: &mut Tx<'_>,
    leader: Epoch,
    wanted: &[Enforcement],
    now: UnixMs,
) -> Result<Vec<Enforcement>, StoreError> {
    tx.demand_leader(leader).await?;
    let mut enforced = Vec::with_capacity(wanted.len());
    for enforcement in wanted {
        enforced.extend(enforce(tx, *enforcement, now).await?);
    }
    Ok(enforced)
}

async fn enforce(tx: &mut Tx<'_>, wanted: Enforcement, now: UnixMs) -> Result<Option<Enforcement>, StoreError> {
    let row = sqlx::query(
        "select r.in_force_from_ms, coalesce(c.in_force_revision, 0) as in_force_revision \
         from check_revision r join checks c on c.id = r.check_id where r.check_id = $1 and r.revision = $2",
    )
    .bind(wanted.check.as_bytes().as_slice())
    .bind(i64::from(wanted.revision))
    .fetch_optional(&mut *tx.connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    if let Some(from) = row.maybe_moment("in_force_from_ms")? {
        return Ok(Some(Enforcement { from, ..wanted }));
    }
    if row.int("in_force_revision")? > i64::from(wanted.revision) {
        return Ok(None);
    }
    let stamp = tx.next_stamp(Entity::Check(wanted.check), now).await?;
    sqlx::query(
        "update check_revision set in_force_from_ms = $3, in_force_era = $4, in_force_n = $5 \
         where check_id = $1 and revision = $2",
    )
    .bind(wanted.check.as_bytes().as_slice())
    .bind(i64::from(wanted.revision))
    .bind(wanted.from.0)
    .bind(i64::from(stamp.era))
    .bind(stored(stamp.n))
    .execute(&mut *tx.connection)
    .await?;
    // What was held before a pause says nothing of what will be found after it.
    sqlx::query(
        "delete from judged_check where check_id = $1 and exists (select 1 from check_revision r \
         where r.check_id = $1 and r.revision = $2 and r.activity = 'paused')",
    )
    .bind(wanted.check.as_bytes().as_slice())
    .bind(i64::from(wanted.revision))
    .execute(&mut *tx.connection)
    .await?;
    sqlx::query("update checks set in_force_revision = $2 where id = $1")
        .bind(wanted.check.as_bytes().as_slice())
        .bind(i64::from(wanted.revision))
        .execute(&mut *tx.connection)
        .await?;
    Ok(Some(wanted))
}

fn revision_spec(row: &AnyRow) -> Result<RevisionSpec, StoreError> {
    Ok(RevisionSpec {
        check: row.id("check_id", CheckId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        revision: row.number("revision")?,
        repeat: row.word("repeat", &REPEATS)?,
        spec: row.text("spec")?,
    })
}

fn ledger_revision(row: &AnyRow) -> Result<LedgerRevision, StoreError> {
    Ok(LedgerRevision {
        check: row.id("check_id", CheckId::from_bytes)?,
        tenant: row.id("tenant_id", TenantId::from_bytes)?,
        revision: row.number("revision")?,
        activity: row.word("activity", &ACTIVITIES)?,
        interval: revisions::interval(row)?,
        streams: row.number("streams")?,
        repeat: row.word("repeat", &REPEATS)?,
        module: row.hash("module_hash")?,
        in_force_from: row.moment("in_force_from_ms")?,
    })
}
