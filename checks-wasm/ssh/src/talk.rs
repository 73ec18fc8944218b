//! The conversation: versions, offers, the key exchange with its proof, and the login if one is wanted.

use farwatch_guest::dialogue::{Dialogue, SHOWN_MAX, Said, down, protocol_error};
use farwatch_guest::escapes::show;
use farwatch_guest::outcome::{integer, text};
use farwatch_guest::service::Heard;

use crate::config::Config;
use crate::exchange::{self, Half};
use crate::host_key::{fingerprint, is_signed};
use crate::login::log_in;
use crate::offer::{Agreed, COOKIE, Offer, ours};
use crate::packets::Packets;
use crate::sealing::Secrets;
use crate::wire::{Reader, Writer};
use crate::wit::farwatch::check::entropy;
use crate::wit::farwatch::check::types::{Problem, Status};

/// What this side calls itself.
const VERSION: &str = "SSH-2.0-Farwatch";
/// A server may say something before its version, but not a novel.
const LINES_MAX: usize = 32;
/// The longest version (RFC 4253, section 4.2), with some to spare.
const VERSION_MAX: usize = 512;

const EXCHANGE: u8 = 30;
const EXCHANGE_REPLY: u8 = 31;
const NEW_KEYS: u8 = 21;

/// Holds it.
///
/// # Errors
/// At the first thing that is wrong.
pub fn talk(config: &Config, dialogue: &Dialogue) -> Said<Heard> {
    dialogue.send(format!("{VERSION}\r\n").as_bytes())?;
    let version = version(dialogue)?;
    let mut packets = Packets::new(dialogue);
    let offers = (ours(&entropy::get(COOKIE as u32), config.host_key_type, config.login.is_some()), {
        packets.receive("the offer of algorithms")?
    });
    let offer = Offer::read(&offers.1).ok_or_else(|| protocol_error("the offer of algorithms", &offers.1))?;
    packets.send(Writer::default().raw(&offers.0))?;
    let agreed = offer.agreed(config.host_key_type).map_err(|wrong| down("algorithms-unmatched", wrong))?;
    let proven = exchange(&mut packets, &agreed, [VERSION, &version], [&offers.0, &offers.1])?;
    check_fingerprint(config, &agreed, &proven.fingerprint)?;
    if let Some(login) = &config.login {
        seal(&mut packets, &agreed, &offer, &proven.secrets)?;
        log_in(&mut packets, login, &proven.secrets.hash)?;
    }
    packets.end();
    Ok(heard(config, &version, &offer, &agreed, proven.fingerprint))
}

/// The version of the server, which may say other things before.
fn version(dialogue: &Dialogue) -> Said<String> {
    let mut first = None;
    for _ in 0..LINES_MAX {
        let line = dialogue.line()?;
        if line.starts_with("SSH-2.0-") || line.starts_with("SSH-1.99-") {
            let is_good = line.len() <= VERSION_MAX && line.is_ascii();
            return if is_good { Ok(line) } else { Err(protocol_error("a version of SSH", line.as_bytes())) };
        }
        if is_refusal(&line) {
            let message = format!("the server turned the connection away: `{}`", show(line.as_bytes(), SHOWN_MAX));
            return Err(down("refused", message));
        }
        first.get_or_insert(line);
    }
    Err(protocol_error("a line that begins with SSH-2.0-", first.unwrap_or_default().as_bytes()))
}

/// What servers of OpenSSH say to a client that they have no place for, or have seen too often.
fn is_refusal(line: &str) -> bool {
    line.starts_with("Exceeded MaxStartups") || line.starts_with("Not allowed at this time")
}

/// What the key exchange has shown.
struct Proven {
    secrets: Secrets,
    fingerprint: String,
}

fn exchange(packets: &mut Packets<'_>, agreed: &Agreed, versions: [&str; 2], offers: [&[u8]; 2]) -> Said<Proven> {
    let half = Half::draw(agreed.exchange).ok_or_else(undrawn)?;
    let public = half.public();
    packets.send(Writer::message(EXCHANGE).string(&public))?;
    if agreed.guessed_wrong {
        packets.receive("the guess at the key exchange")?;
    }
    let message = packets.expect(EXCHANGE_REPLY, "the answer to the key exchange")?;
    let read = || {
        let mut reader = Reader::new(message.get(1..)?);
        Some((reader.string()?, reader.string()?, reader.string()?))
    };
    let unreadable = || protocol_error("the answer to the key exchange", &message);
    let (host_key, theirs, signature) = read().ok_or_else(unreadable)?;
    let shared = half.shared(theirs).ok_or_else(unreadable)?;
    let shared = Writer::default().unsigned(&shared).into_bytes();
    let said = exchange::Said { versions, offers, host_key, halves: [&public, theirs] };
    let hash = said.hash(&shared);
    let fingerprint = fingerprint(host_key);
    match is_signed(agreed.host_key, host_key, &hash, signature) {
        Some(true) => Ok(Proven { secrets: Secrets { shared, hash }, fingerprint }),
        Some(false) => {
            let message = format!("the server did not prove that it holds its host key {fingerprint}: bad signature");
            Err(down("host-key-unproven", message))
        }
        None => Err(protocol_error(&format!("a host key and a signature of {}", agreed.host_key), host_key)),
    }
}

fn undrawn() -> Problem {
    let message = "this host drew no number for the key exchange".to_owned();
    Problem { code: "host-trouble".to_owned(), message, field: None }
}

fn check_fingerprint(config: &Config, agreed: &Agreed, shown: &str) -> Said<()> {
    let known = &config.fingerprints;
    if known.is_empty() || known.iter().any(|known| known == shown) {
        return Ok(());
    }
    let (kind, expected) = (agreed.host_key, known.join(" or "));
    Err(down("host-key-changed", format!("expected the host key {expected}, got {shown} of kind {kind}")))
}

fn seal(packets: &mut Packets<'_>, agreed: &Agreed, offer: &Offer, secrets: &Secrets) -> Said<()> {
    let Some(mac) = agreed.mac else {
        let (ciphers, macs) = (offer.ciphers.join(", "), offer.macs.join(", "));
        let message = format!("expected {} with HMAC of SHA-2, got {ciphers} with {macs}", crate::sealing::CIPHER);
        return Err(down("algorithms-unmatched", message));
    };
    packets.send(Writer::message(NEW_KEYS))?;
    packets.expect(NEW_KEYS, "the word that keys are new")?;
    packets.seal(secrets.of_client(mac), secrets.of_server(mac));
    Ok(())
}

fn heard(config: &Config, version: &str, offer: &Offer, agreed: &Agreed, fingerprint: String) -> Heard {
    let weak = offer.weak();
    let finding = (config.degraded_on_weak && !weak.is_empty())
        .then(|| (Status::Degraded, "weak-algorithms", format!("weak algorithms are offered: {}", weak.join(", "))));
    let attributes = vec![
        text("ssh.server-version", version.to_owned()),
        text("ssh.host-key", fingerprint),
        text("ssh.host-key-algorithm", agreed.host_key.to_owned()),
        text("ssh.key-exchange", agreed.exchange_name.to_owned()),
        integer("ssh.weak-algorithms", weak.len() as i64),
    ];
    Heard { finding, attributes }
}
