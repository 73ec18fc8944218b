//! What the leader does when a host says something.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use farwatch_core::detect::Input;
use farwatch_core::placement::Rules;
use farwatch_identity::SealingKey;
use farwatch_proto::VERSION;
use farwatch_proto::fleet::FLEET_MAX_HOSTS;
use farwatch_proto::id::{CheckId, HostId};
use farwatch_proto::link::{Declined, FEATURE_UPGRADE, FEATURE_WALL, FromControl, FromHost, Mark};
use farwatch_proto::peer::PeerAddress;
use farwatch_proto::time::{BootMs, Stamp};
use farwatch_proto::trying::FEATURE_TRY;
use serde_json::json;
use tokio::sync::mpsc;
use tracing::{debug, info, warn};

use super::draft::{Draft, Now};
use super::handle::UpgradeOrder;
use super::sessions::{Arrival, Assigned, Session, Speaker};
use super::state::State;
use crate::links::LinkEvent;
use crate::refusals::{Culprit, Refusal};
use crate::store::{Store, StoreError};

/// What a host is told that was retired.
const RETIRED: &str = "this host was retired; it may join again as another, with a token of `farwatch host invite`";

impl State {
    /// Takes in one event of a link.
    pub(super) async fn take_in(
        &mut self,
        store: &Store,
        draft: &mut Draft,
        event: LinkEvent,
        listeners: &[SocketAddr],
        now: Now,
    ) -> Result<(), StoreError> {
        match event {
            LinkEvent::Arrived { host, connection, from, public_key, hello, outbox, .. } => {
                if let Some(arrival) = arrival_of(*hello, connection, from, public_key, outbox) {
                    self.welcome(store, host, arrival, listeners, now).await?;
                }
            }
            LinkEvent::Said { host, connection, received, message } => {
                self.fleet.hear(host, received);
                match self.sessions.get(&host).and_then(|session| session.speaker(connection)) {
                    Some(Speaker::Current) => self.hear(draft, host, message, now),
                    Some(Speaker::Leaving) if is_of_both(&message) => self.hear(draft, host, message, now),
                    Some(Speaker::Leaving) | None => {}
                }
            }
            LinkEvent::Unreadable { host, received, reason } => {
                self.fleet.hear(host, received);
                warn!(%host, reason, "message refused");
                self.refuse(host);
            }
            LinkEvent::Left { host, connection } => {
                if let Some(session) = self.sessions.get_mut(&host) {
                    session.left(connection);
                }
            }
        }
        Ok(())
    }

    async fn welcome(
        &mut self,
        store: &Store,
        host: HostId,
        arrival: Arrival,
        listeners: &[SocketAddr],
        now: Now,
    ) -> Result<(), StoreError> {
        // Whoever waited in vain for a busy leader dials again and again. What a hello costs is spent on the link that
        // is still there, or the leader would work for the dead ones alone.
        if arrival.outbox.is_closed() {
            debug!(%host, "a host has gone before it was welcomed");
            return Ok(());
        }
        let found = store.hosts().get(host).await?;
        if self.newest.host(host).is_none() && found.as_ref().is_none_or(|host| host.retired.is_some()) {
            self.turn_away(host, &arrival, found.is_some());
            return Ok(());
        }
        if found.is_some_and(|host| host.public_key.as_deref() != Some(&*arrival.public_key)) {
            store.hosts().note_public_key(host, &arrival.public_key).await?;
        }
        let marks: Vec<Mark> = store.host_marks().of_host(host).await?;
        self.take_marks(host, &marks);
        info!(%host, version = arrival.version, boot = %arrival.boot, "host linked");
        let held = arrival.view;
        self.keys.insert(host, arrival.public_key.clone());
        let (version, fleet_listeners) = (VERSION.to_owned(), listeners.to_vec());
        let welcome = FromControl::Welcome { version, wall: now.wall, marks, fleet_listeners };
        let view = FromControl::View { view: self.newest.clone() };
        if let Some(session) = self.sessions.get_mut(&host).filter(|session| session.outranks(arrival.boot)) {
            session.admit_leaving(arrival, [welcome, view]);
            return Ok(());
        }
        self.fleet.hear_rules(host, arrival.places_by.clone());
        let first = Stamp { era: u32::try_from(self.epoch.n).unwrap_or(u32::MAX), n: 0 };
        let before = self.sessions.remove(&host);
        let due = self.due_to(host);
        let mut session = Session::begin(arrival, before, first, &due, now.boot);
        session.send(host, welcome);
        session.send(host, view);
        let plan = self.fleet.plan().cloned();
        self.sessions.insert(host, session);
        self.assign_to(host, &due);
        if let (Some(view), Some(session)) = (plan, self.sessions.get_mut(&host)) {
            session.send(host, FromControl::Plan { view });
        }
        self.hear_number(host, held);
        self.repeat_orders(host);
        self.introduce(host);
        self.fleet.hear(host, now.boot);
        Ok(())
    }

