//! What a certificate says of the host that shows it. Whether the certificate is good is another question.

use anyhow::{Context, bail};
use farwatch_core::certificate::Validity;
use farwatch_proto::id::HostId;
use farwatch_proto::link::HOST_URI_PREFIX;
use farwatch_proto::time::UnixMs;
use rustls::pki_types::CertificateDer;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// A host, as its certificate has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Which host.
    pub host: HostId,
    /// From when until when it is good.
    pub validity: Validity,
    /// Its key (SubjectPublicKeyInfo, DER).
    pub public_key: Vec<u8>,
}

/// The host that a certificate names.
pub fn named_in(certificate: &CertificateDer<'_>) -> anyhow::Result<Named> {
    let (_, certificate) = X509Certificate::from_der(certificate).context("the certificate cannot be read")?;
    let host = host_in(&certificate)?;
    let moment = |time: ASN1Time| UnixMs(time.timestamp().saturating_mul(1000));
    let ends = certificate.validity();
    let validity = Validity { from: moment(ends.not_before), until: moment(ends.not_after) };
    Ok(Named { host, validity, public_key: certificate.public_key().raw.to_vec() })
}

fn host_in(certificate: &X509Certificate<'_>) -> anyhow::Result<HostId> {
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
        for name in &names.general_names {
            if let GeneralName::URI(uri) = name
                && let Some(id) = uri.strip_prefix(HOST_URI_PREFIX)
            {
                return id.parse().with_context(|| format!("the certificate names {uri}"));
            }
        }
    }
    bail!("the certificate names no host; it needs the URI {HOST_URI_PREFIX}hst_…")
}
