//! Answers a run from its recording, in order, and compares what it asks with what was recorded.
//!
//! It reaches nothing. Once the run has departed from the recording nothing more is answered from it, and what the run
//! comes to means nothing.

use std::future::pending;

use farwatch_sandbox::types::{Failure, Phase, PhaseTimes};
use farwatch_sandbox::{Probes, dns, http, icmp, tcp, tls, udp};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Call;
use super::departure::{Departure, places};
use super::hidden::Hidden;
use super::written::{read, written};
use crate::secrets::Secrets;

const NO_TIMES: PhaseTimes =
    PhaseTimes { resolve: None, connect: None, tls: None, first_byte: None, transfer: None, total: 0 };

/// See the file's documentation.
pub(crate) struct Replay<'a> {
    calls: &'a [Call],
    made: usize,
    secrets: &'a Secrets,
    hidden: Hidden,
    departure: Option<Departure>,
}

/// What was recorded of a call: nothing, where the run ended before it was answered.
type Recorded<A> = Option<Result<A, Failure>>;

impl<'a> Replay<'a> {
    /// Of these calls. The secrets are what the module is given, and stand for those that the recorded run had.
    pub(crate) fn of(calls: &'a [Call], secrets: &'a Secrets) -> Self {
        Self { calls, made: 0, secrets, hidden: Hidden::of(secrets), departure: None }
    }

    /// How the run departed from the recording, if it did; also by making fewer calls.
    pub(crate) fn into_departure(self) -> Option<Departure> {
        let Self { calls, made, departure, .. } = self;
        let short = |next: &Call| Departure::Short { recorded: calls.len(), made, next: next.probe.clone() };
        departure.or_else(|| calls.get(made).map(short))
    }

    fn departs(&mut self, departure: Departure) -> Departure {
        self.departure.get_or_insert(departure).clone()
    }

    /// The next call of the recording, where it is this one.
    fn next(&mut self, probe: &str, connection: Option<u32>, request: Value) -> Result<&'a Call, Departure> {
        if let Some(departure) = &self.departure {
            return Err(departure.clone());
        }
        let Some(recorded) = self.calls.get(self.made) else {
            let beyond = Departure::Beyond { recorded: self.calls.len(), asked: (probe.to_owned(), request) };
            return Err(self.departs(beyond));
        };
        let call = self.made + 1;
        let of_whole =
            |request: &Value, connection: Option<u32>| json!({ "connection": connection, "request": request });
        let (before, now) = (of_whole(&recorded.request, recorded.connection), of_whole(&request, connection));
        let places = places(&before, &now);
        if recorded.probe != probe || !places.is_empty() {
            let probes = (recorded.probe.clone(), probe.to_owned());
            return Err(self.departs(Departure::Other { call, probes, places }));
        }
        self.made = call;
        Ok(recorded)
    }

    fn recorded<A: DeserializeOwned>(
        &mut self,
        probe: &str,
        connection: Option<u32>,
        request: &impl Serialize,
    ) -> Recorded<A> {
        let request = written(request, &self.hidden);
        let call = match self.next(probe, connection, request) {
            Ok(call) => call,
            Err(departure) => return Some(Err(not_recorded(&departure))),
        };
        let ended = match (&call.answer, &call.failure) {
            (_, Some(failure)) => read(failure.clone()).map(Err),
            (Some(answer), None) => read(answer.clone()).map(Ok),
            (None, None) => return None,
        };
        Some(match ended {
            Ok(ended) => ended,
            Err(error) => {
                let departure = self.departs(Departure::Unreadable { call: self.made, why: error.to_string() });
                Err(not_recorded(&departure))
            }
        })
    }

    async fn answer<A: DeserializeOwned>(
        &mut self,
        probe: &str,
        connection: Option<u32>,
        request: &(impl Serialize + Sync),
    ) -> Result<A, Failure> {
        match self.recorded(probe, connection, request) {
            Some(ended) => ended,
            // It ends by the run's own deadline, as it did.
            None => pending().await,
        }
    }
}

/// What a module is told whose run has departed.
fn not_recorded(departure: &Departure) -> Failure {
    Failure {
        phase: Phase::Prepare,
        code: "not-recorded".to_owned(),
        message: departure.to_string(),
        remote: None,
        times: NO_TIMES,
        tls: None,
    }
}

