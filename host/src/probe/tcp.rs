//! One conversation over one TCP connection of its own, with everything that was seen on the way.
//!
//! It is said once what is to be said, and read once what comes back: nothing is decoded, and what the answer means is
//! the module's business. One deadline covers the whole.

use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use farwatch_core::target::TargetHost;
use farwatch_sandbox::tcp::{Ended, Receive, Request, Response, TlsOptions, Until};
use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout_at;

use super::evidence::{Failure, Phase};
use super::tls::Offer;
use super::trace::{Mishap, Trace};
use super::wire::{Marking, Marks, Stream, Wire};
use super::{Prober, TIMEOUT_MAX_MS, fault};

/// The most that is read, whatever the module asks for: it is held in memory for each run in flight.
const ANSWER_MAX_BYTES: u32 = 1 << 20;
/// The most that is sent, as `wit/tcp.wit` says. A check that sends more is a load test.
const SEND_MAX_BYTES: usize = 64 << 10;
/// The longest end of an answer, as `wit/tcp.wit` says. Every read looks for it again across the border of the one before.
const DELIMITER_MAX_BYTES: usize = 1_024;
/// What is read at once: most answers are one such piece.
const PIECE_BYTES: usize = 4 << 10;

/// What has come so far, which outlives the time there was.
#[derive(Default)]
struct Answer {
    bytes: Vec<u8>,
    ended: Option<Ended>,
}

impl Prober {
    /// Holds one conversation and tells everything about it, whether there was an answer or not.
    pub async fn converse(&self, request: Request) -> Result<Response, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let mut answer = Answer::default();
        let limit = Duration::from_millis(request.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let done = timeout_at(deadline, self.say_and_hear(&request, &mut trace, &mut answer)).await;
        let now = self.clock.instant();
        match done {
            Ok(Ok(())) => {}
            Ok(Err(mishap)) => return Err(trace.fail(mishap, now)),
            // What came is evidence, and whether it is enough is for the module to say.
            Err(_) if !answer.bytes.is_empty() => answer.ended = Some(Ended::Timeout),
            Err(_) => return Err(trace.time_out(limit, now)),
        }
        let mut times = trace.finish(now);
        if answer.ended.is_none() {
            (times.first_byte, times.transfer) = (None, None);
        }
        let remote = trace.remote.map_or_else(String::new, |remote| remote.to_string());
        Ok(Response { remote, bytes: answer.bytes, ended: answer.ended, times, tls: trace.tls })
    }

    async fn say_and_hear(&self, request: &Request, trace: &mut Trace, answer: &mut Answer) -> Result<(), Mishap> {
        check(request)?;
        let host = host_of(&request.host)?;
        let stream = self.dial(&host, request.port, request.ip_version, trace).await?;
        let stream = match &request.tls {
            Some(options) => self.encrypt(stream, &host, options, trace).await?,
            None => Stream::Plain(stream),
        };
        if request.send.is_none() && request.receive.is_none() {
            return Ok(());
        }
        let marks = Arc::new(Marks::new(self.clock.clone(), trace.began()));
        trace.hand_over(marks.clone());
        let mut wire = Wire::new(stream, Marking::ByBytes, marks.clone());
        match &request.send {
            Some(bytes) => {
                let sent = async {
                    wire.write_all(bytes).await?;
                    wire.flush().await
                };
                sent.await.map_err(|error| fault::of_io(Phase::Send, &error))?;
            }
            None => marks.sent_now(),
        }
        if let Some(wanted) = &request.receive {
            let ended = hear(&mut wire, wanted, &mut answer.bytes, &marks).await?;
            answer.ended = Some(ended);
        }
        Ok(())
    }

