//! How a bare machine becomes a host: the token it is given, and what it and control say to each other once.
//!
//! A token is one line of text that holds all a machine needs to know: where control listens, by which authority it is
//! control, and a secret that opens the door once. So a machine trusts nobody on first sight. Whether a token lets
//! somebody in is decided in `core`.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{HostId, JoinTokenId};
use crate::link::base64_bytes;

/// The path on control's link address at which a machine without a certificate may ask for one; it may ask nothing else.
pub const JOIN_PATH: &str = "/link/v1/join";
/// The longest request and answer: far above a certificate request and a certificate.
pub const JOIN_BODY_MAX_BYTES: usize = 16 * 1024;
/// Control processes a host may be told of. It finds the leader by asking them in turn.
pub const ENDPOINTS_MAX: usize = 16;

/// What every join token begins with, so that a leaked one can be found by its looks.
const PREFIX: &str = "fwj_";
/// How the bytes of a token are laid out.
const LAYOUT: u8 = 1;
/// Layout, id, authority and secret stand before the endpoints, and a checksum behind them.
const FIXED_BYTES: usize = 1 + 16 + 32 + 32;
const CHECKSUM_BYTES: usize = 4;

/// The SHA-256 of the certificate of a fleet's authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuthorityDigest(pub [u8; 32]);

impl AuthorityDigest {
    /// Of this certificate, in DER.
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

/// The secret of a token. It is never shown but as part of the token.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JoinSecret(#[serde(with = "base64_bytes")] Vec<u8>);

impl JoinSecret {
    /// These random bytes.
    pub fn new(random: [u8; 32]) -> Self {
        Self(random.to_vec())
    }

    /// What control stores of it.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(&self.0).into()
    }
}

impl fmt::Debug for JoinSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinSecret(…)")
    }
}

/// A join token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinToken {
    /// Which.
    pub id: JoinTokenId,
    /// What opens the door.
    pub secret: JoinSecret,
    /// Whoever is not signed by this authority is not control.
    pub authority: AuthorityDigest,
    /// Where control listens for hosts.
    pub controls: Vec<String>,
}

/// A text that is no join token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadJoinToken {
    /// It does not even look like one.
    #[error("this is no join token: those begin with fwj_; `farwatch host invite` prints one")]
    Foreign,
    /// It was one once.
    #[error("the join token is cut or mistyped; copy the whole line that `farwatch host invite` printed")]
    Damaged,
    /// A later version made it.
    #[error("the join token is of a newer version of Farwatch; install the version that control has")]
    Newer,
}

impl fmt::Display for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.id.as_bytes());
        bytes.extend(self.authority.0);
        bytes.extend(&self.secret.0);
        bytes.extend(self.controls.join(",").bytes());
        bytes.extend(crc32c::crc32c(&bytes).to_be_bytes());
        write!(f, "{PREFIX}{}", BASE64.encode(bytes))
    }
}

impl FromStr for JoinToken {
    type Err = BadJoinToken;

    fn from_str(text: &str) -> Result<Self, BadJoinToken> {
        let bytes = BASE64.decode(text.strip_prefix(PREFIX).ok_or(BadJoinToken::Foreign)?);
        let bytes = bytes.map_err(|_| BadJoinToken::Damaged)?;
        let (said, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>().ok_or(BadJoinToken::Damaged)?;
        if crc32c::crc32c(said).to_be_bytes() != *checksum {
            return Err(BadJoinToken::Damaged);
        }
        if said.first() != Some(&LAYOUT) {
            return Err(BadJoinToken::Newer);
        }
        let (fixed, endpoints) = said.split_at_checked(FIXED_BYTES).ok_or(BadJoinToken::Damaged)?;
        let endpoints = std::str::from_utf8(endpoints).map_err(|_| BadJoinToken::Damaged)?;
        let controls: Vec<String> = endpoints.split(',').map(str::to_owned).collect();
        if controls.len() > ENDPOINTS_MAX || !controls.iter().all(|control| is_endpoint(control)) {
            return Err(BadJoinToken::Damaged);
        }
        Ok(Self {
            id: JoinTokenId::from_bytes(part(fixed, 1)),
            authority: AuthorityDigest(part(fixed, 17)),
            secret: JoinSecret::new(part(fixed, 49)),
            controls,
        })
    }
}

/// The bytes of a part that begins there.
fn part<const N: usize>(fixed: &[u8], from: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&fixed[from..from + N]);
    bytes
}

