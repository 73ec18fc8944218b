//! The probes of one run, with the connections it holds, which are closed with it.
//!
//! They notice when it was this host that failed. A run that is to show all that comes has every chain handed over, and the
//! module sees no more of it than in any other run. What a probe does is the prober's business.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use farwatch_sandbox::types::{Failure, TlsInfo};
use farwatch_sandbox::{Payer, Probes, SocketGate, dns, http, icmp, tcp, tls, udp};

use crate::probe::sockets::GateOfRun;
use crate::probe::tcp::Connection;
use crate::probe::{HOST_TROUBLE, Prober, RATE_CAPPED};
use crate::secrets::Secrets;
use crate::seen::Seen;

/// What of a run is not the target's doing.
pub(crate) enum Trouble {
    /// This host failed.
    Host(String),
    /// A probe was not made, because the tenant has connected as often as it may.
    Capped(String),
}

/// The probes of one run, which notice when it was this host that failed.
pub(crate) struct RunProbes<'a> {
    prober: &'a Prober,
    secrets: &'a Secrets,
    connections: BTreeMap<u32, Connection<'a>>,
    trouble: Option<Trouble>,
    seen: Seen,
    /// Whether all that comes is to be shown.
    is_whole: bool,
    /// The connections whose module did not ask for the chain.
    unasked: BTreeSet<u32>,
    /// Where its sockets may go, where it has any.
    gate: Option<Arc<GateOfRun>>,
}

impl<'a> RunProbes<'a> {
    pub(crate) const fn new(prober: &'a Prober, secrets: &'a Secrets) -> Self {
        Self {
            prober,
            secrets,
            connections: BTreeMap::new(),
            trouble: None,
            seen: Seen::new(),
            is_whole: false,
            unasked: BTreeSet::new(),
            gate: None,
        }
    }

    /// The same, of a run that is to show all that comes.
    pub(crate) fn whole(prober: &'a Prober, secrets: &'a Secrets) -> Self {
        Self { seen: Seen::whole(), is_whole: true, ..Self::new(prober, secrets) }
    }

    /// What of it was not the target's doing, if anything was, and what came from the target.
    pub(crate) fn into_parts(self) -> (Option<Trouble>, Seen) {
        let capped = || self.gate.and_then(|gate| gate.capped()).map(Trouble::Capped);
        (self.trouble.or_else(capped), self.seen)
    }

    /// What came from the target since this was asked last.
    pub(crate) fn take_seen(&mut self) -> Seen {
        let nothing = if self.is_whole { Seen::whole() } else { Seen::new() };
        std::mem::replace(&mut self.seen, nothing)
    }

    pub(crate) const fn secrets(&self) -> &'a Secrets {
        self.secrets
    }

    fn connection(&mut self, number: u32) -> &mut Connection<'a> {
        self.connections.get_mut(&number).expect("a guest holds the numbers of connections that were opened alone")
    }

    /// Has the chain of a connection handed over where it is to be shown, and remembers whether its module asked for that.
    fn want_chain(&mut self, number: u32, options: &mut tcp::TlsOptions) {
        if self.is_whole && !std::mem::replace(&mut options.certificates, true) {
            self.unasked.insert(number);
        }
    }

    /// What the handshake of a connection showed.
    fn see_handshake(&mut self, number: u32) {
        if self.is_whole {
            let tls = self.connection(number).evidence().tls;
            self.seen.handshake(tls.as_ref());
        }
    }

    fn notice(&mut self, failure: &Failure) {
        self.seen.failure(failure);
        let noticed = match failure.code.as_str() {
            HOST_TROUBLE => Trouble::Host(failure.message.clone()),
            RATE_CAPPED if self.trouble.is_none() => Trouble::Capped(failure.message.clone()),
            _ => return,
        };
        self.trouble = Some(noticed);
    }
}

