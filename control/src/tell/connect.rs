//! Opens the connection of whatever is sent over HTTP, such as a webhook: resolves once, has every address judged,
//! connects to exactly the judged ones, in the order of the system's resolver, until one answers.
//!
//! A name that leads to any refused address is refused whole; otherwise it would depend on the order of an answer
//! what a customer's URL reaches. No connection is kept or shared. Sends nothing itself.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::egress::{Policy, Refusal};
use farwatch_core::target::{Target, TargetHost};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::spawn::Spawner;

/// Lookups under way at once. More would let one dead resolver take every thread of the process; fewer would make
/// good names wait behind bad ones.
const LOOKUPS_MAX: usize = 32;
/// More addresses than this are not judged, and none of them is used: no honest name has them.
const ADDRESSES_MAX: usize = 64;
/// One address may take this long, so that behind a silent one there is time for the next.
const ADDRESS_LIMIT: Duration = Duration::from_secs(5);

/// A connection, plain or encrypted.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// Why there is no connection, in words that may be recorded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotConnected(String);

/// Opens connections on behalf of customers.
#[derive(Debug)]
pub(crate) struct Connector {
    policy: Policy,
    tls: Arc<ClientConfig>,
    lookups: Arc<Semaphore>,
}

impl Connector {
    /// Trusts the system's roots and those of this PEM text.
    pub(crate) fn new(policy: Policy, extra_roots: Option<&[u8]>) -> anyhow::Result<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots(extra_roots)?)
            .with_no_client_auth();
        Ok(Self { policy, tls: Arc::new(tls), lookups: Arc::new(Semaphore::new(LOOKUPS_MAX)) })
    }

    /// Connects to the target, and shakes hands where it wants TLS.
    pub(crate) async fn connect(&self, target: &Target) -> Result<Box<dyn Stream>, NotConnected> {
        let found = match &target.host {
            TargetHost::Address(address) => vec![SocketAddr::new(*address, target.port)],
            TargetHost::Name(name) => self.lookup(name, target.port).await?,
        };
        judge(&self.policy, &found)?;
        let (remote, stream) = dial(&found).await?;
        if !target.is_https {
            return Ok(Box::new(stream));
        }
        let name = server_name(&target.host)?;
        let connected = TlsConnector::from(self.tls.clone()).connect(name, stream).await;
        let connected = connected.map_err(|error| NotConnected(format!("no TLS with {remote}: {error}")))?;
        Ok(Box::new(connected))
    }

    async fn lookup(&self, name: &str, port: u16) -> Result<Vec<SocketAddr>, NotConnected> {
        let failed = |why: &str| NotConnected(format!("the name {name} could not be resolved: {why}"));
        let place = self.lookups.clone().acquire_owned().await.map_err(|error| failed(&error.to_string()))?;
        let asked = name.to_owned();
        let lookup = Spawner::blocking(move || {
            let addresses = (asked.as_str(), port).to_socket_addrs().map(|found| found.collect::<Vec<_>>());
            // A lookup that hangs holds its place until it ends, not until somebody stops waiting for it.
            drop(place);
            addresses
        });
        let found = lookup.await.map_err(|error| failed(&error.to_string()))?;
        let found = found.map_err(|error| failed(&error.to_string()))?;
        match found.len() {
            0 => Err(failed("it has no address")),
            1..=ADDRESSES_MAX => Ok(found),
            more => Err(failed(&format!("it has {more} addresses; at most {ADDRESSES_MAX} are allowed"))),
        }
    }
}

/// Whether all of them may be reached.
fn judge(policy: &Policy, found: &[SocketAddr]) -> Result<(), NotConnected> {
    match found.iter().find_map(|address| policy.judge(*address).err()) {
        Some(refusal) => Err(NotConnected(refusal_text(&refusal))),
        None => Ok(()),
    }
}

/// The first that answers, else what the last one said.
async fn dial(judged: &[SocketAddr]) -> Result<(SocketAddr, TcpStream), NotConnected> {
    let mut why = NotConnected("there is no address to connect to".to_owned());
    for remote in judged {
        match timeout(ADDRESS_LIMIT, TcpStream::connect(*remote)).await {
            Ok(Ok(stream)) => return Ok((*remote, stream)),
            Ok(Err(error)) => why = NotConnected(format!("no connection to {remote}: {error}")),
            Err(_) => why = NotConnected(format!("no connection to {remote} within {} s", ADDRESS_LIMIT.as_secs())),
        }
    }
    Err(why)
}

/// The core's own text speaks of checks and of hosts; the remedy of a webhook is at the control plane.
fn refusal_text(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Special { address, leads_to, rule } => {
            let path = if address == leads_to { String::new() } else { format!(" leads to {leads_to}, which") };
            let bits = if leads_to.is_ipv4() { 32 } else { 128 };
            format!(
                "{address}{path} is refused: {rule}; to let webhooks reach it, start the control plane with \
                 --allow-net {leads_to}/{bits}"
            )
        }
        Refusal::FleetListener(address) => {
            format!("{address} is refused: Farwatch itself listens there, and no webhook may reach it")
        }
        Refusal::PortZero(_) => refusal.to_string(),
    }
}

fn server_name(host: &TargetHost) -> Result<ServerName<'static>, NotConnected> {
    match host {
        TargetHost::Address(address) => Ok(ServerName::IpAddress(IpAddr::into(*address))),
        TargetHost::Name(name) => {
            let bare = name.strip_suffix('.').unwrap_or(name).to_owned();
            ServerName::try_from(bare).map_err(|_| NotConnected(format!("no certificate can name {name}")))
        }
    }
}

fn roots(extra: Option<&[u8]>) -> anyhow::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates this library does not take; the others count.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    for certificate in CertificateDer::pem_slice_iter(extra.unwrap_or_default()) {
        roots.add(certificate?)?;
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_refused_address_refuses_all() {
        let refused = |list: &[&str]| judge(&Policy::default(), &addresses(list)).unwrap_err().to_string();
        assert_eq!(judge(&Policy::default(), &addresses(&["1.1.1.1:80", "[2606:4700::1]:80"])), Ok(()));
        assert_eq!(
            refused(&["1.1.1.1:80", "10.0.0.1:80"]),
            "10.0.0.1 is refused: private (RFC 1918); to let webhooks reach it, start the control plane with \
             --allow-net 10.0.0.1/32"
        );
        let hidden = refused(&["[64:ff9b::a00:5]:80"]);
        assert!(hidden.starts_with("64:ff9b::a00:5 leads to 10.0.0.5, which is refused: private"), "{hidden}");
    }

    #[test]
    fn the_fleets_own_listeners_stay_closed_whatever_is_opted_in() {
        let policy = Policy::new(vec!["127.0.0.0/8".parse().unwrap()], addresses(&["127.0.0.1:9443"]));
        assert!(judge(&policy, &addresses(&["127.0.0.1:80"])).is_ok());
        let refused = judge(&policy, &addresses(&["127.0.0.1:9443"])).unwrap_err().to_string();
        assert!(refused.contains("Farwatch itself listens there") && !refused.contains("--allow-net"), "{refused}");
    }

    #[tokio::test]
    async fn behind_an_address_that_refuses_comes_the_next() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        // Nobody listens on port 1 of loopback.
        let closed = addresses(&["127.0.0.1:1"])[0];
        assert_eq!(dial(&[closed, open]).await.unwrap().0, open);
        let why = dial(&[closed]).await.unwrap_err().to_string();
        assert!(why.starts_with("no connection to 127.0.0.1:1: "), "{why}");
    }
}
