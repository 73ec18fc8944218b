//! The first words of TLS, for versions that no library speaks any more: a greeting that offers just one version, and as
//! much of the answer as tells whether it was taken (RFC 5246, RFC 6101).
//!
//! Nothing is encrypted here, and no handshake is ever completed.

use farwatch_core::target::TargetHost;

/// A version as the wire has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Version([u8; 2]);

impl Version {
    pub(super) const SSL3: Self = Self([3, 0]);
    pub(super) const TLS10: Self = Self([3, 1]);
    pub(super) const TLS11: Self = Self([3, 2]);
    pub(super) const TLS12: Self = Self([3, 3]);
}

/// Suites in one offer, as `wit/tls.wit` says: some servers take no longer greeting than this makes.
const CIPHERS_MAX: usize = 64;

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const SERVER_HELLO: u8 = 2;

/// A greeting that offers this version with these suites.
///
/// # Errors
/// Why there is none, as a sentence.
pub(super) fn client(
    version: Version,
    ciphers: &[u16],
    host: &TargetHost,
    random: &[u8; 32],
) -> Result<Vec<u8>, String> {
    if !(1..=CIPHERS_MAX).contains(&ciphers.len()) {
        return Err(format!("{} cipher suites are offered; give 1 to {CIPHERS_MAX}", ciphers.len()));
    }
    let suites: Vec<u8> = ciphers.iter().flat_map(|cipher| cipher.to_be_bytes()).collect();
    let mut body = [&version.0, random.as_slice(), &[0]].concat();
    body.extend(counted(&suites));
    // No compression.
    body.extend([1, 0]);
    if version != Version::SSL3 {
        body.extend(counted(&extensions(host)));
    }
    let mut handshake = vec![CLIENT_HELLO, 0];
    handshake.extend(counted(&body));
    // The outer version is that of the oldest record layer, which every server reads.
    let outer = if version == Version::SSL3 { Version::SSL3 } else { Version::TLS10 };
    let mut record = vec![HANDSHAKE];
    record.extend(outer.0);
    record.extend(counted(&handshake));
    Ok(record)
}

/// What servers want to know before they answer.
fn extensions(host: &TargetHost) -> Vec<u8> {
    let extension = |number: u16, data: &[u8]| [number.to_be_bytes().as_slice(), &counted(data)].concat();
    let mut all = Vec::new();
    if let TargetHost::Name(name) = host {
        let entry = [&[0], counted(name.as_bytes()).as_slice()].concat();
        all.extend(extension(0, &counted(&entry)));
    }
    // The curves X25519, P-256 and P-384, and points in their plain form.
    all.extend(extension(10, &counted(&[0, 29, 0, 23, 0, 24])));
    all.extend(extension(11, &[1, 0]));
    // RSA and ECDSA with SHA-256, SHA-384, SHA-512 and SHA-1.
    all.extend(extension(13, &counted(&[4, 1, 4, 3, 5, 1, 5, 3, 6, 1, 6, 3, 2, 1, 2, 3])));
    // Renegotiation is safe (RFC 5746).
    all.extend(extension(0xff01, &[0]));
    all
}

/// Bytes with their number before them.
fn counted(bytes: &[u8]) -> Vec<u8> {
    let count = u16::try_from(bytes.len()).expect("every part of a greeting is far smaller than 64 KiB");
    [&count.to_be_bytes(), bytes].concat()
}

/// What the server made of the offer, as far as these bytes tell: the suite that it took, or the number of the alert by
/// which it refused. None means that more must come, and of 300 bytes there is always enough.
pub(super) fn reply(version: Version, said: &[u8]) -> Option<Result<u16, Option<u8>>> {
    let (kind, rest) = said.split_first()?;
    // Whatever else is said is no TLS, and no agreement.
    let refused = Some(Err(None));
    match *kind {
        ALERT => Some(Err(Some(*rest.get(5)?))),
        HANDSHAKE => {
            let hello = rest.get(4..)?;
            match hello.first()? {
                &SERVER_HELLO => {}
                _ => return refused,
            }
            let (chosen, session) = (hello.get(4..6)?, usize::from(*hello.get(38)?));
            let cipher = hello.get(39 + session..41 + session)?;
            if chosen != version.0 {
                return refused;
            }
            Some(Ok(u16::from_be_bytes([cipher[0], cipher[1]])))
        }
        _ => refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server_hello(version: Version, cipher: u16) -> Vec<u8> {
        let mut hello = vec![HANDSHAKE, 3, 1, 0, 0, SERVER_HELLO, 0, 0, 0];
        hello.extend(version.0);
        hello.extend([7; 32]);
        hello.extend([2, 9, 9]);
        hello.extend(cipher.to_be_bytes());
        hello.push(0);
        hello
    }

    #[test]
    fn a_greeting_names_its_version_its_suites_and_the_host() {
        let host = TargetHost::Name("shop.example".to_owned());
        let greeting = client(Version::TLS11, &[0x002f, 0x0035], &host, &[7; 32]).unwrap();
        assert_eq!(greeting[..3], [HANDSHAKE, 3, 1]);
        assert_eq!(usize::from(u16::from_be_bytes([greeting[3], greeting[4]])), greeting.len() - 5);
        assert_eq!(greeting[5], CLIENT_HELLO);
        assert_eq!(greeting[9..11], Version::TLS11.0);
        assert_eq!(greeting[43..50], [0, 0, 4, 0, 0x2f, 0, 0x35]);
        assert!(greeting.windows(12).any(|window| window == b"shop.example"));
        let oldest = client(Version::SSL3, &[5], &host, &[7; 32]).unwrap();
        assert!(oldest.ends_with(&[0, 2, 0, 5, 1, 0]), "it has no extensions");
        assert!(client(Version::TLS10, &[], &host, &[7; 32]).is_err());
        assert!(client(Version::TLS10, &[5; 65], &host, &[7; 32]).is_err());
    }

    #[test]
    fn an_answer_is_an_agreement_a_refusal_or_not_yet_there() {
        let whole = server_hello(Version::TLS10, 0x002f);
        assert_eq!(reply(Version::TLS10, &whole), Some(Ok(0x002f)));
        for cut in 0..whole.len() - 1 {
            assert_eq!(reply(Version::TLS10, &whole[..cut]), None, "{cut}");
        }
        assert_eq!(reply(Version::TLS11, &whole), Some(Err(None)), "another version than was offered");
        assert_eq!(reply(Version::TLS10, &[ALERT, 3, 1, 0, 2, 2, 70]), Some(Err(Some(70))));
        assert_eq!(reply(Version::TLS10, &[ALERT, 3, 1, 0, 2, 2]), None);
        assert_eq!(reply(Version::TLS10, b"220 mail.example"), Some(Err(None)));
    }
}
