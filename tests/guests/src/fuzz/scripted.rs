//! Probes of which every answer comes from given bytes, whatever a module asks for: the network of a module that is struck.
//!
//! They keep the rules of `wit/` that a host keeps for its modules, such as limits, and no others.

use farwatch_sandbox::types::{Failure, Phase, PhaseTimes, TlsInfo};
use farwatch_sandbox::{Probes, dns, http, icmp, tcp, tls, udp};

/// What a connection gives at most, as that of a host.
const ANSWERS_MAX: usize = 1 << 20;
/// The questions of NTP are so long, and the answer must repeat what the question has at the one place, at the other.
const NTP_BYTES: usize = 48;
const NTP_ASKED: std::ops::Range<usize> = 40..48;
const NTP_REPEATED: std::ops::Range<usize> = 24..32;

/// See the file's documentation.
#[derive(Debug)]
pub struct Scripted<'a> {
    bytes: &'a [u8],
}

impl<'a> Scripted<'a> {
    /// Probes that are answered by these bytes, from the front.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        *first
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.bytes.split_at(count.min(self.bytes.len()));
        self.bytes = rest;
        taken.to_vec()
    }

    fn text(&mut self, max: usize) -> String {
        let count = usize::from(self.byte()).min(max);
        String::from_utf8_lossy(&self.take(count)).into_owned()
    }

    fn rest(&mut self) -> Vec<u8> {
        self.take(usize::MAX)
    }

    fn tls(&mut self) -> TlsInfo {
        let chain = self.chain();
        TlsInfo {
            version: "TLSv1.3".to_owned(),
            cipher: "TLS_AES_128_GCM_SHA256".to_owned(),
            alpn: None,
            verified: true,
            verify_error: None,
            certificate_not_after_ms: Some(u64::MAX >> 1),
            chain,
        }
    }

    /// Certificates, each after its length in two bytes.
    fn chain(&mut self) -> Vec<Vec<u8>> {
        let count = usize::from(self.byte() % 4);
        (0..count).map(|_| self.counted()).collect()
    }

    fn counted(&mut self) -> Vec<u8> {
        let count = usize::from(u16::from_be_bytes([self.byte(), self.byte()]));
        self.take(count)
    }

    fn entries(&mut self) -> Vec<dns::Entry> {
        let count = usize::from(self.byte() % 16);
        let mut entry = || dns::Entry {
            name: self.text(255),
            record_type: ["A", "MX", "TXT", "CNAME"][usize::from(self.byte() % 4)].to_owned(),
            ttl_s: u32::from(self.byte()),
            data: self.text(255),
        };
        (0..count).map(|_| entry()).collect()
    }
}

const REMOTE: &str = "192.0.2.7:7";

const fn times() -> PhaseTimes {
    PhaseTimes { resolve: None, connect: Some(10), tls: None, first_byte: Some(10), transfer: None, total: 30 }
}

fn closed() -> Failure {
    let (code, message) = ("connection-closed".to_owned(), "the other side closed".to_owned());
    Failure { phase: Phase::FirstByte, code, message, remote: Some(REMOTE.to_owned()), times: times(), tls: None }
}

