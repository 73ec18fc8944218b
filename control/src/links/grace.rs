//! Takes certificates of hosts that have run out for as long as `core` says, so that no outage of control ends the fleet.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::certificate::judged_at;
use farwatch_proto::time::UnixMs;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A verifier that is asked about another moment, where that is due; everything else is up to it.
#[derive(Debug)]
pub(super) struct Forbearing(pub(super) Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Forbearing {
    fn offer_client_auth(&self) -> bool {
        self.0.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.0.verify_client_cert(end_entity, intermediates, moment_for(end_entity, now)?)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

/// The moment at which this certificate is judged.
fn moment_for(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<UnixTime, Error> {
    let (_, read) =
        X509Certificate::from_der(certificate).map_err(|_| Error::InvalidCertificate(CertificateError::BadEncoding))?;
    let until = UnixMs(read.validity().not_after.timestamp().saturating_mul(1000));
    let now = UnixMs(i64::try_from(now.as_secs().saturating_mul(1000)).unwrap_or(i64::MAX));
    let judged_s = u64::try_from(judged_at(now, until).0 / 1000).unwrap_or(0);
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(judged_s)))
}
