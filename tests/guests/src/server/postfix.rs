//! Postfix: takes mail for `anna@example.com`, who may log in with the password `correct horse`, and for nobody else.
//!
//! Passwords are checked by a Dovecot of its own. It delivers nothing, for no check ever sends a message.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;

use super::{Running, certificate, dovecot, only_as_root, settings};
use crate::case::Setup;

/// Where Debian has it.
const MASTER: &str = "/usr/lib/postfix/sbin/master";
/// The folders of its queue. Those of its processes belong to its user; the others to root.
const FOLDERS: &[&str] =
    &["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "private", "public"];
const FOLDERS_OF_ROOT: &[&str] = &["pid"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Which of its ports is spoken to: `smtp`, or `smtps`, where TLS is spoken from the first byte.
    port: String,
    certificate: Option<String>,
    /// Whether one may log in.
    #[serde(default)]
    has_logins: bool,
    /// More lines of its config, which are in force before those that it has by itself.
    #[serde(default)]
    lines: String,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    only_as_root("Postfix")?;
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = directory.path();
    // Its processes run as several users.
    fs::set_permissions(here, fs::Permissions::from_mode(0o755))?;
    let certificate = certificate(settings.certificate.as_deref())?;
    fs::write(here.join("chain.pem"), certificate.chain_pem)?;
    fs::write(here.join("key.pem"), certificate.key_pem)?;
    make_folders(here)?;
    let (smtp, smtps) = (free_address()?, free_address()?);
    fs::write(here.join("conf/main.cf"), config(path_text(here)?, &settings))?;
    fs::write(here.join("conf/master.cf"), services(smtp.port(), smtps.port()))?;
    let logins = match settings.has_logins {
        true => Some(dovecot::for_logins(&here.join("queue/private/auth"))?),
        false => None,
    };
    let address = match settings.port.as_str() {
        "smtp" => smtp,
        "smtps" => smtps,
        other => bail!("`{other}` is no port of Postfix"),
    };
    let folder = path_text(&here.join("conf"))?.to_owned();
    let ready = || Ok(TcpStream::connect(address).is_ok());
    let server = Server::start((MASTER, "postfix"), &["-d", "-c", &folder], directory, ready)?;
    Ok(Running::new(address, (server, logins)))
}

fn make_folders(here: &Path) -> anyhow::Result<()> {
    let said = Command::new("id").args(["-u", "postfix"]).output().context("id cannot be started")?;
    let user = String::from_utf8(said.stdout)?.trim().parse().context("install the Debian package postfix")?;
    for folder in ["conf", "data"] {
        fs::create_dir(here.join(folder))?;
    }
    chown(here.join("data"), Some(user), None)?;
    for folder in FOLDERS.iter().chain(FOLDERS_OF_ROOT) {
        fs::create_dir_all(here.join("queue").join(folder))?;
    }
    for folder in FOLDERS {
        chown(here.join("queue").join(folder), Some(user), None)?;
    }
    Ok(())
}

fn config(here: &str, settings: &Settings) -> String {
    let logins = match settings.has_logins {
        true => "smtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = dovecot\nsmtpd_sasl_path = private/auth\n",
        false => "",
    };
    // Of several lines with one name the last is in force.
    format!(
        "compatibility_level = 3.6\nqueue_directory = {here}/queue\ndata_directory = {here}/data\n\
         maillog_file = {here}/log\nmaillog_file_prefixes = {here}\nmyhostname = mail.example.com\n\
         mydestination = example.com\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmynetworks =\n\
         alias_maps =\nlocal_recipient_maps = inline:{{ {{ anna=here }} }}\nsmtpd_peername_lookup = no\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n\
         smtpd_recipient_restrictions = reject_unauth_destination\nsmtpd_error_sleep_time = 0\n\
         smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {here}/chain.pem\nsmtpd_tls_key_file = {here}/key.pem\n\
         {logins}{}\n",
        settings.lines
    )
}

fn services(smtp: u16, smtps: u16) -> String {
    format!(
        "127.0.0.1:{smtp} inet n - n - - smtpd\n\
         127.0.0.1:{smtps} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes\n\
         anvil unix - - n - 1 anvil\ncleanup unix n - n - 0 cleanup\npostlog unix-dgram n - n - 1 postlogd\n\
         proxymap unix - - n - - proxymap\nrewrite unix - - n - - trivial-rewrite\ntlsmgr unix - - n 1000? 1 tlsmgr\n"
    )
}
