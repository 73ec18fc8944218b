//! Flags that cannot be obeyed, and files that flags name. Every complaint is one line that begins with the flag.

use std::fs;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// A flag that cannot be obeyed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {why}")]
pub struct BadFlag {
    flag: &'static str,
    why: String,
}

/// A PEM file of certificates that are trusted besides the system's, read and found to be one.
pub(crate) fn pem_file(flag: &'static str, path: Option<&Path>) -> Result<Option<Vec<u8>>, BadFlag> {
    let Some(path) = path else { return Ok(None) };
    let unreadable = |why: &dyn std::fmt::Display| bad(flag, &format!("{} cannot be read: {why}", path.display()));
    let text = fs::read(path).map_err(|error| unreadable(&error))?;
    let certificates = CertificateDer::pem_slice_iter(&text).collect::<Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|error| unreadable(&error))?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() { Err(unreadable(&"it holds no PEM certificate")) } else { Ok(Some(text)) }
}

/// What is wrong with a flag.
pub(crate) fn bad(flag: &'static str, why: &(impl ToString + ?Sized)) -> BadFlag {
    BadFlag { flag, why: why.to_string() }
}
