//! Chooses one address, has it judged, and connects to exactly that one.
//!
//! One address and no race between several: what a check measures must be one thing, and its failure
//! must name it. A name with addresses in both families is dialled at the first that the system would
//! use, unless the check asks for a family.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use farwatch_core::egress::Policy;
use farwatch_core::target::{BadTarget, TargetHost};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

use super::evidence::{IpVersion, Phase};
use super::trace::{Mishap, Trace};
use super::{Prober, RATE_CAPPED};

/// Reads a name or an address; one of IPv6 may come without its brackets, since the port stands elsewhere.
pub(super) fn host_of(text: &str) -> Result<TargetHost, Mishap> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(TargetHost::Address(IpAddr::V6(address)));
    }
    let invalid = |error: BadTarget| Mishap::new(Phase::Prepare, "request-invalid", error.to_string());
    TargetHost::of_text(text).map_err(invalid)
}

/// Whether an address is of the version that a check insists on.
const fn is_of(version: IpVersion, address: IpAddr) -> bool {
    match version {
        IpVersion::Ipv4 => address.is_ipv4(),
        IpVersion::Ipv6 => address.is_ipv6(),
    }
}

impl Prober {
    /// Resolves, judges and connects, and leaves its times and the chosen address in the trace.
    pub(super) async fn dial(
        &self,
        host: &TargetHost,
        port: u16,
        family: Option<IpVersion>,
        trace: &mut Trace,
    ) -> Result<TcpStream, Mishap> {
        let remote = self.locate(host, port, family, trace).await?;
        trace.enter(Phase::Connect, self.clock.instant());
        let stream = connect(remote, self.bind).await?;
        trace.leave(self.clock.instant());
        Ok(stream)
    }

    /// Resolves and judges, and leaves its time and the chosen address in the trace.
    pub(super) async fn locate(
        &self,
        host: &TargetHost,
        port: u16,
        family: Option<IpVersion>,
        trace: &mut Trace,
    ) -> Result<SocketAddr, Mishap> {
        let policy = self.policy();
        let remote = match host {
            TargetHost::Address(address) => literal(&policy, SocketAddr::new(*address, port), family)?,
            TargetHost::Name(name) => {
                trace.enter(Phase::Resolve, self.clock.instant());
                let found = self.resolver.lookup(name, port).await?;
                let chosen = choose(&policy, name, &found, family)?;
                trace.leave(self.clock.instant());
                chosen
            }
        };
        trace.remote = Some(remote);
        self.pass(&policy, remote, 1)?;
        Ok(remote)
    }

    /// Counts so much more that is sent to an address which was located before.
    pub(super) fn send_more(&self, remote: SocketAddr, times: u32) -> Result<(), Mishap> {
        self.pass(&self.policy(), remote, times)
    }

    /// Counts what is sent to an address that was judged, where somebody pays and it is a third party's.
    pub(super) fn pass(&self, policy: &Policy, remote: SocketAddr, times: u32) -> Result<(), Mishap> {
        let Some(payer) = self.payer.filter(|_| !policy.is_opted_in(remote.ip())) else { return Ok(()) };
        let passed = self.caps.pass(payer, remote.ip(), times, self.clock.boot());
        // Nothing was sent, so it is not the step of any target.
        passed.map_err(|capped| Mishap::new(Phase::Prepare, RATE_CAPPED, capped.to_string()))
    }

    /// A socket that sends datagrams to this address and takes them from there alone.
    pub(super) async fn datagrams(&self, remote: SocketAddr) -> Result<UdpSocket, Mishap> {
        let any = if remote.is_ipv4() { IpAddr::V4(Ipv4Addr::UNSPECIFIED) } else { IpAddr::V6(Ipv6Addr::UNSPECIFIED) };
        let from = self.bind.filter(|address| address.is_ipv4() == remote.is_ipv4()).unwrap_or(any);
        let socket = UdpSocket::bind(SocketAddr::new(from, 0)).await;
        let socket = socket.map_err(|error| local(&format!("no datagram can be sent from {from}: {error}")))?;
        socket.connect(remote).await.map_err(|error| mishap_of(remote, &error))?;
        Ok(socket)
    }

