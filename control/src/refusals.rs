//! Refusals on the links that the audit log tells of: who came with a bad certificate, spoke for another host, joined by
//! a bad token, or wrote what was not its own.
//!
//! Links and the leader do not wait for it. Only so many are noted, so that nobody can fill the disk by being refused; how
//! many were left out is told by the next one that is noted.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use farwatch_core::rate::{Buckets, Rate};
use farwatch_proto::id::HostId;
use farwatch_proto::time::BootMs;
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::warn;

use crate::api::limits::network;
use crate::clock::Clock;
use crate::spawn::Spawner;
use crate::store::{AuditEntry, Store};

/// Refusals of one host or address that are noted: enough to see a pattern.
const NOTED_RATE: Rate = Rate { burst: 20, one_more_ms: 60_000 };
/// Refusals of all together that are noted: at some 300 bytes each, at most 3 MB on a day of nothing but attacks.
const NOTED_OF_ALL_RATE: Rate = Rate { burst: 500, one_more_ms: 10_000 };
/// Hosts and addresses that are remembered, at some 64 bytes each.
const KEYS_MAX: usize = 20_000;
/// Entries that wait for the database; more are left out, and counted.
const WAITING_MAX: usize = 256;
/// Who acts when nobody is known.
const NOBODY: &str = "nobody";

/// Who was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Culprit {
    /// Whoever came from there, with nothing to show who it is.
    Address(IpAddr),
    /// The host that its certificate names.
    Host(HostId),
}

/// One refusal.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Refusal {
    /// What was refused, such as `refused.join`.
    pub(crate) action: &'static str,
    /// To whom.
    pub(crate) culprit: Culprit,
    /// What it wanted, or whom it claimed to be.
    pub(crate) entity: String,
    /// The rest: an object.
    pub(crate) detail: Value,
}

/// Takes them in. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Refusals {
    to_write: mpsc::Sender<AuditEntry>,
    counted: Arc<Mutex<Counted>>,
    clock: Clock,
}

struct Counted {
    noted: Buckets<Culprit>,
    noted_of_all: Buckets<()>,
    left_out: u64,
}

impl Refusals {
    /// Writes what is noted into the audit log until the process stops.
    pub(crate) fn start(spawner: &Spawner, store: Store, clock: Clock) -> Self {
        let (to_write, mut entries) = mpsc::channel::<AuditEntry>(WAITING_MAX);
        let stopping = spawner.stopping();
        spawner.spawn("refusals", async move {
            loop {
                let entry = tokio::select! {
                    () = stopping.requested() => return,
                    entry = entries.recv() => entry,
                };
                let Some(entry) = entry else { return };
                if let Err(error) = store.audit().append(&entry).await {
                    warn!(%error, action = entry.action, entity = entry.entity, "a refusal is not in the audit log");
                }
            }
        });
        let noted = Buckets::new(NOTED_RATE, KEYS_MAX);
        let counted = Counted { noted, noted_of_all: Buckets::new(NOTED_OF_ALL_RATE, 1), left_out: 0 };
        Self { to_write, counted: Arc::new(Mutex::new(counted)), clock }
    }

    /// Notes one. Whoever it is about has been refused either way.
    pub(crate) fn note(&self, refusal: Refusal) {
        // A panic between two numbers leaves nothing half done.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left_out) = counted.take(refusal.culprit, self.clock.boot()) else { return };
        let Refusal { action, culprit, entity, mut detail } = refusal;
        detail["left_out_before"] = left_out.into();
        let actor = match culprit {
            Culprit::Address(address) => {
                detail["address"] = address.to_string().into();
                NOBODY.to_owned()
            }
            Culprit::Host(host) => host.to_string(),
        };
        let (at, action, detail) = (self.clock.wall(), action.to_owned(), detail.to_string());
        if self.to_write.try_send(AuditEntry { at, tenant: None, actor, action, entity, detail }).is_err() {
            counted.left_out += left_out + 1;
        }
    }
}

impl Counted {
    /// How many were left out before this one, if it is to be noted.
    fn take(&mut self, culprit: Culprit, now: BootMs) -> Option<u64> {
        let culprit = match culprit {
            Culprit::Address(address) => Culprit::Address(network(address)),
            host @ Culprit::Host(_) => host,
        };
        let is_noted = self.noted.take(culprit, now).and_then(|()| self.noted_of_all.take((), now)).is_ok();
        if is_noted {
            return Some(std::mem::take(&mut self.left_out));
        }
        self.left_out += 1;
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_who_is_refused_all_the_time_does_not_drown_the_others() {
        let noted = Buckets::new(Rate { burst: 1, one_more_ms: 1000 }, 10);
        let mut counted = Counted { noted, noted_of_all: Buckets::new(NOTED_OF_ALL_RATE, 1), left_out: 0 };
        let loud = Culprit::Address(IpAddr::from([192, 0, 2, 1]));
        let host = Culprit::Host(HostId::from_bytes([1; 16]));
        assert_eq!(counted.take(loud, BootMs(1)), Some(0));
        assert_eq!(counted.take(loud, BootMs(2)), None);
        assert_eq!(counted.take(loud, BootMs(3)), None);
        assert_eq!(counted.take(host, BootMs(4)), Some(2));
    }
}
