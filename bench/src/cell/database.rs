//! The database of a cell: asked what came of it by way of the store, and filled with checks that nobody asked the API for.
//!
//! A hundred thousand checks cannot be made one by one in bounded time. One is made as customers make it; the others
//! are its rows again under other ids, and control is started anew before it is to know of them. That, and what only the
//! engine itself knows, is the SQL that stands here.

use std::path::Path;

use anyhow::Context;
use farwatch_control::store::{DatabaseUrl, Engine, Incident, IncidentFilter, IncidentPosition, JournalRow, Store};
use farwatch_proto::id::CheckId;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Connection};
use tokio::runtime::Runtime;

/// Rows of a table written by one statement. More would keep control from its own writes for longer than it bears.
const ROWS_AT_ONCE: u64 = 5_000;
/// Rows of the journal, or incidents, that are read at once.
const READ_AT_ONCE: u32 = 100;

/// The n-th check that was made by copying, from 1. The database computes the same.
pub(crate) fn copied_check(n: u64) -> CheckId {
    CheckId::from_bytes(u128::from(n).to_be_bytes())
}

/// The database as one who is beside control sees it.
pub(crate) struct Database {
    store: Store,
    /// For what the store cannot be asked for.
    beside: AnyConnection,
    runtime: Runtime,
}

impl Database {
    /// Connects to this PostgreSQL database.
    pub(crate) fn server(url: &str) -> anyhow::Result<Self> {
        Self::open(&url.parse()?, url)
    }

    /// Opens this SQLite file.
    pub(crate) fn file(path: &Path) -> anyhow::Result<Self> {
        Self::open(&DatabaseUrl::file(path), &format!("sqlite://{}", path.display()))
    }

    fn open(url: &DatabaseUrl, driver_url: &str) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let store = runtime.block_on(Store::open(url))?;
        let options: AnyConnectOptions = driver_url.parse()?;
        let beside = runtime.block_on(AnyConnection::connect_with(&options.disable_statement_logging()))?;
        Ok(Self { store, beside, runtime })
    }

    /// The store.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Waits for what is asked of the store.
    pub(crate) fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// The last row of the journal.
    pub(crate) fn last_row(&self) -> anyhow::Result<u64> {
        Ok(self.wait(self.store.journal().head())?.seq)
    }

    /// The number of the leadership that wrote last.
    pub(crate) fn epoch(&self) -> anyhow::Result<u64> {
        Ok(self.wait(self.store.journal().head())?.epoch.n)
    }

    /// Shows the rows of the journal behind this one, in order, as long as `show` wants more.
    pub(crate) fn rows_after(&self, seq: u64, mut show: impl FnMut(&JournalRow) -> bool) -> anyhow::Result<()> {
        let mut after = seq;
        loop {
            let rows = self.wait(self.store.journal().read_after(after, READ_AT_ONCE))?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.seq;
            if !rows.iter().all(&mut show) {
                return Ok(());
            }
        }
    }

    /// How many incidents are open.
    pub(crate) fn open_incidents(&self) -> anyhow::Result<u64> {
        Ok(self.wait(self.store.backlog())?.open_incidents.cast_unsigned())
    }

    /// Every incident of the only tenant that has any.
    pub(crate) fn incidents(&self) -> anyhow::Result<Vec<Incident>> {
        let tenants = self.wait(self.store.tenants().list(None, READ_AT_ONCE))?;
        let mut all: Vec<Incident> = Vec::new();
        for tenant in tenants.items {
            let mut before = None;
            loop {
                let list = self.store.incidents().list(tenant.id, IncidentFilter::default(), before, READ_AT_ONCE);
                let page = self.wait(list)?;
                before = page.items.last().map(|last| IncidentPosition { opened: last.opened, id: last.id });
                all.extend(page.items);
                if !page.more {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// Copies the only check there is so many times, as checks that are in force and have been judged.
    pub(crate) fn copy_check(&mut self, copies: u64) -> anyhow::Result<()> {
        let mut first = 1;
        while first <= copies {
            let last = (first + ROWS_AT_ONCE - 1).min(copies);
            self.copy(first, last)?;
            first = last + 1;
        }
        Ok(())
    }

    /// Makes the copies from this number to that one.
    fn copy(&mut self, first: u64, last: u64) -> anyhow::Result<()> {
        let numbers = format!(
            "with recursive numbers (i) as (select cast({first} as bigint) union all \
             select i + 1 from numbers where i < {last})"
        );
        let original = "(select id from checks order by id desc limit 1)";
        let id = match self.store.engine() {
            Engine::Sqlite => "unhex(printf('%032x', i))",
            Engine::Postgres => "decode(lpad(to_hex(i), 32, '0'), 'hex')",
        };
        let statements = [
            format!(
                "insert into checks (id, tenant_id, name, created_ms, latest_revision, in_force_revision) {numbers} \
                 select {id}, tenant_id, name || '-' || i, created_ms, latest_revision, in_force_revision \
                 from checks, numbers where checks.id = {original}"
            ),
            format!(
                "insert into check_revision (check_id, revision, activity, spec, prepared, module_hash, interval_s, \
                 timeout_ms, streams, repeat, config_era, config_n, created_ms, in_force_from_ms, in_force_era, \
                 in_force_n) {numbers} select {id}, revision, activity, spec, prepared, module_hash, interval_s, \
                 timeout_ms, streams, repeat, config_era, config_n, created_ms, in_force_from_ms, in_force_era, \
                 in_force_n from check_revision, numbers where check_id = {original}"
            ),
            format!(
                "insert into judged_check (check_id, first_slot_ms) {numbers} select {id}, first_slot_ms \
                 from judged_check, numbers where check_id = {original}"
            ),
        ];
        for statement in statements {
            let copied = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.beside);
            self.runtime.block_on(copied).context("checks cannot be copied")?;
        }
        Ok(())
    }

    /// What the blocks weigh with their indexes and the pages they leave half empty, in bytes; of a SQLite file, all that
    /// is in it.
    pub(crate) fn weight_of_blocks(&mut self) -> anyhow::Result<i64> {
        let question = match self.store.engine() {
            Engine::Sqlite => {
                "select cast(page_count * page_size as integer) from pragma_page_count(), pragma_page_size()"
            }
            Engine::Postgres => {
                "select cast(sum(pg_total_relation_size(relid)) as bigint) from pg_partition_tree('block')"
            }
        };
        Ok(self.runtime.block_on(sqlx::query_scalar(question).fetch_one(&mut self.beside))?)
    }

    /// The processes of PostgreSQL that work for others, as the server knows them.
    pub(crate) fn server_processes(&mut self) -> anyhow::Result<Vec<u32>> {
        let question = sqlx::query_scalar("select pid from pg_stat_activity where pid <> pg_backend_pid()")
            .fetch_all(&mut self.beside);
        let processes: Vec<i32> = self.runtime.block_on(question)?;
        Ok(processes.into_iter().map(i32::cast_unsigned).collect())
    }
}