    /// Connects to a reference of the operator, `name:port` or `address:port`, and hangs up; the reason where it cannot.
    /// It goes the way of every probe, but `core/egress` is not asked: this is no customer's target.
    pub(crate) async fn reach(&self, reference: &str) -> Result<(), String> {
        let remote = match (reference.parse::<SocketAddr>(), reference.rsplit_once(':')) {
            (Ok(address), _) => address,
            (Err(_), Some((name, port))) => {
                let port = port.parse().map_err(|_| format!("{port} is no port"))?;
                let found = self.resolver.lookup(name, port).await.map_err(|mishap| mishap.message)?;
                *found.first().ok_or("the name has no address")?
            }
            (Err(_), None) => return Err("it names no port".to_owned()),
        };
        connect(remote, self.bind).await.map(drop).map_err(|mishap| mishap.message)
    }
}

fn literal(policy: &Policy, remote: SocketAddr, family: Option<IpVersion>) -> Result<SocketAddr, Mishap> {
    if family.is_some_and(|family| !is_of(family, remote.ip())) {
        let message = format!("{} is not an address of the IP version that was asked for", remote.ip());
        return Err(Mishap::new(Phase::Prepare, "request-invalid", message));
    }
    match policy.judge(remote) {
        Ok(()) => Ok(remote),
        Err(refusal) => Err(Mishap::new(Phase::Prepare, "egress-refused", refusal.to_string())),
    }
}

/// The first address of the wanted family. A name that leads to any address that is refused is refused
/// whole: otherwise it would depend on the order of an answer what a check reaches.
pub(super) fn choose(
    policy: &Policy,
    name: &str,
    found: &[SocketAddr],
    family: Option<IpVersion>,
) -> Result<SocketAddr, Mishap> {
    let mut wanted = found.iter().filter(|address| family.is_none_or(|family| is_of(family, address.ip())));
    let Some(first) = wanted.clone().next() else {
        let message = format!("the name {name} has no address of the IP version that was asked for");
        return Err(Mishap::new(Phase::Resolve, "dns-no-address", message));
    };
    match wanted.find_map(|address| policy.judge(*address).err()) {
        Some(refusal) => Err(Mishap::new(Phase::Resolve, "egress-refused", format!("{name}: {refusal}"))),
        None => Ok(*first),
    }
}

async fn connect(remote: SocketAddr, bind: Option<IpAddr>) -> Result<TcpStream, Mishap> {
    let socket = if remote.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() };
    let socket = socket.map_err(|error| local(&format!("no socket can be opened: {error}")))?;
    if let Some(address) = bind.filter(|address| address.is_ipv4() == remote.is_ipv4()) {
        let bound = socket.bind(SocketAddr::new(address, 0));
        bound.map_err(|error| local(&format!("probes cannot come from --probe-bind {address}: {error}")))?;
    }
    socket.connect(remote).await.map_err(|error| mishap_of(remote, &error))
}

/// Trouble of this machine's own, for which no target is to blame.
pub(super) fn local(what: &str) -> Mishap {
    Mishap::new(Phase::Prepare, super::HOST_TROUBLE, format!("this host could not try: {what}"))
}

pub(super) fn mishap_of(remote: SocketAddr, error: &io::Error) -> Mishap {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection-refused",
        io::ErrorKind::TimedOut => "connect-timeout",
        io::ErrorKind::HostUnreachable => "host-unreachable",
        io::ErrorKind::NetworkUnreachable => "network-unreachable",
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::PermissionDenied => {
            return local(&format!("no connection to {remote} may be opened: {error}"));
        }
        _ => "connect-failed",
    };
    Mishap::new(Phase::Connect, code, format!("no connection to {remote}: {error}"))
}

