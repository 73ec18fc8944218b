//! What a WHOIS server says of a domain: words for people, which every registry spells in its own way.
//!
//! It looks for the usual spellings of a few facts. What has none of them is not understood, which is no fault of the
//! domain.

use crate::moment::Day;
use crate::record::{Record, Said};

/// What stands before the day on which a registration ends, in lower case.
const EXPIRY: [&str; 22] = [
    "registry expiry date",
    "registrar registration expiration date",
    "domain expiration date",
    "expiration date",
    "expiration time",
    "expiry date",
    "expire date",
    "expires on",
    "expires at",
    "expires",
    "expire",
    "expiry",
    "expiration",
    "exp date",
    "paid-till",
    "paid till",
    "renewal date",
    "valid until",
    "valid-date",
    "validity",
    "record expires on",
    "domain name commencement and expiry",
];
const STATUS: [&str; 4] = ["domain status", "status", "state", "eppstatus"];
const REGISTRAR: [&str; 3] = ["registrar", "registrar name", "sponsoring registrar"];
/// What servers say of a domain that nobody has, in lower case, at the front of a line.
const NONE: [&str; 17] = [
    "no match",
    "not found",
    "no entries found",
    "no data found",
    "no object found",
    "no such domain",
    "nothing found",
    "domain not found",
    "object does not exist",
    "no found",
    "domain status: no object found",
    "domain status: available",
    "status: free",
    "status: available",
    "state: available",
    "the queried object does not exist",
    "this domain name has not been registered",
];

/// The question for a domain. Most servers want nothing but its name.
pub fn question(server: &str, domain: &str) -> String {
    match server {
        "whois.denic.de" => format!("-T dn {domain}\r\n"),
        // In English.
        "whois.jprs.jp" => format!("{domain}/e\r\n"),
        _ => format!("{domain}\r\n"),
    }
}

/// Reads the answer.
pub fn read(domain: &str, answer: &str) -> Said {
    let mut record = Record::default();
    let mut is_about = false;
    for line in answer.lines().map(str::trim) {
        let lower = line.to_ascii_lowercase();
        let spaced = lower.split_whitespace().collect::<Vec<_>>().join(" ");
        if NONE.iter().any(|words| spaced.starts_with(words)) || spaced.ends_with(" is available for registration") {
            return Said::Unregistered;
        }
        is_about |= lower.split(|c: char| c.is_whitespace() || ":\"[]".contains(c)).any(|word| word == domain);
        if let Some((name, value)) = named(line) {
            note(&mut record, &name, value);
        }
    }
    if is_about || record.expires.is_some() { Said::Registered(record) } else { Said::Unreadable }
}

/// A fact and its name: `Name: fact`, `[Name] fact`, `Name....: fact`.
fn named(line: &str) -> Option<(String, &str)> {
    let (name, value) = match line.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => line.split_once(':')?,
    };
    let name = name.trim_matches(|c: char| c == '.' || c.is_whitespace()).to_ascii_lowercase();
    Some((name, value.trim()))
}

fn note(record: &mut Record, name: &str, value: &str) {
    if EXPIRY.contains(&name) {
        record.expires = record.expires.or_else(|| Day::read(value));
    } else if STATUS.contains(&name) {
        // The word, or words, before the address where it is explained; some list several.
        let words = value.split("http").next().unwrap_or_default();
        words.split(',').chain(words.split_whitespace()).for_each(|status| record.note(status));
    } else if REGISTRAR.contains(&name) && record.registrar.is_none() && !value.is_empty() {
        record.registrar = Some(value.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Trouble;

    #[test]
    fn the_day_is_found_by_the_usual_spellings() {
        for answer in [
            "   Domain Name: WATCHED.EXAMPLE\r\n   Registry Expiry Date: 2027-08-13T04:00:00Z\r\n",
            "Registrar Registration Expiration Date: 2027-08-13T04:00:00Z",
            "domain:  WATCHED.EXAMPLE\npaid-till:     2027-08-13T21:00:00Z\nfree-date:     2027-09-14",
            "domain: watched.example\nexpires:     20270813\n",
            "    Expiry date:  13-Aug-2027\n",
            "[Domain Name] WATCHED.EXAMPLE\n[Expires on]                    2027/08/13\n",
            "expire............: 13.8.2027 04:00:00",
            "Record expires on: 13-Aug-2027",
            "Expiration Time: 2027-08-13 20:48:36",
            "renewal date:         2027.08.13 04:00:00",
            "Valid Until: 2027-08-13",
        ] {
            match read("watched.example", answer) {
                Said::Registered(record) => {
                    assert_eq!(record.expires.map(Day::shown).as_deref(), Some("2027-08-13"), "{answer}");
                }
                other => panic!("{answer}: {other:?}"),
            }
        }
    }

    #[test]
    fn statuses_and_the_registrar_are_found() {
        let said = "Domain: watched.example\nRegistrar:\nRegistrar: Example Registrar\n\
            Domain Status: clientTransferProhibited https://icann.org/epp#clientTransferProhibited\n\
            Domain Status: redemptionPeriod https://icann.org/epp#redemptionPeriod\n";
        let Said::Registered(record) = read("watched.example", said) else { panic!("it is registered") };
        assert_eq!((record.trouble, record.expires), (Some(Trouble::Redemption), None));
        assert_eq!(record.registrar.as_deref(), Some("Example Registrar"));
        for status in ["status: client hold", "state: REGISTERED, DELEGATED, clientHold", "eppstatus: clientHold"] {
            let Said::Registered(record) = read("a.example", &format!("domain: a.example\n{status}")) else { panic!() };
            assert_eq!(record.trouble, Some(Trouble::ClientHold), "{status}");
        }
    }

    #[test]
    fn a_domain_that_nobody_has_and_what_is_not_understood_are_told_apart() {
        for (answer, said) in [
            ("No match for \"WATCHED.EXAMPLE\".\r\n", Said::Unregistered),
            ("Domain: watched.example\nStatus: free\n", Said::Unregistered),
            ("% comment\n\n   NOT FOUND\n", Said::Unregistered),
            ("watched.example is available for registration", Said::Unregistered),
            ("Your connection limit exceeded. Please slow down and try again later.", Said::Unreadable),
            ("", Said::Unreadable),
            ("\u{fffd}\0garbage", Said::Unreadable),
            ("Domain: notwatched.example", Said::Unreadable),
        ] {
            assert_eq!(read("watched.example", answer), said, "{answer}");
        }
    }

    #[test]
    fn questions_are_those_that_servers_want() {
        for (server, asked) in
            [("whois.denic.de", "-T dn a.de\r\n"), ("whois.jprs.jp", "a.de/e\r\n"), ("whois.nic.io", "a.de\r\n")]
        {
            assert_eq!(question(server, "a.de"), asked);
        }
    }
}