impl Probes for Replay<'_> {
    async fn fetch(&mut self, request: http::Request) -> Result<http::Response, Failure> {
        self.answer("http.fetch", None, &request).await
    }

    async fn open(&mut self, number: u32, target: tcp::Target) -> Result<(), Failure> {
        self.answer("tcp.open", Some(number), &target).await
    }

    async fn send(&mut self, number: u32, bytes: Vec<u8>) -> Result<(), Failure> {
        self.answer("tcp.send", Some(number), &json!({ "bytes": bytes })).await
    }

    async fn receive(&mut self, number: u32, until: tcp::Until, max_bytes: u32) -> Result<tcp::Received, Failure> {
        self.answer("tcp.receive", Some(number), &json!({ "until": until, "max_bytes": max_bytes })).await
    }

    async fn start_tls(&mut self, number: u32, options: tcp::TlsOptions) -> Result<(), Failure> {
        self.answer("tcp.start-tls", Some(number), &options).await
    }

    fn evidence(&mut self, number: u32) -> tcp::Evidence {
        let recorded: Recorded<tcp::Evidence> = self.recorded("tcp.evidence", Some(number), &json!({}));
        let nothing = || tcp::Evidence { remote: String::new(), times: NO_TIMES, tls: None };
        recorded.and_then(Result::ok).unwrap_or_else(nothing)
    }

    async fn query(&mut self, request: dns::Request) -> Result<dns::Response, Failure> {
        self.answer("dns.query", None, &request).await
    }

    async fn shake_hands(&mut self, target: tls::Target, alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        self.answer("tls.shake-hands", None, &json!({ "target": target, "alpn": alpn })).await
    }

    async fn propose(&mut self, target: tls::Target, offer: tls::Offer) -> Result<tls::Reply, Failure> {
        self.answer("tls.propose", None, &json!({ "target": target, "offer": offer })).await
    }

    async fn ping(&mut self, request: icmp::Request) -> Result<icmp::Response, Failure> {
        self.answer("icmp.ping", None, &request).await
    }

    async fn exchange(&mut self, request: udp::Request) -> Result<udp::Response, Failure> {
        self.answer("udp.exchange", None, &request).await
    }

    fn secret(&mut self, name: &str) -> Option<String> {
        let recorded: Recorded<Option<String>> = self.recorded("secrets.get", None, &json!({ "name": name }));
        recorded.and_then(Result::ok).flatten()?;
        self.secrets.get(name).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use farwatch_sandbox::tcp::{Ended, Until};

    use super::*;

    fn calls() -> Vec<Call> {
        let calls = json!([
            {
                "probe": "tcp.open", "connection": 0, "answer": null, "began_us": 1,
                "request": {"host": "a.example", "port": 25, "ip_version": null, "tls": null, "timeout_ms": 9_876},
            },
            {"probe": "tcp.send", "connection": 0, "request": {"bytes": "PASS [secret mail]\r\n"}, "answer": null, "began_us": 2},
            {
                "probe": "tcp.receive", "connection": 0, "began_us": 3,
                "request": {"until": {"Delimiter": "\n"}, "max_bytes": 512}, "answer": {"bytes": "235 \\xff\n", "ended": "Matched"},
            },
        ]);
        serde_json::from_value(calls).unwrap()
    }

    fn target(host: &str) -> tcp::Target {
        tcp::Target { host: host.to_owned(), port: 25, ip_version: None, tls: None, timeout_ms: 10_000 }
    }

    fn secrets(value: &str) -> Secrets {
        [("mail".to_owned(), value.to_owned())].into_iter().collect()
    }

    #[tokio::test]
    async fn a_run_that_asks_the_same_gets_the_same_whatever_the_secret_is() {
        for value in ["hunter22", "[secret mail]"] {
            let (calls, secrets) = (calls(), secrets(value));
            let mut replay = Replay::of(&calls, &secrets);
            replay.open(0, target("a.example")).await.unwrap();
            replay.send(0, format!("PASS {value}\r\n").into_bytes()).await.unwrap();
            let received = replay.receive(0, Until::Delimiter(b"\n".to_vec()), 512).await.unwrap();
            assert_eq!((&received.bytes[..], received.ended), (&b"235 \xff\n"[..], Ended::Matched));
            assert_eq!(replay.into_departure(), None);
        }
    }

    #[tokio::test]
    async fn the_first_departure_is_told_and_nothing_is_answered_after_it() {
        let (calls, secrets) = (calls(), secrets("hunter22"));
        let mut replay = Replay::of(&calls, &secrets);
        let refused = replay.open(0, target("b.example")).await.unwrap_err();
        assert_eq!(refused.code, "not-recorded");
        assert!(replay.open(0, target("a.example")).await.is_err());
        let told = replay.into_departure().unwrap().to_string();
        assert!(told.ends_with("/request/host was \"a.example\" and is \"b.example\""), "{told}");
    }

    #[tokio::test]
    async fn fewer_calls_and_other_probes_are_departures_too() {
        let (calls, secrets) = (calls(), secrets("hunter22"));
        let mut fewer = Replay::of(&calls, &secrets);
        fewer.open(0, target("a.example")).await.unwrap();
        let told = fewer.into_departure().unwrap().to_string();
        assert_eq!(told, "the module made 1 of 3 recorded calls; the next is tcp.send");
        let mut other = Replay::of(&calls, &secrets);
        assert_eq!(other.secret("mail"), None);
        assert_eq!(other.into_departure().unwrap().to_string(), "call 1 is secrets.get, and tcp.open was recorded");
    }

    #[tokio::test]
    async fn an_answer_that_was_spoiled_by_hand_is_told() {
        let (mut calls, secrets) = (calls(), secrets("hunter22"));
        calls.remove(0);
        calls.remove(0);
        calls[0].answer = Some(json!({"bytes": 7}));
        let mut replay = Replay::of(&calls, &secrets);
        assert!(replay.receive(0, Until::Delimiter(b"\n".to_vec()), 512).await.is_err());
        let told = replay.into_departure().unwrap().to_string();
        assert!(told.starts_with("call 1 of the recording cannot be read: `bytes` is not bytes"), "{told}");
    }
}
