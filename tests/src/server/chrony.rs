//! chrony: tells the time by NTP.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use super::{Server, path_text};
use crate::nginx::free_address;

/// A question of NTP version 4 (RFC 5905): a client's, with nothing else set.
pub const QUESTION: [u8; 48] = {
    let mut question = [0; 48];
    question[0] = 0x23;
    question
};
/// A server that is ready answers at once.
const ANSWER_LIMIT: Duration = Duration::from_millis(200);

/// A time server that trusts its own clock.
#[derive(Debug)]
pub struct Chrony {
    /// The process.
    pub server: Server,
    /// Where it answers.
    pub address: SocketAddr,
}

impl Chrony {
    /// Starts one that says it is of this stratum.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(stratum: u8) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let here = path_text(directory.path())?.to_owned();
        let address = free_address()?;
        let config = format!(
            "port {}\nbindaddress 127.0.0.1\nallow 127.0.0.0/8\nlocal stratum {stratum}\ncmdport 0\n\
             bindcmdaddress /\npidfile {here}/pid\n",
            address.port()
        );
        fs::write(directory.path().join("chrony.conf"), config)?;
        let arguments = ["-d", "-x", "-u", "root", "-f", &format!("{here}/chrony.conf")];
        let ready = || {
            let socket = UdpSocket::bind("127.0.0.1:0")?;
            socket.set_read_timeout(Some(ANSWER_LIMIT))?;
            socket.connect(address)?;
            Ok(socket.send(&QUESTION).is_ok() && socket.recv(&mut [0; 90]).is_ok())
        };
        let server = Server::start(("chronyd", "chrony"), &arguments, directory, ready)?;
        Ok(Self { server, address })
    }
}
