//! Who is at either end of a link, by certificates alone.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use farwatch_identity::{ForbearingOfClients, Named, named_in};
use farwatch_proto::id::HostId;
use farwatch_proto::join::AuthorityDigest;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

/// Control's certificate and key, and the authority that signs hosts.
#[derive(Debug)]
pub struct LinkIdentity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    authority: CertificateDer<'static>,
}

impl LinkIdentity {
    /// The identity in a directory: `control.pem`, `control.key` and `ca.pem`.
    pub fn from_directory(directory: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| {
            let path = directory.join(name);
            fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
        };
        let chain = CertificateDer::pem_slice_iter(&file("control.pem")?)
            .collect::<Result<Vec<_>, _>>()
            .context("control.pem holds no PEM certificates")?;
        let key = PrivateKeyDer::from_pem_slice(&file("control.key")?).context("control.key holds no PEM key")?;
        let authority = CertificateDer::from_pem_slice(&file("ca.pem")?).context("ca.pem holds no PEM certificate")?;
        Ok(Self { chain, key, authority })
    }

    /// By whom hosts know control.
    pub fn authority(&self) -> AuthorityDigest {
        AuthorityDigest::of(&self.authority)
    }

    pub(super) fn server_config(&self) -> anyhow::Result<ServerConfig> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        // A machine that joins has no certificate yet. What else may be asked without one is nothing.
        let hosts = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(Arc::new(ForbearingOfClients(hosts)))
            .with_single_cert(self.shown_chain(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A resumed session would show the certificate of the first one, whatever became of that since.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(config)
    }

    /// The chain with the authority at its end, by which a machine that joins finds it.
    fn shown_chain(&self) -> Vec<CertificateDer<'static>> {
        let mut chain = self.chain.clone();
        if !chain.contains(&self.authority) {
            chain.push(self.authority.clone());
        }
        chain
    }
}

/// The other end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The host its certificate names.
    pub host: HostId,
    /// The key of its certificate (SubjectPublicKeyInfo, DER).
    pub public_key: Arc<[u8]>,
    /// Where it dialled from.
    pub address: SocketAddr,
}

impl Peer {
    pub(super) fn of(connection: &ServerConnection, address: SocketAddr) -> anyhow::Result<Self> {
        let chain = connection.peer_certificates().context("the peer showed no certificate")?;
        let first = chain.first().context("the peer showed no certificate")?;
        let Named { host, public_key, .. } = named_in(first)?;
        Ok(Self { host, public_key: public_key.into(), address })
    }
}
