//! The certificates of a fleet on one machine: an authority, control, and one per host.
//!
//! Made once and kept in the data directory, keys with mode 0600. They bind control to its name and every host to its id;
//! a host cannot speak for another. One that an earlier version made without the names that are needed today, or whose
//! life is half over, is made anew at the start, for the same key.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use farwatch_control::authority::{self, covers_host};
use farwatch_control::clock::Clock;
use farwatch_control::file::write_whole;
use farwatch_proto::id::HostId;
use farwatch_proto::link::CONTROL_NAME;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType,
};

/// The files of the authority.
pub(super) struct Authority {
    directory: PathBuf,
    signer: authority::Authority,
}

impl Authority {
    /// The authority in this directory, made if there is none.
    pub(super) fn in_directory(directory: &Path) -> anyhow::Result<Self> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        if !certificate.exists() {
            let pair = KeyPair::generate()?;
            let made = authority_params()?.self_signed(&pair)?;
            write_whole(&key, &pair.serialize_pem(), 0o600)?;
            write_whole(&certificate, &made.pem(), 0o644)?;
        }
        let signer = authority::Authority::from_directory(directory)?;
        let signer = signer.with_context(|| format!("{} is missing", key.display()))?;
        Ok(Self { directory: directory.to_owned(), signer })
    }

    /// Makes control's certificate, where there is none: `control.pem` and `control.key` beside the authority.
    pub(super) fn certify_control(&self) -> anyhow::Result<()> {
        let certificate = self.directory.join("control.pem");
        if certificate.exists() {
            return Ok(());
        }
        let pair = key_in(&self.directory.join("control.key"))?;
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "farwatch control");
        params.subject_alt_names = vec![SanType::DnsName(Ia5String::try_from(CONTROL_NAME)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        write_whole(&certificate, &self.signer.certify(params, &pair, None)?, 0o644)
    }

    /// Makes a host's certificate, where there is no good one: `host.pem`, `host.key` and `ca.pem` in its directory.
    pub(super) fn certify_host(&self, host: HostId, directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let certificate = directory.join("host.pem");
        let pair = key_in(&directory.join("host.key"))?;
        let kept = fs::read_to_string(&certificate).unwrap_or_default();
        if !covers_host(&kept, host, &pair, Clock.wall()) {
            write_whole(&certificate, &self.signer.certify_host(host, &pair, None)?, 0o644)?;
        }
        write_whole(&directory.join("ca.pem"), self.signer.pem(), 0o644)
    }
}

/// The key in this file, made if there is none.
fn key_in(file: &Path) -> anyhow::Result<KeyPair> {
    if !file.exists() {
        write_whole(file, &KeyPair::generate()?.serialize_pem(), 0o600)?;
    }
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    KeyPair::from_pem(&text).with_context(|| format!("{} holds no key", file.display()))
}

fn authority_params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "farwatch fleet authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_certificate_is_kept_and_one_of_an_earlier_version_is_made_anew_for_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::in_directory(&folder.path().join("identity")).unwrap();
        let (host, directory) = (HostId::from_bytes([5; 16]), folder.path().join("host"));
        authority.certify_host(host, &directory).unwrap();
        let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap();
        let (first, key) = (read("host.pem"), read("host.key"));
        authority.certify_host(host, &directory).unwrap();
        assert_eq!(read("host.pem"), first);
        let earlier = CertificateParams::default();
        let pair = KeyPair::from_pem(&key).unwrap();
        fs::write(directory.join("host.pem"), authority.signer.certify(earlier, &pair, None).unwrap()).unwrap();
        authority.certify_host(host, &directory).unwrap();
        assert!(covers_host(&read("host.pem"), host, &pair, Clock.wall()));
        assert_eq!(read("host.key"), key);
    }
}
