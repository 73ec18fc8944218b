//! nginx, with the directives that a case says.

use std::collections::BTreeMap;
use std::fs;

use anyhow::Context;
use farwatch_tests::nginx::{Nginx, Server};
use serde::Deserialize;

use super::{AUTHORITY, Running, certificate, settings};
use crate::case::Setup;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What stands in its server block.
    directives: String,
    /// Its certificate by a word; without it, it speaks no TLS.
    certificate: Option<String>,
    /// Whether it offers HTTP/2.
    #[serde(default)]
    http2: bool,
    /// Whether it asks for certificates of clients.
    #[serde(default)]
    asks_client: bool,
    /// Files below `www`, by name.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// What stands in the server block of another port, without TLS, which is the fact `other_port`.
    other: Option<String>,
}

/// Starts it. A certificate for clients, and its key, are the facts `client_certificate` and `client_key`.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let held = tempfile::tempdir()?;
    let authority = held.path().join("clients.pem");
    fs::write(&authority, AUTHORITY.pem())?;
    let mut directives = settings.directives;
    if settings.asks_client {
        let authority = authority.display();
        directives.push_str(&format!("\nssl_client_certificate {authority}; ssl_verify_client on;"));
    }
    let server = match settings.certificate {
        None if settings.http2 => Server::cleartext_http2(&directives),
        None => Server::http(&directives),
        Some(word) if settings.http2 => Server::https_http2(certificate(Some(&word))?, &directives),
        Some(word) => Server::https(certificate(Some(&word))?, &directives),
    };
    let other = Server::http(&settings.other.unwrap_or_else(|| "return 404;".to_owned()));
    let nginx = Nginx::start(&[server, other])?;
    for (name, text) in settings.files {
        fs::write(nginx.www().join(&name), text).with_context(|| format!("cannot write {name}"))?;
    }
    let client = AUTHORITY.client_certificate("https://client.example")?;
    let (address, other) = (nginx.address(0), nginx.address(1).port());
    Ok(Running::new(address, (nginx, held))
        .fact("other_port", other)
        .fact("client_certificate", client.chain_pem)
        .fact("client_key", client.key_pem))
}
