//! One question to a DNS server, and its whole answer, whatever its code.
//!
//! Nothing is followed and nothing is cached: an alias is an answer, and so is a referral. What does not belong to the
//! question is passed over, as anybody can send datagrams.

mod message;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::target::TargetHost;
use farwatch_sandbox::dns::{Request, Response, Transport};
use farwatch_sandbox::tcp::TlsOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{timeout, timeout_at};

use self::message::{Answer, Question};
use super::dial::{host_of, mishap_of};
use super::evidence::{Failure, Phase};
use super::trace::{Mishap, Trace};
use super::wire::{Marking, Marks, Stream, Wire};
use super::{Prober, TIMEOUT_MAX_MS, fault};
use crate::clock::Clock;

/// Where servers listen (RFC 1035), and where they do with TLS (RFC 7858).
const PORT: u16 = 53;
const TLS_PORT: u16 = 853;
/// The largest answer there is.
const ANSWER_MAX_BYTES: usize = 65_535;
/// A datagram may get lost, in either direction: the question is sent again after this, as resolvers do.
const RESEND_AFTER: Duration = Duration::from_secs(1);

/// Reads these bytes as the answer to this question, whose number they are given, and says what became of them.
pub(super) fn read(request: &Request, bytes: &[u8]) -> String {
    let Ok(question) = Question::of(request) else { return "no question".to_owned() };
    let mut bytes = bytes.to_vec();
    let number = bytes.len().min(2);
    bytes[..number].copy_from_slice(&question.bytes()[..number]);
    let is_answered = question.is_answered_by(&bytes);
    let answer = question.answer(&bytes).map(|answer| {
        let now = Clock::default().instant();
        let trace = Trace::new(now);
        let response = answer.into_response(false, trace.finish(now), &trace);
        format!("{} {}", response.rcode, response.answers.len().min(4))
    });
    format!("{is_answered} {}", answer.unwrap_or_else(|mishap| mishap.message))
}

impl Prober {
    /// Asks, and tells everything about it, whether there was an answer or not.
    pub async fn query(&self, request: Request) -> Result<Response, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(request.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let done = timeout_at(deadline, self.ask(&request, &mut trace)).await;
        let now = self.clock.instant();
        match done {
            Ok(Ok((answer, truncated))) => Ok(answer.into_response(truncated, trace.finish(now), &trace)),
            Ok(Err(mishap)) => Err(trace.fail(mishap, now)),
            Err(_) => Err(trace.time_out(limit, now)),
        }
    }

    /// The answer, and whether the first one was cut.
    async fn ask(&self, request: &Request, trace: &mut Trace) -> Result<(Answer, bool), Mishap> {
        let question = Question::of(request)?;
        let host = host_of(&request.server)?;
        let is_tls = request.transport == Transport::Tls;
        let port = request.port.unwrap_or(if is_tls { TLS_PORT } else { PORT });
        if request.transport == Transport::Udp {
            let remote = self.locate(&host, port, request.ip_version, trace).await?;
            let answer = self.ask_by_datagram(&question, remote, trace).await?;
            if !answer.is_truncated() {
                return Ok((answer, false));
            }
            let whole =
                self.ask_over_stream(request, &question, (&TargetHost::Address(remote.ip()), port), trace).await?;
            return Ok((whole, true));
        }
        let answer = self.ask_over_stream(request, &question, (&host, port), trace).await?;
        Ok((answer, false))
    }

    async fn ask_by_datagram(
        &self,
        question: &Question,
        remote: SocketAddr,
        trace: &mut Trace,
    ) -> Result<Answer, Mishap> {
        let socket = self.datagrams(remote).await?;
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        trace.hand_over(marks.clone());
        let mut datagram = vec![0; ANSWER_MAX_BYTES];
        loop {
            socket.send(question.bytes()).await.map_err(|error| mishap_of(remote, &error))?;
            marks.sent_now();
            let heard = timeout(RESEND_AFTER, async {
                loop {
                    let length = socket.recv(&mut datagram).await.map_err(|error| mishap_of(remote, &error))?;
                    if question.is_answered_by(&datagram[..length]) {
                        return Ok(length);
                    }
                }
            });
            if let Ok(length) = heard.await {
                let length = length?;
                marks.received_now();
                return question.answer(&datagram[..length]);
            }
        }
    }

    async fn ask_over_stream(
        &self,
        request: &Request,
        question: &Question,
        (host, port): (&TargetHost, u16),
        trace: &mut Trace,
    ) -> Result<Answer, Mishap> {
        let stream = self.dial(host, port, request.ip_version, trace).await?;
        let stream = match request.transport {
            Transport::Tls => {
                let server_name = request.server_name.clone();
                let (verify, certificates, alpn) = (request.verify_tls, false, vec!["dot".to_owned()]);
                let options = TlsOptions { server_name, verify, certificates, alpn, client: None };
                self.encrypt(stream, host, &options, trace).await?
            }
            Transport::Udp | Transport::Tcp => Stream::Plain(stream),
        };
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        trace.hand_over(marks.clone());
        let mut wire = Wire::new(stream, Marking::ByBytes, marks.clone());
        let failed = |error: &std::io::Error| fault::of_io(marks.phase(), error);
        wire.write_all(&question.framed()).await.map_err(|error| failed(&error))?;
        wire.flush().await.map_err(|error| failed(&error))?;
        let length = wire.read_u16().await.map_err(|error| failed(&error))?;
        let mut bytes = vec![0; length.into()];
        wire.read_exact(&mut bytes).await.map_err(|error| failed(&error))?;
        if !question.is_answered_by(&bytes) {
            let message = "the server answered another question than it was asked".to_owned();
            return Err(Mishap::new(Phase::Transfer, "protocol-error", message));
        }
        question.answer(&bytes)
    }
}
