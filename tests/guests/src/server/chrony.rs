//! chrony: a time server that is right, one that does not know the time, one whose clock is wrong, and one that tells nobody.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::thread;

use farwatch_tests::server::chrony::{Chrony, Trust};
use serde::Deserialize;

use super::{Running, settings};
use crate::case::Setup;

/// Where an answer has the seconds at which the question came, and at which it was answered.
const RECEIVED_AND_SENT: [usize; 2] = [32, 40];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// It trusts its own clock, and says it is of this stratum. Without it its clock is not synchronized.
    stratum: Option<u8>,
    /// Its clock is so many seconds ahead.
    ahead_by_s: Option<i32>,
    /// It answers nobody.
    #[serde(default)]
    tells_nobody: bool,
}

/// Starts it.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let Settings { stratum, ahead_by_s, tells_nobody } = settings(setup)?;
    let chrony = Chrony::start_trusting(match stratum {
        _ if tells_nobody => Trust::TellsNobody,
        Some(stratum) => Trust::Itself(stratum),
        None => Trust::Nobody,
    })?;
    let address = match ahead_by_s {
        Some(seconds) => shifted(chrony.address, seconds)?,
        None => chrony.address,
    };
    Ok(Running::new(address, chrony))
}

/// A relay to that server that sets its clock: the machine has only one, which no test may touch. It ends with the process.
fn shifted(server: SocketAddr, seconds: i32) -> anyhow::Result<SocketAddr> {
    let (front, back) = (UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
    back.connect(server)?;
    let address = front.local_addr()?;
    thread::spawn(move || -> std::io::Result<()> {
        let mut packet = [0; 1_024];
        loop {
            let (length, client) = front.recv_from(&mut packet)?;
            back.send(&packet[..length])?;
            let length = back.recv(&mut packet)?;
            for at in RECEIVED_AND_SENT {
                let told = u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
                packet[at..at + 4].copy_from_slice(&told.wrapping_add_signed(seconds).to_be_bytes());
            }
            front.send_to(&packet[..length], client)?;
        }
    });
    Ok(address)
}
