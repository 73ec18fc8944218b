//! What each side can do, and what follows from both (RFC 4253, section 7.1): which key exchange, which host key, and what
//! the server still offers although nobody should use it.
//!
//! It keeps the order in which the client likes things, as the RFC wants.

use crate::host_key::KeyType;
use crate::sealing::{CIPHER, MACS, Mac};
use crate::wire::{Reader, Writer};

/// The message.
pub const KEXINIT: u8 = 20;
/// Random bytes at its front.
pub const COOKIE: usize = 16;

/// A way to agree on a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchange {
    /// RFC 8731.
    Curve25519,
    /// RFC 5656.
    NistP256,
}

/// By their names, the one that is liked best first.
const EXCHANGES: [(&str, Exchange); 3] = [
    ("curve25519-sha256", Exchange::Curve25519),
    ("curve25519-sha256@libssh.org", Exchange::Curve25519),
    ("ecdh-sha2-nistp256", Exchange::NistP256),
];

/// A check that does not log in ends before these are used, so it may say that it knows them. A server refuses whoever has
/// none in common with it.
const OTHER_CIPHERS: [&str; 7] = [
    "aes128-ctr",
    "aes192-ctr",
    "aes256-gcm@openssh.com",
    "aes128-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes128-cbc",
    "3des-cbc",
];
const OTHER_MACS: [&str; 3] = ["umac-128-etm@openssh.com", "umac-128@openssh.com", "hmac-sha1"];

/// Whether a name is of something weak.
type Judge = fn(&str) -> bool;

/// What one side offers, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Offer {
    /// Ways to agree on a secret, and words about that.
    pub exchanges: Vec<String>,
    /// Kinds of host keys and of their signatures.
    pub host_keys: Vec<String>,
    /// Ciphers of either direction.
    pub ciphers: Vec<String>,
    /// What vouches for packets in either direction.
    pub macs: Vec<String>,
    /// Whether the next packet is a guess at the exchange.
    pub guesses: bool,
}

impl Offer {
    /// Reads the message; none where it is not one.
    pub fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message);
        reader.byte().filter(|number| *number == KEXINIT)?;
        reader.take(COOKIE)?;
        let mut lists = Vec::with_capacity(10);
        for _ in 0..10 {
            lists.push(reader.names()?.into_iter().map(str::to_owned).collect::<Vec<_>>());
        }
        let guesses = reader.byte()? != 0;
        let mut lists = lists.into_iter();
        let mut next = || lists.next().unwrap_or_default();
        let (exchanges, host_keys) = (next(), next());
        let (mut ciphers, mut macs) = (next(), Vec::new());
        ciphers.extend(next());
        macs.extend(next());
        macs.extend(next());
        Some(Self { exchanges, host_keys, ciphers, macs, guesses })
    }

    /// What both sides can do.
    ///
    /// # Errors
    /// What they have nothing in common in, and what the server offers there.
    pub fn agreed(&self, wanted: Option<KeyType>) -> Result<Agreed, String> {
        let exchange = EXCHANGES.iter().find(|(name, _)| has(&self.exchanges, name));
        let exchange = exchange.ok_or_else(|| none("key exchange", &exchanges(), &self.exchanges))?;
        let host_key = host_keys(wanted).into_iter().find(|name| has(&self.host_keys, name));
        let host_key = host_key.ok_or_else(|| none("host key", &host_keys(wanted), &self.host_keys))?;
        // The lists of both directions stand together, and no server has different ones.
        let has_cipher = has(&self.ciphers, CIPHER);
        let mac = MACS.into_iter().find(|mac| has_cipher && has(&self.macs, mac.name));
        let guessed_wrong = self.guesses
            && (self.exchanges.first().is_none_or(|name| name != exchange.0)
                || self.host_keys.first().is_none_or(|name| name != host_key));
        Ok(Agreed { exchange: exchange.1, exchange_name: exchange.0, host_key, mac, guessed_wrong })
    }

    /// What the server offers although it can be broken, or is about to be. HMAC of SHA-1 is not among it: nobody can
    /// forge that, and servers offer it by default.
    pub fn weak(&self) -> Vec<&str> {
        let mut weak: Vec<&str> = Vec::new();
        let lists: [(&[String], Judge); 4] = [
            (&self.exchanges, is_weak_exchange),
            (&self.host_keys, |name| ["ssh-dss", "ssh-rsa"].contains(&name)),
            (&self.ciphers, is_weak_cipher),
            (&self.macs, is_weak_mac),
        ];
        for (list, is_weak) in lists {
            weak.extend(list.iter().map(String::as_str).filter(|name| is_weak(name)));
        }
        weak.sort_unstable();
        weak.dedup();
        weak
    }
}

/// What both sides can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// How they agree on a secret.
    pub exchange: Exchange,
    /// Its name.
    pub exchange_name: &'static str,
    /// How the server proves who it is.
    pub host_key: &'static str,
    /// How packets are vouched for; none where the server has nothing that is known here, or not the cipher.
    pub mac: Option<Mac>,
    /// Whether a packet comes that has to be forgotten.
    pub guessed_wrong: bool,
}

/// The message of this side, for a login or for less, by which it must be proven with a host key of this type.
pub fn ours(cookie: &[u8], wanted: Option<KeyType>, logs_in: bool) -> Vec<u8> {
    let (mut ciphers, mut macs) = (vec![CIPHER], MACS.map(|mac| mac.name).to_vec());
    if !logs_in {
        ciphers.extend(OTHER_CIPHERS);
        macs.extend(OTHER_MACS);
    }
    Writer::message(KEXINIT)
        .raw(cookie)
        .names(&exchanges())
        .names(&host_keys(wanted))
        .names(&ciphers)
        .names(&ciphers)
        .names(&macs)
        .names(&macs)
        .names(&["none"])
        .names(&["none"])
        .string("")
        .string("")
        .byte(0)
        .number(0)
        .into_bytes()
}

