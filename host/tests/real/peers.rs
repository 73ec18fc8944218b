//! The door for neighbours: whoever is not of the fleet, or says to be another, is turned away and told of.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::placement::{Subject, preference_lists};
use farwatch_proto::check::{Definition, StreamId};
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::{FromControl, FromHost, PeerRefusal};
use farwatch_proto::pack::Unpacker;
use farwatch_proto::peer::{FromPeer, PEER_PATH, Said, Statement, peer_name};
use farwatch_proto::signed::SignedBatch;
use farwatch_proto::time::UnixMs;
use farwatch_tests::certificate::{Authority, Certificate, Validity};
use farwatch_tests::nginx::{Nginx, Server};
use farwatch_tests::ports::free_address;
use futures_util::{SinkExt, StreamExt};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::control::Link;
use crate::running::{HOST, World, assign, now, soon_due_of, view, view_host, welcome};

const NEIGHBOUR: HostId = HostId::from_bytes([0x22; 16]);
const STRANGER: HostId = HostId::from_bytes([0x33; 16]);
const HOUR_MS: i64 = 3_600_000;
/// Longer than anything a test waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// A neighbour that is silent for five seconds is gone.
const SILENCE: Duration = Duration::from_secs(15);

/// A host that is linked to control and listens for neighbours, of whom its view names one.
struct Stage {
    world: World,
    link: Link,
    address: SocketAddr,
    /// What the host told control while the test waited for something else.
    told_before: VecDeque<Told>,
}

/// Whom a certificate named, who it said to be, and why it was turned away.
type Told = (Option<HostId>, Option<HostId>, PeerRefusal);

fn told_in(message: &FromHost) -> Option<Told> {
    match message {
        FromHost::RefusedPeer { certificate, claims, reason, address } => {
            assert!(address.is_loopback());
            Some((*certificate, *claims, *reason))
        }
        _ => None,
    }
}

impl Stage {
    async fn set() -> Self {
        let address = free_address().unwrap();
        let mut world = World::with(Authority::new().unwrap(), Validity::Good, Some(address)).await;
        let mut link = world.control.next_link().await;
        welcome(&mut link, Vec::new()).await;
        let mut stage = Self { world, link, address, told_before: VecDeque::new() };
        stage.put_in_force(2, &[HOST, NEIGHBOUR]).await;
        stage
    }

    /// Puts a view in force that names these, and waits until the host holds it.
    async fn put_in_force(&mut self, n: u64, hosts: &[HostId]) {
        let mut view = view(n);
        view.hosts = hosts.iter().map(|host| view_host(*host)).collect();
        let number = view.number;
        self.link.say(&FromControl::View { view }).await;
        let told = &mut self.told_before;
        self.link
            .hear_until(|message| {
                told.extend(told_in(&message));
                matches!(message, FromHost::Holds { view, .. } if view == Some(number)).then_some(())
            })
            .await;
    }

    fn certificate(&self, host: HostId) -> Certificate {
        self.world.authority.host_certificate(host, Validity::Good).unwrap()
    }

    /// What the host tells control of somebody that it turned away.
    async fn told(&mut self) -> Told {
        match self.told_before.pop_front() {
            Some(told) => told,
            None => self.link.hear_until(|message| told_in(&message)).await,
        }
    }

    async fn dial(&self, certificate: &Certificate) -> anyhow::Result<Neighbour> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.world.authority.pem().as_bytes())?)?;
        let chain = vec![CertificateDer::from_pem_slice(certificate.chain_pem.as_bytes())?];
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(certificate.key_pem.as_bytes())?)?;
        let stream = TcpStream::connect(self.address).await?;
        let name = ServerName::try_from(peer_name(HOST))?;
        let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        let (socket, _) = client_async(format!("wss://{}{PEER_PATH}", peer_name(HOST)), stream).await?;
        Ok(Neighbour { socket })
    }
}

/// A neighbour that the test plays.
struct Neighbour {
    socket: WebSocketStream<TlsStream<TcpStream>>,
}

impl Neighbour {
    async fn say(&mut self, message: &FromPeer) {
        self.socket.send(Message::Text(serde_json::to_string(message).unwrap().into())).await.unwrap();
    }

    async fn greet(&mut self, host: HostId) {
        self.say(&FromPeer::Hello { host, boot: BootId::from_bytes([1; 16]), version: "test".to_owned() }).await;
    }