    /// Tells the newcomer where its neighbours are, and them where it is.
    fn introduce(&mut self, newcomer: HostId) {
        let known: Vec<PeerAddress> = self
            .sessions
            .iter()
            .filter_map(|(host, session)| Some(PeerAddress { host: *host, address: session.peer_address? }))
            .collect();
        let (own, others): (Vec<_>, Vec<_>) = known.into_iter().partition(|known| known.host == newcomer);
        for (host, session) in self.sessions.iter_mut().filter(|(_, session)| session.is_linked()) {
            let peers = if *host == newcomer { &others } else { &own };
            if !peers.is_empty() {
                session.send(*host, FromControl::Peers { peers: peers.clone() });
            }
        }
    }

    /// Orders again what this host was asked and has not answered: it answers twice rather than not at all.
    fn repeat_orders(&mut self, host: HostId) {
        let mut orders = Vec::new();
        for check in self.census.asking() {
            let Some(round) = self.detectors.get(&check).and_then(|detector| detector.round.as_ref()) else { continue };
            orders.extend(round.orders().filter(|(asked, _)| *asked == host));
        }
        super::commit::order_runs(self, orders);
    }

    fn hear(&mut self, draft: &mut Draft, host: HostId, message: FromHost, now: Now) {
        match message {
            FromHost::Heartbeat {
                loop_lag_ms,
                running,
                hears,
                disk_full,
                dropped_results,
                rate_capped,
                panel,
                insane,
                ..
            } => {
                self.hear_of_panel(host, panel, insane, now.boot);
                if let Some(session) = self.sessions.get_mut(&host) {
                    session.loop_lag_ms = loop_lag_ms;
                    session.running = running;
                    session.disk_full = disk_full;
                    session.dropped_results = dropped_results;
                    session.rate_capped = rate_capped;
                    session.hears = hears.into_iter().take(FLEET_MAX_HOSTS).collect();
                    session.neighbours.extend(&session.hears);
                    self.fleet.hear_of(host, &session.hears);
                }
            }
            FromHost::Results(batch) => {
                if let Err(reason) = draft.receive(self, host, &batch, now) {
                    warn!(%host, reason, "batch refused");
                    self.answer_refused_batch(host, batch.from, reason);
                }
            }
            FromHost::Carries(batch) => {
                if let Err(reason) = draft.receive_carried(self, host, &batch, now) {
                    warn!(%host, origin = %batch.origin, reason, "results by way of another host refused");
                    self.refuse(host);
                }
            }
            FromHost::Holds { assignment, view, unable } => self.acknowledged(host, assignment, view, unable),
            FromHost::DeclinesOrder { order, reason } => {
                info!(%host, %order, full = reason == Declined::Full, "order declined");
                let asked = self.census.asking().find_map(|check| {
                    let round = self.detectors.get(&check)?.round.as_ref()?;
                    round.votes.iter().any(|vote| vote.order == Some(order)).then_some((check, round.stream))
                });
                if let Some((check, stream)) = asked {
                    draft.tell(self, check, stream, Input::Declined(order), now);
                }
            }
            FromHost::UpgradeFailed { ordered_at, reason } => {
                warn!(%host, reason, "a host could not take a release");
                if let Some(session) = self.sessions.get_mut(&host) {
                    session.upgrade_failure = Some((ordered_at, reason));
                }
            }
            FromHost::RefusedPeer { address, certificate, claims, reason } => self.noted.push(Refusal {
                action: "refused.peer",
                culprit: Culprit::Host(host),
                entity: certificate.map_or_else(|| "nobody".to_owned(), |host| host.to_string()),
                detail: json!({ "why": reason, "address": address, "claims": claims }),
            }),
            // Whoever waits for it has heard it, and nothing else follows from it.
            FromHost::Tried { .. } => {}
            // The link itself answers whoever asks for a certificate.
            FromHost::Hello { .. } | FromHost::Renew { .. } | FromHost::Unknown => self.refuse(host),
        }
    }

    /// Ends the links of hosts that were retired, once the view without them is in force: until then their neighbours take
    /// over what was theirs.
    pub(super) fn dismiss_retired(&mut self) {
        let (fleet, newest) = (&self.fleet, &self.newest);
        let is_gone = |host: &HostId| !fleet.is_registered(*host) && newest.host(*host).is_none();
        for (host, session) in self.sessions.iter_mut().filter(|(host, session)| session.is_linked() && is_gone(host)) {
            info!(%host, "host dismissed");
            session.send(*host, FromControl::Refused { reason: RETIRED.to_owned() });
            session.end();
        }
    }