/// What a machine asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRequest {
    /// Its token.
    pub token: JoinTokenId,
    /// The secret of it.
    pub secret: JoinSecret,
    /// Whose machine it is; the token is bound to it.
    pub provider: String,
    /// Where it stands; the token is bound to that, too.
    pub region: String,
    /// What it is to be called, where the token does not say.
    pub name: String,
    /// A certificate request (PKCS #10, DER) by the key that the machine made. Only its key counts.
    #[serde(with = "base64_bytes")]
    pub request: Vec<u8>,
}

/// What control answers whom it lets in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// Who the machine is from now on.
    pub host: HostId,
    /// What it is called.
    pub name: String,
    /// Its certificate, in PEM.
    pub certificate: String,
    /// The certificate of the fleet's authority, in PEM.
    pub authority: String,
}

/// What control answers whom it does not let in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinRefusal {
    /// Why not, and what to do.
    pub reason: String,
}

/// Whether this is a name or an address, and a port.
pub fn is_endpoint(text: &str) -> bool {
    let Some((name, port)) = text.rsplit_once(':') else { return false };
    let is_bare_ipv6 = name.contains(':') && !(name.starts_with('[') && name.ends_with(']'));
    let is_plain = !name.is_empty() && !name.contains(|sign: char| sign.is_whitespace() || sign == ',' || sign == '/');
    is_plain && !is_bare_ipv6 && port.parse::<u16>().is_ok_and(|port| port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> JoinToken {
        JoinToken {
            id: JoinTokenId::from_bytes([1; 16]),
            secret: JoinSecret::new([2; 32]),
            authority: AuthorityDigest([3; 32]),
            controls: vec!["control.example:8401".to_owned(), "[2001:db8::1]:8401".to_owned()],
        }
    }

    #[test]
    fn a_token_is_one_word_and_reads_back() {
        let text = token().to_string();
        assert!(text.starts_with("fwj_") && text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
        assert_eq!(text.parse(), Ok(token()));
    }

    #[test]
    fn what_is_cut_mistyped_or_of_another_kind_is_told_apart() {
        let text = token().to_string();
        assert_eq!("fw_0011".parse::<JoinToken>(), Err(BadJoinToken::Foreign));
        for end in 5..text.len() {
            assert_eq!(text[..end].parse::<JoinToken>(), Err(BadJoinToken::Damaged), "{end}");
        }
        let mistyped = text.replacen(&text[20..21], if &text[20..21] == "A" { "B" } else { "A" }, 1);
        assert_eq!(mistyped.parse::<JoinToken>(), Err(BadJoinToken::Damaged));
        let mut newer = vec![LAYOUT + 1, 7];
        newer.extend(crc32c::crc32c(&newer).to_be_bytes());
        assert_eq!(format!("fwj_{}", BASE64.encode(newer)).parse::<JoinToken>(), Err(BadJoinToken::Newer));
    }

    #[test]
    fn a_secret_is_not_shown_by_accident() {
        assert!(format!("{:?}", token()).contains("JoinSecret(…)"));
    }

    #[test]
    fn an_endpoint_is_a_name_or_an_address_with_a_port() {
        for good in ["control.example:8401", "192.0.2.1:1", "[::1]:8401"] {
            assert!(is_endpoint(good), "{good}");
        }
        for bad in ["control", ":1", "::1:8401", "c:0", "c:70000", "a b:1", "a,b:1", "http://c:1"] {
            assert!(!is_endpoint(bad), "{bad}");
        }
    }
}
