//! Which checks have been judged at all: one that never was has no verdict yet, whatever process is asked.
//!
//! Written only with a journal row, once per check.

use std::collections::{BTreeMap, BTreeSet};

use farwatch_proto::id::CheckId;
use farwatch_proto::time::UnixMs;
use sqlx::AssertSqlSafe;

use super::columns::Columns;
use super::statements::{ROWS_PER_STATEMENT, placeholders, tuples};
use super::transaction::Tx;
use super::{Store, StoreError};

/// The checks that have been judged.
#[derive(Clone, Copy, Debug)]
pub struct JudgedChecks<'s>(&'s Store);

impl Store {
    /// The checks that have been judged.
    pub const fn judged_checks(&self) -> JudgedChecks<'_> {
        JudgedChecks(self)
    }
}

impl JudgedChecks<'_> {
    /// Those of these checks that have been judged.
    pub async fn among(self, checks: &[CheckId]) -> Result<BTreeSet<CheckId>, StoreError> {
        let mut found = BTreeSet::new();
        for some in checks.chunks(ROWS_PER_STATEMENT) {
            found.extend(self.among_some(some.to_vec()).await?);
        }
        Ok(found)
    }

    async fn among_some(self, checks: Vec<CheckId>) -> Result<Vec<CheckId>, StoreError> {
        let statement =
            format!("select check_id from judged_check where check_id in ({})", placeholders(0, checks.len()));
        self.0
            .read(|reading| {
                let (statement, checks) = (statement.clone(), checks.clone());
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement));
                    for check in &checks {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    let rows = query.fetch_all(&mut *reading.connection).await?;
                    rows.iter().map(|row| row.id("check_id", CheckId::from_bytes)).collect()
                })
            })
            .await
    }

    /// The checks that were never judged, deleted ones among them. To be read after the takeover row, when nobody else
    /// can write any.
    pub async fn missing(self) -> Result<Vec<CheckId>, StoreError> {
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select id from checks \
                         where not exists (select 1 from judged_check where check_id = checks.id)",
                    )
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(|row| row.id("id", CheckId::from_bytes)).collect()
                })
            })
            .await
    }
}

pub(super) async fn write(tx: &mut Tx<'_>, first_judged: &BTreeMap<CheckId, UnixMs>) -> Result<(), StoreError> {
    let first_judged: Vec<_> = first_judged.iter().collect();
    for some in first_judged.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into judged_check (check_id, first_slot_ms) values {} on conflict (check_id) do nothing",
            tuples(some.len(), 2)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (check, slot) in some {
            query = query.bind(check.as_bytes().as_slice()).bind(slot.0);
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}
