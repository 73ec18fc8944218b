//! Neighbours that were turned away: told in the log and to control, which keeps the audit log. Only so many, so that
//! nobody can fill either by being turned away.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use farwatch_core::rate::{Buckets, Rate};
use farwatch_proto::id::HostId;
use farwatch_proto::link::{FromHost, PeerRefusal};
use farwatch_proto::time::BootMs;
use tracing::warn;

use crate::runner::Shared;

/// What is told of one address.
const RATE: Rate = Rate { burst: 5, one_more_ms: 60_000 };
/// What is told of all together: votes and other news use the same way to control.
const RATE_OF_ALL: Rate = Rate { burst: 20, one_more_ms: 10_000 };
/// Addresses that are remembered.
const KEYS_MAX: usize = 1_000;

/// Whom a neighbour that was turned away showed itself to be, and what it said.
#[derive(Clone, Copy, Debug)]
pub(super) struct TurnedAway {
    pub(super) address: IpAddr,
    pub(super) certificate: Option<HostId>,
    pub(super) claims: Option<HostId>,
    pub(super) reason: PeerRefusal,
}

/// Counts them.
pub(crate) struct Refused {
    told: Mutex<(Buckets<IpAddr>, Buckets<()>)>,
}

impl Default for Refused {
    fn default() -> Self {
        Self { told: Mutex::new((Buckets::new(RATE, KEYS_MAX), Buckets::new(RATE_OF_ALL, 1))) }
    }
}

impl Refused {
    /// Tells of one, where there is room for it.
    pub(super) fn tell(&self, shared: &Shared, turned_away: TurnedAway) {
        if !self.is_told(turned_away.address, shared.clock.boot()) {
            return;
        }
        let TurnedAway { address, certificate, claims, reason } = turned_away;
        let shown = |host: Option<HostId>| host.map(|host| host.to_string()).unwrap_or_default();
        warn!(%address, certificate = shown(certificate), claims = shown(claims), ?reason, "a neighbour was turned away");
        // Control can do without it.
        let _ = shared.to_say.try_send(FromHost::RefusedPeer { address, certificate, claims, reason });
    }

    fn is_told(&self, address: IpAddr, now: BootMs) -> bool {
        // A panic between two numbers leaves nothing half done.
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.0.take(address, now).and_then(|()| told.1.take((), now)).is_ok()
    }
}
