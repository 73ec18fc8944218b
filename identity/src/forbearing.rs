//! Takes certificates that have run out for as long as `core` says, so that no outage of control ends the fleet.

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::certificate::judged_at;
use farwatch_proto::time::UnixMs;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use crate::named::named_in;

/// A verifier of those that dial, which is asked about another moment where that is due; the rest is up to it.
#[derive(Debug)]
pub struct ForbearingOfClients(pub Arc<dyn ClientCertVerifier>);

/// The same for those that are dialled.
#[derive(Debug)]
pub struct ForbearingOfServers(pub Arc<dyn ServerCertVerifier>);

impl ClientCertVerifier for ForbearingOfClients {
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
    let Ok(named) = named_in(certificate) else { return Ok(now) };
    let out_of_range = |_| Error::InvalidCertificate(CertificateError::BadEncoding);
    let now = UnixMs(i64::try_from(now.as_secs().saturating_mul(1000)).map_err(out_of_range)?);
    let judged_s = u64::try_from(judged_at(now, named.validity.until).0 / 1000).map_err(out_of_range)?;
    Ok(UnixTime::since_unix_epoch(Duration::from_secs(judged_s)))
}

#[cfg(test)]
mod tests {
    use farwatch_proto::id::HostId;
    use farwatch_proto::link::CONTROL_NAME;
    use farwatch_tests::certificate::{Authority, Validity};
    use rustls::RootCertStore;
    use rustls::pki_types::pem::PemObject;
    use rustls::server::WebPkiClientVerifier;

    use super::*;

    const HOUR_MS: i64 = 3_600_000;

    #[test]
    fn a_host_has_three_days_more_and_no_stranger_has_any() {
        let now = UnixMs(1_800_000_000_000);
        let (fleet, other) = (Authority::new().unwrap(), Authority::new().unwrap());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(fleet.pem().as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let strict = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let forbearing = ForbearingOfClients(strict);
        let at = UnixTime::since_unix_epoch(Duration::from_millis(now.0.unsigned_abs()));
        let is_taken = |authority: &Authority, from_hours: i64, until_hours: i64| {
            let validity = Validity::Between(now + from_hours * HOUR_MS, now + until_hours * HOUR_MS);
            let shown = authority.host_certificate(HostId::from_bytes([1; 16]), validity).unwrap();
            let shown = CertificateDer::from_pem_slice(shown.chain_pem.as_bytes()).unwrap();
            forbearing.verify_client_cert(&shown, &[], at).is_ok()
        };
        assert!(is_taken(&fleet, -1, 23));
        assert!(is_taken(&fleet, -25, -1) && is_taken(&fleet, -96, -72));
        assert!(!is_taken(&fleet, -97, -73), "its grace is over");
        assert!(!is_taken(&fleet, 1, 25), "it is not good yet");
        assert!(!is_taken(&other, -1, 23) && !is_taken(&other, -25, -1), "another authority");
        let ended = Validity::Between(now - 25 * HOUR_MS, now - HOUR_MS);
        let of_control = fleet.certificate(&[CONTROL_NAME], ended).unwrap();
        let of_control = CertificateDer::from_pem_slice(of_control.chain_pem.as_bytes()).unwrap();
        assert!(forbearing.verify_client_cert(&of_control, &[], at).is_err(), "it is no host's");
    }
}
