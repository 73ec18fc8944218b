//! A peer over UDP that answers every datagram as its script has it: for what no real server does.
//!
//! What can be done to the datagrams of a real server is done on the way to it, by the relay.

use std::net::{Ipv4Addr, UdpSocket};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::scripted::bytes;
use super::{Running, settings};
use crate::case::Setup;

/// No datagram is longer.
const DATAGRAM_MAX: usize = 65_536;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What it does for each datagram that comes, in order; without any it is silent.
    steps: Vec<Step>,
}

/// One thing that it does.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Says this, as one datagram.
    Say(String),
    /// Says these bytes, in hex digits, as one datagram.
    SayHex(String),
    /// Says what came.
    Echo {
        /// Behind these bytes of it, in hex digits.
        #[serde(default)]
        before_hex: String,
        /// Without its first bytes, so many.
        #[serde(default)]
        skip: usize,
    },
    /// Waits so many milliseconds.
    WaitMs(u64),
}

/// Starts it. It ends with the process.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?);
    let address = socket.local_addr()?;
    thread::spawn(move || {
        let mut datagram = vec![0; DATAGRAM_MAX];
        while let Ok((count, peer)) = socket.recv_from(&mut datagram) {
            let (socket, steps, came) = (Arc::clone(&socket), settings.steps.clone(), datagram[..count].to_vec());
            thread::spawn(move || play(&steps, &came, |said| socket.send_to(said, peer).map(drop)));
        }
    });
    Ok(Running::new(address, ()))
}

/// A check that has gone before the end is what may be tested, so errors end it quietly.
fn play(steps: &[Step], came: &[u8], say: impl Fn(&[u8]) -> std::io::Result<()>) -> std::io::Result<()> {
    for step in steps {
        match step {
            Step::Say(text) => say(text.as_bytes())?,
            Step::SayHex(digits) => say(&bytes(digits)?)?,
            Step::Echo { before_hex, skip } => {
                let mut said = bytes(before_hex)?;
                said.extend_from_slice(came.get(*skip..).unwrap_or_default());
                say(&said)?;
            }
            Step::WaitMs(ms) => thread::sleep(Duration::from_millis(*ms)),
        }
    }
    Ok(())
}
