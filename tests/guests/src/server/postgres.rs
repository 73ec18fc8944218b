//! PostgreSQL, with users that prove their password in every way, and a table.

use anyhow::Context;
use farwatch_tests::postgres::{Postgres, Told};
use serde::Deserialize;

use super::{Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Which certificate it has; without one it speaks no TLS.
    certificate: Option<String>,
    #[serde(default)]
    is_standby: bool,
}

/// Users are called by how they prove their password, which is the same for all of them.
const STATEMENTS: &str = "\
create user scram password 'geheim'
create user clear password 'geheim'
create user crowded password 'geheim' connection limit 0
create user trusted
set password_encryption = 'md5'
create user md5 password 'geheim'
create database shop
create table orders (id int)
insert into orders select generate_series(1, 7)
grant select, insert on orders to scram
create table salaries (id int)
";
const RULES: &str = "\
host all md5 127.0.0.1/32 md5
host all clear 127.0.0.1/32 password
host all trusted 127.0.0.1/32 trust
host all all 127.0.0.1/32 scram-sha-256
";

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let certificate = settings.certificate.as_deref().map(|word| certificate(Some(word))).transpose()?;
    let told = Told {
        statements: STATEMENTS,
        rules: RULES,
        certificate: certificate.as_ref(),
        is_standby: settings.is_standby,
    };
    let server = Postgres::start_told(told)?;
    let address = server.address().context("it listens on loopback")?;
    Ok(Running::new(address, server))
}
