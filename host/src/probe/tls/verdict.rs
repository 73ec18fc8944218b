//! What is wrong with a certificate or a handshake, in our codes.
//!
//! The verifier used within the handshake checks that the server holds the key it shows, and leaves the
//! certificate itself to [`judge`].

use std::io;
use std::sync::Arc;
use std::time::Duration;

use farwatch_proto::time::UnixMs;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, CertificateError, DigitallySignedStruct, Error, OtherError, PeerIncompatible, SignatureScheme,
};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::probe::evidence::Phase;
use crate::probe::trace::Mishap;

/// Checks the signatures of a handshake and nothing else.
#[derive(Debug)]
pub(super) struct SignaturesOnly {
    algorithms: WebPkiSupportedAlgorithms,
}

impl SignaturesOnly {
    pub(super) fn new(provider: &CryptoProvider) -> Self {
        Self { algorithms: provider.signature_verification_algorithms }
    }
}

impl ServerCertVerifier for SignaturesOnly {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms).map_err(|error| told(certificate, error))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms).map_err(|error| told(certificate, error))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The library takes no signature by an RSA key that is shorter, as nobody should.
const RSA_BITS_MIN: usize = 2_048;

/// A key so short that others can find its private half.
#[derive(Debug, thiserror::Error)]
#[error("its key is RSA of {0} bits, and {RSA_BITS_MIN} are the least that is safe")]
struct WeakKey(usize);

/// A signature that does not hold is told by the key that made it, where that is why.
fn told(certificate: &CertificateDer<'_>, error: Error) -> Error {
    match weak_key(certificate) {
        Some(weak) => Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(weak)))),
        None => error,
    }
}

fn weak_key(certificate: &CertificateDer<'_>) -> Option<WeakKey> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    match parsed.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => Some(key.key_size()).filter(|bits| *bits < RSA_BITS_MIN).map(WeakKey),
        _ => None,
    }
}

/// Whether the chain leads to a trusted root and names the host; if not, what is wrong with it.
pub(super) fn judge(
    verifier: &WebPkiServerVerifier,
    chain: &[CertificateDer<'static>],
    name: &ServerName<'static>,
    now: UnixMs,
) -> Result<(), Mishap> {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return Err(invalid("the server sent no certificate".to_owned()));
    };
    let now = UnixTime::since_unix_epoch(Duration::from_millis(u64::try_from(now.0).unwrap_or(0)));
    match verifier.verify_server_cert(leaf, intermediates, name, &[], now) {
        Ok(_) => Ok(()),
        Err(Error::InvalidCertificate(error)) => {
            let message = format!("the certificate of the server is not good: {error}");
            Err(Mishap::new(Phase::Tls, certificate_code(&error, leaf), message))
        }
        Err(error) => Err(invalid(error.to_string())),
    }
}

const fn invalid(message: String) -> Mishap {
    Mishap::new(Phase::Tls, "tls-certificate-invalid", message)
}

fn certificate_code(error: &CertificateError, leaf: &CertificateDer<'_>) -> &'static str {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "tls-certificate-expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "tls-certificate-not-yet-valid",
        CertificateError::UnknownIssuer => "tls-certificate-unknown-issuer",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "tls-certificate-name-mismatch"
        }
        CertificateError::Revoked => "tls-certificate-revoked",
        // A certificate that signed itself is often marked as an authority, and fails on that first.
        CertificateError::Other(_) if signed_itself(leaf) => "tls-certificate-unknown-issuer",
        _ => "tls-certificate-invalid",
    }
}

fn signed_itself(leaf: &CertificateDer<'_>) -> bool {
    X509Certificate::from_der(leaf).is_ok_and(|(_, leaf)| leaf.issuer() == leaf.subject())
}

/// The end of a certificate's validity in Unix milliseconds.
pub(super) fn not_after_ms(certificate: &CertificateDer<'_>) -> Option<u64> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    u64::try_from(parsed.validity().not_after.timestamp()).ok().map(|seconds| seconds * 1000)
}

pub(super) fn not_a_server_name(name: &str) -> Mishap {
    Mishap::new(Phase::Prepare, "request-invalid", format!("{name} is not a name that TLS can ask for"))
}

/// Why a handshake ended early.
pub(super) fn handshake_mishap(error: &io::Error) -> Mishap {
    let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) else {
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof => "the server closed the connection in the TLS handshake".to_owned(),
            _ => format!("the TLS handshake broke off: {error}"),
        };
        return Mishap::new(Phase::Tls, "tls-handshake-failed", message);
    };
    let code = match inner {
        Error::AlertReceived(AlertDescription::ProtocolVersion) => "tls-protocol-version",
        Error::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::Tls12NotOfferedOrEnabled,
        ) => "tls-protocol-version",
        Error::InvalidCertificate(error) if is_weak_key(error) => "tls-certificate-weak-key",
        Error::InvalidCertificate(_) => "tls-certificate-invalid",
        _ => "tls-handshake-failed",
    };
    Mishap::new(Phase::Tls, code, format!("the TLS handshake failed: {inner}"))
}

fn is_weak_key(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(OtherError(other)) if other.downcast_ref::<WeakKey>().is_some())
}
