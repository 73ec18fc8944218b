//! What a handshake, and offers that were accepted, say about the server.

use farwatch_guest::outcome::{
    Finding, TIMES, certificate_days_left, certificate_expiring, found, integer, slow, text, times,
};

use crate::config::Config;
use crate::staple::{self, Word};
use crate::suites;
use crate::wit::farwatch::check::tls::Handshake;
use crate::wit::farwatch::check::types::{Attribute, Outcome, Status};

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
    let word = shown.ocsp_response.as_ref().map(|said| staple::judge(said, &shown.info.chain, now_ms));
    let finding = certificate(config, shown)
        .or_else(|| revoked(shown, word.as_ref()))
        .or_else(|| version(config, shown))
        .or_else(|| stapled(config, shown, word.as_ref()))
        .or_else(|| accepted.and_then(|accepted| offer(shown, accepted)))
        .or_else(|| bad_staple(shown, word.as_ref()))
        .or_else(|| {
            let message = certificate_expiring(days_left?, config.certificate_days_min)?;
            Some((Status::Degraded, "certificate-expiring", message))
        })
        .or_else(|| slow("the handshake was done", took_us, config.degraded_above_ms));
    let mut outcome = found(finding, took_us, attributes(shown, days_left, word.as_ref()));
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

fn revoked(shown: &Handshake, word: Option<&Word>) -> Finding {
    let Some(Word::Revoked(since)) = word else { return None };
    let message = format!("the certificate is revoked since {since}, says its issuer by what {} staples", shown.remote);
    Some((Status::Down, "tls-certificate-revoked", message))
}

/// What is wrong where the server must staple that its certificate is good.
fn stapled(config: &Config, shown: &Handshake, word: Option<&Word>) -> Finding {
    let (code, message) = match word {
        _ if !config.require_staple => return None,
        Some(Word::NotJudged) => {
            let why = "leaves out the certificate of its issuer, by which its staple would be judged";
            ("staple-invalid", why)
        }
        None => ("staple-missing", "staples no word of its issuer that its certificate is not revoked"),
        _ => return bad_staple(shown, word).map(|(_, code, message)| (Status::Down, code, message)),
    };
    Some((Status::Down, code, format!("{} {message}", shown.remote)))
}

fn bad_staple(shown: &Handshake, word: Option<&Word>) -> Finding {
    let Some(Word::Invalid(why)) = word else { return None };
    Some((Status::Degraded, "staple-invalid", format!("what {} staples counts for nothing: {why}", shown.remote)))
}

fn offer(shown: &Handshake, accepted: &Accepted) -> Finding {
    let Accepted { version, suite } = *accepted;
    let code = if version == "TLS 1.2" { "tls-cipher-accepted" } else { "tls-version-accepted" };
    let message = format!("{} still accepts {version} with {}", shown.remote, suites::name(suite));
    Some((Status::Down, code, message))
}

fn attributes(shown: &Handshake, days_left: Option<i64>, word: Option<&Word>) -> Vec<Attribute> {
    let mut attributes = Vec::with_capacity(TIMES + 7);
    times(&mut attributes, &shown.times);
    attributes.push(text("tls.version", shown.info.version.clone()));
    attributes.push(text("tls.cipher", shown.info.cipher.clone()));
    attributes.extend(days_left.map(|days| integer("tls.certificate-days-left", days)));
    attributes.push(integer("tls.chain-length", shown.info.chain.len() as i64));
    attributes.push(text("tls.staple", word.map_or("none", Word::name).to_owned()));
    attributes.push(text("net.remote", shown.remote.clone()));
    attributes
}
