//! The hosts that are linked, what each was sent, and what each has acknowledged.
//!
//! A host that comes back with all it was ever sent gets changes only; any other gets the whole. A host whose process
//! hands over to another has two links for a while: the newer boot is told and asked, results of both are taken.

mod leaving;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use farwatch_core::holding::digest_of_all;
use farwatch_identity::SealingKey;
use farwatch_proto::check::Definition;
use farwatch_proto::id::{BootId, CheckId, HostId, ReleaseHash};
use farwatch_proto::link::{FromControl, PAYLOAD_MAX_BYTES};
use farwatch_proto::time::{BootMs, Stamp, UnixMs};
use tokio::sync::mpsc;
use tracing::warn;

use leaving::Leaving;
pub(super) use leaving::Speaker;

/// What JSON adds to a definition beside its prepared config, in bytes, at the most.
const DEFINITION_FRAME_BYTES: usize = 1_500;

/// And to a secret of it: its name, and what stands around.
const SECRET_FRAME_BYTES: usize = 120;

/// What a host was sent, by check: the digest, and the assignment that carried it.
type SentChecks = BTreeMap<CheckId, (u64, Stamp)>;

/// One host, linked now or before.
#[derive(Debug)]
pub(super) struct Session {
    /// Which connection; 0 while there is none.
    connection: u64,
    /// The start of its process.
    boot: BootId,
    outbox: Option<mpsc::Sender<FromControl>>,
    /// The link of the process before, while that is not over.
    leaving: Option<Leaving>,
    sent: SentChecks,
    /// The last assignment sent.
    sent_to: Stamp,
    /// The last assignment acknowledged.
    acknowledged: Option<Stamp>,
    /// The newest view or plan acknowledged.
    pub(super) view: Option<Stamp>,
    /// Checks it cannot run, with the reason.
    pub(super) unable: BTreeMap<CheckId, String>,
    /// What its hello and heartbeats said.
    pub(super) version: String,
    /// The program it runs, where it said so.
    pub(super) release: Option<ReleaseHash>,
    /// Whether it takes releases.
    pub(super) can_upgrade: bool,
    /// Whether it takes tries.
    pub(super) can_try: bool,
    /// Whether it has given up what it does not need of the kernel.
    pub(super) is_walled: bool,
    /// The order to take a release that it could not carry out last, and why; kept from link to link.
    pub(super) upgrade_failure: Option<(UnixMs, String)>,
    /// The key by which secrets are sealed for it.
    pub(super) sealing_key: Option<SealingKey>,
    /// Its run places.
    pub(super) run_places: u32,
    /// Where neighbours dial it.
    pub(super) peer_address: Option<SocketAddr>,
    /// The neighbours it hears.
    pub(super) hears: BTreeSet<HostId>,
    /// All that it ever heard since this leader leads.
    pub(super) neighbours: BTreeSet<HostId>,
    /// When the link began.
    pub(super) since: BootMs,
    /// Runs in flight.
    pub(super) running: u32,
    /// The largest lag of its loop since the last heartbeat, in milliseconds.
    pub(super) loop_lag_ms: u32,
    /// Its disk takes no results.
    pub(super) disk_full: bool,
    /// Results that it gave up for want of room.
    pub(super) dropped_results: u64,
    /// Probes that the caps of tenants kept it from making.
    pub(super) rate_capped: u64,
}

/// What a hello says of interest here.
pub(super) struct Arrival {
    pub(super) connection: u64,
    pub(super) boot: BootId,
    pub(super) outbox: mpsc::Sender<FromControl>,
    /// The key of its certificate (SubjectPublicKeyInfo, DER).
    pub(super) public_key: Arc<[u8]>,
    pub(super) version: String,
    pub(super) release: Option<ReleaseHash>,
    pub(super) can_upgrade: bool,
    pub(super) can_try: bool,
    pub(super) is_walled: bool,
    /// The rules of placement that it knows.
    pub(super) places_by: BTreeSet<u16>,
    /// The key by which secrets are sealed for it.
    pub(super) sealing_key: Option<SealingKey>,
    pub(super) run_places: u32,
    pub(super) peer_address: Option<SocketAddr>,
    pub(super) assigned: Option<Assigned>,
    pub(super) view: Option<Stamp>,
}

/// The assignment that a host says it holds, modules included.
#[derive(Clone, Copy)]
pub(super) struct Assigned {
    pub(super) to: Stamp,
    /// Of what is in it; an older version does not say.
    pub(super) digest: Option<u64>,
}

/// Changes for one host.
#[derive(Default)]
pub(super) struct Changes {
    pub(super) put: Vec<(CheckId, u64, Vec<Definition>)>,
    pub(super) forget: Vec<CheckId>,
}

/// What a definition takes of a message, at the most.
fn frame_bytes(definition: &Definition) -> usize {
    let sealed: usize = definition.secrets.iter().map(|secret| secret.sealed.len() + SECRET_FRAME_BYTES).sum();
    (definition.prepared.len() + sealed) * 4 / 3 + DEFINITION_FRAME_BYTES
}

/// What this leader sent, if that is what the host holds.
fn sent_before(assigned: Assigned, before: Option<Session>) -> Option<(Stamp, SentChecks)> {
    let before = before.filter(|before| before.sent_to == assigned.to)?;
    let digest = digest_of_all(before.sent.values().map(|(digest, _)| *digest));
    assigned.digest.is_none_or(|held| held == digest).then_some((before.sent_to, before.sent))
}

