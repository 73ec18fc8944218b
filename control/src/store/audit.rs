//! Who did what, when, and who was refused: only ever appended to.
//!
//! An entry of a change stands in the transaction of the change; see `authorship.rs`.

use farwatch_proto::id::TenantId;
use farwatch_proto::time::UnixMs;
use sqlx::any::AnyRow;

use super::columns::Columns;
use super::page::{page_of, rows_for};
use super::transaction::Tx;
use super::{Page, Store, StoreError};

/// Ids that one deletion looks at: it stays well within the limits of a statement.
const DELETED_AT_ONCE: i64 = 5_000;
/// Who acts when it is no person.
const HOUSE: &str = "farwatch";

/// Something that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// When.
    pub at: UnixMs,
    /// For which tenant; `None` is the fleet.
    pub tenant: Option<TenantId>,
    /// By whom, such as a token's id.
    pub actor: String,
    /// What, such as `check.create`.
    pub action: String,
    /// To what, by its shown id.
    pub entity: String,
    /// JSON: the rest.
    pub detail: String,
}

impl AuditEntry {
    /// What the house does by itself, such as at its first start.
    pub fn of_house(action: &str, entity: String, at: UnixMs) -> Self {
        let (actor, action) = (HOUSE.to_owned(), action.to_owned());
        Self { at, tenant: None, actor, action, entity, detail: "{}".to_owned() }
    }
}

/// An entry with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRecord {
    /// Counts up, with gaps.
    pub id: i64,
    /// The entry.
    pub entry: AuditEntry,
}

/// Which entries are asked for; whatever is left away passes.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// By this one.
    pub actor: Option<String>,
    /// This action, or all that begin so where it ends with a dot.
    pub action: Option<String>,
    /// Of this.
    pub entity: Option<String>,
    /// Not before.
    pub from: Option<UnixMs>,
    /// Before.
    pub to: Option<UnixMs>,
}

/// The audit log.
#[derive(Clone, Copy, Debug)]
pub struct Audit<'s>(&'s Store);

impl Store {
    /// The audit log.
    pub const fn audit(&self) -> Audit<'_> {
        Audit(self)
    }
}

impl Audit<'_> {
    /// Appends an entry of something that changed nothing. After a failover it may stand there twice, which is
    /// better than not at all.
    pub async fn append(self, entry: &AuditEntry) -> Result<(), StoreError> {
        self.0.write(|tx| Box::pin(insert(tx, entry))).await
    }

    /// The entries that pass, before this one, newest first.
    pub async fn list(
        self,
        filter: &AuditFilter,
        before: Option<i64>,
        limit: u32,
    ) -> Result<Page<AuditRecord>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id, at_ms, tenant_id, actor, action, entity, detail from audit \
                         where ($1 is null or tenant_id = $1) and id < $2 \
                         and ($3 is null or actor = $3) and ($4 is null or entity = $4) \
                         and ($5 is null or action = $5) and ($6 is null or substr(action, 1, length($6)) = $6) \
                         and at_ms >= $7 and at_ms < $8 order by id desc limit $9",
                    )
                    .bind(filter.tenant.map(|tenant| tenant.as_bytes().to_vec()))
                    .bind(before.unwrap_or(i64::MAX))
                    .bind(filter.actor.clone())
                    .bind(filter.entity.clone())
                    .bind(filter.action.clone().filter(|action| !action.ends_with('.')))
                    .bind(filter.action.clone().filter(|action| action.ends_with('.')))
                    .bind(filter.from.map_or(0, |from| from.0))
                    .bind(filter.to.map_or(i64::MAX, |to| to.0))
                    .bind(rows_for(limit))
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    page_of(&rows, limit, record)
                })
            })
            .await
    }

    /// Forgets entries from before this moment, the oldest first, a limited number at once. Only the oldest are looked
    /// at, so it costs little where nothing is that old.
    pub async fn delete_before(self, moment: UnixMs) -> Result<u64, StoreError> {
        self.0
            .write(|tx| {
                Box::pin(async move {
                    let deleted =
                        sqlx::query("delete from audit where id < (select min(id) from audit) + $1 and at_ms < $2")
                            .bind(DELETED_AT_ONCE)
                            .bind(moment.0)
                            .execute(&mut *tx.connection)
                            .await?;
                    Ok(deleted.rows_affected())
                })
            })
            .await
    }
}

/// Writes an entry in the transaction under way.
pub(super) async fn insert(tx: &mut Tx<'_>, entry: &AuditEntry) -> Result<(), StoreError> {
    sqlx::query("insert into audit (at_ms, tenant_id, actor, action, entity, detail) values ($1, $2, $3, $4, $5, $6)")
        .bind(entry.at.0)
        .bind(entry.tenant.map(|tenant| tenant.as_bytes().to_vec()))
        .bind(entry.actor.as_str())
        .bind(entry.action.as_str())
        .bind(entry.entity.as_str())
        .bind(entry.detail.as_str())
        .execute(&mut *tx.connection)
        .await?;
    Ok(())
}

fn record(row: &AnyRow) -> Result<AuditRecord, StoreError> {
    Ok(AuditRecord {
        id: row.int("id")?,
        entry: AuditEntry {
            at: row.moment("at_ms")?,
            tenant: row.maybe_id("tenant_id", TenantId::from_bytes)?,
            actor: row.text("actor")?,
            action: row.text("action")?,
            entity: row.text("entity")?,
            detail: row.text("detail")?,
        },
    })
}
