//! Replies of three digits and text, as SMTP (RFC 5321) and FTP (RFC 959) have them: `220 ready`, or several lines of which
//! the last has no hyphen behind its digits.
//!
//! What a code means is the module's business.

use crate::dialogue::{Dialogue, SHOWN_MAX, Said, Wrong, down, protocol_error};
use crate::escapes::show;

/// No reply has more lines: greetings of servers that talk much have some dozens.
const LINES_MAX: usize = 200;

/// One reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its code; 100 to 599.
    pub code: u16,
    /// The text of its lines, without their codes.
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether the server did, or will do, what was asked.
    pub fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Whether the server may do tomorrow what it does not do now.
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }

    /// The target is down, for it should have answered otherwise.
    pub fn refused(&self, code: &'static str, expected: &str) -> Wrong {
        down(code, format!("expected {expected}, got `{}`", self.shown()))
    }

    /// Its code and the beginning of its text, for a person.
    pub fn shown(&self) -> String {
        show(format!("{} {}", self.code, self.lines.join(" ")).as_bytes(), SHOWN_MAX)
    }

    /// Reads one line after the other until the reply ends.
    fn read(what: &str, mut next: impl FnMut() -> Said<String>) -> Said<Self> {
        let first = next()?;
        let Some((code, goes_on, text)) = parts(&first) else {
            return Err(protocol_error(what, first.as_bytes()));
        };
        let mut reply = Self { code, lines: vec![text.to_owned()] };
        let mut is_over = !goes_on;
        while !is_over {
            if reply.lines.len() == LINES_MAX {
                return Err(down("protocol-error", format!("{what} has more than {LINES_MAX} lines")));
            }
            let line = next()?;
            // Lines between the first and the last need not have a code in FTP.
            let text = match parts(&line) {
                Some((again, goes_on, text)) if again == code => {
                    is_over = !goes_on;
                    text
                }
                _ => &line,
            };
            reply.lines.push(text.to_owned());
        }
        Ok(reply)
    }
}

/// Code, whether more lines follow, and text.
fn parts(line: &str) -> Option<(u16, bool, &str)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code = digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    let text = rest.get(1..).unwrap_or_default();
    match rest.as_bytes().first() {
        _ if !(100..600).contains(&code) => None,
        Some(b'-') => Some((code, true, text)),
        Some(b' ') | None => Some((code, false, text)),
        Some(_) => None,
    }
}

impl Dialogue {
    /// The reply to what was said; `what` it is, for messages.
    ///
    /// # Errors
    /// When none comes.
    pub fn reply(&self, what: &str) -> Said<Reply> {
        Reply::read(what, || self.line())
    }

    /// Says a line and hears the reply to it.
    ///
    /// # Errors
    /// When it cannot be said, or no reply comes.
    pub fn command(&self, line: &str, what: &str) -> Said<Reply> {
        self.send(format!("{line}\r\n").as_bytes())?;
        self.reply(what)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(said: &str) -> Result<Reply, String> {
        let mut lines = said.lines();
        let next = || lines.next().map(str::to_owned).ok_or_else(|| down("answer-incomplete", ""));
        Reply::read("a greeting", next).map_err(|wrong| match wrong {
            Wrong::Found(_, code, message) => format!("{code}: {message}"),
            other => format!("{other:?}"),
        })
    }

    #[test]
    fn a_reply_ends_with_the_line_that_has_no_hyphen() {
        for (said, code, lines) in [
            ("220 ready", 220, &["ready"][..]),
            ("250", 250, &[""]),
            ("250-mail.example\n250-SIZE 10\n250 HELP", 250, &["mail.example", "SIZE 10", "HELP"]),
            ("220-Welcome\n  to us\n221 no end\n220 now", 220, &["Welcome", "  to us", "221 no end", "now"]),
        ] {
            let lines = lines.iter().map(|&line| line.to_owned()).collect();
            assert_eq!(read(said), Ok(Reply { code, lines }), "{said}");
        }
    }

    #[test]
    fn what_is_no_reply_is_told() {
        for (said, wrong) in [
            ("", "answer-incomplete"),
            ("220-ready\n220-steady", "answer-incomplete"),
            ("* OK IMAP ready", "protocol-error: expected a greeting, got `* OK IMAP ready`"),
            ("2200 ready", "protocol-error"),
            ("099 ready", "protocol-error"),
            ("+20 ready", "protocol-error"),
            ("22", "protocol-error"),
            ("ä2 ready", "protocol-error"),
        ] {
            let found = read(said).expect_err(said);
            assert!(found.starts_with(wrong), "{said}: {found}");
        }
        let endless = "220-on and on\n".repeat(LINES_MAX + 1);
        assert!(read(&endless).is_err_and(|found| found.contains("more than 200 lines")));
    }

    #[test]
    fn a_reply_is_shown_in_one_line() {
        let reply = read("554-5.7.1 No\n554 never").unwrap();
        assert_eq!(
            (reply.shown(), reply.is_positive(), reply.is_transient()),
            ("554 5.7.1 No never".into(), false, false)
        );
    }
}
