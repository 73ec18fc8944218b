//! Writes down what the probes of a run are asked and what they answer. The module gets what it would get without.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use farwatch_sandbox::types::Failure;
use farwatch_sandbox::{Probes, SocketGate, dns, http, icmp, tcp, tls, udp};
use serde::Serialize;
use serde_json::json;

use super::hidden::Hidden;
use super::written::written;
use super::{CALLS_MAX, Call};
use crate::clock::Clock;
use crate::runner::{RunProbes, Trouble};

/// See the file's documentation.
pub(crate) struct Recorder<'a> {
    probes: RunProbes<'a>,
    clock: Clock,
    began: Instant,
    hidden: Hidden,
    calls: Vec<Call>,
    /// Calls beyond what is kept.
    dropped: u32,
}

/// The place of a call among those that are kept.
type Kept = Option<usize>;

impl<'a> Recorder<'a> {
    /// Around these probes, which show all that comes.
    pub(crate) fn around(probes: RunProbes<'a>, clock: Clock) -> Self {
        let hidden = Hidden::of(probes.secrets());
        let began = clock.instant();
        Self { probes, clock, began, hidden, calls: Vec::new(), dropped: 0 }
    }

    /// The calls, how many there were beyond them, and what was not the target's doing, if anything was.
    pub(crate) fn into_parts(self) -> (Vec<Call>, u32, Option<Trouble>) {
        let Self { probes, calls, dropped, .. } = self;
        (calls, dropped, probes.into_parts().0)
    }

    fn since_began(&self) -> u64 {
        let age = self.clock.instant().saturating_duration_since(self.began);
        u64::try_from(age.as_micros()).unwrap_or(u64::MAX)
    }

    /// A call begins. One that is never answered stays as it is.
    fn asked(&mut self, probe: &str, connection: Option<u32>, request: &impl Serialize) -> Kept {
        if self.calls.len() == CALLS_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return None;
        }
        self.calls.push(Call {
            probe: probe.to_owned(),
            connection,
            request: written(request, &self.hidden),
            answer: None,
            failure: None,
            times: None,
            shown: Vec::new(),
            began_us: self.since_began(),
            took_us: None,
        });
        Some(self.calls.len() - 1)
    }

    fn answered(&mut self, kept: Kept, answer: &Result<impl Serialize, Failure>) {
        let now = self.since_began();
        let mut shown = self.probes.take_seen().shown();
        let Some(call) = kept.and_then(|kept| self.calls.get_mut(kept)) else { return };
        shown.iter_mut().for_each(|shown| shown.text = self.hidden.taken_out_of_text(&shown.text));
        call.shown = shown;
        call.took_us = Some(now.saturating_sub(call.began_us));
        match answer {
            Ok(answer) => call.answer = Some(written(answer, &self.hidden)),
            Err(failure) => call.failure = Some(written(failure, &self.hidden)),
        }
    }

    /// The same of a connection, with how long its steps have taken so far.
    fn answered_over(&mut self, number: u32, kept: Kept, answer: &Result<impl Serialize, Failure>) {
        self.answered(kept, answer);
        let Some(call) = kept.and_then(|kept| self.calls.get_mut(kept)) else { return };
        if answer.is_ok() {
            call.times = Some(written(&self.probes.evidence(number).times, &self.hidden));
        }
    }
}

impl Probes for Recorder<'_> {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, Failure> {
        let kept = self.asked("http.fetch", None, &request);
        let answer = self.probes.fetch(request).await;
        self.answered(kept, &answer);
        answer
    }

    async fn open(&mut self, number: u32, target: tcp::Target) -> Result<(), Failure> {
        let kept = self.asked("tcp.open", Some(number), &target);
        let answer = self.probes.open(number, target).await;
        self.answered_over(number, kept, &answer);
        answer
    }

    async fn send(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Failure> {
        let kept = self.asked("tcp.send", Some(number), &json!({ "bytes": bytes }));
        let answer = self.probes.send(number, bytes).await;
        self.answered_over(number, kept, &answer);
        answer
    }

    async fn receive(&mut self, number: u32, until: tcp::Until, max_bytes: u32) -> Result<tcp::Received, Failure> {
        let kept = self.asked("tcp.receive", Some(number), &json!({ "until": until, "max_bytes": max_bytes }));
        let answer = self.probes.receive(number, until, max_bytes).await;
        self.answered_over(number, kept, &answer);
        answer
    }

    async fn start_tls(&mut self, number: u32, options: tcp::TlsOptions) -> Result<(), Failure> {
        let kept = self.asked("tcp.start-tls", Some(number), &options);
        let answer = self.probes.start_tls(number, options).await;
        self.answered_over(number, kept, &answer);
        answer
    }

    fn evidence(&mut self, number: u32) -> tcp::Evidence {
        let kept = self.asked("tcp.evidence", Some(number), &json!({}));
        let evidence = self.probes.evidence(number);
        self.answered(kept, &Ok(&evidence));
        evidence
    }

    async fn close(&mut self, number: u32) {
        self.probes.close(number).await;
    }

    async fn query(&mut self, request: dns::Request) -> Result<dns::Response, Failure> {
        let kept = self.asked("dns.query", None, &request);
        let answer = self.probes.query(request).await;
        self.answered(kept, &answer);
        answer
    }

    async fn shake_hands(&mut self, target: tls::Target, alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        let kept = self.asked("tls.shake-hands", None, &json!({ "target": target, "alpn": alpn }));
        let answer = self.probes.shake_hands(target, alpn).await;
        self.answered(kept, &answer);
        answer
    }

    async fn propose(&mut self, target: tls::Target, offer: tls::Offer) -> Result<tls::Reply, Failure> {
        let kept = self.asked("tls.propose", None, &json!({ "target": target, "offer": offer }));
        let answer = self.probes.propose(target, offer).await;
        self.answered(kept, &answer);
        answer
    }

    async fn ping(&mut self, request: icmp::Request) -> Result<icmp::Response, Failure> {
        let kept = self.asked("icmp.ping", None, &request);
        let answer = self.probes.ping(request).await;
        self.answered(kept, &answer);
        answer
    }

    async fn exchange(&mut self, request: udp::Request) -> Result<udp::Response, Failure> {
        let kept = self.asked("udp.exchange", None, &request);
        let answer = self.probes.exchange(request).await;
        self.answered(kept, &answer);
        answer
    }

    // What goes over a socket is not seen here, so that neither it nor the way to it is kept.
    fn gate(&mut self) -> Option<Arc<dyn SocketGate>> {
        self.probes.gate()
    }

    async fn look_up(&mut self, name: String) -> Result<Vec<IpAddr>, Failure> {
        self.probes.look_up(name).await
    }

    fn secret(&mut self, name: &str) -> Option<String> {
        let kept = self.asked("secrets.get", None, &json!({ "name": name }));
        let value = self.probes.secret(name);
        self.answered(kept, &Ok(value.as_ref()));
        value
    }
}
