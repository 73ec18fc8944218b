//! Who this host is and whom it trusts: its certificate, and the authority of its fleet.
//!
//! Control and neighbours are accepted by name and authority; the system's roots count for nothing here.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use farwatch_proto::id::HostId;
use farwatch_proto::link::{CONTROL_NAME, HOST_URI_PREFIX};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// How a host signs what others carry for it.
const SIGNATURE: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// A host's side of every link.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) host: HostId,
    /// For dialling control and neighbours.
    pub(crate) connector: TlsConnector,
    /// For neighbours that dial.
    pub(crate) acceptor: TlsAcceptor,
    /// The key of its certificate.
    key: Arc<dyn SigningKey>,
}

impl Identity {
    /// Reads `host.pem`, `host.key` and `ca.pem`.
    pub(crate) fn from_directory(directory: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let chain = CertificateDer::pem_slice_iter(&file("host.pem")?)
            .collect::<Result<Vec<_>, _>>()
            .context("host.pem holds no PEM certificates")?;
        let key = PrivateKeyDer::from_pem_slice(&file("host.key")?).context("host.key holds no PEM key")?;
        let authority = CertificateDer::from_pem_slice(&file("ca.pem")?).context("ca.pem holds no PEM certificate")?;
        let host = host_in(chain.first().context("host.pem is empty")?).context("host.pem")?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).context("ca.pem is no authority")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let signing = provider.key_provider.load_private_key(key.clone_key()).context("host.key")?;
        if signing.choose_scheme(&[SIGNATURE]).is_none() {
            bail!("host.key must be a key for ECDSA on P-256: results are signed with it");
        }
        let fleet = WebPkiClientVerifier::builder_with_provider(Arc::new(roots.clone()), provider.clone()).build()?;
        let server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(fleet)
            .with_single_cert(chain.clone(), key.clone_key())
            .context("host.pem and host.key do not belong together")?;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .context("host.pem and host.key do not belong together")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let (connector, acceptor) = (TlsConnector::from(Arc::new(config)), TlsAcceptor::from(Arc::new(server)));
        Ok(Self { host, connector, acceptor, key: signing })
    }

    /// The signature of this host under these bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let signer = self.key.choose_scheme(&[SIGNATURE]).context("host.key signs no more as it did")?;
        Ok(signer.sign(bytes)?)
    }
}

/// The name that every control process must show.
pub(crate) fn control_name() -> ServerName<'static> {
    ServerName::try_from(CONTROL_NAME).expect("the constant is a DNS name")
}

/// The host a certificate names.
pub(crate) fn host_in(certificate: &CertificateDer<'_>) -> anyhow::Result<HostId> {
    let (_, certificate) = X509Certificate::from_der(certificate).context("the certificate cannot be read")?;
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
