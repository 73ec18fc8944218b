//! Probes: what a check module may ask of the network, done by the host and rich in evidence.
//!
//! Every probe opens a connection of its own and closes it. The address it connects to is the very one
//! that `core/egress` judged. Proxies named in the environment are ignored: what is measured is the
//! target. A probe never decides whether its target is up.

pub mod dns;
pub mod evidence;
pub mod http;
pub mod icmp;
pub mod peer_bytes;
pub mod tcp;
pub mod udp;

mod caps;
mod dial;
mod fault;
mod resolve;
pub(crate) mod sockets;
mod tls;
mod trace;
mod wire;

use std::net::IpAddr;
use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use farwatch_core::egress::Policy;
use farwatch_proto::id::TenantId;

use crate::clock::Clock;
use caps::HostCaps;
pub(crate) use resolve::LOOKUPS_MAX;
use resolve::Resolver;
use tls::TlsClient;

pub use tls::TlsSetupError;

/// The code of a failure that is this machine's own, for which no target is to blame.
pub const HOST_TROUBLE: &str = "host-trouble";
/// The code of a probe that was not made because its tenant has connected as often as it may. No target is to blame, and
/// this machine is well.
pub const RATE_CAPPED: &str = "rate-capped";
/// No probe may wait longer, whatever it asks for; the run around it is shorter in any case.
const TIMEOUT_MAX_MS: u32 = 120_000;
/// What probes identify themselves as, unless a check says otherwise.
pub const USER_AGENT: &str = concat!("Farwatch/", env!("CARGO_PKG_VERSION"), " (uptime monitor)");

/// What an operator decides about the probes of one host.
#[derive(Clone, Debug, Default)]
pub struct ProbeSettings {
    /// The local address that probes come from; the system chooses when there is none.
    pub bind: Option<IpAddr>,
    /// A PEM file of certificates to trust beside the system's.
    pub extra_roots: Option<PathBuf>,
}

/// Makes the probes of one host. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Prober {
    gear: Arc<Gear>,
    /// Whose connections are counted. Nobody's are where a program runs modules of its own.
    payer: Option<TenantId>,
}

/// What all probes of a host share.
#[derive(Debug)]
pub struct Gear {
    clock: Clock,
    policy: RwLock<Arc<Policy>>,
    caps: HostCaps,
    bind: Option<IpAddr>,
    resolver: Resolver,
    tls: TlsClient,
}

impl Deref for Prober {
    type Target = Gear;

    fn deref(&self) -> &Gear {
        &self.gear
    }
}

impl Prober {
    /// Reads the trusted roots, once, and stands ready.
    pub fn new(clock: Clock, policy: Policy, settings: &ProbeSettings) -> Result<Self, TlsSetupError> {
        let tls = TlsClient::new(settings.extra_roots.as_deref())?;
        let (policy, caps) = (RwLock::new(Arc::new(policy)), HostCaps::default());
        let gear = Gear { clock, policy, caps, bind: settings.bind, resolver: Resolver::default(), tls };
        Ok(Self { gear: Arc::new(gear), payer: None })
    }

    /// Who pays for its probes; nobody for those of the operator.
    pub(crate) fn payer(&self) -> Option<TenantId> {
        self.payer
    }

    /// The same for the runs of one tenant, whose connections count for its caps.
    #[must_use]
    pub fn paid_by(&self, tenant: TenantId) -> Self {
        Self { gear: self.gear.clone(), payer: Some(tenant) }
    }
}

impl Gear {
    /// Changes what may be reached, for every probe that starts from now on.
    pub fn set_policy(&self, policy: Policy) {
        *self.policy.write().expect("no holder of this lock panics") = Arc::new(policy);
    }

    /// How many probes the caps have kept from being made.
    pub fn rate_capped(&self) -> u64 {
        self.caps.capped()
    }

    fn policy(&self) -> Arc<Policy> {
        self.policy.read().expect("no holder of this lock panics").clone()
    }
}
