//! The gate and the resolver of sockets that a guest opens itself.
//!
//! What a probe may reach a guest's socket may, and nothing else. Names are looked up by the system's resolver, as for any
//! probe, and one that leads to any refused address is refused whole.

use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;

use farwatch_core::target::TargetHost;
use farwatch_sandbox::SocketGate;

use super::Prober;
use super::dial::{choose, host_of};
use super::evidence::{Failure, Phase};
use super::trace::{Mishap, Trace};

/// No port: which one a guest connects to is judged when it does.
const ANY_PORT: u16 = 0;

/// Where the sockets of one run may go: each connection counts for the caps of its tenant.
#[derive(Debug)]
pub(crate) struct GateOfRun {
    prober: Prober,
    /// The cap that kept one from being made.
    capped: OnceLock<String>,
}

impl GateOfRun {
    pub(crate) const fn new(prober: Prober) -> Self {
        Self { prober, capped: OnceLock::new() }
    }

    /// Why a connection was not made that nobody but the tenant is to blame for.
    pub(crate) fn capped(&self) -> Option<String> {
        self.capped.get().cloned()
    }
}

impl SocketGate for GateOfRun {
    fn admits(&self, remote: SocketAddr) -> bool {
        let policy = self.prober.policy();
        if policy.judge(remote).is_err() {
            return false;
        }
        let passed = self.prober.pass(&policy, remote, 1);
        passed.map_err(|mishap| self.capped.get_or_init(|| mishap.message)).is_ok()
    }
}

impl Prober {
    /// The addresses of a name, or of one that is written as a name.
    pub(crate) async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let found = self.addresses_of(name, &mut trace).await;
        found.map_err(|mishap| trace.fail(mishap, self.clock.instant()))
    }

    async fn addresses_of(&self, name: &str, trace: &mut Trace) -> Result<Vec<IpAddr>, Mishap> {
        let name = match host_of(name)? {
            TargetHost::Address(address) => return Ok(vec![address]),
            TargetHost::Name(name) => name,
        };
        trace.enter(Phase::Resolve, self.clock.instant());
        let found = self.resolver.lookup(&name, ANY_PORT).await?;
        choose(&self.policy(), &name, &found, None)?;
        Ok(found.into_iter().map(|address| address.ip()).collect())
    }
}
