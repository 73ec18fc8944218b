//! Answers as IMAP has them (RFC 9051, section 7): lines with data, and one with the tag of the command that says how it
//! went.
//!
//! Literals are passed over: nothing that is asked for here comes in one.

use farwatch_guest::dialogue::{SHOWN_MAX, Said, down, protocol_error};
use farwatch_guest::escapes::show;

/// The longest answer that is read. Those to what is asked here have some hundred bytes.
const ANSWER_MAX: usize = 64 << 10;

/// Where the bytes of answers come from.
pub trait Source {
    /// The next line, without its end.
    fn line(&mut self) -> Said<String>;
    /// Passes over so many bytes.
    fn pass_over(&mut self, count: u32) -> Said<()>;
}

/// How a command, or a greeting, says that it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Done.
    Ok,
    /// Not done.
    No,
    /// Not understood.
    Bad,
    /// The server closes the connection.
    Bye,
    /// Logged in already.
    Preauth,
}

/// A word with its code and text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The word.
    pub word: Word,
    /// What stands in brackets, or nothing.
    pub code: String,
    /// What stands behind it.
    pub text: String,
    /// The whole of it, for a person.
    pub shown: String,
}

impl Condition {
    /// Reads `OK [CODE …] text`.
    pub fn read(text: &str) -> Option<Self> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let words =
            [("OK", Word::Ok), ("NO", Word::No), ("BAD", Word::Bad), ("BYE", Word::Bye), ("PREAUTH", Word::Preauth)];
        let shown = show(text.as_bytes(), SHOWN_MAX);
        let word = words.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(word))?.1;
        let coded = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        let (code, text) = coded.unwrap_or(("", rest));
        let (code, text) = (code.to_owned(), text.trim_start().to_owned());
        Some(Self { word, code, text, shown })
    }

    /// Whether the code is one of these.
    pub fn is_one_of(&self, codes: &[&str]) -> bool {
        let code = self.code.split(' ').next().unwrap_or_default();
        codes.iter().any(|known| known.eq_ignore_ascii_case(code))
    }
}

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its lines with data, without what marks them as such.
    pub data: Vec<String>,
    /// How the command went.
    pub ending: Condition,
}

impl Answer {
    /// Reads the answer to the command with this tag.
    pub fn read(tag: &str, source: &mut impl Source) -> Said<Self> {
        let mut data = Vec::new();
        let mut left = ANSWER_MAX;
        loop {
            let line = whole_line(source, &mut left)?;
            if let Some(text) = line.strip_prefix("* ") {
                let bye = Condition::read(text).filter(|condition| condition.word == Word::Bye);
                if let Some(bye) = bye {
                    return Err(down("service-unavailable", format!("it hangs up: `{}`", bye.shown)));
                }
                data.push(text.to_owned());
                continue;
            }
            let tagged = line.strip_prefix(tag).and_then(|rest| rest.strip_prefix(' '));
            let Some(ending) = tagged.and_then(Condition::read) else {
                return Err(protocol_error("an answer of IMAP", line.as_bytes()));
            };
            return Ok(Self { data, ending });
        }
    }

    /// What the server can do, if it says so.
    pub fn capabilities(&self) -> Option<Vec<String>> {
        self.data.iter().find_map(|line| capabilities(line)).or_else(|| capabilities(&self.ending.code))
    }

    /// The number before this word, as in `2 EXISTS`.
    pub fn number_before(&self, word: &str) -> Option<u32> {
        self.data.iter().find_map(|line| {
            let (number, found) = line.split_once(' ')?;
            found.eq_ignore_ascii_case(word).then(|| number.parse().ok())?
        })
    }

    /// The number behind this word in the data of STATUS, as in `STATUS INBOX (MESSAGES 2 UNSEEN 1)`.
    pub fn status(&self, word: &str) -> Option<u32> {
        let line =
            self.data.iter().find(|line| line.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("STATUS ")));
        // The name of the mailbox may hold whatever it likes; the list is behind it.
        let list = line?.strip_suffix(')')?.rsplit_once('(')?.1;
        let mut words = list.split_ascii_whitespace();
        words.find(|found| found.eq_ignore_ascii_case(word))?;
        words.next()?.parse().ok()
    }
}

/// Reads `CAPABILITY IMAP4rev1 …`, which stands in a line of data or in a code.
pub fn capabilities(text: &str) -> Option<Vec<String>> {
    let mut words = text.split_ascii_whitespace();
    words.next().filter(|word| word.eq_ignore_ascii_case("CAPABILITY"))?;
    Some(words.map(str::to_ascii_uppercase).collect())
}

/// A line, with the literals in it left out.
fn whole_line(source: &mut impl Source, left: &mut usize) -> Said<String> {
    let too_long = || down("protocol-error", format!("an answer has more than {ANSWER_MAX} bytes"));
    let mut whole = String::new();
    loop {
        let part = source.line()?;
        // Every line counts for something, so that empty ones come to an end as well.
        *left = left.checked_sub(part.len() + 1).ok_or_else(too_long)?;
        let Some((before, length)) = literal(&part) else {
            whole.push_str(&part);
            return Ok(whole);
        };
        whole.push_str(before);
        *left = left.checked_sub(length as usize).ok_or_else(too_long)?;
        source.pass_over(length)?;
    }
}

/// What stands before a literal at the end of a line, and its length.
fn literal(line: &str) -> Option<(&str, u32)> {
    let (before, length) = line.strip_suffix('}')?.rsplit_once('{')?;
    Some((before, length.strip_suffix('+').unwrap_or(length).parse().ok()?))
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
