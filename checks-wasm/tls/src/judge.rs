//! What a handshake, and offers that were accepted, say about the server.

use farwatch_guest::outcome::{
    Finding, TIMES, certificate_days_left, certificate_expiring, found, integer, slow, text, times,
};

use crate::config::Config;
use crate::suites;
use crate::wit::farwatch::check::tls::Handshake;
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status, Value};

/// The one thing wrong with a certificate that may be as it should be.
const UNKNOWN_ISSUER: &str = "tls-certificate-unknown-issuer";

/// An offer that should have been refused.
pub struct Accepted {
    /// The version that was offered.
    pub version: &'static str,
    /// The suite that the server took.
    pub suite: u16,
}

/// Judges what was found.
pub fn handshake(config: &Config, shown: &Handshake, accepted: Option<&Accepted>, now_ms: u64) -> Outcome {
    let took_us = u64::from(shown.times.total);
    let days_left = certificate_days_left(&shown.info, now_ms);
    let finding = certificate(config, shown)
        .or_else(|| version(config, shown))
        .or_else(|| staple(config, shown))
        .or_else(|| accepted.and_then(|accepted| offer(shown, accepted)))
        .or_else(|| {
            let message = certificate_expiring(days_left?, config.certificate_days_min)?;
            Some((Status::Degraded, "certificate-expiring", message))
        })
        .or_else(|| slow("the handshake was done", took_us, config.degraded_above_ms));
    let mut outcome = found(finding, took_us, attributes(shown, days_left));
    // What is wrong with a certificate has a code of its own for each.
    if let (Some(code), "tls-certificate") = (&shown.info.verify_error, outcome.code.as_str()) {
        outcome.code.clone_from(code);
    }
    outcome
}

fn certificate(config: &Config, shown: &Handshake) -> Finding {
    let code = shown.info.verify_error.as_deref()?;
    if config.allow_untrusted && code == UNKNOWN_ISSUER {
        return None;
    }
    let complaint = shown.complaint.as_deref().unwrap_or("the certificate of the server is not good");
    Some((Status::Down, "tls-certificate", format!("{complaint}, from {}", shown.remote)))
}

fn version(config: &Config, shown: &Handshake) -> Finding {
    // Versions sort as their names do.
    if shown.info.version.as_str() >= config.version_min {
        return None;
    }
    let message = format!("{} speaks {} and no {}", shown.remote, shown.info.version, config.version_min);
    Some((Status::Down, "tls-version-too-old", message))
}

fn staple(config: &Config, shown: &Handshake) -> Finding {
    let is_missing = config.require_staple && shown.ocsp_response.is_none();
    let message = || format!("{} staples no word of its issuer that its certificate is not revoked", shown.remote);
    is_missing.then(|| (Status::Down, "staple-missing", message()))
}

fn offer(shown: &Handshake, accepted: &Accepted) -> Finding {
    let Accepted { version, suite } = *accepted;
    let code = if version == "TLS 1.2" { "tls-cipher-accepted" } else { "tls-version-accepted" };
    let message = format!("{} still accepts {version} with {}", shown.remote, suites::name(suite));
    Some((Status::Down, code, message))
}

fn attributes(shown: &Handshake, days_left: Option<i64>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(TIMES + 7);
    times(&mut attributes, &shown.times);
    attributes.push(text("tls.version", shown.info.version.clone()));
    attributes.push(text("tls.cipher", shown.info.cipher.clone()));
    attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
    attributes.push(integer("tls.chain-length", shown.info.chain.len() as i64));
    let stapled = Value::Boolean(shown.ocsp_response.is_some());
    attributes.push(Attribute { key: "tls.stapled".to_owned(), value: stapled });
    attributes.push(text("net.remote", shown.remote.clone()));
    attributes
}
