//! How a user proves a password to the server without saying it.
//!
//! Both ways mix the server's nonce with what it keeps of the password, so what passes is of use only once.

use sha1::Sha1;
use sha2::{Digest, Sha256};

/// The ways to log in that the check knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By SHA-1: that of MariaDB, and of MySQL before version 8.
    Native,
    /// By SHA-256: that of MySQL since version 8. A server that has not kept the hash in memory asks for the password itself.
    CachingSha2,
    /// The password itself.
    Clear,
}

impl Way {
    /// By its name in the protocol.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name {
            "mysql_native_password" => Self::Native,
            "caching_sha2_password" => Self::CachingSha2,
            "mysql_clear_password" => Self::Clear,
            _ => return None,
        })
    }

    /// Its name in the protocol.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// What proves the password after this nonce. An empty password is proven by nothing.
    pub fn proof(self, password: &str, nonce: &[u8]) -> Vec<u8> {
        if self == Self::Clear {
            return itself(password);
        }
        if password.is_empty() {
            return Vec::new();
        }
        match self {
            Self::Native => {
                let once = Sha1::digest(password);
                let mixed = Sha1::new().chain_update(nonce).chain_update(Sha1::digest(once)).finalize();
                xor(&once, &mixed)
            }
            _ => {
                let once = Sha256::digest(password);
                let mixed = Sha256::new().chain_update(Sha256::digest(once)).chain_update(nonce).finalize();
                xor(&once, &mixed)
            }
        }
    }
}

/// The password itself, as the protocol has it.
pub fn itself(password: &str) -> Vec<u8> {
    let mut bytes = password.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

fn xor(left: &[u8], right: &[u8]) -> Vec<u8> {
    left.iter().zip(right).map(|(left, right)| left ^ right).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reckoned with Python's hashlib.
    #[test]
    fn proofs_are_as_servers_reckon_them() {
        let nonce = *b"abcdefghijklmnopqrst";
        assert_eq!(hex(&Way::Native.proof("geheim", &nonce)), "bbcdd98c2cc26e66e1163072def02efa6672b012");
        assert_eq!(
            hex(&Way::CachingSha2.proof("geheim", &nonce)),
            "9d5463db7402d7b2a6024117cc0517debae53b09d2425fb4d80386ef286c8beb"
        );
        assert_eq!(Way::Clear.proof("geheim", &nonce), b"geheim\0");
        assert!(Way::Native.proof("", &nonce).is_empty() && Way::CachingSha2.proof("", &nonce).is_empty());
    }

    #[test]
    fn ways_have_their_names() {
        for way in [Way::Native, Way::CachingSha2, Way::Clear] {
            assert_eq!(Way::of(way.name()), Some(way));
        }
        assert_eq!(Way::of("client_ed25519"), None);
    }
}
