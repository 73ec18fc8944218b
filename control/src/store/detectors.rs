//! What the detector holds of every check that is not plainly up, so that a takeover goes on where it was.
//!
//! Written only with a journal row.

use std::collections::BTreeMap;

use farwatch_proto::id::CheckId;
use sqlx::AssertSqlSafe;
use sqlx::any::AnyRow;

use super::columns::{Columns, stored};
use super::statements::{ROWS_PER_STATEMENT, placeholders, tuples};
use super::transaction::Tx;
use super::{DetectorChange, Store, StoreError};

/// Rows read by one statement, so that each stays well within its limits even when half the fleet is down.
const READ_AT_ONCE: usize = 5000;

/// The detector's row of one check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectorRow {
    /// The check.
    pub check: CheckId,
    /// JSON: its state.
    pub body: String,
    /// The journal row that wrote it.
    pub seq: u64,
}

/// The detector's rows.
#[derive(Clone, Copy, Debug)]
pub struct Detectors<'s>(&'s Store);

impl Store {
    /// The detector's rows.
    pub const fn detectors(&self) -> Detectors<'_> {
        Detectors(self)
    }
}

impl Detectors<'_> {
    /// All of them, in order of check. To be read after the takeover row, when nobody else can write any.
    pub async fn load_all(self) -> Result<Vec<DetectorRow>, StoreError> {
        let mut all: Vec<DetectorRow> = Vec::new();
        loop {
            let piece = self.load_after(all.last().map(|row| row.check)).await?;
            let is_last = piece.len() < READ_AT_ONCE;
            all.extend(piece);
            if is_last {
                return Ok(all);
            }
        }
    }

    /// The rows of these checks; one that is plainly up has none.
    pub async fn of_checks(self, checks: &[CheckId]) -> Result<Vec<DetectorRow>, StoreError> {
        let mut found = Vec::new();
        for some in checks.chunks(ROWS_PER_STATEMENT) {
            found.extend(self.of_some(some.to_vec()).await?);
        }
        Ok(found)
    }

    async fn of_some(self, checks: Vec<CheckId>) -> Result<Vec<DetectorRow>, StoreError> {
        let statement =
            format!("select check_id, body, seq from detector where check_id in ({})", placeholders(0, checks.len()));
        self.0
            .read(|reading| {
                let (statement, checks) = (statement.clone(), checks.clone());
                Box::pin(async move {
                    let mut query = sqlx::query(AssertSqlSafe(statement));
                    for check in &checks {
                        query = query.bind(check.as_bytes().as_slice());
                    }
                    let rows = query.fetch_all(&mut *reading.connection).await?;
                    rows.iter().map(detector_row).collect()
                })
            })
            .await
    }

    async fn load_after(self, check: Option<CheckId>) -> Result<Vec<DetectorRow>, StoreError> {
        let after = check.unwrap_or(CheckId::from_bytes([0; 16]));
        self.0
            .read(|reading| {
                Box::pin(async move {
                    let rows = sqlx::query(
                        "select check_id, body, seq from detector where check_id > $1 order by check_id limit $2",
                    )
                    .bind(after.as_bytes().as_slice())
                    .bind(READ_AT_ONCE as i64)
                    .fetch_all(&mut *reading.connection)
                    .await?;
                    rows.iter().map(detector_row).collect()
                })
            })
            .await
    }
}

pub(super) async fn write(
    tx: &mut Tx<'_>,
    changes: &BTreeMap<CheckId, DetectorChange>,
    seq: u64,
) -> Result<(), StoreError> {
    let mut put = Vec::new();
    let mut cleared = Vec::new();
    for (check, change) in changes {
        match change {
            DetectorChange::Put(body) => put.push((check, body)),
            DetectorChange::Clear => cleared.push(check),
        }
    }
    for some in put.chunks(ROWS_PER_STATEMENT) {
        let statement = format!(
            "insert into detector (check_id, body, seq) values {} \
             on conflict (check_id) do update set body = excluded.body, seq = excluded.seq",
            tuples(some.len(), 3)
        );
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for (check, body) in some {
            query = query.bind(check.as_bytes().as_slice()).bind(body.as_str()).bind(stored(seq));
        }
        query.execute(&mut *tx.connection).await?;
    }
    for some in cleared.chunks(ROWS_PER_STATEMENT) {
        let statement = format!("delete from detector where check_id in ({})", placeholders(0, some.len()));
        let mut query = sqlx::query(AssertSqlSafe(statement));
        for check in some {
            query = query.bind(check.as_bytes().as_slice());
        }
        query.execute(&mut *tx.connection).await?;
    }
    Ok(())
}

fn detector_row(row: &AnyRow) -> Result<DetectorRow, StoreError> {
    Ok(DetectorRow {
        check: row.id("check_id", CheckId::from_bytes)?,
        body: row.text("body")?,
        seq: row.number("seq")?,
    })
}
