//! A standard stream of a guest: its lines become those of the run's log.
//!
//! It takes whatever it is given at once, so a guest is never held up by what it says, and keeps no more of it than the
//! log does.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::limits::{LOG_BYTES_MAX, STREAM_CHUNK_MAX};
use crate::log::{Level, OpenLog};

/// One stream. All clones write into one line.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Line>>);

impl Stream {
    pub(super) fn new(log: OpenLog, level: Level) -> Self {
        Self(Arc::new(Mutex::new(Line { log, level, text: Vec::new() })))
    }
}

/// The line that is not over yet.
struct Line {
    log: OpenLog,
    level: Level,
    text: Vec<u8>,
}

impl Line {
    fn write(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, is_over) = piece.strip_suffix(b"\n").map_or((piece, false), |piece| (piece, true));
            let room = LOG_BYTES_MAX - self.text.len();
            self.text.extend_from_slice(&piece[..piece.len().min(room)]);
            if is_over {
                self.end();
            }
        }
    }

    fn end(&mut self) {
        self.log.add(self.level, String::from_utf8_lossy(&self.text).into_owned());
        self.text.clear();
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if !self.text.is_empty() {
            self.end();
        }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        // A panic elsewhere can have cut a line short, and nothing worse.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(STREAM_CHUNK_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&str]) -> Vec<String> {
        let log = OpenLog::default();
        let mut stream = Stream::new(log.clone(), Level::Info);
        for piece in pieces {
            stream.clone().write(Bytes::copy_from_slice(piece.as_bytes())).expect("it takes everything");
        }
        stream.flush().expect("it takes everything");
        drop(stream);
        log.take().lines.into_iter().map(|line| line.message).collect()
    }

    #[test]
    fn what_is_written_comes_out_as_lines() {
        assert_eq!(lines(&[]), [""; 0]);
        assert_eq!(lines(&["a", "b\nc", "\n\nd"]), ["ab", "c", "", "d"]);
    }

    #[test]
    fn a_line_without_end_is_kept_up_to_the_limit() {
        let long = "x".repeat(LOG_BYTES_MAX);
        assert_eq!(lines(&[&long, &long, "\n"]), [long]);
    }
}
