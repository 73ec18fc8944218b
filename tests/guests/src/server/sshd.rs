//! OpenSSH: a server with host keys of its own and one user, `watcher`, whose password and keys the case knows.
//!
//! It runs as root, as it does everywhere, for it becomes its users. So that it reads no users of the machine, it has a name
//! space of its own for mounts, with other files of users in it.

use std::fs::{self, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use rustix::process::geteuid;
use serde::Deserialize;

use super::{Running, settings};
use crate::case::Setup;

/// Its users: root, whom it has to be, the one who reads what nobody has proven yet, and the watcher.
const USERS: &str = "root:x:0:0::/:/bin/sh\nsshd:x:4241:65534::/:/usr/sbin/nologin\nwatcher:x:4242:4242::/:/bin/sh\n";
/// Puts the files of users in their places, makes the folder that it wants to be locked up in, and becomes the server.
const BEGIN: &str = "set -e; mount --bind passwd /etc/passwd; mount --bind shadow /etc/shadow; \
    mount -t tmpfs none /run; mkdir /run/sshd; exec setpriv --pdeathsig=KILL /usr/sbin/sshd -D -e -f \"$0\"";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// The kinds of its host keys.
    #[serde(default = "all_kinds")]
    host_keys: Vec<String>,
    /// Lines of its config.
    #[serde(default)]
    options: Vec<String>,
    /// The password of the user; without one none is right.
    password: Option<String>,
    /// The public keys of the user.
    #[serde(default)]
    authorized_keys: Vec<String>,
}

fn all_kinds() -> Vec<String> {
    ["ed25519", "ecdsa", "rsa"].map(str::to_owned).to_vec()
}

/// Starts it. Its facts are the fingerprints of its host keys, by their kinds: `rsa_fingerprint`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    ensure!(geteuid().is_root(), "sshd becomes its users, which only root can; run these cases as root");
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    let address = free_address()?;
    let mut config = format!(
        "ListenAddress {address}\nPidFile none\nUsePAM no\nStrictModes no\nMaxStartups 1000\n\
         AuthorizedKeysFile {here}/authorized_keys\n"
    );
    let mut facts = Vec::new();
    for kind in &settings.host_keys {
        let path = format!("{here}/{kind}");
        output("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &path])?;
        config.push_str(&format!("HostKey {path}\n"));
        let shown = output("ssh-keygen", &["-l", "-f", &path])?;
        let fingerprint = shown.split_whitespace().nth(1).context("ssh-keygen shows no fingerprint")?.to_owned();
        facts.push((format!("{kind}_fingerprint"), fingerprint));
    }
    config.extend(settings.options.iter().map(|line| format!("{line}\n")));
    write_users(directory.path(), &settings)?;
    let config_path = format!("{here}/config");
    fs::write(&config_path, config)?;
    let arguments = ["--mount", "--propagation", "private", "sh", "-c", BEGIN, &config_path];
    let ready = || Ok(TcpStream::connect(address).is_ok());
    let server = Server::start(("unshare", "openssh-server"), &arguments, directory, ready)?;
    let running = Running::new(address, server);
    Ok(facts.into_iter().fold(running, |running, (name, fact)| running.fact(&name, fact)))
}

fn write_users(directory: &Path, settings: &Settings) -> anyhow::Result<()> {
    let password = match &settings.password {
        Some(password) => output("openssl", &["passwd", "-6", password])?.trim().to_owned(),
        None => "*".to_owned(),
    };
    fs::write(directory.join("passwd"), USERS)?;
    fs::write(directory.join("shadow"), format!("root:*:1::::::\nsshd:*:1::::::\nwatcher:{password}:1::::::\n"))?;
    fs::write(directory.join("authorized_keys"), settings.authorized_keys.join("\n") + "\n")?;
    // Users read files of this directory.
    fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    fs::set_permissions(directory.join("passwd"), Permissions::from_mode(0o644))?;
    Ok(fs::set_permissions(directory.join("authorized_keys"), Permissions::from_mode(0o644))?)
}

fn output(program: &str, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output().with_context(|| format!("{program} is missing"))?;
    ensure!(output.status.success(), "{program} failed: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}
