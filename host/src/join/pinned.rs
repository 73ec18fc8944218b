//! Who is control, by the digest of an authority alone: for a machine that holds nothing else yet.

use std::sync::Arc;

use farwatch_proto::join::AuthorityDigest;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

/// A client that trusts this authority and nobody else, and shows no certificate.
pub(super) fn client_config(authority: AuthorityDigest) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(Pinned { authority, provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes the authority out of what the other side shows, if it is the right one, and judges the rest by it.
#[derive(Debug)]
struct Pinned {
    authority: AuthorityDigest,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let authority = intermediates.iter().find(|shown| AuthorityDigest::of(shown) == self.authority);
        let unknown = || Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let mut roots = RootCertStore::empty();
        roots.add(authority.ok_or_else(unknown)?.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone()).build();
        let verifier = verifier.map_err(|error| Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use farwatch_proto::link::CONTROL_NAME;
    use farwatch_tests::certificate::{Authority, Validity};
    use rustls::pki_types::pem::PemObject;

    use super::*;

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    #[test]
    fn only_control_of_the_authority_that_the_token_names_is_control() {
        let (fleet, other) = (Authority::new().unwrap(), Authority::new().unwrap());
        let pinned = Pinned {
            authority: AuthorityDigest::of(&der(&fleet.pem())),
            provider: Arc::new(rustls::crypto::ring::default_provider()),
        };
        let name = ServerName::try_from(CONTROL_NAME).unwrap();
        let judged = |leaf: &str, shown: &Authority| {
            pinned.verify_server_cert(&der(leaf), &[der(&shown.pem())], &name, &[], UnixTime::now()).is_ok()
        };
        let control = fleet.certificate(&[CONTROL_NAME], Validity::Good).unwrap().chain_pem;
        let impostor = other.certificate(&[CONTROL_NAME], Validity::Good).unwrap().chain_pem;
        let misnamed = fleet.certificate(&["elsewhere.internal"], Validity::Good).unwrap().chain_pem;
        assert!(judged(&control, &fleet));
        assert!(!judged(&impostor, &other), "another authority");
        assert!(!judged(&impostor, &fleet), "the right authority shown beside a certificate that it did not sign");
        assert!(!judged(&control, &other), "the authority is not shown");
        assert!(!judged(&misnamed, &fleet), "a host is not control");
    }
}
