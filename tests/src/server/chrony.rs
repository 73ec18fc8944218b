//! chrony: tells the time by NTP.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Server, path_text};
use crate::ports::free_address;

/// A question of NTP version 4 (RFC 5905): a client's, with nothing else set.
pub const QUESTION: [u8; 48] = {
    let mut question = [0; 48];
    question[0] = 0x23;
    question
};
/// A server that is ready answers at once.
const ANSWER_LIMIT: Duration = Duration::from_millis(200);

/// The warning of a clock that is not synchronized.
const UNSYNCHRONIZED: u8 = 3;

/// A time server.
#[derive(Debug)]
pub struct Chrony {
    /// The process.
    pub server: Server,
    /// Where it answers.
    pub address: SocketAddr,
}

/// Whose time a server tells.
#[derive(Debug, Clone, Copy)]
pub enum Trust {
    /// Its own, saying that it is of this stratum.
    Itself(u8),
    /// Nobody's: its clock is not synchronized, and it says so.
    Nobody,
    /// Its own, and it answers nobody.
    TellsNobody,
}

impl Chrony {
    /// Starts one that says it is of this stratum.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(stratum: u8) -> anyhow::Result<Self> {
        Self::start_trusting(Trust::Itself(stratum))
    }

    /// Starts one that tells the time of this one, and waits until it does.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start_trusting(trust: Trust) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let here = path_text(directory.path())?.to_owned();
        let address = free_address()?;
        let source = match trust {
            Trust::Itself(stratum) => format!("allow 127.0.0.0/8\nlocal stratum {stratum}"),
            Trust::Nobody => "allow 127.0.0.0/8".to_owned(),
            // A network that nobody here is of.
            Trust::TellsNobody => "allow 192.0.2.0/24\nlocal stratum 1".to_owned(),
        };
        let config = format!(
            "port {}\nbindaddress 127.0.0.1\n{source}\ncmdport 0\nbindcmdaddress /\npidfile {here}/pid\n",
            address.port()
        );
        fs::write(directory.path().join("chrony.conf"), config)?;
        let arguments = ["-d", "-x", "-u", "root", "-f", &format!("{here}/chrony.conf")];
        let server = Server::start(("chronyd", "chrony"), &arguments, directory, || is_ready(address, trust))?;
        Ok(Self { server, address })
    }
}

/// Whether it answers as it will from now on.
fn is_ready(address: SocketAddr, trust: Trust) -> anyhow::Result<bool> {
    if matches!(trust, Trust::TellsNobody) {
        // The list of the sockets of this machine has addresses and ports in hex digits. Binding its port to see whether it
        // is taken would take it.
        let port = format!(":{:04X} ", address.port());
        return Ok(fs::read_to_string("/proc/net/udp")?.contains(&port));
    }
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.set_read_timeout(Some(ANSWER_LIMIT))?;
    socket.connect(address)?;
    let mut answer = [0; 90];
    let is_answered = socket.send(&QUESTION).is_ok() && socket.recv(&mut answer).is_ok();
    let is_synchronized = answer[0] >> 6 != UNSYNCHRONIZED;
    Ok(is_answered && (is_synchronized || matches!(trust, Trust::Nobody)))
}
