//! A conversation over a connection that ends at the first thing that is wrong.
//!
//! It knows how answers end, and what it means when they do not; what they say is for the module to read.

use crate::escapes::show;
use crate::wit::farwatch::check::tcp::{Connection, Ended, Evidence, Received, Target, TlsOptions, Until};
use crate::wit::farwatch::check::types::{Failure, Problem, Status};

/// The longest line that is read. No protocol of lines allows longer ones in an answer.
const LINE_MAX: u32 = 8_192;
/// How much of an answer a message shows, in characters.
pub const SHOWN_MAX: usize = 160;

/// Why a conversation did not come to its good end.
#[derive(Debug)]
pub enum Wrong {
    /// There was no answer.
    Failed(Failure),
    /// Nothing can be said of the target.
    Problem(Problem),
    /// The answer is not as it should be. Where it came from and after what time is added to the sentence.
    Found(Status, &'static str, String),
}

/// What was said, or what was wrong with it.
pub type Said<T> = Result<T, Wrong>;

impl From<Failure> for Wrong {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl From<Problem> for Wrong {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// The target is down, for this reason.
pub fn down(code: &'static str, message: impl Into<String>) -> Wrong {
    Wrong::Found(Status::Down, code, message.into())
}

/// The target is down because something else came than what was expected.
pub fn unexpected(code: &'static str, expected: &str, got: &[u8]) -> Wrong {
    down(code, format!("expected {expected}, got `{}`", show(got, SHOWN_MAX)))
}

/// The target does not speak its protocol.
pub fn protocol_error(expected: &str, got: &[u8]) -> Wrong {
    unexpected("protocol-error", expected, got)
}

/// A connection that is talked over.
pub struct Dialogue(Connection);

impl Dialogue {
    /// Opens it.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(target: Target<'_>) -> Said<Self> {
        Ok(Self(Connection::open(target)?))
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// When they cannot be sent.
    pub fn send(&self, bytes: &[u8]) -> Said<()> {
        Ok(self.0.send(bytes)?)
    }

    /// Encrypts the connection.
    ///
    /// # Errors
    /// When that fails.
    pub fn start_tls(&self, options: TlsOptions<'_>) -> Said<()> {
        Ok(self.0.start_tls(options)?)
    }

    /// The next line, without its end.
    ///
    /// # Errors
    /// When no whole line comes.
    pub fn line(&self) -> Said<String> {
        let mut bytes = self.until(b"\n", LINE_MAX, "the end of a line")?;
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// What comes up to these bytes, and they.
    ///
    /// # Errors
    /// When they do not come.
    pub fn until(&self, delimiter: &[u8], max_bytes: u32, what: &str) -> Said<Vec<u8>> {
        self.hear(Until::Delimiter(delimiter), max_bytes, what)
    }

    /// So many bytes, which are what is named.
    ///
    /// # Errors
    /// When fewer come.
    pub fn bytes(&self, count: u32, what: &str) -> Said<Vec<u8>> {
        if count == 0 {
            return Ok(Vec::new());
        }
        self.hear(Until::Count(count), count, what)
    }

    /// So many bytes more of an answer that has begun. That nothing comes is the lack of its end, too.
    ///
    /// # Errors
    /// When fewer come.
    pub fn more(&self, count: u32, what: &str) -> Said<Vec<u8>> {
        self.bytes(count, what).map_err(|wrong| match wrong {
            Wrong::Failed(failure) if failure.code == "connection-closed" => {
                down("answer-incomplete", format!("the connection was closed before {what}"))
            }
            Wrong::Failed(failure) if failure.code.ends_with("-timeout") => {
                down("answer-incomplete", format!("the time was over before {what}"))
            }
            other => other,
        })
    }

    /// What comes until the other side closes.
    ///
    /// # Errors
    /// When it does not close, or says more than so much.
    pub fn rest(&self, max_bytes: u32) -> Said<Vec<u8>> {
        self.hear(Until::Closed, max_bytes, "the end of the answer")
    }

    fn hear(&self, until: Until<'_>, max_bytes: u32, what: &str) -> Said<Vec<u8>> {
        let Received { bytes, ended } = self.0.receive(until, max_bytes)?;
        let (code, why) = match ended {
            Ended::Matched => return Ok(bytes),
            Ended::Timeout => ("answer-incomplete", "the time was over"),
            Ended::Closed => ("answer-incomplete", "the connection was closed"),
            Ended::Full => ("protocol-error", "the limit of what is read was reached"),
        };
        Err(down(code, format!("{why} before {what}; what came is `{}`", show(&bytes, SHOWN_MAX))))
    }

    /// What was seen so far.
    pub fn evidence(&self) -> Evidence {
        self.0.evidence()
    }
}