#[cfg(test)]
mod tests {
    use farwatch_core::egress::caps::PER_ADDRESS;
    use farwatch_proto::id::TenantId;

    use super::*;
    use crate::clock::Clock;
    use crate::probe::ProbeSettings;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_first_of_the_wanted_family_is_taken() {
        let found = addresses(&["[2606:4700::1]:80", "1.1.1.1:80", "1.0.0.1:80"]);
        let taken = |family| choose(&Policy::default(), "x", &found, family).unwrap();
        assert_eq!(taken(None), found[0]);
        assert_eq!(taken(Some(IpVersion::Ipv4)), found[1]);
        assert_eq!(taken(Some(IpVersion::Ipv6)), found[0]);
    }

    #[test]
    fn one_refused_address_refuses_the_name() {
        let found = addresses(&["1.1.1.1:80", "10.0.0.1:80"]);
        let refused = choose(&Policy::default(), "x", &found, None).unwrap_err();
        assert_eq!((refused.phase, refused.code), (Phase::Resolve, "egress-refused"));
        assert!(refused.message.contains("--allow-net 10.0.0.1/32"), "{}", refused.message);
        let other_family = addresses(&["1.1.1.1:80", "[::1]:80"]);
        assert!(choose(&Policy::default(), "x", &other_family, Some(IpVersion::Ipv4)).is_ok());
    }

    #[test]
    fn a_name_without_the_wanted_family_has_no_address() {
        let refused = choose(&Policy::default(), "x", &addresses(&["1.1.1.1:80"]), Some(IpVersion::Ipv6));
        assert_eq!(refused.unwrap_err().code, "dns-no-address");
    }

    #[test]
    fn a_tenant_is_capped_and_nobody_else() {
        let prober = Prober::new(Clock::default(), Policy::default(), &ProbeSettings::default()).unwrap();
        let (one, other) = (TenantId::from_bytes([1; 16]), TenantId::from_bytes([2; 16]));
        let (policy, remote) = (Policy::default(), "192.31.196.1:80".parse().unwrap());
        prober.paid_by(one).pass(&policy, remote, PER_ADDRESS.burst).unwrap();
        let refused = prober.paid_by(one).pass(&policy, remote, PER_ADDRESS.burst).unwrap_err();
        assert_eq!((refused.phase, refused.code), (Phase::Prepare, RATE_CAPPED));
        assert!(refused.message.contains("192.31.196.1"), "{}", refused.message);
        assert_eq!(prober.rate_capped(), 1);
        prober.paid_by(other).pass(&policy, remote, PER_ADDRESS.burst).unwrap();
        let own = Policy::new(vec!["192.31.196.0/24".parse().unwrap()], Vec::new());
        for _ in 0..3 {
            prober.pass(&policy, remote, PER_ADDRESS.burst).unwrap();
            prober.paid_by(one).pass(&own, remote, PER_ADDRESS.burst).unwrap();
        }
        assert_eq!(prober.rate_capped(), 1);
    }

    #[test]
    fn hosts_are_read_strictly() {
        let address = |text: &str| TargetHost::Address(text.parse().unwrap());
        assert_eq!(host_of("2001:db8::7").unwrap(), address("2001:db8::7"));
        assert_eq!(host_of("[2001:db8::7]").unwrap(), address("2001:db8::7"));
        assert_eq!(host_of("192.0.2.7").unwrap(), address("192.0.2.7"));
        assert_eq!(host_of("Mail.Example").unwrap(), TargetHost::Name("mail.example".to_owned()));
        for text in ["", "127.1", "0x7f000001", "a b", "a:25", "[::1", "fe80::1%eth0"] {
            assert_eq!(host_of(text).unwrap_err().code, "request-invalid", "{text}");
        }
    }
}
