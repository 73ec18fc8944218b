//! The probes of one run, with the connections it holds, which are closed with it.
//!
//! They notice when it was this host that failed. What a probe does is the prober's business.

use std::collections::BTreeMap;

use farwatch_sandbox::types::Failure;
use farwatch_sandbox::{Probes, dns, http, icmp, tcp, tls, udp};

use crate::probe::tcp::Connection;
use crate::probe::{HOST_TROUBLE, Prober};
use crate::secrets::Secrets;
use crate::seen::Seen;

/// The probes of one run, which notice when it was this host that failed.
pub(crate) struct RunProbes<'a> {
    prober: &'a Prober,
    secrets: &'a Secrets,
    connections: BTreeMap<u32, Connection<'a>>,
    trouble: Option<String>,
    seen: Seen,
}

impl<'a> RunProbes<'a> {
    pub(crate) const fn new(prober: &'a Prober, secrets: &'a Secrets) -> Self {
        Self { prober, secrets, connections: BTreeMap::new(), trouble: None, seen: Seen::new() }
    }

    /// What was wrong with this host, if anything was, and what came from the target.
    pub(crate) fn into_parts(self) -> (Option<String>, Seen) {
        (self.trouble, self.seen)
    }

    fn connection(&mut self, number: u32) -> &mut Connection<'a> {
        self.connections.get_mut(&number).expect("a guest holds the numbers of connections that were opened alone")
    }

    fn notice(&mut self, failure: &Failure) {
        self.seen.failure(failure);
        if failure.code == HOST_TROUBLE {
            self.trouble = Some(failure.message.clone());
        }
    }
}

// Each probe on its own, for it is the larger half of a run and every run is moved about before it gets here.
impl Probes for RunProbes<'_> {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, Failure> {
        let fetched = Box::pin(self.prober.fetch_with_beginning(request)).await;
        let (response, beginning) = fetched.inspect_err(|failure| self.notice(failure))?;
        self.seen.answer(response.status, beginning);
        self.seen.handshake(response.tls.as_ref());
        Ok(response)
    }

    async fn open(&mut self, number: u32, target: tcp::Target) -> Result<(), Failure> {
        let opened = Box::pin(self.prober.open(target)).await.inspect_err(|failure| self.notice(failure));
        opened.map(|connection| drop(self.connections.insert(number, connection)))
    }

    async fn send(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Failure> {
        Box::pin(self.connection(number).send(&bytes)).await
    }

    async fn receive(&mut self, number: u32, until: tcp::Until, max_bytes: u32) -> Result<tcp::Received, Failure> {
        let received = Box::pin(self.connection(number).receive(&until, max_bytes)).await?;
        self.seen.received(&received.bytes);
        Ok(received)
    }

    async fn start_tls(&mut self, number: u32, options: tcp::TlsOptions) -> Result<(), Failure> {
        let turned = Box::pin(self.connection(number).start_tls(&options)).await;
        turned.inspect_err(|failure| self.seen.failure(failure))
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

    fn secret(&mut self, name: &str) -> Option<String> {
        self.secrets.get(name).map(str::to_owned)
    }

    fn evidence(&mut self, number: u32) -> tcp::Evidence {
        self.connection(number).evidence()
    }

    async fn close(&mut self, number: u32) {
        self.connections.remove(&number);
    }
}
