//! The database of a cell, filled with checks that nobody asked the API for, and asked what came of them.
//!
//! A hundred thousand checks cannot be made one by one in bounded time. One is made as customers make it; the others
//! are its rows again under other ids, and control is started anew before it is to know of them.

use anyhow::Context;
use sqlx::any::AnyConnectOptions;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Connection};
use tokio::runtime::Runtime;

use farwatch_proto::id::CheckId;

/// Rows of a table written by one statement. More would keep control from its own writes for longer than it bears.
const ROWS_AT_ONCE: u64 = 5_000;

/// The n-th check that was made by copying, from 1. The database computes the same.
pub(crate) fn copied_check(n: u64) -> CheckId {
    CheckId::from_bytes(u128::from(n).to_be_bytes())
}

/// A connection of its own, beside those of control.
pub(crate) struct Database {
    connection: AnyConnection,
    runtime: Runtime,
    /// How the engine makes the 16 bytes of a copy's id from its number `i`.
    id_of_i: &'static str,
}

impl Database {
    /// Connects to the database of this URL.
    pub(crate) fn open(url: &str) -> anyhow::Result<Self> {
        sqlx::any::install_default_drivers();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options: AnyConnectOptions = url.parse()?;
        let connection = runtime.block_on(AnyConnection::connect_with(&options.disable_statement_logging()))?;
        let is_sqlite = url.starts_with("sqlite:");
        let id_of_i = if is_sqlite { "unhex(printf('%032x', i))" } else { "decode(lpad(to_hex(i), 32, '0'), 'hex')" };
        Ok(Self { connection, runtime, id_of_i })
    }

    /// The number that this statement answers with.
    pub(crate) fn number(&mut self, statement: &str) -> anyhow::Result<i64> {
        let question = sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut self.connection);
        self.runtime.block_on(question).with_context(|| statement.to_owned())
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
        let id = self.id_of_i;
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
            let copied = sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.connection);
            self.runtime.block_on(copied).context("checks cannot be copied")?;
        }
        Ok(())
    }

    /// The processes of PostgreSQL that work for others, as the server knows them.
    pub(crate) fn server_processes(&mut self) -> anyhow::Result<Vec<u32>> {
        let question = sqlx::query_scalar("select pid from pg_stat_activity where pid <> pg_backend_pid()")
            .fetch_all(&mut self.connection);
        let processes: Vec<i32> = self.runtime.block_on(question)?;
        Ok(processes.into_iter().map(i32::cast_unsigned).collect())
    }
}
