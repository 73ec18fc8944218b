//! A peer over TCP that says and hears what its script has, whoever connects: for what no real server does.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use super::{Running, settings};
use crate::case::Setup;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What it does, in order; then it closes.
    steps: Vec<Step>,
}

/// One thing that it does.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Says this.
    Say(String),
    /// Says these bytes, in hex digits.
    SayHex(String),
    /// Reads until this has come.
    Hear(String),
    /// Waits so many milliseconds.
    WaitMs(u64),
    /// Says nothing more, and keeps the connection.
    Hang,
}

/// Starts it. It ends with the process.
pub(super) fn start(setup: &Setup) -> anyhow::Result<Running> {
    let settings: Settings = settings(setup)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for peer in listener.incoming().map_while(Result::ok) {
            let steps = settings.steps.clone();
            thread::spawn(move || play(peer, &steps));
        }
    });
    Ok(Running::new(address, ()))
}

/// A check that closes before the end is what may be tested, so errors end it quietly.
fn play(mut peer: TcpStream, steps: &[Step]) -> std::io::Result<()> {
    for step in steps {
        match step {
            Step::Say(text) => peer.write_all(text.as_bytes())?,
            Step::SayHex(digits) => peer.write_all(&bytes(digits)?)?,
            Step::Hear(text) => hear(&mut peer, text.as_bytes())?,
            Step::WaitMs(ms) => thread::sleep(Duration::from_millis(*ms)),
            Step::Hang => {
                std::io::copy(&mut peer, &mut std::io::sink())?;
            }
        }
    }
    // Closing with unread bytes would be a reset, which takes along what was said.
    peer.shutdown(Shutdown::Write)?;
    std::io::copy(&mut peer, &mut std::io::sink()).map(drop)
}

fn hear(peer: &mut TcpStream, text: &[u8]) -> std::io::Result<()> {
    let (mut heard, mut byte) = (Vec::new(), [0]);
    while !heard.ends_with(text) {
        peer.read_exact(&mut byte)?;
        heard.push(byte[0]);
    }
    Ok(())
}

/// The bytes that hex digits stand for.
pub(super) fn bytes(digits: &str) -> std::io::Result<Vec<u8>> {
    let digits: String = digits.split_whitespace().collect();
    let pair = |at: usize| digits.get(at..at + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    (0..digits.len()).step_by(2).map(|at| pair(at).ok_or_else(|| std::io::Error::other("not hex digits"))).collect()
}
