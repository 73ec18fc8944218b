//! mosquitto, with accounts and what each of them may do.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpStream;
use std::process::Command;

use anyhow::{Context, ensure};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;

use super::{Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The accounts, and their passwords. Nobody else may come in.
    users: BTreeMap<String, String>,
    /// Who may read and write which topics, as its file has it.
    access: String,
    certificate: Option<String>,
}

/// Starts it. Where it speaks TLS is the fact `tls_port`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let certificate = certificate(settings.certificate.as_deref())?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    let (address, tls) = (free_address()?, free_address()?);
    let config = format!(
        "user root\npersistence false\nlog_dest stderr\nallow_anonymous false\npassword_file {here}/users\n\
         acl_file {here}/access\nlistener {} 127.0.0.1\nlistener {} 127.0.0.1\ncertfile {here}/chain.pem\n\
         keyfile {here}/key.pem\n",
        address.port(),
        tls.port()
    );
    let users: String = settings.users.iter().map(|(name, password)| format!("{name}:{password}\n")).collect();
    for (name, content) in [
        ("mosquitto.conf", &config),
        ("users", &users),
        ("access", &settings.access),
        ("chain.pem", &certificate.chain_pem),
        ("key.pem", &certificate.key_pem),
    ] {
        fs::write(directory.path().join(name), content)?;
    }
    let hashed = Command::new("mosquitto_passwd").args(["-U", &format!("{here}/users")]).status();
    ensure!(hashed.context("mosquitto_passwd cannot be started; install mosquitto")?.success(), "no passwords");
    let ready = || Ok(TcpStream::connect(address).is_ok() && TcpStream::connect(tls).is_ok());
    let arguments = ["-c", &format!("{here}/mosquitto.conf")];
    let server = Server::start(("mosquitto", "mosquitto"), &arguments, directory, ready)?;
    Ok(Running::new(address, server).fact("tls_port", tls.port()))
}
