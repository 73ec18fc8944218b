//! One datagram and the one that answers it, over a socket of its own that takes nothing from elsewhere.
//!
//! What the answer means is the module's business; whether it answers the question at all is, too.

use std::sync::Arc;
use std::time::Duration;

use farwatch_sandbox::udp::{Request, Response};
use tokio::net::UdpSocket;
use tokio::time::{timeout, timeout_at};

use super::dial::{host_of, mishap_of};
use super::evidence::{Failure, Phase};
use super::trace::{Mishap, Trace};
use super::wire::Marks;
use super::{Prober, TIMEOUT_MAX_MS};

/// The largest datagram that is sent: with the headers of IPv6 it fits the least packet that every link carries (RFC 8200).
const DATAGRAM_MAX_BYTES: usize = 1_232;
/// The largest datagram there is.
const ANSWER_MAX_BYTES: usize = 65_535;
/// Nothing is sent again sooner: more often would be a flood, not a probe.
const RESEND_MIN_MS: u32 = 100;

/// An answer, and what was noted on the way to it.
struct Heard {
    datagram: Vec<u8>,
    sent: u32,
    sent_at_us: u64,
    received_at_us: u64,
}

impl Prober {
    /// Sends a datagram and waits for the answer.
    pub async fn exchange(&self, request: Request) -> Result<Response, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(request.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let done = timeout_at(deadline, self.send_and_hear(&request, &mut trace)).await;
        let now = self.clock.instant();
        match done {
            Ok(Ok(Heard { datagram, sent, sent_at_us, received_at_us })) => {
                let remote = trace.remote.map_or_else(String::new, |remote| remote.to_string());
                Ok(Response { remote, datagram, sent, sent_at_us, received_at_us, times: trace.finish(now) })
            }
            Ok(Err(mishap)) => Err(trace.fail(mishap, now)),
            Err(_) => Err(trace.time_out(limit, now)),
        }
    }

    async fn send_and_hear(&self, request: &Request, trace: &mut Trace) -> Result<Heard, Mishap> {
        let resend_after = judged(request)?;
        let host = host_of(&request.host)?;
        let remote = self.locate(&host, request.port, request.ip_version, trace).await?;
        let socket = self.datagrams(remote).await?;
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        trace.hand_over(marks.clone());
        let mut sent = 0;
        loop {
            if sent > 0 {
                self.send_more(remote, 1)?;
            }
            socket.send(&request.datagram).await.map_err(|error| mishap_of(remote, &error))?;
            sent += 1;
            let sent_at_us = self.clock.wall_us();
            marks.sent_now();
            let heard = match resend_after {
                Some(after) => timeout(after, answer(&socket)).await.ok(),
                None => Some(answer(&socket).await),
            };
            if let Some(datagram) = heard {
                let datagram = datagram.map_err(|error| mishap_of(remote, &error))?;
                marks.received_now();
                return Ok(Heard { datagram, sent, sent_at_us, received_at_us: self.clock.wall_us() });
            }
        }
    }
}

async fn answer(socket: &UdpSocket) -> std::io::Result<Vec<u8>> {
    let mut datagram = vec![0; ANSWER_MAX_BYTES];
    let length = socket.recv(&mut datagram).await?;
    datagram.truncate(length);
    datagram.shrink_to_fit();
    Ok(datagram)
}

/// After what time it is to be sent again, if what is asked may be asked.
fn judged(request: &Request) -> Result<Option<Duration>, Mishap> {
    let invalid = |message| Err(Mishap::new(Phase::Prepare, "request-invalid", message));
    let length = request.datagram.len();
    if length > DATAGRAM_MAX_BYTES {
        return invalid(format!("the datagram has {length} bytes; at most {DATAGRAM_MAX_BYTES} pass everywhere"));
    }
    match request.resend_after_ms {
        Some(ms) if ms < RESEND_MIN_MS => {
            invalid(format!("it would be sent again after {ms} ms; give {RESEND_MIN_MS} or more"))
        }
        ms => Ok(ms.map(|ms| Duration::from_millis(ms.into()))),
    }
}
