//! Whether a join token lets a machine in.
//!
//! A token is good once, for ten minutes, for one provider and region. Whoever joined by it and lost the answer may ask
//! again with the same key, and is the same host; a key is held by one machine, so nobody else can.

use farwatch_proto::id::HostId;
use farwatch_proto::time::UnixMs;

/// How long a token lets somebody in: long enough to type a line on another machine, too short to lie about.
pub const TOKEN_LIFE_MS: i64 = 600_000;

/// A token as it is stored.
#[derive(Clone, Copy, Debug)]
pub struct Token<'a> {
    /// The SHA-256 of its secret.
    pub hash: &'a [u8; 32],
    /// Whose machine it is for.
    pub provider: &'a str,
    /// Where that machine stands.
    pub region: &'a str,
    /// From when on it lets nobody in.
    pub expires: UnixMs,
    /// Who joined by it: which host, and by which key.
    pub used: Option<(HostId, &'a [u8])>,
}

/// What a machine says.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The SHA-256 of the secret it knows.
    pub hash: &'a [u8; 32],
    /// Whose machine it is.
    pub provider: &'a str,
    /// Where it stands.
    pub region: &'a str,
    /// The key it proved to hold.
    pub public_key: &'a [u8],
}

/// How a machine is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// It becomes a host now.
    New,
    /// It became this host before, and did not hear of it.
    Again(HostId),
}

/// Why a machine is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody made such a token.
    #[error("this token is not known here; `farwatch host invite` makes one")]
    Unknown,
    /// It is meant for another machine.
    #[error("this token is for another provider or region; say those that it was made for, or make another one")]
    Elsewhere,
    /// Another machine came first.
    #[error("this token has been used; each lets one machine join: make another one with `farwatch host invite`")]
    Used,
    /// It came too late.
    #[error("this token has expired, it was good for ten minutes; make another one with `farwatch host invite`")]
    Expired,
}

impl Refusal {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Elsewhere => "elsewhere",
            Self::Used => "used",
            Self::Expired => "expired",
        }
    }
}

/// Judges what a machine says by the token of the id that it names.
pub fn judge(token: Option<Token<'_>>, asked: Asked<'_>, now: UnixMs) -> Result<Admission, Refusal> {
    // Whoever does not know the secret learns nothing about the token.
    let token = token.filter(|token| is_same(token.hash, asked.hash)).ok_or(Refusal::Unknown)?;
    if (token.provider, token.region) != (asked.provider, asked.region) {
        return Err(Refusal::Elsewhere);
    }
    match token.used {
        Some((_, key)) if key != asked.public_key => Err(Refusal::Used),
        _ if now >= token.expires => Err(Refusal::Expired),
        Some((host, _)) => Ok(Admission::Again(host)),
        None => Ok(Admission::New),
    }
}

/// Compares in the same time wherever the two differ.
fn is_same(one: &[u8; 32], other: &[u8; 32]) -> bool {
    let differing = one.iter().zip(other).fold(0, |differing, (one, other)| differing | (one ^ other));
    std::hint::black_box(differing) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: HostId = HostId::from_bytes([9; 16]);
    const ASKED: Asked<'_> = Asked { hash: &[1; 32], provider: "hetzner", region: "eu", public_key: b"key" };

    const fn token(used: Option<(HostId, &[u8])>) -> Token<'_> {
        Token { hash: &[1; 32], provider: "hetzner", region: "eu", expires: UnixMs(600), used }
    }

    fn judged(token: Token<'_>, asked: Asked<'_>, now: i64) -> Result<Admission, Refusal> {
        judge(Some(token), asked, UnixMs(now))
    }

    #[test]
    fn a_good_token_lets_one_machine_in_and_tells_it_again() {
        assert_eq!(judged(token(None), ASKED, 599), Ok(Admission::New));
        assert_eq!(judged(token(Some((HOST, b"key"))), ASKED, 599), Ok(Admission::Again(HOST)));
    }

    #[test]
    fn each_refusal_has_its_reason() {
        let mut almost = [1; 32];
        almost[31] = 2;
        for (token, asked, now, refusal) in [
            (token(None), Asked { hash: &almost, ..ASKED }, 0, Refusal::Unknown),
            (token(None), Asked { provider: "other", ..ASKED }, 0, Refusal::Elsewhere),
            (token(None), Asked { region: "us", ..ASKED }, 0, Refusal::Elsewhere),
            (token(Some((HOST, b"other"))), ASKED, 0, Refusal::Used),
            (token(Some((HOST, b"other"))), ASKED, 600, Refusal::Used),
            (token(Some((HOST, b"key"))), ASKED, 600, Refusal::Expired),
            (token(None), ASKED, 600, Refusal::Expired),
        ] {
            assert_eq!(judged(token, asked, now), Err(refusal));
        }
        assert_eq!(judge(None, ASKED, UnixMs(0)), Err(Refusal::Unknown));
    }

    #[test]
    fn whoever_does_not_know_the_secret_learns_nothing() {
        let stranger = Asked { hash: &[8; 32], provider: "other", ..ASKED };
        for token in [token(None), token(Some((HOST, b"other")))] {
            assert_eq!(judged(token, stranger, 9_999), Err(Refusal::Unknown));
        }
    }
}
