//! An attack that needs a name server: played by a process that has a network and the file of name servers to itself.
//!
//! Its name server leads the name first to where a check may connect, and then to where none may, and so on in turn.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread;

use anyhow::{Context, ensure};
use tempfile::NamedTempFile;

use super::attack::{self, Attack};
use super::play::Arena;
use crate::stage::Stage;

/// The word by which a program plays an attack apart, before the name of the attack.
pub const APART: &str = "apart";
/// The name that leads to two places in turn.
pub const NAME: &str = "rebinds.example";
/// Those places.
const PLACES: [Ipv4Addr; 2] = [Ipv4Addr::LOCALHOST, Ipv4Addr::new(169, 254, 169, 254)];
const NAME_SERVERS: &str = "nameserver 127.0.0.1\noptions timeout:1 attempts:2\n";
const NAME_SERVERS_FILE: &str = "/etc/resolv.conf";
/// Where name servers are asked.
const PORT: u16 = 53;
/// The head of a question and of an answer, in bytes.
const HEAD: usize = 12;
/// The type of the record of an address.
const ADDRESS: [u8; 2] = [0, 1];

/// Plays an attack in a process of its own. The program that runs this must know the word.
///
/// # Errors
/// When it ends otherwise than it expects, or this machine lets nobody have a network to himself.
pub fn play(attack: &Attack) -> anyhow::Result<()> {
    let me = std::env::current_exe()?;
    let alone = ["--map-root-user", "--mount", "--net"];
    let played = Command::new("unshare").args(alone).arg(me).args([APART, &attack.name]).output();
    let played = played.context("cannot start unshare")?;
    ensure!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr).trim());
    Ok(())
}

/// The `main` of that process.
#[allow(clippy::print_stderr, reason = "it speaks to whoever started it")]
pub fn main(name: &str) -> ExitCode {
    match run(name) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(name: &str) -> anyhow::Result<()> {
    let file = NamedTempFile::new()?;
    fs::write(file.path(), NAME_SERVERS)?;
    done("ip", &["link", "set", "lo", "up"])?;
    let mounted: &[&Path] = &["--bind".as_ref(), file.path(), NAME_SERVERS_FILE.as_ref()];
    done("mount", mounted)?;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, PORT))?;
    thread::spawn(move || serve(&socket));
    let stage = Stage::new()?;
    let attack = attack::all()?.into_iter().find(|attack| attack.name == name).context("there is no such attack")?;
    Arena::apart(&stage)?.play(&attack).map(drop)
}

fn done<W: AsRef<std::ffi::OsStr>>(program: &str, words: &[W]) -> anyhow::Result<()> {
    let output = Command::new(program).args(words).output().with_context(|| format!("cannot start {program}"))?;
    ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}

/// Answers until the process ends.
fn serve(socket: &UdpSocket) {
    let (mut buffer, mut places) = ([0; 512], PLACES.iter().cycle());
    while let Ok((length, asker)) = socket.recv_from(&mut buffer) {
        let question = &buffer[..length];
        let is_for_address = asked(question) == Some(ADDRESS);
        let place = if is_for_address { places.next() } else { None };
        // Whoever does not hear it asks again.
        let _ = socket.send_to(&answer(question, place), asker);
    }
}

/// The type that a question is about, which stands behind the name.
fn asked(question: &[u8]) -> Option<[u8; 2]> {
    let name = question.get(HEAD..)?.iter().position(|byte| *byte == 0)?;
    let kind = question.get(HEAD + name + 1..HEAD + name + 3)?;
    kind.try_into().ok()
}

/// The answer, which is forgotten at once; without a place, that there is nothing of the kind.
fn answer(question: &[u8], place: Option<&Ipv4Addr>) -> Vec<u8> {
    let end = question.get(HEAD..).and_then(|rest| rest.iter().position(|byte| *byte == 0)).unwrap_or(0) + HEAD + 5;
    let mut answer = question.get(..end.min(question.len())).unwrap_or_default().to_vec();
    answer.resize(end.max(HEAD), 0);
    // An answer that is available by recursion, to one question, with or without one record, and nothing else.
    answer[2..HEAD].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(place.is_some()), 0, 0, 0, 0]);
    if let Some(place) = place {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(place.octets());
    }
    answer
}
