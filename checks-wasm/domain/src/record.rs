//! What a registry says of a domain, however it was asked.

use crate::moment::Day;

/// Statuses that keep a domain from working, or are the way to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Its registrar has taken it out of the DNS.
    ClientHold,
    /// Its registry has.
    ServerHold,
    /// It was deleted, and can be had back for a while.
    Redemption,
    /// It is about to be free for others.
    PendingDelete,
}

impl Trouble {
    /// Reads a status of EPP (RFC 5731, RFC 3915) or the words for it in RDAP (RFC 8056); none of all others.
    pub fn read(status: &str) -> Option<Self> {
        let letters: String = status.chars().filter(char::is_ascii_alphabetic).collect();
        Some(match letters.to_ascii_lowercase().as_str() {
            "clienthold" => Self::ClientHold,
            "serverhold" => Self::ServerHold,
            "redemptionperiod" => Self::Redemption,
            "pendingdelete" => Self::PendingDelete,
            _ => return None,
        })
    }
}

/// What is known of a domain that is registered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    /// The day on which its registration ends.
    pub expires: Option<Day>,
    /// The worst of its statuses.
    pub trouble: Option<Trouble>,
    /// Who registered it.
    pub registrar: Option<String>,
}

impl Record {
    /// Keeps the worst of all statuses that are read: those further down the list above are worse.
    pub fn note(&mut self, status: &str) {
        let found = Trouble::read(status);
        if found.map(|trouble| trouble as u8) > self.trouble.map(|trouble| trouble as u8) {
            self.trouble = found;
        }
    }
}

/// What an answer of a registry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// The domain is registered.
    Registered(Record),
    /// There is none of this name.
    Unregistered,
    /// Nothing that can be read, such as that too much was asked.
    Unreadable,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_known_by_all_their_spellings_and_the_worst_is_kept() {
        for (status, trouble) in [
            ("client hold", Some(Trouble::ClientHold)),
            ("clientHold", Some(Trouble::ClientHold)),
            ("SERVER-HOLD", Some(Trouble::ServerHold)),
            ("redemption period", Some(Trouble::Redemption)),
            ("pendingDelete", Some(Trouble::PendingDelete)),
            ("active", None),
            ("pending delete restorable", None),
        ] {
            assert_eq!(Trouble::read(status), trouble, "{status}");
        }
        let mut record = Record::default();
        ["pending delete", "client hold", "active"].into_iter().for_each(|status| record.note(status));
        assert_eq!(record.trouble, Some(Trouble::PendingDelete));
    }
}
