//! One connection, plain or encrypted, that notes when its bytes passed.
//!
//! Whoever reads an answer knows when it is complete, not when its first byte came. The wire knows.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use super::evidence::{Phase, PhaseTimes};
use super::trace::micros;
use crate::clock::Clock;

/// When things passed, in microseconds since the probe began; 0 is never.
#[derive(Debug)]
pub(super) struct Marks {
    clock: Clock,
    began: Instant,
    sent_us: AtomicU32,
    first_us: AtomicU32,
    last_us: AtomicU32,
    head_came: AtomicBool,
}

impl Marks {
    pub(super) const fn new(clock: Clock, began: Instant) -> Self {
        let [sent_us, first_us, last_us] = [const { AtomicU32::new(0) }; 3];
        Self { clock, began, sent_us, first_us, last_us, head_came: AtomicBool::new(false) }
    }

    /// The request has gone out, as far as it has; a later part moves the mark.
    pub(super) fn sent_now(&self) {
        if self.first_us.load(Ordering::Relaxed) == 0 {
            self.sent_us.store(self.now_us(), Ordering::Relaxed);
        }
    }

    /// A part of the answer has come.
    pub(super) fn received_now(&self) {
        let now = self.now_us();
        if self.first_us.load(Ordering::Relaxed) == 0 {
            self.first_us.store(now, Ordering::Relaxed);
        }
        self.last_us.store(now, Ordering::Relaxed);
    }

    /// The head of the answer is complete: what comes now is its body.
    pub(super) fn head_came(&self) {
        self.head_came.store(true, Ordering::Relaxed);
    }

    fn now_us(&self) -> u32 {
        micros(self.clock.instant().saturating_duration_since(self.began)).max(1)
    }

    /// The step that an exchange with these marks is in.
    pub(super) fn phase(&self) -> Phase {
        if self.first_us.load(Ordering::Relaxed) != 0 {
            Phase::Transfer
        } else if self.sent_us.load(Ordering::Relaxed) != 0 {
            Phase::FirstByte
        } else {
            Phase::Send
        }
    }

    /// Writes what the marks say into times whose total is known; a step under way has taken until then.
    pub(super) fn fill(&self, times: &mut PhaseTimes, is_complete: bool) {
        let read = |mark: &AtomicU32| Some(mark.load(Ordering::Relaxed)).filter(|us| *us != 0);
        let (sent, first) = (read(&self.sent_us), read(&self.first_us));
        let last = read(&self.last_us).filter(|_| is_complete).unwrap_or(times.total);
        times.first_byte = sent.map(|sent| first.unwrap_or(times.total).saturating_sub(sent));
        times.transfer = first.map(|first| last.saturating_sub(first));
    }
}

/// What moves the marks of a wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marking {
    /// The wire itself, by the bytes that pass: for protocols where only the answer comes back.
    ByBytes,
    /// The protocol above, which tells the answer from its own housekeeping.
    ByProtocol,
}

/// One connection.
#[derive(Debug)]
pub(super) struct Wire {
    stream: Stream,
    marking: Marking,
    marks: Arc<Marks>,
    /// What may still come before the head of the answer is complete.
    before_head_bytes: usize,
}

#[derive(Debug)]
pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Wire {
    pub(super) const fn new(stream: Stream, marking: Marking, marks: Arc<Marks>) -> Self {
        Self { stream, marking, marks, before_head_bytes: usize::MAX }
    }

    /// The same, broken off as [`io::ErrorKind::FileTooLarge`] where more comes before [`Marks::head_came`]: whoever reads
    /// answers that only announce another is kept busy by them, without end.
    pub(super) fn with_head_within(mut self, bytes: usize) -> Self {
        self.before_head_bytes = bytes;
        self
    }

    /// What it speaks over.
    pub(super) fn into_stream(self) -> Stream {
        self.stream
    }

    fn note_sent(&self) {
        if self.marking == Marking::ByBytes {
            self.marks.sent_now();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.before_head_bytes == 0 && !this.marks.head_came.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let before = buf.filled().len();
        let read = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
        };
        ready!(read)?;
        let count = buf.filled().len() - before;
        this.before_head_bytes = this.before_head_bytes.saturating_sub(count);
        if this.marking == Marking::ByBytes && count > 0 {
            this.marks.received_now();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write(cx, bytes),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
        };
        let count = ready!(written)?;
        this.note_sent();
        Poll::Ready(Ok(count))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = match &mut this.stream {
            Stream::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, slices),
        };
        let count = ready!(written)?;
        this.note_sent();
        Poll::Ready(Ok(count))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.stream {
            Stream::Plain(stream) => stream.is_write_vectored(),
            Stream::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
        }
    }

    /// A plain connection is not half-closed: dropping the wire closes it, and an early FIN would make
    /// this side the one that keeps the port.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stream {
            Stream::Plain(_) => Poll::Ready(Ok(())),
            Stream::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
        }
    }
}