/// What the host should hold, if it does.
fn all_of(Assigned { to, digest }: Assigned, due: &[(CheckId, u64)]) -> Option<(Stamp, SentChecks)> {
    let is_held = digest == Some(digest_of_all(due.iter().map(|(_, digest)| *digest)));
    is_held.then(|| (to, due.iter().map(|(check, digest)| (*check, (*digest, to))).collect()))
}

impl Session {
    /// The session of a host that has just come; `before` is what is known of it from earlier, and `due` what it
    /// should hold.
    ///
    /// A host that holds just that, from whomever it has it, is taken to have been sent it: in a large cell sending all
    /// to everybody would keep a new leader from leading for longer than anything else.
    pub(super) fn begin(
        arrival: Arrival,
        before: Option<Self>,
        first: Stamp,
        due: &[(CheckId, u64)],
        now: BootMs,
    ) -> Self {
        let neighbours = before.as_ref().map(|before| before.neighbours.clone()).unwrap_or_default();
        let upgrade_failure = before.as_ref().and_then(|before| before.upgrade_failure.clone());
        let leaving = before.as_ref().and_then(|before| Leaving::of(before, arrival.boot));
        let held =
            arrival.assigned.and_then(|assigned| sent_before(assigned, before).or_else(|| all_of(assigned, due)));
        let acknowledged = held.as_ref().map(|(to, _)| *to);
        let (sent_to, sent) = held.unwrap_or((first, SentChecks::new()));
        Self {
            connection: arrival.connection,
            boot: arrival.boot,
            outbox: Some(arrival.outbox),
            leaving,
            acknowledged,
            sent,
            sent_to,
            view: arrival.view,
            unable: BTreeMap::new(),
            version: arrival.version,
            release: arrival.release,
            can_upgrade: arrival.can_upgrade,
            can_try: arrival.can_try,
            is_walled: arrival.is_walled,
            upgrade_failure,
            sealing_key: arrival.sealing_key,
            run_places: arrival.run_places,
            peer_address: arrival.peer_address,
            hears: BTreeSet::new(),
            neighbours,
            since: now,
            running: 0,
            loop_lag_ms: 0,
            disk_full: false,
            dropped_results: 0,
            rate_capped: 0,
        }
    }

    /// Whether a link is open.
    pub(super) const fn is_linked(&self) -> bool {
        self.outbox.is_some()
    }

    /// Which link is open, by its number; 0 where none is.
    pub(super) const fn connection(&self) -> u64 {
        self.connection
    }

    /// The link is given up.
    pub(super) fn end(&mut self) {
        self.outbox = None;
        self.connection = 0;
    }

    /// Sends a message. A host whose outbox is full is dropped: it comes again and is told all anew.
    pub(super) fn send(&mut self, host: HostId, message: FromControl) {
        let Some(outbox) = &self.outbox else { return };
        if outbox.try_send(message).is_err() {
            warn!(%host, "a host does not take its messages; its link is dropped");
            self.end();
        }
    }

    /// The checks it was sent and not told to forget.
    pub(super) fn holds(&self) -> impl Iterator<Item = CheckId> {
        self.sent.keys().copied()
    }

    /// Whether it was sent the check with this digest.
    pub(super) fn was_sent(&self, check: CheckId, digest: u64) -> bool {
        self.sent.get(&check).is_some_and(|(sent, _)| *sent == digest)
    }

    /// Whether it was sent the check at all.
    pub(super) fn was_sent_any(&self, check: CheckId) -> bool {
        self.sent.contains_key(&check)
    }

    /// Whether it has acknowledged the check as it was last sent, and can run it.
    pub(super) fn holds_latest(&self, check: CheckId) -> bool {
        let acknowledged = |at: Stamp| self.acknowledged.is_some_and(|acknowledged| at <= acknowledged);
        self.sent.get(&check).is_some_and(|(_, at)| acknowledged(*at)) && !self.unable.contains_key(&check)
    }

    /// Whether it has acknowledged all it was sent.
    pub(super) fn holds_all(&self) -> bool {
        self.acknowledged == Some(self.sent_to)
    }

    /// It holds everything up to this assignment.
    pub(super) fn acknowledge(&mut self, assignment: Option<Stamp>, view: Option<Stamp>) {
        self.acknowledged = assignment.filter(|to| *to <= self.sent_to).max(self.acknowledged);
        self.view = view.max(self.view);
    }

    /// Sends changes in as many parts as frames need. Nothing is sent when nothing changes.
    pub(super) fn assign(&mut self, host: HostId, changes: Changes) {
        let whole = self.sent.is_empty() && self.acknowledged.is_none();
        if !whole && changes.put.is_empty() && changes.forget.is_empty() {
            return;
        }
        let since = (!whole).then_some(self.sent_to);
        let to = self.sent_to.next();
        self.sent_to = to;
        for check in &changes.forget {
            self.sent.remove(check);
        }
        let mut parts = vec![Vec::new()];
        let mut part_bytes = 0;
        for (check, digest, definitions) in changes.put {
            self.sent.insert(check, (digest, to));
            let bytes: usize = definitions.iter().map(frame_bytes).sum();
            if part_bytes > 0 && part_bytes + bytes > PAYLOAD_MAX_BYTES {
                parts.push(Vec::new());
                part_bytes = 0;
            }
            part_bytes += bytes;
            parts.last_mut().expect("there is always a part").extend(definitions);
        }
        let last = parts.len() - 1;
        let mut forget = changes.forget;
        for (index, put) in parts.into_iter().enumerate() {
            let forget = std::mem::take(&mut forget);
            self.send(host, FromControl::Assign { since, to, last: index == last, put, forget });
        }
    }
}
