//! Who this host is and whom it trusts: its certificate, and the authority of its fleet.
//!
//! Control and neighbours are accepted by name and authority; the system's roots count for nothing here. The certificate
//! is renewed while the host runs: whoever dials or is dialled from then on is shown the new one.

mod renewal;
mod shown;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use farwatch_core::certificate::Validity;
use farwatch_identity::{ForbearingOfClients, ForbearingOfServers, Named, named_in};
use farwatch_proto::id::HostId;
use farwatch_proto::link::CONTROL_NAME;
use rcgen::{CertificateParams, KeyPair};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SignatureScheme};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::private_file::write_whole;
use shown::Shown;

pub(crate) use renewal::Renewal;

/// How a host signs what others carry for it.
const SIGNATURE: SignatureScheme = SignatureScheme::ECDSA_NISTP256_SHA256;

/// A host's side of every link. Clones share one certificate.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) host: HostId,
    /// For dialling control and neighbours.
    pub(crate) connector: TlsConnector,
    /// For neighbours that dial.
    pub(crate) acceptor: TlsAcceptor,
    directory: PathBuf,
    fleet: Arc<dyn ClientCertVerifier>,
    shown: Arc<Shown>,
    /// The key of its certificate, which is that of every later one.
    key: Arc<dyn SigningKey>,
}

impl Identity {
    /// Reads `host.pem`, `host.key` and `ca.pem`.
    pub(crate) fn from_directory(directory: &Path) -> anyhow::Result<Self> {
        let authority = CertificateDer::from_pem_slice(&file(directory, "ca.pem")?);
        let (host, key, validity) = certified(directory, &file(directory, "host.pem")?).context("host.pem")?;
        let mut roots = RootCertStore::empty();
        let signing = key.key.clone();
        if signing.choose_scheme(&[SIGNATURE]).is_none() {
            bail!("host.key must be a key for ECDSA on P-256: results are signed with it");
        }
        roots.add(authority.context("ca.pem holds no PEM certificate")?).context("ca.pem is no authority")?;
        let (roots, provider) = (Arc::new(roots), Arc::new(rustls::crypto::ring::default_provider()));
        let fleet = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone()).build()?;
        let servers = WebPkiServerVerifier::builder_with_provider(roots, provider.clone()).build()?;
        let shown = Arc::new(Shown::new(key, validity));
        let mut server = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(ForbearingOfClients(fleet.clone())))
            .with_cert_resolver(shown.clone());
        // A resumed session would show the certificates of the first one, whatever became of them since.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(ForbearingOfServers(servers)))
            .with_client_cert_resolver(shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::disabled();
        let (connector, acceptor) = (TlsConnector::from(Arc::new(config)), TlsAcceptor::from(Arc::new(server)));
        Ok(Self { host, connector, acceptor, directory: directory.to_owned(), fleet, shown, key: signing })
    }

    /// The signature of this host under these bytes.
    pub(crate) fn sign(&self, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
        let signer = self.key.choose_scheme(&[SIGNATURE]).context("host.key signs no more as it did")?;
        Ok(signer.sign(bytes)?)
    }

    /// From when until when its certificate is good.
    pub(crate) fn validity(&self) -> Validity {
        self.shown.validity()
    }

    /// Asks for a new certificate by the key that it has (PKCS #10, DER).
    pub(crate) fn request(&self) -> anyhow::Result<Vec<u8>> {
        let text = String::from_utf8(file(&self.directory, "host.key")?)?;
        let key = KeyPair::from_pem(&text).context("host.key is of a kind that cannot sign a request")?;
        Ok(CertificateParams::default().serialize_request(&key)?.der().to_vec())
    }

    /// Takes a new certificate (PEM): on disk first, and from then on in every handshake. One that is not this host's,
    /// not the fleet's, or no later than the one it has is refused.
    pub(crate) fn take(&self, chain_pem: &str) -> anyhow::Result<()> {
        let (host, key, validity) = certified(&self.directory, chain_pem.as_bytes())?;
        ensure!(host == self.host, "it names {host}");
        ensure!(validity.until > self.validity().until, "it ends no later than the one there is");
        let (leaf, intermediates) = key.cert.split_first().context("it is empty")?;
        // Judged at its end, for whether this machine's clock is right is another question.
        let end = Duration::from_millis(validity.until.0.unsigned_abs());
        self.fleet.verify_client_cert(leaf, intermediates, UnixTime::since_unix_epoch(end))?;
        write_whole(&self.directory.join("host.pem"), chain_pem.as_bytes(), 0o644)?;
        self.shown.replace(key, validity);
        Ok(())
    }
}

fn file(directory: &Path, name: &str) -> anyhow::Result<Vec<u8>> {
    let path = directory.join(name);
    fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// A chain with the key of the directory: which host it names, and for how long.
fn certified(directory: &Path, chain_pem: &[u8]) -> anyhow::Result<(HostId, CertifiedKey, Validity)> {
    let chain = CertificateDer::pem_slice_iter(chain_pem)
        .collect::<Result<Vec<_>, _>>()
        .context("there are no PEM certificates in it")?;
    let key = PrivateKeyDer::from_pem_slice(&file(directory, "host.key")?).context("host.key holds no PEM key")?;
    let Named { host, validity, .. } = named_in(chain.first().context("it is empty")?)?;
    let key = CertifiedKey::from_der(chain, key, &rustls::crypto::ring::default_provider())
        .context("host.pem and host.key do not belong together")?;
    Ok((host, key, validity))
}

/// The name that every control process must show.
pub(crate) fn control_name() -> ServerName<'static> {
    ServerName::try_from(CONTROL_NAME).expect("the constant is a DNS name")
}
