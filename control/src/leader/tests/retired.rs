//! Hosts that were retired: their links are refused, and those that are open end with the view that names them no more.

use farwatch_proto::link::{FromHost, PeerRefusal};
use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::links::LinkEvent;
use crate::refusals::Culprit;
use crate::store::{DatabaseUrl, Store};

const RETIRED: HostId = HostId::from_bytes([9; 16]);
const NEVER_THERE: HostId = HostId::from_bytes([8; 16]);

async fn store() -> (Store, TempDir) {
    let directory = TempDir::new().unwrap();
    let store = Store::open(&DatabaseUrl::file(&directory.path().join("farwatch.db"))).await.unwrap();
    (store, directory)
}

fn arrived(host: HostId, key: &[u8], outbox: mpsc::Sender<FromControl>) -> LinkEvent {
    let hello = FromHost::Hello {
        host,
        boot: boot_id(),
        version: "1".to_owned(),
        features: Vec::new(),
        sealing_key: Vec::new(),
        run_places: 8,
        peer_address: None,
        assignment: None,
        assignment_digest: None,
        view: None,
        release: None,
    };
    let (from, hello, public_key) = ("192.0.2.1:1".parse().unwrap(), Box::new(hello), key.into());
    LinkEvent::Arrived { host, connection: 7, boot: boot_id(), from, public_key, hello, outbox }
}

impl World {
    async fn arrives(&mut self, store: &Store, host: HostId, key: &[u8]) -> mpsc::Receiver<FromControl> {
        let (outbox, messages) = mpsc::channel(64);
        let event = arrived(host, key, outbox);
        self.state.take_in(store, &mut self.draft, event, &[], self.now).await.unwrap();
        messages
    }
}

#[tokio::test]
async fn a_host_that_was_retired_or_never_registered_is_refused_and_told_of() {
    let (store, _directory) = store().await;
    let facts = view().hosts[0].facts.clone();
    store.hosts().register(RETIRED, &facts, UnixMs(1)).await.unwrap();
    store.hosts().retire(RETIRED, UnixMs(2)).await.unwrap();
    let mut world = World::new();
    for (host, words, why) in [(RETIRED, "was retired", "retired"), (NEVER_THERE, "not registered", "unregistered")] {
        let mut messages = world.arrives(&store, host, b"key").await;
        let Ok(FromControl::Refused { reason }) = messages.try_recv() else { panic!("{host} was not refused") };
        assert!(reason.contains(words), "{reason}");
        assert!(messages.recv().await.is_none(), "its link ends");
        let noted = world.state.noted.pop().unwrap();
        assert_eq!(
            (noted.action, noted.culprit, noted.entity),
            ("refused.link", Culprit::Host(host), host.to_string())
        );
        assert_eq!(noted.detail, json!({ "why": why }));
    }
}

#[tokio::test]
async fn the_key_that_a_host_shows_is_kept() {
    let (store, _directory) = store().await;
    let host = host_id(1);
    store.hosts().register(host, &view().hosts[0].facts, UnixMs(1)).await.unwrap();
    let mut world = World::new();
    for key in [b"first", b"other"] {
        let mut messages = world.arrives(&store, host, key).await;
        assert!(matches!(messages.try_recv(), Ok(FromControl::Welcome { .. })));
        assert_eq!(store.hosts().get(host).await.unwrap().unwrap().public_key, Some(key.to_vec()));
    }
    assert!(world.state.noted.is_empty());
}

#[tokio::test]
async fn whom_a_host_turned_away_is_told_of_as_it_says() {
    let (store, _directory) = store().await;
    let mut world = World::new();
    let message = FromHost::RefusedPeer {
        address: "192.0.2.9".parse().unwrap(),
        certificate: Some(RETIRED),
        claims: None,
        reason: PeerRefusal::NotOfFleet,
    };
    let event = LinkEvent::Said { host: host_id(1), connection: 1, received: world.now.boot, message };
    world.state.take_in(&store, &mut world.draft, event, &[], world.now).await.unwrap();
    let noted = world.state.noted.pop().unwrap();
    assert_eq!((noted.action, noted.culprit), ("refused.peer", Culprit::Host(host_id(1))));
    assert_eq!((noted.entity, &noted.detail["why"]), (RETIRED.to_string(), &json!("not_of_fleet")));
}

#[test]
fn the_link_of_a_retired_host_ends_with_the_view_that_names_it_no_more() {
    let mut world = World::new();
    let retired = host_id(1);
    let staying = world.state.newest.hosts.iter().filter(|host| host.id != retired);
    let registered = |host: &ViewHost| (host.id, Registered { facts: host.facts.clone(), drained: false });
    let staying: Vec<_> = staying.map(registered).collect();
    world.state.fleet.register(staying);
    world.state.dismiss_retired();
    assert!(world.state.sessions[&retired].is_linked(), "its neighbours have not taken over yet");
    world.state.newest.hosts.retain(|host| host.id != retired);
    world.state.dismiss_retired();
    let linked: Vec<HostId> =
        world.state.sessions.iter().filter(|(_, session)| session.is_linked()).map(|(host, _)| *host).collect();
    assert_eq!(linked, (2..=5).map(host_id).collect::<Vec<_>>());
    let told = world.outboxes.get_mut(&retired).unwrap();
    assert!(std::iter::from_fn(|| told.try_recv().ok()).any(|message| matches!(message, FromControl::Refused { .. })));
}

#[test]
fn results_that_were_not_the_hosts_to_write_are_told_of_once_a_batch() {
    let mut world = World::new();
    let stranger = world
        .state
        .newest
        .hosts
        .iter()
        .map(|host| host.id)
        .find(|host| !world.state.book.page(CHECK).unwrap().owners_of(STREAM, &world.state.newest).contains(host));
    let (stranger, result) = (stranger.unwrap(), world.result(Status::Down));
    world.receive(stranger, &result).unwrap();
    let noted = std::mem::take(&mut world.state.noted);
    assert_eq!(noted.len(), 1);
    assert_eq!((noted[0].action, noted[0].culprit), ("refused.result", Culprit::Host(stranger)));
    assert_eq!((noted[0].entity.clone(), &noted[0].detail["refused"]), (CHECK.to_string(), &json!(1)));
    assert_eq!(noted[0].detail["why"], "the host did not own the stream in the view of the slot");
}
