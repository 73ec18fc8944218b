//! Where an answer ends, in what has come so far; the rest is kept for the next one.

use farwatch_sandbox::tcp::{Ended, Received, Until};
use memchr::memmem;
use tokio::io::AsyncReadExt;

use super::{Connection, closed_already, invalid};
use crate::probe::evidence::Phase;
use crate::probe::fault;
use crate::probe::trace::Mishap;

/// The most that is read over one connection, whatever the module asks for: it is held in memory for each run in flight.
const ANSWERS_MAX_BYTES: usize = 1 << 20;
/// The longest end of an answer, as `wit/tcp.wit` says. Every read looks for it again across the border of the one before.
const DELIMITER_MAX_BYTES: usize = 1_024;
/// What is read at once: most answers are one such piece.
const PIECE_BYTES: usize = 4 << 10;

impl Connection<'_> {
    /// Reads until the answer ends. Where it ends before anything came, that is the failure.
    pub(super) async fn hear(&mut self, until: &Until, max_bytes: u32) -> Result<Received, Mishap> {
        check(until)?;
        let max = (max_bytes as usize).min(self.unread.len() + ANSWERS_MAX_BYTES - self.heard);
        let mut seen = 0;
        loop {
            if let Some((end, ended)) = end_of_answer(until, &self.unread, seen, max) {
                let rest = self.unread.split_off(end);
                return Ok(Received { bytes: std::mem::replace(&mut self.unread, rest), ended });
            }
            seen = self.unread.len();
            let wire = self.wire.as_mut().ok_or_else(closed_already)?;
            let room = PIECE_BYTES.min(ANSWERS_MAX_BYTES - self.heard);
            self.unread.reserve(room);
            let mut piece = wire.take(room as u64);
            let read = piece.read_buf(&mut self.unread).await;
            let read = read.map_err(|error| fault::of_io(self.marks.phase(), &error))?;
            self.heard += read;
            if read == 0 {
                return self.hear_the_end(until);
            }
        }
    }

    /// The other side has closed.
    fn hear_the_end(&mut self, until: &Until) -> Result<Received, Mishap> {
        let ended = match until {
            Until::Closed => Ended::Matched,
            _ if self.unread.is_empty() => return Err(fault::closed(Phase::FirstByte)),
            Until::Delimiter(_) | Until::Count(_) => Ended::Closed,
        };
        Ok(Received { bytes: std::mem::take(&mut self.unread), ended })
    }
}

fn check(until: &Until) -> Result<(), Mishap> {
    if let Until::Delimiter(delimiter) = until
        && !(1..=DELIMITER_MAX_BYTES).contains(&delimiter.len())
    {
        let message = format!("the end of the answer has {} bytes; give 1 to {DELIMITER_MAX_BYTES}", delimiter.len());
        return Err(invalid(message));
    }
    Ok(())
}

/// Where the answer ends and why, if it does. Only what came after the first `seen` bytes is new.
fn end_of_answer(until: &Until, unread: &[u8], seen: usize, max: usize) -> Option<(usize, Ended)> {
    let within = &unread[..unread.len().min(max)];
    let matched = match until {
        Until::Delimiter(delimiter) => end_of(delimiter, within, seen),
        Until::Count(count) => Some(*count as usize).filter(|count| within.len() >= *count),
        Until::Closed => None,
    };
    let full = || (within.len() == max).then_some((max, Ended::Full));
    matched.map(|end| (end, Ended::Matched)).or_else(full)
}

/// Where the delimiter ends, if it has come. Only what is new, and what may hold its beginning, is looked at.
fn end_of(delimiter: &[u8], bytes: &[u8], seen: usize) -> Option<usize> {
    let from = seen.min(bytes.len()).saturating_sub(delimiter.len() - 1);
    memmem::find(&bytes[from..], delimiter).map(|at| from + at + delimiter.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delimiter_is_found_across_pieces() {
        let bytes = b"220 ready\r\nrest";
        for seen in 0..=10 {
            assert_eq!(end_of(b"\r\n", bytes, seen), Some(11), "{seen}");
        }
        assert_eq!(end_of(b"\r\n", b"220 ready\r", 0), None);
        assert_eq!(end_of(b"220", bytes, 0), Some(3));
    }

    #[test]
    fn an_answer_ends_where_the_module_says_or_where_a_limit_does() {
        let delimiter = || Until::Delimiter(b"\n".to_vec());
        for (until, max, end) in [
            (delimiter(), 9, Some((3, Ended::Matched))),
            (delimiter(), 3, Some((3, Ended::Matched))),
            (delimiter(), 2, Some((2, Ended::Full))),
            (Until::Count(5), 9, Some((5, Ended::Matched))),
            (Until::Count(6), 9, None),
            (Until::Count(6), 4, Some((4, Ended::Full))),
            (Until::Count(0), 0, Some((0, Ended::Matched))),
            (Until::Closed, 9, None),
            (Until::Closed, 5, Some((5, Ended::Full))),
        ] {
            assert_eq!(end_of_answer(&until, b"ab\nde", 0, max), end, "{until:?} {max}");
        }
    }
}
