//! The watched sites: one server that answers every check and notes who came, and when.
//!
//! What it notes is the lab's own evidence: it stands in a file before Farwatch can know that the run succeeded. It runs
//! as a process of its own, for it stands in another namespace than whoever conducts.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use farwatch_proto::time::UnixMs;

use crate::clock::now;

/// Where the sites listen.
pub(super) const PORT: u16 = 80;
/// Where the references of the fleet do: whoever loses the sites loses them as well.
pub(super) const REFERENCE_PORTS: [u16; 3] = [7001, 7002, 7003];
/// A request that takes longer is none of a check's.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a site answers.
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nwelcome\n";
/// Lines of one request that are read; checks send few.
const HEAD_LINES_MAX: usize = 100;

/// One request that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) at: UnixMs,
    pub(super) from: Ipv4Addr,
    /// The number of the check whose site was asked for.
    pub(super) check: usize,
}

/// The path of the site that the check of this number watches.
pub(super) fn path(check: usize) -> String {
    format!("/check/{check}")
}

/// Serves until it is killed.
pub fn serve(log: &Path) -> anyhow::Result<()> {
    for port in REFERENCE_PORTS {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?;
        // A connection that opens is all that is asked of a reference.
        thread::spawn(move || listener.incoming().for_each(drop));
    }
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)))?;
    let log = OpenOptions::new().create(true).append(true).open(log)?;
    let log = Arc::new(log);
    for stream in listener.incoming() {
        let (stream, log) = (stream?, log.clone());
        // A client that goes away in mid-request was no hit.
        thread::spawn(move || answer(&stream, &log));
    }
    Ok(())
}

fn answer(stream: &TcpStream, log: &File) -> anyhow::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let IpAddr::V4(from) = stream.peer_addr()?.ip() else { return Ok(()) };
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().context("no request")??;
    for line in lines.take(HEAD_LINES_MAX) {
        if line?.is_empty() {
            break;
        }
    }
    let at = now();
    let check = first.split(['/', ' ']).rfind(|word| word.parse::<usize>().is_ok()).context("no site")?;
    // One write to a file that is appended to is not mixed up with another's.
    (&*log).write_all(format!("{} {from} {check}\n", at.0).as_bytes())?;
    let mut stream = stream;
    Ok(stream.write_all(ANSWER)?)
}

/// Everything that was noted so far.
pub(super) fn hits(log: &Path) -> anyhow::Result<Vec<Hit>> {
    let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
    text.lines().map(|line| hit(line).with_context(|| format!("{line:?} is no hit"))).collect()
}

fn hit(line: &str) -> Option<Hit> {
    let mut words = line.split(' ');
    let at = UnixMs(words.next()?.parse().ok()?);
    Some(Hit { at, from: words.next()?.parse().ok()?, check: words.next()?.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_is_read_again() {
        let read = hit("1700000000123 10.77.3.2 41").unwrap();
        assert_eq!(read, Hit { at: UnixMs(1_700_000_000_123), from: Ipv4Addr::new(10, 77, 3, 2), check: 41 });
        assert_eq!(hit("1700000000123 10.77.3.2"), None);
    }
}
