//! Echo requests, and how many of them are answered.
//!
//! They are sent over an unprivileged socket where the system lets this user have one, and over a raw one where it has the
//! right to that. Every probe has a socket of its own.

mod echo;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use farwatch_sandbox::icmp::{Request, Response};
use rustix::net::{AddressFamily, SocketType, bind, connect, ipproto, socket};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use self::echo::Echo;
use super::dial::{host_of, local, mishap_of};
use super::evidence::{Failure, Phase};
use super::trace::{Mishap, Trace, micros};
use super::{Prober, TIMEOUT_MAX_MS};
use crate::clock::Clock;
use crate::entropy;

/// As `wit/icmp.wit` says: more would be a load test.
const COUNT_MAX: u32 = 20;
/// Data in one request: eight bytes are usual at least, and the most passes every link in one piece.
const SIZE_BYTES: std::ops::RangeInclusive<u32> = 8..=1_232;
/// The least time between two requests: more often would be a flood.
const INTERVAL_MIN_MS: u32 = 100;
/// The largest packet that can come back to a raw socket: an answer with the longest header of IP, and some more.
const PACKET_MAX_BYTES: usize = 2_048;
/// What may be reached is judged by ports too, and echo requests have none. At this one, `echo`, no listener of the fleet is.
const PORT: u16 = 7;

/// A socket to the target.
struct Line {
    remote: SocketAddr,
    echo: Echo,
    socket: UdpSocket,
}

impl Prober {
    /// Sends echo requests and counts the answers.
    pub async fn ping(&self, request: Request) -> Result<Response, Failure> {
        let mut trace = Trace::new(self.clock.instant());
        let limit = Duration::from_millis(request.timeout_ms.clamp(1, TIMEOUT_MAX_MS).into());
        let deadline = (trace.began() + limit).into();
        let done = timeout_at(deadline, self.reach_for_echo(&request, &mut trace)).await;
        let line = match done {
            Ok(Ok(line)) => line,
            Ok(Err(mishap)) => return Err(trace.fail(mishap, self.clock.instant())),
            Err(_) => return Err(trace.time_out(limit, self.clock.instant())),
        };
        let mut tally = Tally::default();
        // Whatever came until the time was over counts.
        let ended = timeout_at(deadline, line.count(&request, &self.clock, &mut tally)).await;
        let now = self.clock.instant();
        if let Ok(Err(error)) = ended {
            return Err(trace.fail(mishap_of(line.remote, &error), now));
        }
        Ok(Response {
            remote: line.remote.ip().to_string(),
            sent: u32::try_from(tally.sent.len()).unwrap_or(COUNT_MAX),
            round_trips_us: tally.round_trips_us.into_iter().flatten().collect(),
            times: trace.finish(now),
        })
    }

    async fn reach_for_echo(&self, request: &Request, trace: &mut Trace) -> Result<Line, Mishap> {
        check(request)?;
        let host = host_of(&request.host)?;
        let remote = self.locate(&host, PORT, request.ip_version, trace).await?;
        self.send_more(remote, request.count - 1)?;
        let from = self.bind.filter(|from| from.is_ipv4() == remote.is_ipv4());
        let opened = open(SocketType::DGRAM, remote, from).or_else(|_| open(SocketType::RAW, remote, from));
        opened.map_err(|error| {
            let remedy = "let its group in by net.ipv4.ping_group_range, or give the program CAP_NET_RAW";
            local(&format!("it may send no echo requests: {error}; {remedy}"))
        })
    }
}

fn open(kind: SocketType, remote: SocketAddr, from: Option<IpAddr>) -> io::Result<Line> {
    let (family, protocol) = match remote {
        SocketAddr::V4(_) => (AddressFamily::INET, ipproto::ICMP),
        SocketAddr::V6(_) => (AddressFamily::INET6, ipproto::ICMPV6),
    };
    let socket = socket(family, kind, Some(protocol))?;
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0))?;
    }
    // Of a connected socket nothing is read that comes from elsewhere.
    connect(&socket, &SocketAddr::new(remote.ip(), 0))?;
    let socket = std::net::UdpSocket::from(socket);
    socket.set_nonblocking(true)?;
    let identifier = u16::from_be_bytes(entropy::bytes());
    let echo = Echo { is_v6: remote.is_ipv6(), is_raw: kind == SocketType::RAW, identifier };
    Ok(Line { remote, echo, socket: UdpSocket::from_std(socket)? })
}

/// When each request was sent, and how long its answer took.
#[derive(Default)]
struct Tally {
    sent: Vec<std::time::Instant>,
    round_trips_us: Vec<Option<u32>>,
}

impl Tally {
    fn note_sent(&mut self, now: std::time::Instant) {
        self.sent.push(now);
        self.round_trips_us.push(None);
    }

    fn note_answer(&mut self, number: u16, now: std::time::Instant) {
        let number = usize::from(number);
        // An answer may come twice, and one to a request that was never sent is somebody's joke.
        if let (Some(sent), Some(round_trip @ None)) = (self.sent.get(number), self.round_trips_us.get_mut(number)) {
            *round_trip = Some(micros(now.saturating_duration_since(*sent)).max(1));
        }
    }

    fn is_complete(&self, count: u32) -> bool {
        self.sent.len() == count as usize && self.round_trips_us.iter().all(Option::is_some)
    }
}

impl Line {
    /// Sends all of them, and listens until each is answered.
    async fn count(&self, request: &Request, clock: &Clock, tally: &mut Tally) -> io::Result<()> {
        let began = Instant::from_std(clock.instant());
        let interval = Duration::from_millis(request.interval_ms.into());
        let mut packet = [0; PACKET_MAX_BYTES];
        while !tally.is_complete(request.count) {
            let number = u16::try_from(tally.sent.len()).expect("there are few of them");
            let is_next = u32::from(number) < request.count;
            tokio::select! {
                () = sleep_until(began + interval * number.into()), if is_next => {
                    tally.note_sent(clock.instant());
                    self.socket.send(&self.echo.request(number, request.size as usize)).await?;
                }
                received = self.socket.recv(&mut packet) => {
                    let number = self.echo.answered(&packet[..received?]);
                    number.into_iter().for_each(|number| tally.note_answer(number, clock.instant()));
                }
            }
        }
        Ok(())
    }
}

/// Reads these bytes in each of the ways in which a socket may hand them over, and says how many found an answer in them.
pub(super) fn read(packet: &[u8]) -> String {
    let ways = [(false, false), (false, true), (true, false), (true, true)];
    let echoes = ways.map(|(is_v6, is_raw)| Echo { is_v6, is_raw, identifier: 0x1234 });
    echoes.iter().map(|echo| if echo.answered(packet).is_some() { 'a' } else { '-' }).collect()
}

fn check(request: &Request) -> Result<(), Mishap> {
    let Request { count, size, interval_ms, .. } = *request;
    let wrong = if !(1..=COUNT_MAX).contains(&count) {
        format!("{count} requests are to be sent; give 1 to {COUNT_MAX}")
    } else if !SIZE_BYTES.contains(&size) {
        format!("each request has {size} bytes of data; give {} to {}", SIZE_BYTES.start(), SIZE_BYTES.end())
    } else if interval_ms < INTERVAL_MIN_MS {
        format!("requests are {interval_ms} ms apart; give {INTERVAL_MIN_MS} or more")
    } else {
        return Ok(());
    };
    Err(Mishap::new(Phase::Prepare, "request-invalid", wrong))
}
