//! What the authority of the cases says of a certificate (RFC 6960), written by the `openssl` command: that it is good,
//! revoked or unknown, or that it will say so later; and what somebody says who has no say.

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use farwatch_tests::certificate::{Authority, Certificate, Validity};

use super::{AUTHORITY, command};

/// What `openssl ca` would have in its index: revoked at, and until when the certificate is good. Only the state counts.
const REVOKED: &str = "R\t391231235959Z\t240101000000Z,keyCompromise";
const GOOD: &str = "V\t391231235959Z\t";

/// An answer without an answer in it: it should be asked for again later.
const LATER: &[u8] = &[0x30, 3, 0x0a, 1, 3];

/// The word about this certificate, in DER.
pub(super) fn about(certificate: &Certificate, said: &str) -> anyhow::Result<Vec<u8>> {
    if said == "later" {
        return Ok(LATER.to_vec());
    }
    let directory = tempfile::tempdir()?;
    let here = directory.path();
    fs::write(here.join("leaf.pem"), &certificate.chain_pem)?;
    fs::write(here.join("authority.pem"), AUTHORITY.pem())?;
    let serial = serial(here)?;
    let state = match said {
        "unknown" => String::new(),
        "revoked" | "revoked-by-responder" | "revoked-by-anybody" => format!("{REVOKED}\t{serial}\tunknown\t/CN=x\n"),
        "good" => format!("{GOOD}\t{serial}\tunknown\t/CN=x\n"),
        other => bail!("`{other}` is no word that cases can have stapled"),
    };
    fs::write(here.join("index"), state)?;
    let signer = match said {
        "revoked-by-responder" => AUTHORITY.responder_certificate()?,
        "revoked-by-anybody" => Authority::new()?.certificate(&["127.0.0.1"], Validity::Good)?,
        _ => Certificate { chain_pem: AUTHORITY.pem(), key_pem: AUTHORITY.key_pem() },
    };
    fs::write(here.join("signer.pem"), signer.chain_pem)?;
    fs::write(here.join("signer.key"), signer.key_pem)?;
    let usual = ["ocsp", "-index", "index", "-CA", "authority.pem", "-rsigner", "signer.pem", "-rkey", "signer.key"];
    let asked = [
        "-issuer",
        "authority.pem",
        "-cert",
        "leaf.pem",
        "-no_nonce",
        "-noverify",
        "-respout",
        "word.der",
        "-ndays",
        "2",
    ];
    command::openssl(here, &[&usual, &asked[..]].concat())?;
    fs::read(here.join("word.der")).context("openssl wrote no word")
}

/// The number of the certificate, as the index has it.
fn serial(directory: &Path) -> anyhow::Result<String> {
    let said = command::openssl(directory, &["x509", "-in", "leaf.pem", "-noout", "-serial"])?;
    let serial = said.trim().strip_prefix("serial=").context("openssl told no serial number")?;
    Ok(serial.to_owned())
}
