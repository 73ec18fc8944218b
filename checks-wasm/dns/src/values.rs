//! When two texts of a record are the same: people write names with or without the last dot, and addresses in many ways.

use std::net::IpAddr;

/// The text by which records of this type are compared.
pub fn comparable(record_type: &str, data: &str) -> String {
    if let Ok(address) = data.parse::<IpAddr>() {
        return address.to_string();
    }
    match record_type {
        // Texts are what they are, but for the quotes around them in zone files.
        "TXT" | "CAA" | "HINFO" | "NAPTR" => data.replace('"', ""),
        _ => data.strip_suffix('.').unwrap_or(data).to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::comparable;

    #[test]
    fn what_people_write_in_many_ways_is_the_same() {
        for (record_type, one, other) in [
            ("AAAA", "2001:DB8:0::7", "2001:db8::7"),
            ("CNAME", "WWW.example", "www.example."),
            ("MX", "10 Mail.example.", "10 mail.example"),
            ("TXT", "\"v=spf1 -all\"", "v=spf1 -all"),
        ] {
            assert_eq!(comparable(record_type, one), comparable(record_type, other));
        }
        assert_ne!(comparable("TXT", "Token"), comparable("TXT", "token"));
        assert_ne!(comparable("A", "192.0.2.7"), comparable("A", "192.0.2.70"));
    }
}
