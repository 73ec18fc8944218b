//! Redis, with a key, a user, and another server that it follows where a case wants that.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

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
    /// The password of those who name no user.
    password: Option<String>,
    /// Whom it follows: `somebody` or `nobody`, who is not there.
    follows: Option<String>,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let mut lines = String::new();
    let mut primary = None;
    if let Some(whom) = &settings.follows {
        let mut address = free_address()?;
        if whom == "somebody" {
            let (server, listens_at) = launch("", "", "PONG")?;
            (primary, address) = (Some(server), listens_at);
        }
        lines.push_str(&format!("replicaof {} {}\n", address.ip(), address.port()));
    }
    let mut greeting = String::new();
    if let Some(password) = &settings.password {
        lines.push_str(&format!("requirepass {password}\n"));
        greeting = format!("AUTH {password}\r\n");
    }
    // A primary has a key; whether a replica has found its primary is known by its words.
    let (greeting, ready) = match settings.follows.as_deref() {
        None => (format!("{greeting}SET heartbeat 1\r\n"), "PONG"),
        Some("somebody") => (format!("{greeting}INFO replication\r\n"), "master_link_status:up"),
        Some(_) => (greeting, "PONG"),
    };
    let mut tls = None;
    if let Some(word) = &settings.certificate {
        let (certificate, address) = (certificate(Some(word))?, free_address()?);
        let directory = tempfile::tempdir()?;
        let (chain, key) = (directory.path().join("chain.pem"), directory.path().join("key.pem"));
        fs::write(&chain, &certificate.chain_pem)?;
        fs::write(&key, &certificate.key_pem)?;
        let (chain, key) = (path_text(&chain)?, path_text(&key)?);
        lines.push_str(&format!(
            "tls-port {}\ntls-auth-clients no\ntls-cert-file {chain}\ntls-key-file {key}\n",
            address.port()
        ));
        tls = Some((address, directory));
    }
    let (server, address) = launch(&lines, &greeting, ready)?;
    let (address, files) = tls.map_or((address, None), |(address, files)| (address, Some(files)));
    Ok(Running::new(address, (server, primary, files)))
}

/// Starts one server. It is ready when it answers the greeting and a ping with these words.
fn launch(lines: &str, greeting: &str, ready: &str) -> anyhow::Result<(Server, SocketAddr)> {
    let directory = tempfile::tempdir()?;
    let here = path_text(directory.path())?.to_owned();
    let address = free_address()?;
    let config = format!(
        "bind 127.0.0.1\nport {}\ndir {here}\nsave \"\"\nrepl-diskless-sync-delay 0\n\
         user watch on >geheim ~* +ping +exists\n{lines}",
        address.port()
    );
    let file = directory.path().join("config");
    fs::write(&file, config)?;
    let (file, says) = (path_text(&file)?.to_owned(), format!("{greeting}PING\r\n"));
    let is_ready = || Ok(ask(address, &says).is_ok_and(|answer| answer.contains(ready)));
    let server = Server::start(("redis-server", "redis-server"), &[&file], directory, is_ready)?;
    Ok((server, address))
}

fn ask(address: SocketAddr, says: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(says.as_bytes())?;
    stream.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
