//! What a host itself reads of peers: answers of name servers, packets of ICMP, the first words of TLS, and HTTP in both
//! versions, for which a server on loopback says the bytes to a real probe.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::anyhow;
use farwatch_host::probe::evidence::{Request, Version, Want};
use farwatch_host::probe::peer_bytes;

use super::Target;
use crate::stage::Stage;

/// How long a probe waits for a server that has said all it will say and hung up.
const TIMEOUT_MS: u32 = 1_500;
/// How long the server waits for a request that does not come.
const PATIENCE: Duration = Duration::from_millis(500);
/// As much of a body as a probe is asked to read: more takes time and is read no differently.
const BODY_MAX: u32 = 4_096;

/// A function that reads bytes and says what became of them.
pub struct Parser {
    name: &'static str,
    parse: fn(&[u8]) -> String,
}

/// The host's parsers that can be called as such.
pub const PARSERS: [Parser; 3] = [
    Parser { name: "host-dns", parse: peer_bytes::name_server },
    Parser { name: "host-icmp", parse: peer_bytes::echo },
    Parser { name: "host-tls", parse: peer_bytes::first_words },
];

impl Target for Parser {
    fn name(&self) -> &str {
        self.name
    }

    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        Ok((self.parse)(bytes))
    }
}

/// The probe of HTTP in one version.
pub struct HttpTarget<'a> {
    stage: &'a Stage,
    name: &'static str,
    version: Version,
    server: SocketAddr,
    says: Arc<Mutex<Vec<u8>>>,
}

impl<'a> HttpTarget<'a> {
    /// The probe of HTTP/1.1.
    ///
    /// # Errors
    /// When there is no port left for its server.
    pub fn http1(stage: &'a Stage) -> anyhow::Result<Self> {
        Self::new(stage, "host-http1", Version::Http1)
    }

    /// The probe of HTTP/2.
    ///
    /// # Errors
    /// When there is no port left for its server.
    pub fn http2(stage: &'a Stage) -> anyhow::Result<Self> {
        Self::new(stage, "host-http2", Version::Http2)
    }

    fn new(stage: &'a Stage, name: &'static str, version: Version) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let server = listener.local_addr()?;
        let says = Arc::new(Mutex::new(Vec::new()));
        let said = says.clone();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let bytes =
                    said.lock().map(|said: std::sync::MutexGuard<'_, Vec<u8>>| said.clone()).unwrap_or_default();
                // A probe that hangs up first is one of the ends that are looked for.
                let _ = answer(client, &bytes);
            }
        });
        Ok(Self { stage, name, version, server, says })
    }
}

/// Hears the beginning of a request, says the bytes, and hangs up once the probe has.
fn answer(mut client: TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    let mut heard = [0; 4_096];
    let _ = client.read(&mut heard)?;
    client.write_all(bytes)?;
    client.shutdown(Shutdown::Write)?;
    while client.read(&mut heard)? > 0 {}
    Ok(())
}

impl Target for HttpTarget<'_> {
    fn name(&self) -> &str {
        self.name
    }

    fn read(&mut self, bytes: &[u8]) -> anyhow::Result<String> {
        *self.says.lock().map_err(|_| anyhow!("the server broke down"))? = bytes.to_vec();
        let request = Request {
            method: "GET".to_owned(),
            url: format!("http://{}/", self.server),
            headers: Vec::new(),
            body: None,
            version: self.version,
            verify_tls: true,
            client: None,
            ip_version: None,
            max_body_bytes: BODY_MAX,
            timeout_ms: TIMEOUT_MS,
            want: Want::HEADERS | Want::BODY | Want::TRAILERS,
        };
        Ok(match self.stage.runtime.block_on(self.stage.prober.fetch(request)) {
            Ok(response) => format!(
                "{} {} {} {}",
                response.status / 100,
                response.body_truncated,
                response.headers.len().min(4),
                response.trailers.len().min(4)
            ),
            Err(failure) => format!("{:?} {} {}", failure.phase, failure.code, words(&failure.message)),
        })
    }
}

/// A sentence without its numbers, which are others each time.
fn words(sentence: &str) -> String {
    sentence.chars().filter(|c| !c.is_ascii_digit()).collect()
}
