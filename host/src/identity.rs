//! Who this host is and whom it trusts: its certificate, and the authority of its fleet.
//!
//! Links are accepted from control alone, by name and authority; the system's roots count for nothing here.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use farwatch_proto::id::HostId;
use farwatch_proto::link::{CONTROL_NAME, HOST_URI_PREFIX};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

/// A host's side of every link.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) host: HostId,
    pub(crate) connector: TlsConnector,
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
        let host = host_in(chain.first().context("host.pem is empty")?)?;
        let mut roots = RootCertStore::empty();
        roots.add(authority).context("ca.pem is no authority")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .context("host.pem and host.key do not belong together")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { host, connector: TlsConnector::from(Arc::new(config)) })
    }
}

/// The name that every control process must show.
pub(crate) fn control_name() -> ServerName<'static> {
    ServerName::try_from(CONTROL_NAME).expect("the constant is a DNS name")
}

/// The host a certificate names.
fn host_in(certificate: &CertificateDer<'_>) -> anyhow::Result<HostId> {
    let (_, certificate) = X509Certificate::from_der(certificate).context("host.pem cannot be read")?;
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else { continue };
        for name in &names.general_names {
            if let GeneralName::URI(uri) = name
                && let Some(id) = uri.strip_prefix(HOST_URI_PREFIX)
            {
                return id.parse().with_context(|| format!("host.pem names {uri}"));
            }
        }
    }
    bail!("host.pem names no host; it needs the URI {HOST_URI_PREFIX}hst_…")
}
