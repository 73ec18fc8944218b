//! What a server offers, as its reply to EHLO has it (RFC 5321, section 4.1.1.1).

use farwatch_guest::reply::Reply;

/// The reply to EHLO.
#[derive(Debug, Clone)]
pub struct Extensions(Vec<String>);

impl Extensions {
    /// Reads it. Its first line is a greeting.
    pub fn of(reply: Reply) -> Self {
        Self(reply.lines.into_iter().skip(1).collect())
    }

    /// What stands behind a word; nothing where it is not offered.
    fn behind(&self, word: &str) -> Option<&str> {
        self.0.iter().find_map(|line| {
            // Servers of old wrote `AUTH=PLAIN`, for clients that were older still.
            let (found, rest) = line.split_once([' ', '=']).unwrap_or((line, ""));
            found.eq_ignore_ascii_case(word).then_some(rest)
        })
    }

    /// Whether it turns to TLS.
    pub fn has_start_tls(&self) -> bool {
        self.behind("STARTTLS").is_some()
    }

    /// Whether one may log in by this mechanism.
    pub fn has_login_by(&self, mechanism: &str) -> bool {
        let offered = self.behind("AUTH").unwrap_or_default();
        offered.split_ascii_whitespace().any(|found| found.eq_ignore_ascii_case(mechanism))
    }

    /// The largest message that it takes, in bytes, if it says so.
    pub fn size_max(&self) -> Option<i64> {
        self.behind("SIZE")?.trim().parse().ok().filter(|size| *size > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_found() {
        let of = |lines: &[&str]| {
            Extensions::of(Reply { code: 250, lines: lines.iter().map(|&line| line.to_owned()).collect() })
        };
        let rich = of(&["mail.example greets", "size 10240000", "STARTTLS", "AUTH LOGIN plain", "8BITMIME"]);
        assert!(rich.has_start_tls() && rich.has_login_by("PLAIN") && rich.has_login_by("LOGIN"));
        assert_eq!((rich.size_max(), rich.has_login_by("CRAM-MD5")), (Some(10_240_000), false));
        let old = of(&["STARTTLS", "AUTH=PLAIN", "SIZE 0"]);
        assert!(!old.has_start_tls() && old.has_login_by("PLAIN") && old.size_max().is_none());
        let strange = of(&["a", "SIZE 99999999999999999999", "AUTHPLAIN", ""]);
        assert!(strange.size_max().is_none() && !strange.has_login_by("PLAIN"));
        assert!(!of(&[]).has_start_tls());
    }
}
