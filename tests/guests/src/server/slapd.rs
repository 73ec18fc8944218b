//! OpenLDAP, with people and a place that only some may see.

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
    /// Which certificate it has; without one it speaks no TLS.
    certificate: Option<String>,
    /// More lines of its configuration, before those of the database.
    #[serde(default)]
    lines: String,
}

/// What the directory holds.
const ENTRIES: &str = "\
dn: dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: Example
dc: example

dn: cn=watch,dc=example,dc=com
objectClass: person
cn: watch
sn: Watch
userPassword: geheim

dn: ou=people,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: cn=Anna,ou=people,dc=example,dc=com
objectClass: person
cn: Anna
sn: Arendt

dn: cn=Bertha,ou=people,dc=example,dc=com
objectClass: person
cn: Bertha
sn: Benz

dn: cn=Clara,ou=people,dc=example,dc=com
objectClass: person
cn: Clara
sn: Zetkin

dn: ou=secret,dc=example,dc=com
objectClass: organizationalUnit
ou: secret
";

/// Starts it. Where it speaks TLS from the first byte is the fact `tls_port`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    let address = free_address()?;
    let mut urls = format!("ldap://{address}");
    let (mut tls, mut port) = (String::new(), None);
    if let Some(word) = &settings.certificate {
        let certificate = certificate(Some(word))?;
        fs::write(directory.path().join("chain.pem"), &certificate.chain_pem)?;
        fs::write(directory.path().join("key.pem"), &certificate.key_pem)?;
        tls = format!("TLSCertificateFile {here}/chain.pem\nTLSCertificateKeyFile {here}/key.pem\n");
        let address = free_address()?;
        urls.push_str(&format!(" ldaps://{address}"));
        port = Some(address.port());
    }
    let config = format!(
        "include /etc/ldap/schema/core.schema\npidfile {here}/pid\n{tls}{}\ndatabase ldif\ndirectory {here}/data\n\
         suffix dc=example,dc=com\n\
         access to attrs=userPassword by anonymous auth\n\
         access to dn.subtree=ou=secret,dc=example,dc=com by dn.exact=cn=watch,dc=example,dc=com read by * none\n\
         access to * by * read\n",
        settings.lines
    );
    fs::write(directory.path().join("slapd.conf"), config)?;
    fs::write(directory.path().join("entries"), ENTRIES)?;
    fs::create_dir(directory.path().join("data"))?;
    let filled = Command::new("slapadd").args(["-f", "slapd.conf", "-l", "entries"]).current_dir(&directory).output();
    let filled = filled.context("slapadd cannot be run; install the Debian package slapd")?;
    ensure!(filled.status.success(), "slapadd failed: {}", String::from_utf8_lossy(&filled.stderr));
    let ready = || Ok(TcpStream::connect(address).is_ok());
    // The log level keeps it in the foreground.
    let arguments = ["-f", "slapd.conf", "-h", &urls, "-d", "0"];
    let server = Server::start(("slapd", "slapd"), &arguments, directory, ready)?;
    let running = Running::new(address, server);
    Ok(match port {
        Some(port) => running.fact("tls_port", port),
        None => running,
    })
}
