//! TLS as a probe sees it: the handshake always runs to its end, and the certificate is judged after it.
//!
//! So a certificate that is refused still gives its evidence: version, cipher, chain and what is wrong
//! with it. Nothing of the request is sent before the verdict. Sessions are never resumed, for a probe
//! measures a full handshake.

mod hello;
mod shown;
mod verdict;

use std::path::Path;
use std::sync::Arc;

use farwatch_core::target::TargetHost;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::evidence::{ClientIdentity, Phase, TlsInfo};
use super::trace::Mishap;
use crate::clock::Clock;
use verdict::SignaturesOnly;

/// What can be wrong with the trusted roots of a host.
#[derive(Debug, thiserror::Error)]
pub enum TlsSetupError {
    /// The file of extra roots cannot be read as PEM.
    #[error("the file of extra trusted certificates {0} cannot be read: {1}")]
    ExtraRoots(String, String),
    /// Neither the system nor the operator trusts anybody.
    #[error("there is no trusted root certificate; install the package ca-certificates")]
    NoRoots,
    /// The TLS library refused its settings.
    #[error("TLS cannot be set up: {0}")]
    Library(String),
}

/// The protocols offered in the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer<'a> {
    Nothing,
    Http2OrHttp1,
    Http1,
    Http2,
    These(&'a [String]),
}

/// The client side of TLS for all probes of a host.
#[derive(Debug)]
pub(super) struct TlsClient {
    nothing: Arc<ClientConfig>,
    either: Arc<ClientConfig>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
}

impl TlsClient {
    /// Reads the system's roots and the extra ones.
    pub(super) fn new(extra_roots: Option<&Path>) -> Result<Self, TlsSetupError> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let roots = Arc::new(roots(extra_roots)?);
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider.clone())
            .build()
            .map_err(|error| TlsSetupError::Library(error.to_string()))?;
        let offering = |protocols: &[&[u8]]| client_config(&provider, protocols);
        Ok(Self {
            nothing: offering(&[])?,
            either: offering(&[b"h2", b"http/1.1"])?,
            http1: offering(&[b"http/1.1"])?,
            http2: offering(&[b"h2"])?,
            provider,
            verifier,
        })
    }

    /// Shakes hands without judging the certificate.
    pub(super) async fn handshake(
        &self,
        stream: TcpStream,
        host: &TargetHost,
        offer: Offer<'_>,
        client: Option<&ClientIdentity>,
    ) -> Result<Box<TlsStream<TcpStream>>, Mishap> {
        let mut config = match offer {
            Offer::Nothing => self.nothing.clone(),
            Offer::Http2OrHttp1 => self.either.clone(),
            Offer::Http1 => self.http1.clone(),
            Offer::Http2 => self.http2.clone(),
            Offer::These(protocols) => {
                let mut config = ClientConfig::clone(&self.nothing);
                config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
                Arc::new(config)
            }
        };
        if let Some(client) = client {
            self.show(client, Arc::make_mut(&mut config))?;
        }
        connect(config, stream, host).await
    }

    /// Has a handshake show this certificate where the server asks for one.
    fn show(&self, client: &ClientIdentity, config: &mut ClientConfig) -> Result<(), Mishap> {
        let identity = identity(client, &self.provider)
            .map_err(|why| Mishap::new(Phase::Prepare, "client-identity-invalid", why))?;
        config.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
        Ok(())
    }

    /// What the handshake showed, and what is wrong with the certificate, if anything is.
    pub(super) fn judge(
        &self,
        stream: &TlsStream<TcpStream>,
        host: &TargetHost,
        clock: &Clock,
        with_chain: bool,
    ) -> Result<(TlsInfo, Option<Mishap>), Mishap> {
        let connection = stream.get_ref().1;
        let chain = connection.peer_certificates().unwrap_or_default();
        let verdict = verdict::judge(&self.verifier, chain, &server_name(host)?, clock.uncorrected_wall());
        let complaint = verdict.err();
        let version = connection.protocol_version().and_then(|version| version.as_str());
        let cipher = connection.negotiated_cipher_suite().and_then(|suite| suite.suite().as_str());
        let info = TlsInfo {
            version: version.map_or_else(String::new, version_word),
            cipher: cipher.map_or_else(String::new, iana),
            alpn: connection.alpn_protocol().map(|alpn| String::from_utf8_lossy(alpn).into_owned()),
            verified: complaint.is_none(),
            verify_error: complaint.as_ref().map(|complaint| complaint.code.to_owned()),
            certificate_not_after_ms: chain.first().and_then(verdict::not_after_ms),
            chain: if with_chain || complaint.is_some() {
                chain.iter().map(|der| der.to_vec()).collect()
            } else {
                Vec::new()
            },
        };
        Ok((info, complaint))
    }
}

/// A client's certificate and key, which must belong together.
fn identity(client: &ClientIdentity, provider: &CryptoProvider) -> Result<CertifiedKey, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(client.certificate_pem.as_bytes()).collect();
    let chain = chain.map_err(|error| format!("the client's certificate cannot be read as PEM: {error}"))?;
    if chain.is_empty() {
        return Err("there is no certificate in what should be the client's, in PEM".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(client.key_pem.as_bytes())
        .map_err(|error| format!("the client's private key cannot be read as PEM: {error}"))?;
    CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| format!("the client's certificate and its private key do not belong together: {error}"))
}

/// Shakes hands.
async fn connect(
    config: Arc<ClientConfig>,
    stream: TcpStream,
    host: &TargetHost,
) -> Result<Box<TlsStream<TcpStream>>, Mishap> {
    let name = server_name(host)?;
    // The Finished message is followed at once by the request, which must not wait for its receipt.
    let _ = stream.set_nodelay(true);
    let connected = TlsConnector::from(config).connect(name, stream).await;
    connected.map(Box::new).map_err(|error| verdict::handshake_mishap(&error))
}

/// Reads these bytes as the first words of a server to which each old version was offered, and says what they are.
pub(super) fn read(bytes: &[u8]) -> String {
    let versions = [hello::Version::SSL3, hello::Version::TLS10, hello::Version::TLS11, hello::Version::TLS12];
    versions.map(|version| format!("{:?}", hello::reply(version, bytes))).join(" ")
}

fn server_name(host: &TargetHost) -> Result<ServerName<'static>, Mishap> {
    match host {
        TargetHost::Address(address) => Ok(ServerName::IpAddress((*address).into())),
        TargetHost::Name(name) => {
            let bare = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(bare).map_err(|_| verdict::not_a_server_name(name))
        }
    }
}

/// The library spells versions with underscores.
fn version_word(spelled: &str) -> String {
    spelled.replace('_', ".")
}

/// The library names the suites of TLS 1.3 otherwise than the registry.
fn iana(spelled: &str) -> String {
    spelled.replacen("TLS13_", "TLS_", 1)
}

fn roots(extra: Option<&Path>) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates this library does not take; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(path) = extra {
        let unreadable = |why: String| TlsSetupError::ExtraRoots(path.display().to_string(), why);
        let file = CertificateDer::pem_file_iter(path).map_err(|error| unreadable(error.to_string()))?;
        for certificate in file {
            let certificate = certificate.map_err(|error| unreadable(error.to_string()))?;
            roots.add(certificate).map_err(|error| unreadable(error.to_string()))?;
        }
    }
    if roots.is_empty() { Err(TlsSetupError::NoRoots) } else { Ok(roots) }
}

fn client_config(provider: &Arc<CryptoProvider>, protocols: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsSetupError> {
    let mut config = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsSetupError::Library(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SignaturesOnly::new(provider)))
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}
