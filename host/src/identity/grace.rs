//! Takes certificates that have run out for as long as `core` says, so that no outage of control ends the fleet.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::certificate::judged_at;
use farwatch_proto::time::UnixMs;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::named_in;

/// A verifier of those that dial, which is asked about another moment where that is due; the rest is up to it.
#[derive(Debug)]
pub(super) struct ForbearingOfClients(pub(super) Arc<dyn ClientCertVerifier>);

/// The same for those that are dialled.
#[derive(Debug)]
pub(super) struct ForbearingOfServers(pub(super) Arc<dyn ServerCertVerifier>);

impl ClientCertVerifier for ForbearingOfClients {
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

impl ServerCertVerifier for ForbearingOfServers {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let moment = moment_for(end_entity, now)?;
        self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, moment)
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

/// The moment at which this certificate is judged. One that names no host, as control's, has no grace.
fn moment_for(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<UnixTime, Error> {
    let Ok((_, validity)) = named_in(certificate) else { return Ok(now) };
    let out_of_range = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let now = UnixMs(i64::try_from(now.as_secs().saturating_mul(1000)).map_err(out_of_range)?);
    let judged_s = u64::try_from(judged_at(now, validity.until).0 / 1000).map_err(out_of_range)?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(judged_s)))
}
