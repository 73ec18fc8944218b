//! One consistent look at a whole database while others go on writing to it: what a backup is made of.
//!
//! It migrates nothing and changes nothing, and reads row by row, however large a table is.

use futures_util::TryStreamExt;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Connection, Executor};

use super::columns::Columns;
use super::connect::{connect_options, within_limit};
use super::tables::{self, Cell, ColumnKind, Table};
use super::{DatabaseUrl, Engine, StoreError};

/// Waits for a writer of another process that is in the way; nobody's write lasts this long.
const SQLITE_SESSION: &str = "pragma busy_timeout = 10000";

/// A database as it stands at one moment.
#[derive(Debug)]
pub struct Snapshot {
    connection: AnyConnection,
    /// The migrations that were applied.
    pub versions: Vec<i64>,
    /// The tables, each after all that its rows refer to.
    pub tables: Vec<Table>,
}

impl Snapshot {
    /// Looks at the database. Whatever is written from now on is not seen.
    pub async fn open(url: &DatabaseUrl) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        if let Some(path) = url.path() {
            // To open a file that is not there would make one.
            std::fs::metadata(path).map_err(|source| StoreError::Unreadable { path: path.to_owned(), source })?;
        }
        let mut connection = within_limit(AnyConnection::connect_with(&connect_options(url)?)).await?;
        let engine = url.engine();
        match engine {
            Engine::Sqlite => {
                connection.execute(SQLITE_SESSION).await?;
                connection.execute("begin").await?;
            }
            Engine::Postgres => {
                connection.execute("begin transaction isolation level repeatable read, read only").await?;
            }
        }
        // The first question is what fixes the moment.
        if tables::is_blank(&mut connection, engine).await? {
            return Err(StoreError::Blank);
        }
        let rows =
            sqlx::query("select version from schema_migration order by version").fetch_all(&mut connection).await?;
        let versions = rows.iter().map(|row| row.int("version")).collect::<Result<_, _>>()?;
        let tables = tables::all(&mut connection, engine).await?;
        Ok(Self { connection, versions, tables })
    }

    /// Hands over the rows of a table, one after the other.
    pub async fn rows<E: From<StoreError>>(
        &mut self,
        table: &Table,
        mut each: impl FnMut(Vec<Cell>) -> Result<(), E>,
    ) -> Result<(), E> {
        let columns: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let statement = format!("select {} from {}", columns.join(", "), table.name);
        let mut rows = sqlx::query(AssertSqlSafe(statement)).fetch(&mut self.connection);
        while let Some(row) = rows.try_next().await.map_err(StoreError::from)? {
            each(cells(table, &row)?)?;
        }
        Ok(())
    }

    /// Ends it.
    pub async fn close(self) -> Result<(), StoreError> {
        Ok(self.connection.close().await?)
    }
}

fn cells(table: &Table, row: &AnyRow) -> Result<Vec<Cell>, StoreError> {
    let cell = |column: &tables::Column| {
        Ok(match column.kind {
            ColumnKind::Int => Cell::Int(row.maybe_int(&column.name)?),
            ColumnKind::Text => Cell::Text(row.maybe_text(&column.name)?),
            ColumnKind::Bytes => Cell::Bytes(row.maybe_bytes(&column.name)?),
        })
    };
    table.columns.iter().map(cell).collect()
}
