//! The fleet's authority, where this process holds its key: it signs the certificates of hosts.
//!
//! What a host asks for in its request counts for nothing but its key. Whether it may have a certificate is decided by
//! whoever calls.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_core::certificate::Validity;
use farwatch_proto::id::HostId;
use farwatch_proto::link::HOST_URI_PREFIX;
use farwatch_proto::peer::peer_name;
use farwatch_proto::time::UnixMs;
use rcgen::string::Ia5String;
use rcgen::{
    CertificateParams, CertificateSigningRequestParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKey, PublicKeyData, SanType, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// A point of the curve P-256, uncompressed, has as many bytes.
const POINT_BYTES: usize = 65;

/// Signs hosts.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    /// The authority in a directory: `ca.pem` and `ca.key`. Nothing where the key is kept elsewhere.
    pub fn from_directory(directory: &Path) -> anyhow::Result<Option<Self>> {
        let (certificate, key) = (directory.join("ca.pem"), directory.join("ca.key"));
        if !key.exists() {
            return Ok(None);
        }
        let read = |path: &Path| fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()));
        Self::new(read(&certificate)?, &read(&key)?).with_context(|| format!("in {}", directory.display())).map(Some)
    }

    /// The authority of this certificate and key, in PEM.
    pub fn new(pem: String, key_pem: &str) -> anyhow::Result<Self> {
        let key = KeyPair::from_pem(key_pem).context("ca.key is no private key")?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).context("ca.pem holds no PEM certificate")?;
        let (_, parsed) = X509Certificate::from_der(&certificate).context("ca.pem cannot be read")?;
        let is_its_key = parsed.public_key().raw == key.subject_public_key_info();
        ensure!(is_its_key, "ca.key is not the key of ca.pem");
        let issuer = Issuer::from_ca_cert_pem(&pem, key).context("ca.pem is no authority")?;
        Ok(Self { issuer, pem })
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate that names its holder as this host, in PEM.
    pub fn certify_host(
        &self,
        host: HostId,
        key: &impl PublicKeyData,
        validity: Option<Validity>,
    ) -> anyhow::Result<String> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "farwatch host");
        let uri = SanType::URI(Ia5String::try_from(format!("{HOST_URI_PREFIX}{host}"))?);
        // Neighbours dial each other, so a host is a server as well, by the name that they know it by.
        params.subject_alt_names = vec![uri, SanType::DnsName(Ia5String::try_from(peer_name(host))?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        self.certify(params, key, validity)
    }

    /// A certificate for whatever the parameters name; good for ever where no validity is said.
    pub fn certify(
        &self,
        mut params: CertificateParams,
        key: &impl PublicKeyData,
        validity: Option<Validity>,
    ) -> anyhow::Result<String> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        if let Some(Validity { from, until }) = validity {
            let epoch = date_time_ymd(1970, 1, 1);
            (params.not_before, params.not_after) = (epoch + since_epoch(from), epoch + since_epoch(until));
        }
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }
}

/// Whether this certificate (PEM) names its holder as the host, as client and as server, by this key, and has more than
/// half of its life before it.
pub fn covers_host(pem: &str, host: HostId, key: &impl PublicKeyData, now: UnixMs) -> bool {
    let Ok(der) = CertificateDer::from_pem_slice(pem.as_bytes()) else { return false };
    let Ok((_, certificate)) = X509Certificate::from_der(&der) else { return false };
    let (uri, name) = (format!("{HOST_URI_PREFIX}{host}"), peer_name(host));
    let names = certificate.subject_alternative_name().ok().flatten().map(|names| &names.value.general_names);
    let is_named = names
        .is_some_and(|names| names.contains(&GeneralName::URI(&uri)) && names.contains(&GeneralName::DNSName(&name)));
    let usage = certificate.extended_key_usage().ok().flatten();
    let is_both = usage.is_some_and(|usage| usage.value.client_auth && usage.value.server_auth);
    let moment = |time: ASN1Time| UnixMs(time.timestamp().saturating_mul(1000));
    let validity = certificate.validity();
    let validity = Validity { from: moment(validity.not_before), until: moment(validity.not_after) };
    is_named
        && is_both
        && certificate.public_key().raw == key.subject_public_key_info()
        && now < validity.renewed_from()
}

