//! A control plane as a test plays it: real TLS, a real WebSocket, and whatever the test wants said.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use farwatch_proto::id::ModuleHash;
use farwatch_proto::link::{CONTROL_NAME, FRAME_MAX_BYTES, FromControl, FromHost, MODULE_PATH};
use farwatch_proto::pack::Unpacker;
use farwatch_proto::run::RunResult;
use farwatch_tests::certificate::{Authority, Validity};
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Accepts hosts.
pub(crate) struct Control {
    pub(crate) address: SocketAddr,
    links: mpsc::UnboundedReceiver<Link>,
    modules: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

/// One host's connection.
pub(crate) struct Link {
    /// What the host showed, in DER.
    pub(crate) certificate: Vec<u8>,
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Control {
    pub(crate) async fn start(authority: &Authority) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server_config(authority)));
        let (arrived, links) = mpsc::unbounded_channel();
        let modules: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
        let served = modules.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, arrived, served) = (acceptor.clone(), arrived.clone(), served.clone());
                tokio::spawn(async move {
                    if let Some(link) = accept(acceptor, stream, &served).await {
                        let _ = arrived.send(link);
                    }
                });
            }
        });
        Self { address, links, modules }
    }

    /// Serves a module by its hash.
    pub(crate) fn serve_module(&self, bytes: &[u8]) -> ModuleHash {
        let hash = ModuleHash::of(bytes);
        self.modules.lock().unwrap().insert(hash.hex(), bytes.to_vec());
        hash
    }

    /// The next connection that a host opens.
    pub(crate) async fn next_link(&mut self) -> Link {
        timeout(PATIENCE, self.links.recv()).await.expect("a host links in time").unwrap()
    }
}

impl Link {
    pub(crate) async fn say(&mut self, message: &FromControl) {
        let text = serde_json::to_string(message).unwrap();
        self.say_raw(text).await;
    }

    pub(crate) async fn say_raw(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    /// The next message that is no heartbeat.
    pub(crate) async fn hear(&mut self) -> FromHost {
        self.hear_until(|message| (!matches!(message, FromHost::Heartbeat { .. })).then_some(message)).await
    }

    /// The first message from which `wanted` makes something; everything before it is passed over.
    pub(crate) async fn hear_until<T>(&mut self, mut wanted: impl FnMut(FromHost) -> Option<T>) -> T {
        let heard = timeout(PATIENCE, async {
            loop {
                let message = self.socket.next().await.expect("the host stays").unwrap();
                if let Message::Text(text) = message
                    && let Some(found) = wanted(serde_json::from_str(&text).unwrap())
                {
                    return found;
                }
            }
        });
        heard.await.expect("the host says it in time")
    }

    /// The results of the next batch, and the batch.
    pub(crate) async fn hear_results(&mut self) -> (Vec<RunResult>, farwatch_proto::link::Batch) {
        let batch = self.hear_until(|message| match message {
            FromHost::Results(batch) => Some(batch),
            _ => None,
        });
        let batch = batch.await;
        (Unpacker::default().read(&batch.packed[1..]).unwrap(), batch)
    }

    /// Whether the host has gone.
    pub(crate) async fn is_gone(&mut self) -> bool {
        let gone = timeout(PATIENCE, async { while let Some(Ok(_)) = self.socket.next().await {} });
        gone.await.is_ok()
    }
}

async fn accept(acceptor: TlsAcceptor, stream: TcpStream, modules: &Mutex<HashMap<String, Vec<u8>>>) -> Option<Link> {
    let mut stream = acceptor.accept(stream).await.ok()?;
    let certificate = stream.get_ref().1.peer_certificates()?.first()?.to_vec();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?;
    if let Some(hash) = path.strip_prefix(MODULE_PATH) {
        let bytes = modules.lock().unwrap().get(hash.trim_start_matches('/')).cloned();
        let (status, body) = bytes.map_or(("404 Not Found", Vec::new()), |bytes| ("200 OK", bytes));
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        stream.write_all(&body).await.ok()?;
        stream.shutdown().await.ok()?;
        return None;
    }
    let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    let answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        derive_accept_key(key.trim().as_bytes())
    );
    stream.write_all(answer.as_bytes()).await.ok()?;
    let config = WebSocketConfig::default().max_message_size(Some(FRAME_MAX_BYTES));
    Some(Link { certificate, socket: WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await })
}

fn server_config(authority: &Authority) -> ServerConfig {
    let certificate = authority.certificate(&[CONTROL_NAME], Validity::Good).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let hosts = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(hosts)
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate.chain_pem.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes()).unwrap(),
        )
        .unwrap()
}
