//! A link to control spoken by hand, for tests that say what no host would.
//!
//! It has a host's certificate, or whichever it is given, and sends exactly what it is told to. It answers nothing by
//! itself.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::{CONTROL_NAME, FromControl, FromHost, LINK_PATH};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ConfigBuilder, RootCertStore, StreamOwned, WantsVerifier};
use tungstenite::{Error, Message, Utf8Bytes, WebSocket};

use crate::certificate::Certificate;

/// Control answers what is asked of it by then.
const LIMIT: Duration = Duration::from_secs(5);

/// What a link is opened with.
#[derive(Clone, Debug)]
pub struct LinkIdentity {
    certificate: Certificate,
    authority_pem: String,
}

impl LinkIdentity {
    /// The identity of the host that keeps its data in this directory.
    pub fn of_host(data: &Path) -> anyhow::Result<Self> {
        let file = |name: &str| fs::read_to_string(data.join("identity").join(name)).context("no identity");
        let certificate = Certificate { chain_pem: file("host.pem")?, key_pem: file("host.key")? };
        Ok(Self { certificate, authority_pem: file("ca.pem")? })
    }

    /// The same trust in control, under another certificate.
    #[must_use]
    pub fn with_certificate(self, certificate: Certificate) -> Self {
        Self { certificate, ..self }
    }

    /// The status of the answer to somebody who asks for this path and shows no certificate.
    pub fn status_without_certificate(&self, address: &str, path: &str) -> anyhow::Result<u16> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let config = builder()?.with_root_certificates(self.roots()?).with_no_client_auth();
        let connection = ClientConnection::new(Arc::new(config), ServerName::try_from(CONTROL_NAME)?)?;
        let mut stream = StreamOwned::new(connection, stream);
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {CONTROL_NAME}\r\n\r\n")?;
        let mut line = [0; 12];
        stream.read_exact(&mut line)?;
        let status = std::str::from_utf8(&line)?.rsplit(' ').next().context("an answer without a status")?;
        Ok(status.parse()?)
    }

    fn roots(&self) -> anyhow::Result<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.authority_pem.as_bytes())?)?;
        Ok(roots)
    }

    fn client_config(&self) -> anyhow::Result<ClientConfig> {
        let chain =
            CertificateDer::pem_slice_iter(self.certificate.chain_pem.as_bytes()).collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_slice(self.certificate.key_pem.as_bytes())?;
        let mut config = builder()?.with_root_certificates(self.roots()?).with_client_auth_cert(chain, key)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

fn builder() -> anyhow::Result<ConfigBuilder<ClientConfig, WantsVerifier>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(builder.with_protocol_versions(&[&rustls::version::TLS13])?)
}

/// An open link.
pub struct RawLink {
    socket: WebSocket<StreamOwned<ClientConnection, TcpStream>>,
}

impl RawLink {
    /// Opens a link to control at `address`, up to where a hello is due.
    ///
    /// # Errors
    /// When control does not accept the identity, among others.
    pub fn open(address: &str, identity: &LinkIdentity) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(LIMIT))?;
        let name = ServerName::try_from(CONTROL_NAME)?;
        let connection = ClientConnection::new(Arc::new(identity.client_config()?), name)?;
        let url = format!("wss://{CONTROL_NAME}{LINK_PATH}");
        let opened = tungstenite::client(url, StreamOwned::new(connection, stream));
        let (socket, _) = opened.map_err(|error| anyhow::anyhow!("control did not open the link: {error}"))?;
        Ok(Self { socket })
    }

    /// Says hello for a host, and hears the welcome.
    pub fn greet(&mut self, host: HostId, boot: BootId) -> anyhow::Result<()> {
        self.say(&hello(host, boot))?;
        self.hear("a welcome", |message| matches!(message, FromControl::Welcome { .. }).then_some(()))
    }

    /// Says this.
    pub fn say(&mut self, message: &FromHost) -> anyhow::Result<()> {
        self.send(Message::text(serde_json::to_string(message)?))
    }

    /// Sends this, whatever it is.
    pub fn send(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(self.socket.send(message)?)
    }

    /// The first thing wanted of what control says next; other messages are passed over.
    pub fn hear<T>(&mut self, what: &str, wanted: impl Fn(&FromControl) -> Option<T>) -> anyhow::Result<T> {
        loop {
            match self.socket.read().with_context(|| format!("waiting for {what}"))? {
                Message::Text(text) => {
                    if let Some(found) = wanted(&serde_json::from_str(&text)?) {
                        return Ok(found);
                    }
                }
                Message::Close(_) => bail!("control closed the link; {what} was wanted"),
                _ => {}
            }
        }
    }

    /// From now on neither hearing nor saying waits for longer than this, and what is not taken at once is kept.
    pub fn hurry(&mut self, patience: Duration) -> anyhow::Result<()> {
        let stream = &self.socket.get_ref().sock;
        stream.set_read_timeout(Some(patience))?;
        Ok(stream.set_write_timeout(Some(patience))?)
    }

    /// Says this in a hurry: what control does not take now goes out with what is said later.
    pub fn say_soon(&mut self, message: &FromHost) -> anyhow::Result<()> {
        in_time(self.socket.write(Message::text(serde_json::to_string(message)?)))?;
        in_time(self.socket.flush()).map(|_| ())
    }

    /// The next thing that control says, as it says it; nothing when it says nothing in time.
    pub fn hear_soon(&mut self) -> anyhow::Result<Option<Utf8Bytes>> {
        in_time(self.socket.flush())?;
        match in_time(self.socket.read())? {
            Some(Message::Text(text)) => Ok(Some(text)),
            Some(Message::Close(_)) => bail!("control closed the link"),
            _ => Ok(None),
        }
    }

    /// What control says when it refuses.
    pub fn hear_refusal(&mut self) -> anyhow::Result<String> {
        self.hear("a refusal", |message| match message {
            FromControl::Refused { reason } => Some(reason.clone()),
            _ => None,
        })
    }
}

/// Nothing when it would have taken longer than whoever is in a hurry waits.
fn in_time<T>(result: Result<T, Error>) -> anyhow::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(Error::Io(error)) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A plain hello.
pub fn hello(host: HostId, boot: BootId) -> FromHost {
    FromHost::Hello {
        host,
        boot,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        features: Vec::new(),
        release: None,
        sealing_key: Vec::new(),
        run_places: 8,
        peer_address: None,
        assignment: None,
        assignment_digest: None,
        view: None,
    }
}