    /// Encrypts the connection, and goes no further with a certificate that the check does not accept.
    async fn encrypt(
        &self,
        stream: TcpStream,
        host: &TargetHost,
        options: &TlsOptions,
        trace: &mut Trace,
    ) -> Result<Stream, Mishap> {
        let named = options.server_name.as_deref().map(host_of).transpose()?;
        let name = named.as_ref().unwrap_or(host);
        trace.enter(Phase::Tls, self.clock.instant());
        let stream = self.tls.handshake(stream, name, Offer::Nothing).await?;
        let (info, complaint) = self.tls.judge(&stream, name, &self.clock, options.certificates)?;
        trace.leave(self.clock.instant());
        trace.tls = Some(info);
        match complaint.filter(|_| options.verify) {
            Some(complaint) => Err(complaint),
            None => Ok(Stream::Tls(stream)),
        }
    }
}

const fn invalid(message: String) -> Mishap {
    Mishap::new(Phase::Prepare, "request-invalid", message)
}

/// Reads a name or an address; one of IPv6 may come without its brackets, since the port stands elsewhere.
fn host_of(text: &str) -> Result<TargetHost, Mishap> {
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        return Ok(TargetHost::Address(IpAddr::V6(address)));
    }
    TargetHost::of_text(text).map_err(|error| invalid(error.to_string()))
}

fn check(request: &Request) -> Result<(), Mishap> {
    let sent = request.send.as_ref().map_or(0, Vec::len);
    if sent > SEND_MAX_BYTES {
        return Err(invalid(format!("{sent} bytes are to be sent; at most {SEND_MAX_BYTES} are allowed")));
    }
    if let Some(Receive { until: Until::Delimiter(delimiter), .. }) = &request.receive
        && !(1..=DELIMITER_MAX_BYTES).contains(&delimiter.len())
    {
        let message = format!("the end of the answer has {} bytes; give 1 to {DELIMITER_MAX_BYTES}", delimiter.len());
        return Err(invalid(message));
    }
    Ok(())
}

/// Reads until the answer ends. Where it ends before anything came, that is the failure.
async fn hear(wire: &mut Wire, wanted: &Receive, bytes: &mut Vec<u8>, marks: &Marks) -> Result<Ended, Mishap> {
    let count = match wanted.until {
        Until::Count(count) => Some(count),
        Until::Delimiter(_) | Until::Closed => None,
    };
    let max = wanted.max_bytes.min(ANSWER_MAX_BYTES).min(count.unwrap_or(u32::MAX)) as usize;
    let is_whole = |len: usize| count.is_some_and(|count| len >= count as usize);
    while bytes.len() < max {
        let seen = bytes.len();
        bytes.reserve(PIECE_BYTES.min(max - seen));
        let mut piece = (&mut *wire).take((max - seen) as u64);
        let read = piece.read_buf(bytes).await.map_err(|error| fault::of_io(marks.phase(), &error))?;
        if read == 0 {
            return match wanted.until {
                Until::Closed => Ok(Ended::Matched),
                _ if bytes.is_empty() => Err(fault::closed(Phase::FirstByte)),
                _ => Ok(Ended::Closed),
            };
        }
        if let Until::Delimiter(delimiter) = &wanted.until
            && let Some(end) = end_of(delimiter, bytes, seen)
        {
            bytes.truncate(end);
            return Ok(Ended::Matched);
        }
    }
    Ok(if is_whole(bytes.len()) { Ended::Matched } else { Ended::Full })
}

/// Where the delimiter ends, if it has come. Only what is new, and what may hold its beginning, is looked at.
fn end_of(delimiter: &[u8], bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.saturating_sub(delimiter.len() - 1);
    memmem::find(&bytes[from..], delimiter).map(|at| from + at + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_found_across_pieces() {
        let bytes = b"220 ready\r\nrest";
        for seen in 0..=10 {
            assert_eq!(end_of(b"\r\n", bytes, seen), Some(11), "{seen}");
        }
        assert_eq!(end_of(b"\r\n", b"220 ready\r", 0), None);
        assert_eq!(end_of(b"220", bytes, 0), Some(3));
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