    /// Refuses the link of a host that is none, or none any more.
    fn turn_away(&mut self, host: HostId, arrival: &Arrival, is_retired: bool) {
        warn!(%host, is_retired, "a host that is not registered was refused");
        let (why, reason) = if is_retired {
            ("retired", RETIRED)
        } else {
            ("unregistered", "this host is not registered; register it with POST /v1/hosts")
        };
        // Whether it hears the reason is its own affair.
        let _ = arrival.outbox.try_send(FromControl::Refused { reason: reason.to_owned() });
        self.noted.push(Refusal {
            action: "refused.link",
            culprit: Culprit::Host(host),
            entity: host.to_string(),
            detail: json!({ "why": why }),
        });
    }

    /// Tells hosts to take a release.
    pub(super) fn order_upgrades(&mut self, orders: &[UpgradeOrder]) {
        for UpgradeOrder { host, release, size_bytes, ordered_at } in orders {
            if let Some(session) = self.sessions.get_mut(host) {
                let (release, size_bytes, ordered_at) = (*release, *size_bytes, *ordered_at);
                session.send(*host, FromControl::Upgrade { release, size_bytes, ordered_at });
            }
        }
    }

    /// Says why, and what the database does hold, so that the host goes on from there.
    fn answer_refused_batch(&mut self, host: HostId, from: Mark, reason: String) {
        self.refuse(host);
        let held = self.marks.get(&(host, from.boot, from.segment)).copied();
        let Some(session) = self.sessions.get_mut(&host) else { return };
        session.send_to(host, from.boot, FromControl::Refused { reason });
        if let Some(offset) = held {
            session.send_to(host, from.boot, FromControl::Committed { mark: Mark { offset, ..from } });
        }
    }

    fn acknowledged(
        &mut self,
        host: HostId,
        assignment: Option<Stamp>,
        view: Option<Stamp>,
        unable: Vec<(CheckId, String)>,
    ) {
        let Some(session) = self.sessions.get_mut(&host) else { return };
        for (check, reason) in &unable {
            warn!(%host, %check, reason, "a host cannot run a check");
        }
        session.unable = unable.into_iter().collect();
        session.acknowledge(assignment, view);
        self.hear_number(host, view);
    }

    /// A host says which view it holds: perhaps one that the database has lost.
    fn hear_number(&mut self, host: HostId, view: Option<Stamp>) {
        let Some(held) = view else { return };
        if !self.fleet.hear_number(held, &self.newest) {
            warn!(%host, view = %held, "a host holds a view that nobody gave");
            self.refuse(host);
        }
    }

    /// Hosts that were asked something and have been silent too long to wait for.
    pub(super) fn silent_voters(&self, now: BootMs) -> BTreeSet<HostId> {
        let asking = self.census.asking().filter_map(|check| self.detectors.get(&check));
        let asked = asking.filter_map(|detector| detector.round.as_ref());
        let hosts = asked.flat_map(|round| round.open_orders().map(|vote| vote.host));
        hosts.filter(|host| !self.fleet.is_heard(*host, farwatch_core::fleet::VOTER_SILENCE_MS, now)).collect()
    }
}

/// What a hello says of interest here.
fn arrival_of(
    hello: FromHost,
    connection: u64,
    from: SocketAddr,
    public_key: Arc<[u8]>,
    outbox: mpsc::Sender<FromControl>,
) -> Option<Arrival> {
    let FromHost::Hello {
        boot,
        version,
        features,
        release,
        sealing_key,
        run_places,
        peer_address,
        assignment,
        assignment_digest,
        view,
        ..
    } = hello
    else {
        return None;
    };
    let peer_address = peer_address.map(|address| reachable(address, from));
    let assigned = assignment.map(|to| Assigned { to, digest: assignment_digest });
    let places_by = Rules::versions_of(features.iter().map(String::as_str));
    let can = |wanted: &str| features.iter().any(|feature| feature == wanted);
    let (can_upgrade, can_try, is_walled) = (can(FEATURE_UPGRADE), can(FEATURE_TRY), can(FEATURE_WALL));
    Some(Arrival {
        connection,
        boot,
        outbox,
        public_key,
        version,
        release,
        can_upgrade,
        can_try,
        is_walled,
        places_by,
        sealing_key: SealingKey::from_bytes(&sealing_key),
        run_places,
        peer_address,
        assigned,
        view,
    })
}

/// Whether it is heard from a process that hands over to its successor, too: what it found, and what it will not do.
const fn is_of_both(message: &FromHost) -> bool {
    matches!(message, FromHost::Results(_) | FromHost::DeclinesOrder { .. } | FromHost::UpgradeFailed { .. })
}

/// Where neighbours dial a host: what it says, from where it is linked when it does not know itself.
fn reachable(said: SocketAddr, from: SocketAddr) -> SocketAddr {
    if said.ip().is_unspecified() { SocketAddr::new(from.ip(), said.port()) } else { said }
}