fn since_epoch(moment: UnixMs) -> Duration {
    Duration::from_secs(u64::try_from(moment.0 / 1000).unwrap_or(0))
}

/// A request that no certificate follows from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRequest {
    /// It cannot be read, or is not signed by the key in it.
    #[error("the certificate request cannot be read, or is not signed by its own key")]
    Unreadable,
    /// Its key is of a kind that hosts do not have.
    #[error("the key of a host is one of ECDSA P-256")]
    WrongKey,
}

/// The key of a certificate request, which whoever made the request has proven to hold.
pub fn key_of_request(request: &[u8]) -> Result<PublicKey, BadRequest> {
    let read = CertificateSigningRequestParams::from_der(&request.into()).map_err(|_| BadRequest::Unreadable)?;
    let key = read.public_key;
    let is_ours = *key.algorithm() == PKCS_ECDSA_P256_SHA256 && key.der_bytes().len() == POINT_BYTES;
    if is_ours { Ok(key) } else { Err(BadRequest::WrongKey) }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, IsCa, PKCS_ED25519};

    use super::*;

    fn authority() -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    fn request_by(key: &KeyPair) -> Vec<u8> {
        CertificateParams::default().serialize_request(key).unwrap().der().to_vec()
    }

    #[test]
    fn a_host_is_named_for_a_time_and_by_its_own_key() {
        let (pem, key_pem) = authority();
        let authority = Authority::new(pem, &key_pem).unwrap();
        let key = KeyPair::generate().unwrap();
        let asked = key_of_request(&request_by(&key)).unwrap();
        assert_eq!(asked.subject_public_key_info(), key.subject_public_key_info());
        let host = HostId::from_bytes([7; 16]);
        let validity = Validity { from: UnixMs(1_700_000_000_000), until: UnixMs(1_700_000_060_000) };
        let made = authority.certify_host(host, &asked, Some(validity)).unwrap();
        let der = CertificateDer::from_pem_slice(made.as_bytes()).unwrap();
        let (_, read) = X509Certificate::from_der(&der).unwrap();
        let (from, until) = (read.validity().not_before.timestamp(), read.validity().not_after.timestamp());
        assert_eq!((from, until), (1_700_000_000, 1_700_000_060));
        assert_eq!(read.public_key().raw, key.subject_public_key_info());
        let names = format!("{:?}", read.subject_alternative_name().unwrap().unwrap().value.general_names);
        assert!(names.contains(&peer_name(host)) && names.contains(&format!("{HOST_URI_PREFIX}{host}")), "{names}");
        let usage = read.extended_key_usage().unwrap().unwrap().value;
        assert!(usage.client_auth && usage.server_auth && !read.is_ca());
    }

    #[test]
    fn requests_that_prove_nothing_are_refused() {
        let mut forged = request_by(&KeyPair::generate().unwrap());
        *forged.last_mut().unwrap() ^= 1;
        for bad in [&forged[..], b"", b"no request"] {
            assert_eq!(key_of_request(bad).err(), Some(BadRequest::Unreadable));
        }
        let other = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        assert_eq!(key_of_request(&request_by(&other)).err(), Some(BadRequest::WrongKey));
    }

    #[test]
    fn a_key_of_another_authority_is_noticed_at_the_start() {
        let ((pem, _), (_, other_key)) = (authority(), authority());
        let told = format!("{:#}", Authority::new(pem, &other_key).err().unwrap());
        assert!(told.contains("not the key of ca.pem"), "{told}");
    }
}
