//! A conversation over one TCP connection of its own, with everything that was seen on the way.
//!
//! Nothing is decoded, and what an answer means is the module's business. One deadline covers the whole, and what is
//! held of it in memory is bounded for the whole. After a failure a connection is closed, and only its evidence is left.

mod hear;

use std::sync::Arc;
use std::time::Duration;

use farwatch_core::target::TargetHost;
use farwatch_sandbox::tcp::{Ended, Evidence, Received, Target, TlsOptions, Until};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::dial::host_of;
use super::evidence::{Failure, Phase};
use super::tls::Offer;
use super::trace::{Mishap, Trace};
use super::wire::{Marking, Marks, Stream, Wire};
use super::{Prober, TIMEOUT_MAX_MS, fault};

/// The most that is sent over one connection, as `wit/tcp.wit` says. A check that sends more is a load test.
const SEND_MAX_BYTES: usize = 64 << 10;

/// See the file's documentation.
#[derive(Debug)]
pub struct Connection<'p> {
    prober: &'p Prober,
    host: TargetHost,
    limit: Duration,
    trace: Trace,
    marks: Arc<Marks>,
    /// None once it is closed.
    wire: Option<Wire>,
    /// What came and was not handed over.
    unread: Vec<u8>,
    /// Bytes that came, and bytes that were sent.
    heard: usize,
    sent: usize,
    has_listened: bool,
}

impl Prober {
    /// Opens a connection, and tells everything about it where there is none.
    pub async fn open(&self, target: Target) -> Result<Connection<'_>, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(target.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let opened = timeout_at(deadline, self.stand(&target, &mut trace)).await;
        let now = self.clock.instant();
        let (host, stream) = match opened {
            Ok(Ok(opened)) => opened,
            Ok(Err(mishap)) => return Err(trace.fail(mishap, now)),
            Err(_) => return Err(trace.time_out(limit, now)),
        };
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        // The connection stands: a server that speaks first is waited for from now on.
        marks.sent_now();
        trace.hand_over(marks.clone());
        let wire = Some(Wire::new(stream, Marking::ByBytes, marks.clone()));
        let (unread, heard, sent, has_listened) = (Vec::new(), 0, 0, false);
        Ok(Connection { prober: self, host, limit, trace, marks, wire, unread, heard, sent, has_listened })
    }

    async fn stand(&self, target: &Target, trace: &mut Trace) -> Result<(TargetHost, Stream), Mishap> {
        let host = host_of(&target.host)?;
        let stream = self.dial(&host, target.port, target.ip_version, trace).await?;
        let stream = match &target.tls {
            Some(options) => self.encrypt(stream, &host, options, trace).await?,
            None => Stream::Plain(stream),
        };
        Ok((host, stream))
    }

    /// Encrypts a connection, and goes no further with a certificate that the check does not accept.
    pub(super) async fn encrypt(
        &self,
        stream: TcpStream,
        host: &TargetHost,
        options: &TlsOptions,
        trace: &mut Trace,
    ) -> Result<Stream, Mishap> {
        let named = options.server_name.as_deref().map(host_of).transpose()?;
        let name = named.as_ref().unwrap_or(host);
        let offer = match options.alpn.as_slice() {
            [] => Offer::Nothing,
            protocols => Offer::These(protocols),
        };
        trace.enter(Phase::Tls, self.clock.instant());
        let stream = self.tls.handshake(stream, name, offer, options.client.as_ref()).await?;
        let (info, complaint) = self.tls.judge(&stream, name, &self.clock, options.certificates)?;
        trace.leave(self.clock.instant());
        trace.tls = Some(info);
        match complaint.filter(|_| options.verify) {
            Some(complaint) => Err(complaint),
            None => Ok(Stream::Tls(stream)),
        }
    }
}

impl Connection<'_> {
    /// Sends bytes.
    pub async fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let deadline = self.deadline();
        let said = timeout_at(deadline, self.say(bytes)).await;
        match said {
            Ok(said) => said.map_err(|mishap| self.break_off(mishap)),
            Err(_) => Err(self.run_out_of_time(Phase::Send)),
        }
    }

    async fn say(&mut self, bytes: &[u8]) -> Result<(), Mishap> {
        let sent = self.sent + bytes.len();
        if sent > SEND_MAX_BYTES {
            return Err(invalid(format!("{sent} bytes are to be sent; at most {SEND_MAX_BYTES} are allowed")));
        }
        let wire = self.wire.as_mut().ok_or_else(closed_already)?;
        let written = async {
            wire.write_all(bytes).await?;
            wire.flush().await
        };
        written.await.map_err(|error| fault::of_io(Phase::Send, &error))?;
        self.sent = sent;
        Ok(())
    }

    /// Reads an answer, of at most so many bytes.
    pub async fn receive(&mut self, until: &Until, max_bytes: u32) -> Result<Received, Failure> {
        let deadline = self.deadline();
        self.has_listened = true;
        match timeout_at(deadline, self.hear(until, max_bytes)).await {
            Ok(Ok(received)) => Ok(received),
            Ok(Err(mishap)) => Err(self.break_off(mishap)),
            // What came is evidence, and whether it is enough is for the module to say.
            Err(_) if !self.unread.is_empty() => {
                Ok(Received { bytes: std::mem::take(&mut self.unread), ended: Ended::Timeout })
            }
            Err(_) => Err(self.run_out_of_time(self.marks.phase())),
        }
    }

    /// Encrypts the connection.
    pub async fn start_tls(&mut self, options: &TlsOptions) -> Result<(), Failure> {
        let deadline = self.deadline();
        match timeout_at(deadline, self.turn_to_tls(options)).await {
            Ok(turned) => turned.map_err(|mishap| self.break_off(mishap)),
            Err(_) => Err(self.run_out_of_time(Phase::Tls)),
        }
    }

    async fn turn_to_tls(&mut self, options: &TlsOptions) -> Result<(), Mishap> {
        if !self.unread.is_empty() {
            let message = format!("{} bytes came in plain text that belong to no answer", self.unread.len());
            return Err(Mishap::new(Phase::Tls, "protocol-error", message));
        }
        let stream = match self.wire.take().ok_or_else(closed_already)?.into_stream() {
            Stream::Plain(stream) => stream,
            Stream::Tls(_) => return Err(invalid("the connection is encrypted already".to_owned())),
        };
        let stream = self.prober.encrypt(stream, &self.host, options, &mut self.trace).await?;
        self.wire = Some(Wire::new(stream, Marking::ByBytes, self.marks.clone()));
        Ok(())
    }

    /// What was seen so far.
    pub fn evidence(&self) -> Evidence {
        let mut times = self.trace.finish(self.prober.clock.instant());
        if !self.has_listened {
            (times.first_byte, times.transfer) = (None, None);
        }
        let remote = self.trace.remote.map_or_else(String::new, |remote| remote.to_string());
        Evidence { remote, times, tls: self.trace.tls.clone() }
    }

    fn deadline(&self) -> tokio::time::Instant {
        (self.trace.began() + self.limit).into()
    }

    fn break_off(&mut self, mishap: Mishap) -> Failure {
        self.wire = None;
        self.trace.clone().fail(mishap, self.prober.clock.instant())
    }

    fn run_out_of_time(&mut self, phase: Phase) -> Failure {
        self.wire = None;
        self.trace.clone().time_out_in(phase, self.limit, self.prober.clock.instant())
    }
}

const fn invalid(message: String) -> Mishap {
    Mishap::new(Phase::Prepare, "request-invalid", message)
}

fn closed_already() -> Mishap {
    invalid("the connection has failed before and is closed".to_owned())
}
