//! The link to control: kept open as long as the host lives, to whichever process leads.
//!
//! It dials the addresses it knows in turn and follows where a follower points. What is lost with a
//! connection is sent again on the next: results from the spool, and what is held.

pub(crate) mod dial;
mod greeting;
mod session;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::egress::Policy;
use farwatch_core::placement::Rules;
use farwatch_proto::VERSION;
use farwatch_proto::id::{BootId, HostId, OrderId, ReleaseHash};
use farwatch_proto::join::is_endpoint;
use farwatch_proto::link::{FEATURE_UPGRADE, FEATURE_WALL, FromControl, FromHost};
use farwatch_proto::peer::PeerAddress;
use farwatch_proto::trying::FEATURE_TRY;
use ipnet::IpNet;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::sleep;
use tracing::{debug, info, warn};

use crate::assignment::Acknowledged;
use crate::entropy;
use crate::identity::Identity;
use crate::listeners;
use crate::runner::Shared;
use crate::shard::Asked;
use crate::spawn::{Spawner, Stopping, blocking};
use crate::tries::Tryer;
use crate::upgrade::UpgradeOrder;
use greeting::converse;
use session::End;

/// The wait before the next attempt, the first time and at most. A fleet must be back within seconds of
/// its control, and must not dial it all at once.
const BACK_OFF_FIRST_MS: u64 = 100;
const BACK_OFF_MAX_MS: u64 = 2_000;
/// Pointers to the leader that are followed before the list is tried again: two processes may point at
/// each other for a moment.
const POINTERS_MAX: u32 = 3;
/// Assignment messages that wait to be taken in: a fleet's whole in many parts.
pub(crate) const ASSIGNMENTS_WAITING_MAX: usize = 4096;
/// Things to say that wait for the link; what does not fit is left unsaid, and control goes on without.
pub(crate) const TO_SAY_MAX: usize = 1024;

/// The link to control.
pub(crate) struct Link {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
    pub(crate) boot: BootId,
    pub(crate) run_places: u32,
    /// By which secrets are sealed for it.
    pub(crate) sealing_key: Vec<u8>,
    pub(crate) peer_address: Option<SocketAddr>,
    pub(crate) controls: Vec<String>,
    pub(crate) allow_nets: Vec<IpNet>,
    /// Where the fleet's listeners are remembered.
    pub(crate) listeners_file: PathBuf,
    pub(crate) to_assignment: mpsc::Sender<FromControl>,
    pub(crate) to_shards: Vec<mpsc::Sender<Asked>>,
    /// Carries out tries.
    pub(crate) tryer: Tryer,
    pub(crate) to_say: mpsc::Receiver<FromHost>,
    pub(crate) acknowledged: watch::Receiver<Acknowledged>,
    pub(crate) relink: Arc<Notify>,
    /// Takes orders to take a release, where this process may.
    pub(crate) to_upgrader: Option<mpsc::Sender<UpgradeOrder>>,
    /// Whether this process has given up what it does not need of the kernel.
    pub(crate) is_walled: bool,
    /// The program this process runs.
    pub(crate) release: watch::Receiver<Option<ReleaseHash>>,
    /// Where control is linked, for those who fetch from it.
    pub(crate) linked: watch::Sender<Option<String>>,
    pub(crate) spawner: Spawner,
    pub(crate) stopping: Stopping,
}