// Each probe on its own, for it is the larger half of a run and every run is moved about before it gets here.
impl Probes for RunProbes<'_> {
    async fn fetch(&mut self, mut request: http::Request) -> Result<http::Response, Failure> {
        let is_unasked = self.is_whole && !request.want.contains(http::Want::CERTIFICATES);
        if is_unasked {
            request.want |= http::Want::CERTIFICATES;
        }
        let fetched = Box::pin(self.prober.fetch_with_beginning(request)).await;
        let (mut response, beginning) = fetched.inspect_err(|failure| self.notice(failure))?;
        self.seen.answer(response.status, beginning);
        self.seen.handshake(response.tls.as_ref());
        if is_unasked {
            without_good_chain(response.tls.as_mut());
        }
        Ok(response)
    }

    async fn open(&mut self, number: u32, mut target: tcp::Target) -> Result<(), Failure> {
        if let Some(options) = &mut target.tls {
            self.want_chain(number, options);
        }
        let opened = Box::pin(self.prober.open(target)).await.inspect_err(|failure| self.notice(failure));
        self.connections.insert(number, opened?);
        self.see_handshake(number);
        Ok(())
    }

    async fn send(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Failure> {
        Box::pin(self.connection(number).send(&bytes)).await
    }

    async fn receive(&mut self, number: u32, until: tcp::Until, max_bytes: u32) -> Result<tcp::Received, Failure> {
        let received = Box::pin(self.connection(number).receive(&until, max_bytes)).await?;
        self.seen.received(&received.bytes);
        Ok(received)
    }

    async fn start_tls(&mut self, number: u32, mut options: tcp::TlsOptions) -> Result<(), Failure> {
        self.want_chain(number, &mut options);
        let turned = Box::pin(self.connection(number).start_tls(&options)).await;
        turned.inspect_err(|failure| self.seen.failure(failure))?;
        self.see_handshake(number);
        Ok(())
    }

    async fn query(&mut self, request: dns::Request) -> Result<dns::Response, Failure> {
        Box::pin(self.prober.query(request)).await.inspect_err(|failure| self.notice(failure))
    }

    async fn shake_hands(&mut self, target: tls::Target, alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        let shown = Box::pin(self.prober.shake_hands(target, &alpn)).await.inspect_err(|failure| self.notice(failure));
        shown.inspect(|shown| self.seen.handshake(Some(&shown.info)))
    }

    async fn propose(&mut self, target: tls::Target, offer: tls::Offer) -> Result<tls::Reply, Failure> {
        Box::pin(self.prober.propose(target, &offer)).await.inspect_err(|failure| self.notice(failure))
    }

    async fn ping(&mut self, request: icmp::Request) -> Result<icmp::Response, Failure> {
        Box::pin(self.prober.ping(request)).await.inspect_err(|failure| self.notice(failure))
    }

    async fn exchange(&mut self, request: udp::Request) -> Result<udp::Response, Failure> {
        Box::pin(self.prober.exchange(request)).await.inspect_err(|failure| self.notice(failure))
    }

    fn payer(&self) -> Payer {
        self.prober.payer().map_or(0, |tenant| Payer::from_be_bytes(*tenant.as_bytes()))
    }

    fn gate(&mut self) -> Option<Arc<dyn SocketGate>> {
        let gate = Arc::new(GateOfRun::new(self.prober.clone()));
        self.gate = Some(gate.clone());
        Some(gate)
    }

    async fn look_up(&mut self, name: String) -> Result<Vec<IpAddr>, Failure> {
        Box::pin(self.prober.look_up(&name)).await.inspect_err(|failure| self.notice(failure))
    }

    fn secret(&mut self, name: &str) -> Option<String> {
        self.secrets.get(name).map(str::to_owned)
    }

    fn evidence(&mut self, number: u32) -> tcp::Evidence {
        let mut evidence = self.connection(number).evidence();
        if self.unasked.contains(&number) {
            without_good_chain(evidence.tls.as_mut());
        }
        evidence
    }

    async fn close(&mut self, number: u32) {
        self.connections.remove(&number);
    }
}

/// A module that did not ask for the chain gets one only where something is wrong with it.
fn without_good_chain(info: Option<&mut TlsInfo>) {
    if let Some(info) = info.filter(|info| info.verified) {
        info.chain = Vec::new();
    }
}
