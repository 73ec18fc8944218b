//! Dovecot: serves the mailboxes of one user, `anna`, by IMAP and POP3. Her password is `correct horse`.
//!
//! It keeps all that it has in its own directory. Where it runs as root, mail belongs to nobody, as Dovecot insists.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use rustix::process::{getegid, geteuid};
use serde::Deserialize;

use super::{Running, certificate, settings};
use crate::case::Setup;

/// The user and the group `nobody` of Debian.
const NOBODY: u32 = 65_534;
/// A server that is ready greets at once.
const GREETING_LIMIT: Duration = Duration::from_secs(2);
/// A message is hardly more than nothing: none is ever read.
const MESSAGE: &str = "From: bob@example.com\nSubject: hello\n\nhello\n";

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// Which of its ports is spoken to: `imap`, `imaps`, `pop3` or `pop3s`.
    port: String,
    certificate: Option<String>,
    /// How many messages were read, and how many were not.
    #[serde(default)]
    seen: u32,
    #[serde(default)]
    unseen: u32,
    /// Mailboxes beside INBOX, as their folders are named.
    #[serde(default)]
    mailboxes: Vec<String>,
    /// Whether it takes its client for a stranger, whom it trusts no more than others: it does not, on its own address.
    #[serde(default)]
    is_far: bool,
    /// More lines of its config.
    #[serde(default)]
    lines: String,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    serve(&settings(setup)?)
}

/// Starts one that checks passwords for another server, which asks it at this socket.
pub(super) fn for_logins(socket: &Path) -> anyhow::Result<Running> {
    let lines = format!(
        "auth_mechanisms = plain login\nservice auth {{\nunix_listener {} {{\nmode = 0666\n}}\n}}\n",
        socket.display()
    );
    serve(&Settings { port: "imap".to_owned(), lines, ..Settings::default() })
}

fn serve(settings: &Settings) -> anyhow::Result<Running> {
    let directory = tempfile::tempdir()?;
    let here = directory.path();
    // Its processes run as several users.
    fs::set_permissions(here, fs::Permissions::from_mode(0o755))?;
    let certificate = certificate(settings.certificate.as_deref())?;
    fs::write(here.join("chain.pem"), certificate.chain_pem)?;
    fs::write(here.join("key.pem"), certificate.key_pem)?;
    fs::write(here.join("users"), "anna:correct horse::::::\n")?;
    let owner = if geteuid().is_root() { (NOBODY, NOBODY) } else { (geteuid().as_raw(), getegid().as_raw()) };
    write_mail(&here.join("mail/anna/Maildir"), settings, owner)?;
    let ports = ["imap", "imaps", "pop3", "pop3s"].map(|name| free_address().map(|address| (name, address.port())));
    let ports = ports.into_iter().collect::<anyhow::Result<Vec<_>>>()?;
    let ip = if settings.is_far { Ipv4Addr::new(127, 0, 0, 2) } else { Ipv4Addr::LOCALHOST };
    fs::write(here.join("dovecot.conf"), config(path_text(here)?, ip, &ports, owner, &settings.lines)?)?;
    let port_of = |wanted: &str| {
        let port = ports.iter().find(|(name, _)| *name == wanted).map(|(_, port)| *port);
        port.with_context(|| format!("`{wanted}` is no port of Dovecot"))
    };
    let address = SocketAddr::new(IpAddr::V4(ip), port_of(&settings.port)?);
    let greeting = SocketAddr::new(IpAddr::V4(ip), port_of("imap")?);
    let file = path_text(&here.join("dovecot.conf"))?.to_owned();
    let ready = || greets(greeting);
    let server = Server::start(("dovecot", "dovecot-imapd"), &["-F", "-c", &file], directory, ready)?;
    Ok(Running::new(address, server))
}

/// Until passwords can be checked, it asks to wait.
fn greets(address: SocketAddr) -> anyhow::Result<bool> {
    let stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(GREETING_LIMIT))?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting)?;
    Ok(greeting.starts_with("* OK [CAPABILITY"))
}

fn write_mail(maildir: &Path, settings: &Settings, (user, group): (u32, u32)) -> anyhow::Result<()> {
    let mut folders = vec![maildir.to_owned()];
    folders.extend(settings.mailboxes.iter().map(|name| maildir.join(format!(".{name}"))));
    for part in folders.iter().flat_map(|folder| ["cur", "new", "tmp"].map(|part| folder.join(part))) {
        fs::create_dir_all(part)?;
    }
    for number in 0..settings.seen {
        fs::write(maildir.join(format!("cur/{number}.seen.example:2,S")), MESSAGE)?;
    }
    for number in 0..settings.unseen {
        fs::write(maildir.join(format!("new/{number}.unseen.example")), MESSAGE)?;
    }
    let home = maildir.parent().context("the mail has no home")?;
    give(home, user, group)
}

fn give(path: &Path, user: u32, group: u32) -> anyhow::Result<()> {
    chown(path, Some(user), Some(group))?;
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            give(&entry?.path(), user, group)?;
        }
    }
    Ok(())
}

fn config(
    here: &str,
    ip: Ipv4Addr,
    ports: &[(&str, u16)],
    (user, group): (u32, u32),
    lines: &str,
) -> anyhow::Result<String> {
    // Without root all of its processes run as whoever starts it.
    let (internal, login) = match geteuid().is_root() {
        true => ("dovecot".to_owned(), "dovenull".to_owned()),
        false => (user_name()?, user_name()?),
    };
    let listener = |(name, port): &(&str, u16)| {
        let protocol = name.trim_end_matches('s');
        let tls = if name.ends_with('s') { "ssl = yes\n" } else { "" };
        format!("service {protocol}-login {{\nchroot =\ninet_listener {name} {{\nport = {port}\n{tls}}}\n}}\n")
    };
    let listeners: String = ports.iter().map(listener).collect();
    Ok(format!(
        "base_dir = {here}/run\nstate_dir = {here}/state\nlog_path = /dev/stderr\nlisten = {ip}\n\
         protocols = imap pop3\nssl = yes\nssl_cert = <{here}/chain.pem\nssl_key = <{here}/key.pem\n\
         auth_failure_delay = 0\ndefault_internal_user = {internal}\ndefault_login_user = {login}\n\
         first_valid_uid = 1\nmail_location = maildir:~/Maildir\n\
         passdb {{\ndriver = passwd-file\nargs = scheme=PLAIN {here}/users\n}}\n\
         userdb {{\ndriver = static\nargs = uid={user} gid={group} home={here}/mail/%u\n}}\n\
         service anvil {{\nchroot =\nunix_listener anvil-auth-penalty {{\nmode = 0\n}}\n}}\n{listeners}{lines}\n"
    ))
}

fn user_name() -> anyhow::Result<String> {
    let said = Command::new("id").arg("-un").output().context("id cannot be started")?;
    Ok(String::from_utf8(said.stdout)?.trim().to_owned())
}