impl Link {
    /// Keeps the link until the host stops.
    pub(crate) async fn serve(mut self) {
        let stopping = self.stopping.clone();
        let (mut turn, mut back_off_ms, mut pointers) = (0, BACK_OFF_FIRST_MS, 0);
        let mut pointed: Option<String> = None;
        let mut is_told = false;
        if self.to_upgrader.is_some() {
            // Where its program cannot be read, nobody ever says which it is.
            let _ = self.release.wait_for(Option::is_some).await;
        }
        loop {
            let address = pointed.take().unwrap_or_else(|| self.controls[turn % self.controls.len()].clone());
            let was_linked = match converse(&mut self, &address).await {
                End::Stopped => return,
                End::NotLeader(leader) => {
                    pointed = leader.filter(|leader| pointers < POINTERS_MAX && is_endpoint(leader));
                    pointers += 1;
                    false
                }
                End::Lost(error) => {
                    let was_linked = self.linked.send_replace(None).is_some();
                    // Once per cut is enough; the attempts that follow say the same.
                    if was_linked || !std::mem::replace(&mut is_told, true) {
                        warn!(address, error = format!("{error:#}"), "no link to control");
                    } else {
                        debug!(address, error = format!("{error:#}"), "no link to control");
                    }
                    was_linked
                }
            };
            if pointed.is_some() {
                continue;
            }
            (turn, pointers) = (turn + 1, 0);
            back_off_ms = if was_linked { BACK_OFF_FIRST_MS } else { (back_off_ms * 2).min(BACK_OFF_MAX_MS) };
            let wait = Duration::from_millis(back_off_ms / 2 + entropy::below(back_off_ms));
            tokio::select! {
                () = stopping.requested() => return,
                () = sleep(wait) => {}
            }
        }
    }

    fn hello(&self) -> FromHost {
        let told = self.acknowledged.borrow();
        FromHost::Hello {
            host: self.shared.host,
            boot: self.boot,
            version: VERSION.to_owned(),
            features: Rules::KNOWN
                .features()
                .chain([FEATURE_TRY.to_owned()])
                .chain(self.is_walled.then(|| FEATURE_WALL.to_owned()))
                .chain(self.to_upgrader.iter().map(|_| FEATURE_UPGRADE.to_owned()))
                .collect(),
            release: *self.release.borrow(),
            sealing_key: self.sealing_key.clone(),
            run_places: self.run_places,
            peer_address: self.peer_address,
            assignment: told.reached.map(|reached| reached.to),
            assignment_digest: told.reached.map(|reached| reached.digest),
            view: told.view,
        }
    }

    /// From now on no check reaches these, nor control, whatever the operator opted in.
    fn learn_listeners(&self, told: &[SocketAddr]) {
        if let Err(error) = listeners::write(&self.listeners_file, told) {
            warn!(%error, "the fleet's listeners cannot be remembered");
        }
        let all: Vec<SocketAddr> = told.iter().copied().chain(self.shared.book.addresses()).collect();
        self.shared.prober.set_policy(policy(&self.allow_nets, &self.controls, &all));
    }

    /// Where neighbours are; no check reaches them there.
    fn learn_peers(&self, peers: Vec<PeerAddress>) {
        if let Err(error) = self.shared.book.learn(peers) {
            warn!(%error, "neighbours cannot be remembered; a restart without control would not find them");
        }
        self.learn_listeners(&listeners::read(&self.listeners_file));
    }

    /// Says what is kept of these hosts' results. What finds no room is asked for again.
    fn hand_over(&self, origins: Vec<HostId>) {
        let shared = self.shared.clone();
        self.spawner.task("hand-over", async move {
            for origin in origins {
                let copies = shared.copies.clone();
                match blocking(move || copies.of(origin)).await {
                    Ok(Ok(batches)) => {
                        for batch in batches {
                            if shared.to_say.try_send(FromHost::Carries(batch)).is_err() {
                                return;
                            }
                        }
                    }
                    Ok(Err(error)) => warn!(%origin, %error, "copies of a neighbour's results cannot be read"),
                    Err(error) => warn!(%error, "handing over copies failed"),
                }
            }
        });
    }

    /// Takes a new certificate; it is shown from the next connection on.
    fn take_certificate(&self, chain: &str) {
        match self.identity.take(chain) {
            Ok(()) => info!(until = %self.identity.validity().until, "certificate renewed"),
            Err(error) => warn!(error = format!("{error:#}"), "control sent a certificate that is no renewal"),
        }
    }

    fn cancel(&self, orders: &[OrderId]) {
        for order in orders {
            self.shared.orders.cancel(*order);
        }
        info!(orders = orders.len(), "orders cancelled");
    }
}

/// What probes may reach: control's own addresses are the fleet's, also before it says so.
pub(crate) fn policy(allow_nets: &[IpNet], controls: &[String], listeners: &[SocketAddr]) -> Policy {
    let own = controls.iter().filter_map(|control| control.parse().ok()).chain(listeners.iter().copied());
    Policy::new(allow_nets.to_vec(), own.collect())
}