    /// The next thing that the host says and from which `wanted` makes something.
    async fn hear_until<T>(&mut self, mut wanted: impl FnMut(FromPeer) -> Option<T>) -> T {
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

    /// Whether the host has hung up within this time.
    async fn is_gone(&mut self, within: Duration) -> bool {
        let gone = timeout(within, async {
            while let Some(Ok(message)) = self.socket.next().await {
                if message.is_close() {
                    return;
                }
            }
        });
        gone.await.is_ok()
    }
}

/// A check that this host runs first, and whose next slot is due soon.
async fn own_check(world: &World, url: &str) -> Definition {
    let (module, prepared) = world.http_check(url).await;
    let mut fleet = view(2);
    fleet.hosts = [HOST, NEIGHBOUR].map(view_host).into();
    let is_first = |checked: &Definition| {
        let subject =
            Subject { check: checked.check, tenant: checked.tenant, wish: &checked.placement, repeat: checked.repeat };
        preference_lists(&subject, &fleet)[0].first() == Some(&HOST)
    };
    soon_due_of(module, prepared, is_first)
}

/// The slots in a copy that this host signed.
fn copied(message: FromPeer) -> Option<Vec<(StreamId, UnixMs)>> {
    let FromPeer::Results(SignedBatch { origin, packed, .. }) = message else { return None };
    assert_eq!(origin, HOST);
    let results = Unpacker::default().read(&packed[1..]).unwrap();
    Some(results.iter().map(|result| (result.stream, result.slot)).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_links_again_is_sent_copies_of_what_control_does_not_have_yet() {
    let nginx = Nginx::start(&[Server::http("location / { return 200 fine; }")]).unwrap();
    let mut stage = Stage::set().await;
    let definition = own_check(&stage.world, &nginx.url(0, "/")).await;
    stage.link.say(&assign(1, vec![definition])).await;
    let (results, batch) = stage.link.hear_results().await;
    let ran = (results[0].stream, results[0].slot);
    let mut neighbour = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    neighbour.greet(NEIGHBOUR).await;
    let mut is_done_said = false;
    let copies = neighbour
        .hear_until(|message| {
            let says = |said: &Statement| (said.stream, said.slot, said.said) == (ran.0, ran.1, Said::Done);
            is_done_said |= matches!(&message, FromPeer::Says { statements } if statements.iter().any(says));
            copied(message)
        })
        .await;
    assert!(copies.contains(&ran) && !is_done_said, "the copy comes before the word: {copies:?}");
    drop(neighbour);
    stage.link.say(&FromControl::Committed { mark: batch.to() }).await;
    // A heartbeat that says so shows that the host has taken it in.
    let mut again = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    again.greet(NEIGHBOUR).await;
    again
        .hear_until(|message| {
            matches!(message, FromPeer::Heartbeat { held: Some(held), .. } if held >= batch.to()).then_some(())
        })
        .await;
    drop(again);
    let mut third = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    third.greet(NEIGHBOUR).await;
    let mut beats = 0;
    third
        .hear_until(|message| {
            beats += u32::from(matches!(message, FromPeer::Heartbeat { .. }));
            assert!(copied(message).is_none_or(|copies| !copies.contains(&ran)), "control has it");
            (beats > 3).then_some(())
        })
        .await;
    stage.world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_foreign_certificate_opens_nothing_and_is_told() {
    let mut stage = Stage::set().await;
    let foreign = Authority::new().unwrap().host_certificate(NEIGHBOUR, Validity::Good).unwrap();
    assert!(stage.dial(&foreign).await.is_err());
    assert_eq!(stage.told().await, (None, None, PeerRefusal::ForeignCertificate));
    stage.world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_that_says_to_be_another_is_turned_away_and_told() {
    let mut stage = Stage::set().await;
    let mut neighbour = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    neighbour.greet(STRANGER).await;
    assert!(neighbour.is_gone(SILENCE / 5).await);
    assert_eq!(stage.told().await, (Some(NEIGHBOUR), Some(STRANGER), PeerRefusal::NamesAnother));
    stage.world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_the_newest_view_does_not_name_is_turned_away_and_so_is_whoever_it_names_no_more() {
    let mut stage = Stage::set().await;
    let mut stranger = stage.dial(&stage.certificate(STRANGER)).await.unwrap();
    assert!(stranger.is_gone(SILENCE / 5).await);
    assert_eq!(stage.told().await, (Some(STRANGER), None, PeerRefusal::NotOfFleet));
    let mut neighbour = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    neighbour.greet(NEIGHBOUR).await;
    assert!(!neighbour.is_gone(Duration::from_secs(1)).await);
    stage.put_in_force(3, &[HOST]).await;
    assert!(neighbour.is_gone(SILENCE / 5).await, "it was retired while it was linked");
    assert_eq!(stage.told().await, (Some(NEIGHBOUR), None, PeerRefusal::NotOfFleet));
    stage.world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_neighbour_is_dropped_and_one_that_speaks_is_not() {
    let mut stage = Stage::set().await;
    let mut silent = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    silent.greet(NEIGHBOUR).await;
    let mut mute = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    let mut speaks = stage.dial(&stage.certificate(NEIGHBOUR)).await.unwrap();
    speaks.greet(NEIGHBOUR).await;
    for _ in 0..14 {
        speaks.say(&FromPeer::Heartbeat { wall: now(), held: None, panel: None }).await;
        assert!(!speaks.is_gone(Duration::from_millis(500)).await);
    }
    assert!(silent.is_gone(SILENCE).await && mute.is_gone(SILENCE).await);
    stage.world.stop_host().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_ran_out_is_taken_for_three_days_and_no_longer() {
    let mut stage = Stage::set().await;
    let ended = |hours: i64| Validity::Between(now() - (hours + 24) * HOUR_MS, now() - hours * HOUR_MS);
    let late = stage.world.authority.host_certificate(NEIGHBOUR, ended(71)).unwrap();
    let mut neighbour = stage.dial(&late).await.unwrap();
    neighbour.greet(NEIGHBOUR).await;
    assert!(!neighbour.is_gone(Duration::from_secs(1)).await);
    let too_late = stage.world.authority.host_certificate(NEIGHBOUR, ended(73)).unwrap();
    assert!(stage.dial(&too_late).await.is_err());
    assert_eq!(stage.told().await, (None, None, PeerRefusal::ForeignCertificate));
    stage.world.stop_host().await;
}
