//! `openssl s_server`: shows any certificate, staples any word of its issuer, and speaks versions of TLS that nobody
//! should speak any more.

use farwatch_tests::server::openssl::OpensslServer;
use serde::Deserialize;

use super::{Running, certificate, settings, staple};
use crate::case::Setup;

/// What the stapled word is called in the directory of the server.
const STAPLE: &str = "staple.der";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    certificate: Option<String>,
    /// What the issuer says of the certificate: a word of `staple.rs`. The chain then has the issuer, too.
    staple: Option<String>,
    /// More flags, as on the command line.
    #[serde(default)]
    flags: Vec<String>,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let mut certificate = certificate(settings.certificate.as_deref())?;
    let mut flags: Vec<&str> = settings.flags.iter().map(String::as_str).collect();
    let mut word = Vec::new();
    if let Some(said) = &settings.staple {
        word = staple::about(&certificate, said)?;
        certificate.chain_pem.push_str(&super::AUTHORITY.pem());
        flags.extend(["-status_file", STAPLE]);
    }
    let server = OpensslServer::start(&certificate, &flags, (STAPLE, &word))?;
    Ok(Running::new(server.address, server))
}
