//! The certificates of a fleet on one machine: an authority, control, and one per host.
//!
//! Made once and kept in the data directory, keys with mode 0600. They bind control to its name and
//! every host to its id; a host cannot speak for another.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use farwatch_control::file::write_whole;
use farwatch_proto::id::HostId;
use farwatch_proto::link::{CONTROL_NAME, HOST_URI_PREFIX};
use farwatch_proto::peer::peer_name;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};

/// The files of the authority.
pub(super) struct Authority {
    directory: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    pem: String,
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
        let pem = read(&certificate)?;
        let issuer = Issuer::from_ca_cert_pem(&pem, KeyPair::from_pem(&read(&key)?)?)?;
        Ok(Self { directory: directory.to_owned(), issuer, pem })
    }

    /// Makes control's certificate, where there is none: `control.pem` and `control.key` beside the authority.
    pub(super) fn certify_control(&self) -> anyhow::Result<()> {
        let name = SanType::DnsName(Ia5String::try_from(CONTROL_NAME)?);
        self.certify(&self.directory, "control", vec![name], &[ExtendedKeyUsagePurpose::ServerAuth])
    }

    /// Makes a host's certificate, where there is none: `host.pem`, `host.key` and `ca.pem` in its directory.
    pub(super) fn certify_host(&self, host: HostId, directory: &Path) -> anyhow::Result<()> {
        fs::create_dir_all(directory).with_context(|| format!("cannot make {}", directory.display()))?;
        let uri = SanType::URI(Ia5String::try_from(format!("{HOST_URI_PREFIX}{host}"))?);
        let name = SanType::DnsName(Ia5String::try_from(peer_name(host))?);
        // Neighbours dial each other, so a host is a server as well.
        let usages = [ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        self.certify(directory, "host", vec![uri, name], &usages)?;
        write_whole(&directory.join("ca.pem"), &self.pem, 0o644)
    }

    fn certify(
        &self,
        directory: &Path,
        stem: &str,
        names: Vec<SanType>,
        usages: &[ExtendedKeyUsagePurpose],
    ) -> anyhow::Result<()> {
        let (certificate, key) = (directory.join(format!("{stem}.pem")), directory.join(format!("{stem}.key")));
        if certificate.exists() {
            return Ok(());
        }
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, format!("farwatch {stem}"));
        params.subject_alt_names = names;
        params.extended_key_usages = usages.to_vec();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let pair = KeyPair::generate()?;
        let made = params.signed_by(&pair, &self.issuer)?;
        write_whole(&key, &pair.serialize_pem(), 0o600)?;
        write_whole(&certificate, &made.pem(), 0o644)
    }
}

fn authority_params() -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.distinguished_name.push(DnType::CommonName, "farwatch fleet authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
