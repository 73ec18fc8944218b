//! The caps of `core/egress` for every probe, for all threads of a host.
//!
//! It sees an address that was judged, before anything is sent there. What nobody pays for, as the references of the
//! operator, does not come here.

use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use farwatch_core::egress::caps::{Capped, Caps};
use farwatch_core::hash::hash64;
use farwatch_proto::id::TenantId;
use farwatch_proto::time::BootMs;

/// Parts, each of which holds the buckets of some tenants, so that those of others need not wait. The lock of one is held
/// for some tens of nanoseconds.
const PARTS: usize = 16;

/// See the file's documentation.
#[derive(Debug, Default)]
pub(super) struct HostCaps {
    parts: [Mutex<Caps>; PARTS],
    capped: AtomicU64,
}

impl HostCaps {
    /// Lets so many connections of this tenant pass, or says which cap they would break.
    pub(super) fn pass(&self, tenant: TenantId, to: IpAddr, times: u32, now: BootMs) -> Result<(), Capped> {
        let part = &self.parts[(hash64(tenant.as_bytes()) % PARTS as u64) as usize];
        let passed = part.lock().expect("no holder of this lock panics").take(tenant, to, times, now);
        if passed.is_err() {
            self.capped.fetch_add(1, Ordering::Relaxed);
        }
        passed
    }

    /// How often it did not let pass.
    pub(super) fn capped(&self) -> u64 {
        self.capped.load(Ordering::Relaxed)
    }
}
