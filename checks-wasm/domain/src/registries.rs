//! Which registry keeps the domains of a top level, and where it answers.
//!
//! The RDAP servers are those of the IANA's bootstrap registry (RFC 9224). A line is a server without `https://`, with a star
//! in the place of the top level, and the top levels that it keeps. A top level that is not there is asked for by WHOIS.

const RDAP: &str = include_str!("rdap.txt");
const WHOIS: &str = include_str!("whois.txt");

/// The base of the RDAP server of a top level.
pub fn rdap(top_level: &str) -> Option<String> {
    let server = find(RDAP, top_level)?;
    Some(if server.starts_with("http:") { server } else { format!("https://{server}") })
}

/// The WHOIS server of a top level. All that have RDAP have or had one of the usual name.
pub fn whois(top_level: &str) -> Option<String> {
    find(WHOIS, top_level).or_else(|| find(RDAP, top_level).map(|_| format!("whois.nic.{top_level}")))
}

fn find(table: &str, top_level: &str) -> Option<String> {
    table.lines().find_map(|line| {
        let mut words = line.split(' ');
        let server = words.next()?;
        words.any(|word| word == top_level).then(|| server.replace('*', top_level))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn top_levels_are_found() {
        for (top_level, server) in [
            ("com", Some("https://rdap.verisign.com/com/v1/")),
            ("org", Some("https://rdap.publicinterestregistry.org/rdap/")),
            ("uk", Some("https://rdap.nominet.uk/uk/")),
            ("kg", Some("http://rdap.cctld.kg/")),
            ("example", None),
            ("", None),
        ] {
            assert_eq!(rdap(top_level).as_deref(), server, "{top_level}");
        }
        for (top_level, server) in [
            ("de", Some("whois.denic.de")),
            ("io", Some("whois.nic.io")),
            ("app", Some("whois.nic.app")),
            ("example", None),
        ] {
            assert_eq!(whois(top_level).as_deref(), server, "{top_level}");
        }
    }

    #[test]
    fn every_line_is_a_server_and_its_top_levels() {
        for line in RDAP.lines().chain(WHOIS.lines()) {
            let (server, top_levels) = line.split_once(' ').expect(line);
            assert!(!server.is_empty() && !top_levels.is_empty() && line.trim() == line, "{line}");
        }
        assert!(RDAP.lines().all(|line| line.split(' ').next().is_some_and(|server| server.ends_with('/'))));
    }
}
