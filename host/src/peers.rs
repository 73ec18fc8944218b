//! Links to the neighbours: the hosts that own streams together say to each other that they live, what they began and
//! what they completed, with its results, which each keeps for the others until control has them.
//!
//! Links are kept to all with whom this host shares streams. The lower id dials; the other does where that fails. What is
//! heard goes to the desks, and what it means is decided there. Nothing waits for a neighbour.

mod accept;
mod book;
mod copying;
mod dial;
mod recap;
mod refused;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::VERSION;
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::peer::FromPeer;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::holdings::Holdings;
use crate::identity::Identity;
use crate::runner::Shared;
use crate::spawn::Spawner;
pub(crate) use accept::Door;
pub(crate) use book::{Book, Word};
pub(crate) use copying::Numbers;
pub(crate) use refused::Refused;

/// How often it is seen to that every neighbour is linked.
const TEND_EVERY: Duration = Duration::from_millis(500);

/// What every peer link needs.
#[derive(Clone)]
pub(crate) struct Peering {
    pub(crate) shared: Arc<Shared>,
    pub(crate) identity: Identity,
    pub(crate) boot: BootId,
    pub(crate) numbers: Numbers,
    pub(crate) holdings: watch::Receiver<Arc<Holdings>>,
    pub(crate) refused: Arc<Refused>,
    pub(crate) spawner: Spawner,
}

impl Peering {
    /// Listens for neighbours and dials them until the host stops.
    pub(crate) async fn serve(self, door: Option<Door>) {
        let mut holdings = self.holdings.clone();
        if let Some(door) = door {
            self.spawner.task("peer listener", door.serve(self.clone()));
        }
        let stopping = self.spawner.stopping();
        let mut ticks = interval(TEND_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.look_for_companions();
        loop {
            tokio::select! {
                () = stopping.requested() => return,
                changed = holdings.changed() => match changed {
                    Ok(()) => {
                        holdings.borrow_and_update();
                        self.look_for_companions();
                    }
                    Err(_) => return,
                },
                _ = ticks.tick() => {
                    self.shared.clock.steer();
                    self.dial_who_is_missing();
                }
            }
        }
    }

    fn look_for_companions(&self) {
        let companions = self.shared.desks.all().flat_map(|mut desk| desk.companions()).collect();
        self.shared.book.set_companions(companions);
    }

    fn dial_who_is_missing(&self) {
        for (host, address) in self.shared.book.to_dial(self.shared.host, self.shared.clock.boot()) {
            let peering = self.clone();
            self.spawner.task("peer", async move {
                let ended = dial::converse(&peering, host, address).await;
                peering.shared.book.dialled(host, ended.is_ok(), peering.shared.clock.boot());
            });
        }
    }

    /// Whether a host is one of the fleet, as far as control has said. Whoever was retired is not, whatever its certificate
    /// says.
    fn is_of_fleet(&self, host: HostId) -> bool {
        self.holdings.borrow().views.is_of_fleet(host)
    }

    fn hello(&self) -> FromPeer {
        FromPeer::Hello { host: self.shared.host, boot: self.boot, version: VERSION.to_owned() }
    }

    /// Something came from this neighbour.
    fn heard(&self, host: HostId) {
        let is_first = self.shared.peers().hear(host, self.shared.clock.boot());
        if is_first {
            info!(%host, "linked to a neighbour for the first time");
            let linked: Vec<HostId> = self.shared.peers().linked().collect();
            if let Err(error) = self.shared.book.remember_linked(linked) {
                warn!(%error, "neighbours cannot be remembered; after a restart control has to declare them dead");
            }
        }
    }
}

/// Opens the address that neighbours dial.
pub(crate) fn listen(address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)
        .with_context(|| format!("--peer-listen: cannot listen on {address}; is another host running there?"))?;
    listener.set_nonblocking(true)?;
    Ok(TcpListener::from_std(listener)?)
}

/// Where neighbours are remembered in a host's data directory.
pub(crate) fn file_in(data: &std::path::Path) -> PathBuf {
    data.join("peers.json")
}
