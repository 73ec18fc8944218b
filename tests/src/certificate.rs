//! Certificates for the servers of tests: good ones, and ones that are wrong in one way.

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};

/// A chain and the key of its first certificate, as servers read them.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The chain in PEM, the server's own certificate first.
    pub chain_pem: String,
    /// Its private key in PEM.
    pub key_pem: String,
}

/// Signs certificates. Whoever trusts [`Authority::pem`] trusts them.
#[derive(Debug)]
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// How long a certificate is good.
#[derive(Clone, Copy, Debug)]
pub enum Validity {
    /// From 2020 to 4000.
    Good,
    /// Until 2021.
    Expired,
    /// From 3999.
    NotYet,
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub fn new() -> anyhow::Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Farwatch test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        set_validity(&mut params, Validity::Good);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// Its certificate in PEM.
    pub fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Its private key in PEM, for whoever signs in its name.
    pub fn key_pem(&self) -> String {
        self.issuer.key().serialize_pem()
    }

    /// A client certificate that names its holder by this URI.
    pub fn client_certificate(&self, uri: &str) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate()?;
        let mut params = params(&[], Validity::Good)?;
        params.subject_alt_names = vec![SanType::URI(Ia5String::try_from(uri)?)];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// A server certificate for these names and addresses.
    pub fn certificate(&self, names: &[&str], validity: Validity) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate()?;
        let certificate = params(names, validity)?.signed_by(&key, &self.issuer)?;
        Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }
}

/// A server certificate that vouches for itself.
pub fn self_signed(names: &[&str]) -> anyhow::Result<Certificate> {
    let key = KeyPair::generate()?;
    let certificate = params(names, Validity::Good)?.self_signed(&key)?;
    Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

fn params(names: &[&str], validity: Validity) -> anyhow::Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "a server under test");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params, validity);
    Ok(params)
}

fn set_validity(params: &mut CertificateParams, validity: Validity) {
    let (from, to) = match validity {
        Validity::Good => (2020, 4000),
        Validity::Expired => (2020, 2021),
        Validity::NotYet => (3999, 4000),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
}
