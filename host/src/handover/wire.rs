//! What the two processes say to each other: a line of JSON each, over a socket that only their user can open.
//!
//! Fields and kinds that are not known are passed over, so that old and new versions can talk.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use farwatch_proto::id::{BootId, HostId};
use farwatch_proto::link::Mark;
use farwatch_proto::time::UnixMs;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// The longest line: marks of a thousand segments are a tenth of it.
const LINE_MAX_BYTES: usize = 1 << 20;
/// Whoever takes nothing for this long is stuck.
const SAY_LIMIT: Duration = Duration::from_secs(5);

/// What a successor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum FromSuccessor {
    /// It is about to load what is on disk.
    Succeeds {
        /// Its version.
        version: String,
    },
    /// It holds everything and may be told its border.
    Ready,
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// What a predecessor says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum FromPredecessor {
    /// It takes no assignment any more, so what is on disk stays as it is.
    Welcome {
        /// Its boot, which its successor's must be newer than.
        boot: BootId,
        /// The neighbours it hears.
        hears: Vec<HostId>,
        /// Where neighbours dial it.
        listens_at: Option<SocketAddr>,
    },
    /// Slots from this moment on are the successor's.
    Border {
        /// The moment.
        at: UnixMs,
    },
    /// It has ended but for its exit.
    Finished {
        /// Whether each of its slots is decided.
        is_settled: bool,
        /// How far the database holds what it leaves in the spool.
        marks: Vec<Mark>,
    },
    /// A kind this version does not know.
    #[serde(other)]
    Unknown,
}

/// One end.
pub(super) struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What came of the next line, so that whoever stops waiting for it loses nothing.
    line: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self { reader: BufReader::new(reader), writer, line: Vec::new() }
    }

    pub(super) async fn say(&mut self, what: &impl Serialize) -> anyhow::Result<()> {
        let mut line = serde_json::to_vec(what)?;
        line.push(b'\n');
        timeout(SAY_LIMIT, self.writer.write_all(&line)).await.context("the other process takes no bytes")??;
        Ok(())
    }

    /// The next thing said; nothing once the other end is gone.
    pub(super) async fn hear<T: DeserializeOwned>(&mut self) -> anyhow::Result<Option<T>> {
        let room = (LINE_MAX_BYTES - self.line.len()) as u64;
        (&mut self.reader).take(room).read_until(b'\n', &mut self.line).await?;
        if self.line.last() != Some(&b'\n') {
            ensure!(
                self.line.len() < LINE_MAX_BYTES,
                "the other process said more than {LINE_MAX_BYTES} bytes at once"
            );
            return Ok(None);
        }
        let line = std::mem::take(&mut self.line);
        serde_json::from_slice(&line).map(Some).context("the other process said what cannot be read")
    }

    /// The next thing said, by then.
    pub(super) async fn hear_within<T: DeserializeOwned>(&mut self, limit: Duration) -> anyhow::Result<Option<T>> {
        timeout(limit, self.hear()).await.with_context(|| format!("nothing was said for {} s", limit.as_secs()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_are_heard_whole_and_newer_words_are_passed_over() {
        let (near, far) = UnixStream::pair().unwrap();
        let (mut near, mut far) = (Wire::new(near), Wire::new(far));
        near.say(&FromSuccessor::Ready).await.unwrap();
        near.writer.write_all(b"{\"kind\":\"sings\",\"song\":1}\n{\"kind\":\"rea").await.unwrap();
        assert!(matches!(far.hear().await.unwrap(), Some(FromSuccessor::Ready)));
        assert!(matches!(far.hear().await.unwrap(), Some(FromSuccessor::Unknown)));
        let waited = far.hear_within::<FromSuccessor>(Duration::from_millis(20)).await;
        assert!(waited.is_err());
        near.writer.write_all(b"dy\"}\n").await.unwrap();
        assert!(matches!(far.hear().await.unwrap(), Some(FromSuccessor::Ready)));
        drop(near);
        assert!(far.hear::<FromSuccessor>().await.unwrap().is_none());
    }
}
