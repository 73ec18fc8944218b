//! vsftpd: serves one folder to anybody, and to the user `anna`, whose password is `correct horse`.
//!
//! It asks the system for users and for how to check passwords, so it is shown files of its own in their place, in a mount
//! namespace that nobody else is in.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use farwatch_tests::ports::free_address;
use farwatch_tests::server::{Server, path_text};
use serde::Deserialize;

use super::{Running, certificate, only_as_root, settings};
use crate::case::Setup;

/// The hash of anna's password, by `openssl passwd -6 -salt farwatch`.
const PASSWORD: &str =
    "$6$farwatch$mEan68CRu34NWPx5ycCxiRyntTAKSHdrEuokuCKxZ6d8pe6szchIDOMrm0E5TlExJBRK7dAjuSxTSxrxdGukX.";
/// A user and a group that no package of Debian has.
const ANNA: u32 = 65_533;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    certificate: Option<String>,
    /// With what it greets, in as many lines as this has.
    #[serde(default)]
    greeting: String,
    /// More lines of its config.
    #[serde(default)]
    lines: String,
}

/// Starts it. In its folder are `backup/latest.tar` of 6 bytes, and `private`, which nobody but root may enter.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    only_as_root("vsftpd")?;
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = directory.path();
    let certificate = certificate(settings.certificate.as_deref())?;
    fs::write(here.join("chain.pem"), certificate.chain_pem)?;
    fs::write(here.join("key.pem"), certificate.key_pem)?;
    write_files(here)?;
    write_users(here)?;
    let address = free_address()?;
    let text = path_text(here)?;
    fs::write(here.join("greeting"), &settings.greeting)?;
    fs::write(here.join("vsftpd.conf"), config(text, address.port(), &settings))?;
    let script = format!(
        "mount --bind {text}/pam.d /etc/pam.d && mount --bind {text}/passwd /etc/passwd && \
         mount --bind {text}/shadow /etc/shadow && exec vsftpd {text}/vsftpd.conf"
    );
    let ready = || Ok(TcpStream::connect(address).is_ok());
    let arguments = ["--mount", "sh", "-c", &script];
    let server = Server::start(("unshare", "vsftpd and util-linux"), &arguments, directory, ready)?;
    Ok(Running::new(address, server))
}

fn write_files(here: &Path) -> anyhow::Result<()> {
    for folder in ["empty", "home/backup", "home/private"] {
        fs::create_dir_all(here.join(folder))?;
    }
    fs::write(here.join("home/backup/latest.tar"), "hello\n")?;
    fs::set_permissions(here.join("home/private"), fs::Permissions::from_mode(0o700))?;
    // Whoever is logged in has to get to the folder.
    Ok(fs::set_permissions(here, fs::Permissions::from_mode(0o755))?)
}

fn write_users(here: &Path) -> anyhow::Result<()> {
    let others = fs::read_to_string("/etc/passwd")?;
    let home = here.join("home");
    fs::write(here.join("passwd"), format!("{others}anna:x:{ANNA}:{ANNA}::{}:/bin/sh\n", home.display()))?;
    fs::write(here.join("shadow"), format!("anna:{PASSWORD}:20000:0:99999:7:::\n"))?;
    fs::create_dir(here.join("pam.d"))?;
    let rules = "auth required pam_unix.so nodelay\naccount required pam_permit.so\nsession required pam_permit.so\n";
    Ok(fs::write(here.join("pam.d/vsftpd"), rules)?)
}

fn config(here: &str, port: u16, Settings { greeting, lines, .. }: &Settings) -> String {
    let greeting = if greeting.is_empty() { String::new() } else { format!("banner_file={here}/greeting\n") };
    format!(
        "listen=YES\nbackground=NO\nlisten_address=127.0.0.1\nlisten_port={port}\nxferlog_enable=NO\n\
         secure_chroot_dir={here}/empty\npam_service_name=vsftpd\nanonymous_enable=YES\nanon_root={here}/home\n\
         local_enable=YES\nchroot_local_user=YES\ndelay_failed_login=0\n\
         ssl_enable=YES\nallow_anon_ssl=YES\nforce_local_logins_ssl=NO\nforce_local_data_ssl=NO\n\
         rsa_cert_file={here}/chain.pem\nrsa_private_key_file={here}/key.pem\n{greeting}{lines}\n"
    )
}