fn exchanges() -> Vec<&'static str> {
    EXCHANGES.iter().map(|(name, _)| *name).collect()
}

fn host_keys(wanted: Option<KeyType>) -> Vec<&'static str> {
    let types = wanted.map_or(KeyType::ALL.to_vec(), |wanted| vec![wanted]);
    types.into_iter().flat_map(KeyType::signatures).copied().collect()
}

fn has(list: &[String], wanted: &str) -> bool {
    list.iter().any(|name| name == wanted)
}

fn none(what: &str, known: &[&str], offered: &[String]) -> String {
    format!("expected a {what} of {}, got an offer of {}", known.join(", "), offered.join(", "))
}

fn is_weak_exchange(name: &str) -> bool {
    name.ends_with("-sha1") || name.starts_with("diffie-hellman-group1-")
}

fn is_weak_cipher(name: &str) -> bool {
    name.ends_with("-cbc") || name.contains("-cbc@") || name.starts_with("arcfour") || name == "none"
}

fn is_weak_mac(name: &str) -> bool {
    name.starts_with("hmac-md5") || name.starts_with("hmac-sha1-96") || name.starts_with("umac-32") || name == "none"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(exchanges: &[&str], host_keys: &[&str], ciphers: &[&str], macs: &[&str], guesses: u8) -> Offer {
        let message = Writer::message(KEXINIT)
            .raw(&[0; COOKIE])
            .names(exchanges)
            .names(host_keys)
            .names(ciphers)
            .names(ciphers)
            .names(macs)
            .names(macs)
            .names(&[])
            .names(&[])
            .names(&[])
            .names(&[])
            .byte(guesses)
            .number(0)
            .into_bytes();
        for length in 0..message.len() - 5 {
            assert_eq!(Offer::read(&message[..length]), None);
        }
        Offer::read(&message).unwrap()
    }

    #[test]
    fn what_this_side_says_can_be_read() {
        let offer = Offer::read(&ours(&[7; COOKIE], Some(KeyType::Rsa), true)).unwrap();
        assert_eq!(offer.host_keys, ["rsa-sha2-512", "rsa-sha2-256"]);
        assert_eq!(offer.ciphers, [CIPHER, CIPHER]);
        assert!(!offer.guesses);
        assert!(Offer::read(&ours(&[7; COOKIE], None, false)).unwrap().ciphers.len() > 2);
    }

    #[test]
    fn what_is_liked_best_and_known_to_both_is_agreed_on() {
        let (rsa, ed) = ("rsa-sha2-256", "ssh-ed25519");
        for (exchanges, host_keys, wanted, agreed) in [
            (&["ecdh-sha2-nistp256", "curve25519-sha256"][..], &[rsa, ed][..], None, Ok((Exchange::Curve25519, ed))),
            (&["ecdh-sha2-nistp256"], &[rsa, ed], Some(KeyType::Rsa), Ok((Exchange::NistP256, rsa))),
            (&["diffie-hellman-group14-sha1"], &[ed], None, Err("expected a key exchange of curve25519-sha256, ")),
            (&["curve25519-sha256"], &[ed], Some(KeyType::Rsa), Err("got an offer of ssh-ed25519")),
        ] {
            let offer = offer(exchanges, host_keys, &[CIPHER], &["hmac-sha2-256"], 0);
            match (offer.agreed(wanted), agreed) {
                (Ok(found), Ok((exchange, host_key))) => {
                    assert_eq!((found.exchange, found.host_key), (exchange, host_key));
                    assert_eq!(found.mac.map(|mac| mac.name), Some("hmac-sha2-256"));
                }
                (Err(found), Err(words)) => assert!(found.contains(words), "{found}"),
                (found, _) => panic!("{found:?}"),
            }
        }
    }

    #[test]
    fn a_wrong_guess_is_noticed() {
        let known = (&["curve25519-sha256"][..], &["ssh-ed25519"][..]);
        for (exchanges, host_keys, guesses, is_wrong) in [
            (known.0, known.1, 1, false),
            (&["sntrup761x25519-sha512", "curve25519-sha256"], known.1, 1, true),
            (known.0, &["ssh-dss", "ssh-ed25519"], 1, true),
            (known.0, &["ssh-dss", "ssh-ed25519"], 0, false),
        ] {
            let agreed = offer(exchanges, host_keys, &[], &[], guesses).agreed(None).unwrap();
            assert_eq!((agreed.guessed_wrong, agreed.mac), (is_wrong, None), "{exchanges:?} {host_keys:?}");
        }
    }

    #[test]
    fn what_nobody_should_use_is_named_once() {
        let old = offer(
            &["diffie-hellman-group1-sha1", "curve25519-sha256"],
            &["ssh-rsa", "ssh-ed25519"],
            &["3des-cbc", "aes256-ctr", "rijndael-cbc@lysator.liu.se"],
            &["hmac-md5", "hmac-sha1", "hmac-sha2-256"],
            0,
        );
        let weak = ["3des-cbc", "diffie-hellman-group1-sha1", "hmac-md5", "rijndael-cbc@lysator.liu.se", "ssh-rsa"];
        assert_eq!(old.weak(), weak);
        let new = offer(&["curve25519-sha256"], &["ssh-ed25519"], &[CIPHER], &["hmac-sha1-etm@openssh.com"], 0);
        assert!(new.weak().is_empty());
    }
}
