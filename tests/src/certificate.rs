//! Certificates for the servers of tests: good ones, and ones that are wrong in one way.

use std::time::Duration;

use farwatch_proto::id::HostId;
use farwatch_proto::link::HOST_URI_PREFIX;
use farwatch_proto::peer::peer_name;
use farwatch_proto::time::UnixMs;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
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
    /// From then until then.
    Between(UnixMs, UnixMs),
}

impl Authority {
    /// A new authority that nobody trusts yet.
    pub fn new() -> anyhow::Result<Self> {
        Self::named("Farwatch test authority")
    }

    /// A new authority of this name.
    pub fn named(name: &str) -> anyhow::Result<Self> {
        let params = authority_params(name);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, KeyPair::generate()?)? })
    }

    /// An authority that this one vouches for.
    pub fn intermediate(&self) -> anyhow::Result<Self> {
        let params = authority_params("Farwatch test intermediate");
        Ok(Self { issuer: CertifiedIssuer::signed_by(params, KeyPair::generate()?, &self.issuer)? })
    }

    /// The certificate of whoever tells in its name which certificates are revoked.
    pub fn responder_certificate(&self) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate()?;
        let mut params = params(&[], Validity::Good)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::OcspSigning];
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
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

    /// The certificate of a host, as client and as server.
    pub fn host_certificate(&self, host: HostId, validity: Validity) -> anyhow::Result<Certificate> {
        let key = KeyPair::generate()?;
        let certificate = host_params(host, validity)?.signed_by(&key, &self.issuer)?;
        Ok(Certificate { chain_pem: certificate.pem(), key_pem: key.serialize_pem() })
    }

    /// The certificate of a host by the key of this request, in PEM.
    pub fn renewed(&self, request: &[u8], host: HostId, validity: Validity) -> anyhow::Result<String> {
        let key = CertificateSigningRequestParams::from_der(&request.into())?.public_key;
        Ok(host_params(host, validity)?.signed_by(&key, &self.issuer)?.pem())
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

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_validity(&mut params, Validity::Good);
    params
}

fn host_params(host: HostId, validity: Validity) -> anyhow::Result<CertificateParams> {
    let mut params = params(&[&peer_name(host)], validity)?;
    params.subject_alt_names.push(SanType::URI(Ia5String::try_from(format!("{HOST_URI_PREFIX}{host}"))?));
    params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
    Ok(params)
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
    let year = |year: i32| date_time_ymd(year, 1, 1);
    let moment = |at: UnixMs| year(1970) + Duration::from_millis(at.0.unsigned_abs());
    (params.not_before, params.not_after) = match validity {
        Validity::Good => (year(2020), year(4000)),
        Validity::Expired => (year(2020), year(2021)),
        Validity::NotYet => (year(3999), year(4000)),
        Validity::Between(from, until) => (moment(from), moment(until)),
    };
}
