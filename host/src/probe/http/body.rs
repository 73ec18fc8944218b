//! Reads the body of an answer to its end or to a limit, whatever protocol brings it.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;

use crate::probe::trace::Mishap;

/// How much of a body is read, and how much of that is kept; the rest is only counted.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) bytes: usize,
    pub(super) kept: usize,
}

/// A body as far as it was read.
#[derive(Default)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    pub(super) count: usize,
    pub(super) is_truncated: bool,
    pub(super) trailers: HeaderMap,
}

/// What comes next of a body.
pub(super) enum Piece {
    Data(Bytes),
    Trailers(HeaderMap),
    End,
}

/// Where a body comes from.
pub(super) trait Source {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Piece, Mishap>>;
}

/// Reads to the end or to the limit.
pub(super) async fn read(mut source: impl Source, limit: Limit) -> Result<Body, Mishap> {
    let mut body = Body::default();
    loop {
        if body.count == limit.bytes {
            body.is_truncated = !ends_here(&mut source, &mut body).await;
            return Ok(body);
        }
        match poll_fn(|cx| source.poll_piece(cx)).await? {
            Piece::Data(data) => {
                let taken = data.len().min(limit.bytes - body.count);
                body.count += taken;
                let kept = taken.min(limit.kept.saturating_sub(body.bytes.len()));
                body.bytes.extend_from_slice(&data[..kept]);
                if taken < data.len() {
                    body.is_truncated = true;
                    return Ok(body);
                }
            }
            Piece::Trailers(trailers) => body.trailers = trailers,
            Piece::End => return Ok(body),
        }
    }
}

/// Whether a body that has just reached its limit is over. What has not come yet is not waited for.
async fn ends_here(source: &mut impl Source, body: &mut Body) -> bool {
    match poll_fn(|cx| Poll::Ready(source.poll_piece(cx))).await {
        Poll::Ready(Ok(Piece::End)) => true,
        Poll::Ready(Ok(Piece::Trailers(trailers))) => {
            body.trailers = trailers;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::evidence::Phase;

    /// Gives its pieces, and then nothing for ever.
    struct Pieces(Vec<Piece>);

    impl Source for Pieces {
        fn poll_piece(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Piece, Mishap>> {
            if self.0.is_empty() { Poll::Pending } else { Poll::Ready(Ok(self.0.remove(0))) }
        }
    }

    fn data(text: &'static str) -> Piece {
        Piece::Data(Bytes::from_static(text.as_bytes()))
    }

    async fn read_all(pieces: Vec<Piece>, bytes: usize) -> Body {
        read(Pieces(pieces), Limit { bytes, kept: bytes }).await.map_err(|mishap| mishap.message).unwrap()
    }

    #[tokio::test]
    async fn a_body_is_read_to_its_end_with_its_trailers() {
        let trailers = HeaderMap::from_iter([(http::header::AGE, http::HeaderValue::from_static("1"))]);
        let body = read_all(vec![data("ab"), data("c"), Piece::Trailers(trailers), Piece::End], 10).await;
        assert_eq!((body.bytes.as_slice(), body.count, body.is_truncated), (b"abc".as_slice(), 3, false));
        assert_eq!(body.trailers.len(), 1);
    }

    #[tokio::test]
    async fn reading_stops_at_the_limit_and_says_whether_there_was_more() {
        let more = read_all(vec![data("abcd")], 3).await;
        assert_eq!((more.bytes.as_slice(), more.is_truncated), (b"abc".as_slice(), true));
        let exact = read_all(vec![data("abc"), Piece::End], 3).await;
        assert!(!exact.is_truncated);
        let unknown = read_all(vec![data("abc")], 3).await;
        assert!(unknown.is_truncated, "what has not come is not waited for");
        let none = read_all(vec![data("abc")], 0).await;
        assert_eq!((none.count, none.is_truncated), (0, true));
    }

    #[tokio::test]
    async fn of_a_body_that_is_only_counted_the_beginning_is_kept() {
        let source = Pieces(vec![data("abc"), Piece::End]);
        let body = read(source, Limit { bytes: 9, kept: 2 }).await.map_err(|it| it.phase).unwrap();
        assert_eq!((body.bytes.as_slice(), body.count), (b"ab".as_slice(), 3));
    }

    struct Broken;

    impl Source for Broken {
        fn poll_piece(&mut self, _cx: &mut Context<'_>) -> Poll<Result<Piece, Mishap>> {
            Poll::Ready(Err(Mishap::new(Phase::Transfer, "connection-reset", String::new())))
        }
    }

    #[tokio::test]
    async fn a_break_within_the_body_fails_the_probe() {
        let read = read(Broken, Limit { bytes: 9, kept: 9 }).await;
        assert!(read.is_err_and(|mishap| mishap.code == "connection-reset"));
    }
}
