//! MariaDB, with users that prove their password in several ways, and a table.

use std::fs;
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, ensure};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;
use tempfile::TempDir;

use super::{Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Which certificate it has; without one it speaks no TLS.
    certificate: Option<String>,
    /// Whether it refuses writes.
    #[serde(default)]
    is_read_only: bool,
}

/// What it does when it starts, a statement a line. Grants are not read at that point unless they are asked for.
const STATEMENTS: &str = "\
flush privileges;
create user native@'127.0.0.1' identified by 'geheim';
create user nobody@'127.0.0.1';
create user ed25519@'127.0.0.1' identified via ed25519 using password('geheim');
create user crowded@'127.0.0.1' identified by 'geheim' with max_user_connections -1;
create user encrypted@'127.0.0.1' identified by 'geheim' require ssl;
create database shop;
create table shop.orders (id int);
insert into shop.orders values (1), (2), (3), (4), (5), (6), (7);
create table shop.salaries (id int);
create database secret;
grant select, insert, drop on shop.orders to native@'127.0.0.1';
";

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    install(&directory)?;
    fs::write(directory.path().join("statements"), STATEMENTS)?;
    let address = free_address()?;
    let mut arguments = vec![
        "--no-defaults".to_owned(),
        format!("--datadir={here}/data"),
        format!("--socket={here}/socket"),
        format!("--pid-file={here}/pid"),
        format!("--init-file={here}/statements"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--port={}", address.port()),
        "--skip-name-resolve".to_owned(),
        "--plugin-load-add=auth_ed25519".to_owned(),
        "--innodb-buffer-pool-size=8M".to_owned(),
        "--innodb-flush-log-at-trx-commit=0".to_owned(),
        "--user=root".to_owned(),
    ];
    if let Some(word) = settings.certificate {
        let certificate = certificate(Some(&word))?;
        fs::write(directory.path().join("chain.pem"), &certificate.chain_pem)?;
        fs::write(directory.path().join("key.pem"), &certificate.key_pem)?;
        arguments.extend([format!("--ssl-cert={here}/chain.pem"), format!("--ssl-key={here}/key.pem")]);
    }
    if settings.is_read_only {
        arguments.push("--read-only".to_owned());
    }
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let ready = || Ok(TcpStream::connect(address).is_ok());
    let server = Server::start(("mariadbd", "mariadb-server"), &arguments, directory, ready)?;
    Ok(Running::new(address, server))
}

/// Makes the tables that it keeps of itself.
fn install(directory: &TempDir) -> anyhow::Result<()> {
    let output = Command::new("mariadb-install-db")
        .args(["--no-defaults", "--skip-test-db", "--auth-root-authentication-method=normal", "--user=root"])
        .arg(format!("--datadir={}/data", path_text(directory.path())?))
        .output()
        .context("mariadb-install-db cannot be run; install the Debian package mariadb-server")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "mariadb-install-db failed: {said}");
    Ok(())
}