impl Probes for Scripted<'_> {
    async fn fetch(&mut self, _request: http::Request) -> Result<http::Response, Failure> {
        let status = 100 + u16::from(self.byte()) * 2;
        let headers = (0..self.byte() % 8).map(|_| (self.text(32).to_lowercase(), self.text(255))).collect();
        let location = (300..400).contains(&status).then(|| self.text(255));
        let trailers = (0..self.byte() % 4).map(|_| (self.text(32).to_lowercase(), self.text(255))).collect();
        let body = self.rest();
        Ok(http::Response {
            status,
            version: http::Version::Http1,
            location,
            headers,
            trailers,
            body_bytes: u32::try_from(body.len()).unwrap_or(u32::MAX),
            body,
            body_truncated: false,
            remote: REMOTE.to_owned(),
            times: times(),
            tls: None,
        })
    }

    async fn open(&mut self, _number: u32, _target: tcp::Target) -> Result<(), Failure> {
        Ok(())
    }

    async fn send(&mut self, _number: u32, _bytes: Vec<u8>) -> Result<(), Failure> {
        Ok(())
    }

    async fn receive(&mut self, _number: u32, until: tcp::Until, max_bytes: u32) -> Result<tcp::Received, Failure> {
        let max = (max_bytes as usize).min(ANSWERS_MAX).min(self.bytes.len());
        let within = &self.bytes[..max];
        let matched = match &until {
            tcp::Until::Delimiter(end) if end.is_empty() => return Err(closed()),
            tcp::Until::Delimiter(end) => {
                within.windows(end.len()).position(|window| window == end.as_slice()).map(|at| at + end.len())
            }
            tcp::Until::Count(count) => Some(*count as usize).filter(|count| within.len() >= *count),
            tcp::Until::Closed => Some(max).filter(|max| *max == self.bytes.len()),
        };
        if matched.is_none() && self.bytes.is_empty() {
            return Err(closed());
        }
        let is_full = max < self.bytes.len();
        let ended = match matched {
            Some(_) => tcp::Ended::Matched,
            None if is_full => tcp::Ended::Full,
            None => tcp::Ended::Closed,
        };
        Ok(tcp::Received { bytes: self.take(matched.unwrap_or(max)), ended })
    }

    async fn start_tls(&mut self, _number: u32, _options: tcp::TlsOptions) -> Result<(), Failure> {
        Ok(())
    }

    fn evidence(&mut self, _number: u32) -> tcp::Evidence {
        tcp::Evidence { remote: REMOTE.to_owned(), times: times(), tls: None }
    }

    async fn query(&mut self, _request: dns::Request) -> Result<dns::Response, Failure> {
        let flags = self.byte();
        Ok(dns::Response {
            remote: REMOTE.to_owned(),
            rcode: ["NOERROR", "NXDOMAIN", "SERVFAIL", "RCODE77"][usize::from(flags >> 6)].to_owned(),
            authoritative: flags & 1 != 0,
            truncated: flags & 2 != 0,
            recursion_available: flags & 4 != 0,
            authentic_data: flags & 8 != 0,
            answers: self.entries(),
            authorities: self.entries(),
            additionals: self.entries(),
            bytes: 512,
            times: times(),
            tls: None,
        })
    }

    async fn shake_hands(&mut self, _target: tls::Target, _alpn: Vec<String>) -> Result<tls::Handshake, Failure> {
        let info = self.tls();
        let ocsp_response = Some(self.counted()).filter(|staple| !staple.is_empty());
        Ok(tls::Handshake { remote: REMOTE.to_owned(), times: times(), info, complaint: None, ocsp_response })
    }

    async fn propose(&mut self, _target: tls::Target, _offer: tls::Offer) -> Result<tls::Reply, Failure> {
        Ok(match self.byte() {
            0 => tls::Reply::Refused(None),
            byte if byte < 128 => tls::Reply::Refused(Some(byte)),
            byte => tls::Reply::Accepted(u16::from(byte)),
        })
    }

    async fn ping(&mut self, _request: icmp::Request) -> Result<icmp::Response, Failure> {
        let sent = u32::from(self.byte());
        let rest = self.rest();
        let trips = rest.chunks(4).map(|trip| trip.iter().fold(0, |us, byte| us << 8 | u32::from(*byte)));
        let round_trips_us = trips.take(20).collect();
        Ok(icmp::Response { remote: REMOTE.to_owned(), sent, round_trips_us, times: times() })
    }

    fn secret(&mut self, _name: &str) -> Option<String> {
        Some("a secret".to_owned())
    }

    async fn exchange(&mut self, request: udp::Request) -> Result<udp::Response, Failure> {
        if self.bytes.is_empty() {
            return Err(closed());
        }
        let mut datagram = self.rest();
        if request.datagram.len() == NTP_BYTES && datagram.len() >= NTP_BYTES {
            datagram[NTP_REPEATED].copy_from_slice(&request.datagram[NTP_ASKED]);
        }
        let (sent_at_us, received_at_us) = (1_800_000_000_000_000, 1_800_000_000_010_000);
        Ok(udp::Response { remote: REMOTE.to_owned(), datagram, sent: 1, sent_at_us, received_at_us, times: times() })
    }
}
